"""Opening what people have, refusing what is none, and the round trip of pixels and tensors."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hf_gen.images import (
    ImageError,
    formats,
    from_pixels,
    grid,
    open_image,
    square,
    to_pixels,
    to_tensor,
)
from tests.untrusted.pictures import encoded, png

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def noise(height: int = 12, width: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """The rows of a file whose EXIF orientation says where its first row and column are shown."""
    turned = upright.transpose(1, 0, 2)
    return {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: turned,
        6: turned[::-1],
        7: turned[::-1, ::-1],
        8: turned[:, ::-1],
    }[orientation]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(orientation: int, kind: str) -> None:
    exif, upright = Image.Exif(), noise().repeat(8, axis=0).repeat(8, axis=1)
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored(upright, orientation)))
    quality = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    opened = np.asarray(open_image(encoded(image, kind, exif=exif, **quality)))
    assert opened.shape == upright.shape
    assert np.abs(opened.astype(int) - upright).max() <= (4 if kind == "JPEG" else 0)


def test_an_rgb_image_keeps_its_bytes_from_memory_and_from_a_file(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(noise()))
    (tmp_path / "noise.png").write_bytes(data)
    for source in (data, tmp_path / "noise.png"):
        assert np.array_equal(np.asarray(open_image(source)), noise())


def palette(place: int) -> Image.Image:
    """A palette of red, green and blue, one of which fills the image."""
    image = Image.new("P", (8, 8), place)
    image.putpalette([*RED, *GREEN, *BLUE])
    image.paste(0, (4, 4, 8, 8))
    return image


def flat(mode: str, colour: Any) -> Image.Image:
    return Image.new(mode, (8, 8), colour)


FRAMES: dict[str, Any] = {"save_all": True, "append_images": [flat("RGB", BLUE)]}
# What is stored, and the pixel that is shown; the tolerance is of lossy formats.
SHOWN: list[tuple[Image.Image, str, dict[str, Any], tuple[int, int, int], int]] = [
    (flat("RGBA", (255, 0, 0, 0)), "PNG", {}, WHITE, 0),
    (flat("RGBA", (200, 0, 0, 128)), "PNG", {}, (227, 127, 127), 1),
    (flat("LA", (0, 0)), "PNG", {}, WHITE, 0),
    (flat("L", 77), "PNG", {}, (77, 77, 77), 0),
    (flat("1", 1), "PNG", {}, WHITE, 0),
    (flat("RGB", RED), "PNG", {"transparency": RED}, WHITE, 0),
    *(
        (palette(2), kind, options, colour, 0)
        for kind in ("PNG", "GIF")
        for options, colour in (
            ({}, BLUE),
            ({"transparency": 2}, WHITE),
            ({"transparency": 0}, BLUE),
        )
    ),
    (palette(1), "PNG", {"transparency": bytes([255, 0, 255])}, WHITE, 0),
    (palette(1), "PNG", {"transparency": bytes([0, 255, 0])}, GREEN, 0),
    *((flat("CMYK", (0, 0, 0, 0)), kind, {}, WHITE, 2) for kind in ("JPEG", "TIFF")),
    *((flat("CMYK", (255, 0, 0, 0)), kind, {}, (0, 255, 255), 5) for kind in ("JPEG", "TIFF")),
    *((flat("RGB", RED), kind, FRAMES, RED, 0) for kind in ("GIF", "PNG")),
    (flat("RGB", RED), "WEBP", FRAMES | {"lossless": True}, RED, 0),
    (flat("RGB", RED), "MPO", FRAMES, RED, 3),
    *((flat("RGB", RED), kind, {}, RED, 0) for kind in ("GIF", "BMP", "TIFF", "PPM", "TGA")),
    (flat("RGB", RED), "WEBP", {"lossless": True}, RED, 0),
    (flat("RGB", RED), "AVIF", {}, RED, 10),
]


@pytest.mark.parametrize(("image", "kind", "options", "colour", "tolerance"), SHOWN)
def test_any_mode_and_format_becomes_rgb_over_white(
    image: Image.Image,
    kind: str,
    options: dict[str, Any],
    colour: tuple[int, int, int],
    tolerance: int,
) -> None:
    shown = open_image(encoded(image, kind, **options))
    assert shown.mode == "RGB"
    assert np.abs(np.array(shown.getpixel((3, 3))) - colour).max() <= tolerance


# Lowest and highest value, and what a viewer shows of them; None for an error.
DEPTHS = [
    (np.uint16, 0, 255, (0, 255)),
    (np.uint16, 256, 4096, (1, 16)),
    (np.uint16, 0x7FFF, 0xFFFF, (127, 255)),
    (np.uint16, 0, 1, None),
    (np.uint16, 40_000, 40_100, None),
    (np.int32, 16, 4095, (1, 255)),
    (np.int32, 0, 2**31 - 1, (0, 127)),
    (np.int32, 20_000, 70_000, None),
    (np.float32, 0, 1, (0, 255)),
    (np.float32, 0.2, 0.4, (51, 102)),
    (np.float32, -0.5, 51, (0, 51)),
    (np.float32, 0, np.inf, None),
    (np.float32, np.nan, np.nan, None),
]


@pytest.mark.parametrize(("dtype", "low", "high", "seen"), DEPTHS)
def test_any_depth_is_shown_as_a_viewer_does(
    dtype: Any, low: float, high: float, seen: tuple[int, int] | None
) -> None:
    values = np.full((8, 8), low).astype(dtype)
    values[4:] = high
    for kind in ("PNG", "TIFF") if dtype == np.uint16 else ("TIFF",):
        data = encoded(Image.fromarray(values), kind)
        if seen is None:
            with pytest.raises(ImageError, match=r"one shade of grey|no finite numbers"):
                open_image(data)
        else:
            grey = np.asarray(open_image(data))
            assert (grey[0, 0].tolist(), grey[7, 7].tolist()) == ([seen[0]] * 3, [seen[1]] * 3)


def deep_colours(values: np.ndarray, kind: str) -> bytes:
    """Colours of 16 bits, (height, width, channels), which Pillow does not write."""
    height, width, channels = values.shape
    if kind == "PNG":
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
        return png((width, height), [(b"IDAT", zlib.compress(rows))], 16, 2 if channels == 3 else 6)
    shorts, longs = 3, 4
    entries = [
        *((256, longs, 1, width), (257, longs, 1, height), (258, shorts, 3, 122)),
        *((259, shorts, 1, 1), (262, shorts, 1, 2), (273, longs, 1, 128), (277, shorts, 1, 3)),
        *((278, longs, 1, height), (279, longs, 1, values.size * 2)),
    ]
    # A value of less than four bytes is padded behind it, as little endian does by itself.
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4)
    return head + struct.pack("<3H", 16, 16, 16) + values.astype("<u2").tobytes()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("top", [255, 4095, 65535])
def test_colours_of_16_bits_keep_their_brightness(kind: str, top: int) -> None:
    colours = noise().astype(np.uint16)
    colours[0, 0] = 255
    stored = colours * ((top + 1) // 256)
    assert np.array_equal(np.asarray(open_image(deep_colours(stored, kind))), colours)
    if kind == "PNG":
        opaque = np.full((*colours.shape[:2], 1), 65535)
        stored = np.concatenate([stored, opaque], axis=2)
        assert np.array_equal(np.asarray(open_image(deep_colours(stored, kind))), colours)


@pytest.mark.skipif("HEIF" in formats(), reason="pillow-heif is installed")
def test_heic_says_what_it_needs() -> None:
    with pytest.raises(ImageError, match="pip install pillow-heif"):
        open_image(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")


@pytest.mark.parametrize(("kind", "words"), [("GIF", "an animation"), ("TIFF", "several pages")])
def test_several_pictures_are_called_what_they_are(kind: str, words: str) -> None:
    pages = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    data = encoded(pages[0], kind, save_all=True, append_images=pages[1:])
    with pytest.raises(ImageError, match=f"{words}, and one picture is needed"):
        open_image(data, still=True)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_file_that_is_cut_short_raises(kind: str, kept: float) -> None:
    complete = encoded(Image.fromarray(noise(64, 64)), kind)
    open_image(complete)
    with pytest.raises(ImageError, match=r"damaged or cut short|not an image"):
        open_image(complete[: int(len(complete) * kept)])


def icon_of(content: bytes) -> bytes:
    """A small icon in which something else hides."""
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 24, len(content), 22)
    return struct.pack("<HHH", 0, 1, 1) + entry + content


NO_IMAGE = "not an image of a known format"
LARGE = "at most 50 megapixels"
REFUSED = {
    "nothing": (b"", NO_IMAGE),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", NO_IMAGE),
    "1x1": (encoded(Image.new("RGB", (1, 1))), "1x1 pixels, and at least 8x8"),
    "narrow": (encoded(Image.new("RGB", (7, 64))), "7x64 pixels, and at least 8x8"),
    "low": (encoded(Image.new("RGB", (64, 7))), "64x7 pixels, and at least 8x8"),
    # The files hold no pixels: decoding one would say "damaged".
    "large": (png((7072, 7072), [(b"IDAT", b"")]), LARGE),
    "huge": (png((60_000, 60_000), [(b"IDAT", b"")]), LARGE),
    "no pixels": (png((64, 64), [(b"IDAT", b"")]), "damaged"),
    "icon": (icon_of(png((10_000, 10_000), [(b"IDAT", b"")])), f"{LARGE}|{NO_IMAGE}"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_usable_image_raises(name: str, tmp_path: Path) -> None:
    data, message = REFUSED[name]
    (tmp_path / "image.png").write_bytes(data)
    for source in (data, tmp_path / "image.png"):
        with pytest.raises(ImageError, match=message):
            open_image(source)


@pytest.mark.parametrize(("height", "width"), [(12, 20), (20, 12), (12, 12)])
def test_square_takes_the_centre(height: int, width: int) -> None:
    pixels = noise(height, width)
    top, left = (height - 12) // 2, (width - 12) // 2
    cut = np.asarray(square(Image.fromarray(pixels), 12))
    assert np.array_equal(cut, pixels[top : top + 12, left : left + 12])


def test_square_averages_and_does_not_skip_pixels() -> None:
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 255
    image = Image.fromarray(checks.astype(np.uint8)).convert("RGB")
    assert np.abs(np.asarray(square(image, 16)).astype(int) - 127).max() <= 16
    assert square(image, 100).size == (100, 100)


def test_every_byte_survives_a_round_trip_through_tensors() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).repeat(3).reshape(1, 16, 16, 3)
    images = from_pixels(pixels)
    assert (images.shape, images.dtype) == ((1, 3, 16, 16), torch.float32)
    assert (images.min(), images.max()) == (-1, 1)
    assert np.array_equal(to_pixels(images), pixels.numpy())
    between = torch.tensor([-3.0, -1.0, 0.0, 0.001, 1.0, 7.0]).reshape(1, 3, 1, 2)
    assert to_pixels(between).tolist() == [[[[0, 128, 255], [0, 128, 255]]]]


def test_to_tensor_puts_channels_first() -> None:
    images = to_tensor([Image.new("RGB", (4, 2), RED), Image.fromarray(noise(2, 4))])
    assert images.shape == (2, 3, 2, 4)
    assert torch.equal(images[0, :, 0, 0], torch.tensor([1.0, -1.0, -1.0]))
    assert torch.equal(images[1], torch.from_numpy(noise(2, 4)).permute(2, 0, 1) / 127.5 - 1)


def test_a_grid_shows_each_pixel_in_its_place() -> None:
    cells = np.stack([np.full((2, 3, 3), 40 * index, np.uint8) for index in range(3)])
    cells[1, 0, 2] = RED
    picture = grid(from_pixels(torch.from_numpy(cells)), columns=2, enlarge=2, gap=1)
    expected = np.full((11, 15, 3), 255, np.uint8)
    expected[1:5, 1:7] = 0
    expected[1:5, 8:14] = 40
    expected[1:3, 12:14] = RED
    expected[6:10, 1:7] = 80
    assert np.array_equal(np.asarray(picture), expected)

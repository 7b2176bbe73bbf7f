"""Opening what people have, refusing what is none, and pixels to tensors and back to the bit."""

import io
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

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def noise(height: int = 12, width: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds not one pixel."""
    return png_of(width, height, 8, 2, b"")


def png_of(width: int, height: int, bits: int, colours: int, pixels: bytes) -> bytes:
    """A PNG of these compressed pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def pixel(data: bytes) -> tuple[int, ...]:
    image = open_image(data)
    assert image.mode == "RGB"
    value = image.getpixel((3, 3))
    assert isinstance(value, tuple)
    return value


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


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored(noise(), orientation)))
    opened = open_image(encoded(image, kind, exif=exif))
    assert np.array_equal(np.asarray(opened), noise())


def test_a_turned_jpeg_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = Image.new("RGB", (16, 32), RED)
    upright.paste(BLUE, (0, 0, 16, 16))
    lying = Image.fromarray(np.ascontiguousarray(stored(np.asarray(upright), 6)))
    opened = open_image(encoded(lying, "JPEG", quality=100, subsampling=0, exif=exif))
    assert opened.size == (16, 32)
    assert np.abs(np.asarray(opened).astype(int) - np.asarray(upright)).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "PPM", "TGA", "WEBP"])
def test_the_raster_formats_are_read(kind: str) -> None:
    flat = Image.new("RGB", (16, 16), RED)
    opened = open_image(encoded(flat, kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert np.array_equal(np.asarray(opened), np.asarray(flat))


def test_of_a_jpeg_with_several_pictures_the_first_is_taken() -> None:
    first, second = Image.new("RGB", (16, 16), RED), Image.new("RGB", (16, 16), BLUE)
    data = encoded(first, "MPO", save_all=True, append_images=[second])
    assert np.abs(np.array(pixel(data)) - RED).max() <= 3


def test_an_rgb_image_keeps_its_bytes_from_memory_and_from_a_file(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(noise()))
    (tmp_path / "noise.png").write_bytes(data)
    for source in (data, tmp_path / "noise.png"):
        assert np.array_equal(np.asarray(open_image(source)), noise())


def test_transparency_becomes_white() -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert pixel(encoded(image)) == WHITE
    assert pixel(encoded(Image.new("RGBA", (8, 8), (*RED, 255)))) == RED
    half = pixel(encoded(Image.new("RGBA", (8, 8), (200, 0, 0, 128))))
    assert np.abs(np.array(half) - (227, 127, 127)).max() <= 1
    assert pixel(encoded(Image.new("LA", (8, 8), (0, 0)))) == WHITE
    assert pixel(encoded(Image.new("LA", (8, 8), (7, 255)))) == (7, 7, 7)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_colour_of_a_palette_becomes_white(kind: str) -> None:
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([*RED, *GREEN, *BLUE])
    palette.paste(2, (0, 0, 4, 4))
    assert pixel(encoded(palette, kind)) == BLUE
    assert pixel(encoded(palette, kind, transparency=2)) == WHITE
    assert pixel(encoded(palette, kind, transparency=0)) == BLUE


def test_a_palette_with_an_alpha_for_each_colour_lies_over_white() -> None:
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([*RED, *BLUE])
    assert pixel(encoded(palette, transparency=bytes([255, 0]))) == WHITE
    assert pixel(encoded(palette, transparency=bytes([0, 255]))) == BLUE


def test_a_transparent_colour_of_an_rgb_png_becomes_white() -> None:
    assert pixel(encoded(Image.new("RGB", (8, 8), RED), transparency=RED)) == WHITE


def test_cmyk_becomes_rgb() -> None:
    for kind in ("JPEG", "TIFF"):
        paper = pixel(encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), kind))
        assert min(paper) >= 253
        cyan = pixel(encoded(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), kind))
        assert cyan[0] < 5
        assert min(cyan[1:]) > 250


# Lowest and highest value, and what a viewer shows of them; None for an error.
DEPTHS = [
    (np.uint16, 0, 255, (0, 255)),
    (np.uint16, 0, 4095, (0, 255)),
    (np.uint16, 256, 4096, (1, 16)),
    (np.uint16, 0x7FFF, 0xFFFF, (127, 255)),
    (np.uint16, 0, 0, (0, 0)),
    (np.uint16, 0, 1, None),
    (np.uint16, 40_000, 40_100, None),
    (np.int32, -5, 255, (0, 255)),
    (np.int32, 16, 4095, (1, 255)),
    (np.int32, 0, 0xFFFF, (0, 255)),
    (np.int32, 0, 2**31 - 1, (0, 127)),
    (np.int32, 20_000, 70_000, None),
    (np.float32, 0, 1, (0, 255)),
    (np.float32, 0.2, 0.4, (51, 102)),
    (np.float32, 0, 255, (0, 255)),
    (np.float32, -0.5, 51, (0, 51)),
    (np.float32, 0, 65535, (0, 255)),
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
        return png_of(width, height, 16, 2 if channels == 3 else 6, zlib.compress(rows))
    endian = "<" if kind == "TIFF little" else ">"
    shorts, longs = 3, 4
    entries = [
        *((256, longs, 1, width), (257, longs, 1, height), (258, shorts, 3, 122)),
        *((259, shorts, 1, 1), (262, shorts, 1, 2), (273, longs, 1, 128), (277, shorts, 1, 3)),
        *((278, longs, 1, height), (279, longs, 1, values.size * 2)),
    ]
    directory = b"".join(
        struct.pack(f"{endian}HHI", tag, size, count)
        + (
            struct.pack(f"{endian}HH", value, 0)
            if (size, count) == (shorts, 1)
            else struct.pack(f"{endian}I", value)
        )
        for tag, size, count, value in entries
    )
    start = (b"II*\0" if endian == "<" else b"MM\0*") + struct.pack(f"{endian}I", 8)
    directory = struct.pack(f"{endian}H", len(entries)) + directory + bytes(4)
    bits = struct.pack(f"{endian}3H", 16, 16, 16)
    return start + directory + bits + values.astype(f"{endian}u2").tobytes()


@pytest.mark.parametrize("kind", ["PNG", "TIFF little", "TIFF big"])
@pytest.mark.parametrize("top", [255, 4095, 65535])
def test_colours_of_16_bits_are_not_turned_black(kind: str, top: int) -> None:
    colours = noise().astype(np.uint16)
    colours[0, 0] = 255
    stored = colours * ((top + 1) // 256)
    assert np.array_equal(np.asarray(open_image(deep_colours(stored, kind))), colours)
    if kind == "PNG":
        opaque = np.full((*colours.shape[:2], 1), 65535)
        stored = np.concatenate([stored, opaque], axis=2)
        assert np.array_equal(np.asarray(open_image(deep_colours(stored, kind))), colours)


def test_avif_is_read_and_heic_says_what_it_needs() -> None:
    flat = Image.new("RGB", (16, 16), RED)
    assert np.abs(np.asarray(open_image(encoded(flat, "AVIF"))).astype(int) - flat).max() < 10
    if "HEIF" not in formats():
        with pytest.raises(ImageError, match="pip install pillow-heif"):
            open_image(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")


@pytest.mark.parametrize(("kind", "words"), [("GIF", "an animation"), ("TIFF", "several pages")])
def test_several_pictures_are_called_what_they_are(kind: str, words: str) -> None:
    pages = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    data = encoded(pages[0], kind, save_all=True, append_images=pages[1:])
    with pytest.raises(ImageError, match=f"{words}, and one picture is needed"):
        open_image(data, still=True)
    assert np.abs(np.array(pixel(data)) - RED).max() < 4


def test_grey_and_black_and_white_become_rgb() -> None:
    assert pixel(encoded(Image.new("L", (8, 8), 77))) == (77, 77, 77)
    assert pixel(encoded(Image.new("1", (8, 8), 1))) == WHITE


def test_of_an_animation_the_first_frame_is_taken() -> None:
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)
    for kind in ("GIF", "PNG"):
        data = encoded(first, kind, save_all=True, append_images=[second])
        assert pixel(data) == RED
    lossless = encoded(first, "WEBP", save_all=True, append_images=[second], lossless=True)
    assert pixel(lossless) == RED


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_file_that_is_cut_short_is_refused(kind: str, kept: float) -> None:
    whole = encoded(Image.fromarray(noise(64, 64)), kind)
    open_image(whole)
    with pytest.raises(ImageError, match=r"damaged or cut short|not an image"):
        open_image(whole[: int(len(whole) * kept)])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 64,
        b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>',
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n%%EOF\n",
        b"%PDF-1.4\n%%EOF\n",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    ],
    ids=["nothing", "zeros", "html", "svg", "eps", "pdf", "git-lfs pointer"],
)
def test_what_is_no_image_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(data)
    for source in (data, tmp_path / "image.png"):
        with pytest.raises(ImageError, match="not an image of a known format"):
            open_image(source)


@pytest.mark.parametrize("size", [(1, 1), (7, 64), (64, 7)])
def test_an_image_of_too_few_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=f"{size[0]}x{size[1]} pixels, and at least 8x8"):
        open_image(encoded(Image.new("RGB", size)))
    assert open_image(encoded(Image.new("RGB", (8, 8)))).size == (8, 8)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [7072, 10_000, 60_000])
def test_a_huge_image_is_refused_by_its_header(side: int) -> None:
    # The files hold no pixels: decoding one would say "damaged".
    with pytest.raises(ImageError, match="at most 50 megapixels"):
        open_image(png_header(side, side))
    with pytest.raises(ImageError, match="damaged"):
        open_image(png_header(64, 64))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_huge_image_that_hides_in_a_small_icon_is_refused_by_its_header() -> None:
    hidden = png_header(10_000, 10_000)
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 24, len(hidden), 22)
    with pytest.raises(ImageError, match=r"at most 50 megapixels|not an image of a known format"):
        open_image(struct.pack("<HHH", 0, 1, 1) + entry + hidden)


@pytest.mark.parametrize(("height", "width"), [(12, 20), (20, 12), (12, 12)])
def test_square_takes_the_centre(height: int, width: int) -> None:
    pixels = noise(height, width)
    top, left = (height - 12) // 2, (width - 12) // 2
    cut = np.asarray(square(Image.fromarray(pixels), 12))
    assert np.array_equal(cut, pixels[top : top + 12, left : left + 12])


@pytest.mark.parametrize("size", [8, 64, 100])
def test_square_shrinks_and_enlarges(size: int) -> None:
    image = Image.new("RGB", (40, 32), (10, 20, 30))
    resized = square(image, size)
    assert resized.size == (size, size)
    assert np.asarray(resized).reshape(-1, 3).tolist() == [[10, 20, 30]] * size * size


def test_shrinking_averages_and_does_not_skip_pixels() -> None:
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 255
    small = np.asarray(square(Image.fromarray(checks.astype(np.uint8)).convert("RGB"), 16))
    assert np.abs(small.astype(int) - 127).max() <= 16


def test_every_byte_survives_the_way_to_a_tensor_and_back() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).repeat(3).reshape(1, 16, 16, 3)
    images = from_pixels(pixels)
    assert (images.shape, images.dtype) == ((1, 3, 16, 16), torch.float32)
    assert (images.min(), images.max()) == (-1, 1)
    assert np.array_equal(to_pixels(images), pixels.numpy())


def test_to_pixels_rounds_and_keeps_within_the_range() -> None:
    images = torch.tensor([-3.0, -1.0, 0.0, 0.001, 1.0, 7.0]).reshape(1, 3, 1, 2)
    expected = [[[[0, 128, 255], [0, 128, 255]]]]
    assert to_pixels(images).tolist() == expected


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

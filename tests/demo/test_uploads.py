"""Uploads are opened as untrusted files, or refused with a clear error."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hf_gen.demo.limits import MOST_BYTES_OF_A_FILE, MOST_IMAGES
from hf_gen.demo.uploads import EXAMPLES, example_faces, open_uploads
from hf_gen.errors import UserError
from hf_gen.images import square


def encoded(name: str, size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, name, **options)
    return file.getvalue()


def bomb() -> bytes:
    """A PNG whose header says 110 megapixels, and that holds none."""
    header = struct.pack(">IIBBBBB", 10_000, 11_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


UNUSABLE = {
    "text.png": (b"not an image", "not an image of a known format"),
    "empty.jpg": (b"", "not an image of a known format"),
    "page.png": (b"<html><script>alert(1)</script></html>", "not an image of a known format"),
    "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    "cut.png": (encoded("PNG")[:60], "damaged or cut short"),
    "bomb.png": (bomb(), "10000x11000 pixels, and at most 50 megapixels are read"),
    "small.png": (encoded("PNG", (4, 4)), "4x4 pixels, and at least 8x8 are needed"),
    "film.gif": (
        encoded("GIF", save_all=True, append_images=[Image.new("RGB", (40, 30), "blue")]),
        "it is an animation, and one picture is needed",
    ),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_file_is_named_with_the_reason(name: str, tmp_path: Path) -> None:
    content, reason = UNUSABLE[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        open_uploads([tmp_path / name])
    message = str(caught.value)
    assert message.startswith(f"the file {name} cannot be used: {reason}")
    assert message.endswith("Try a JPEG or PNG")
    assert str(tmp_path) not in message


def test_a_large_file_is_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    with file.open("wb") as large:
        large.truncate(MOST_BYTES_OF_A_FILE + 1)
    with pytest.raises(UserError, match=r"the file large\.png is larger than 20 MB"):
        open_uploads([file])


def test_large_photographs_are_cropped_and_shrunk(tmp_path: Path) -> None:
    for size, kept in (((2000, 2000), (2000, 2000)), ((4200, 1400), (1400, 1400))):
        rows = np.linspace(0, 255, size[0]).astype(np.uint8)
        photo = Image.fromarray(np.broadcast_to(rows[None, :, None], (*size[::-1], 3)).copy())
        photo.save(tmp_path / "photo.png")
        (opened,) = open_uploads([tmp_path / "photo.png"])
        assert opened.size == kept
        seen, expected = (np.asarray(square(one, 64), np.int64) for one in (opened, photo))
        assert np.abs(seen - expected).max() <= 1
    Image.new("RGB", (2100, 2400)).save(tmp_path / "photo.png")
    opened = open_uploads([tmp_path / "photo.png"] * MOST_IMAGES)
    assert {image.size for image in opened} == {(1050, 1050)}


def test_no_file_and_too_many_are_errors() -> None:
    with pytest.raises(UserError, match="There is no image yet"):
        open_uploads([])
    with pytest.raises(UserError, match=f"{MOST_IMAGES + 1} images are more than"):
        open_uploads([EXAMPLES] * (MOST_IMAGES + 1))


@pytest.mark.parametrize("style", ["anime", "cartoon"])
def test_there_are_synthetic_examples(style: str) -> None:
    images = open_uploads(example_faces(style))
    assert len(images) == 6
    assert {(image.mode, image.size) for image in images} == {("RGB", (256, 256))}

"""Valid images of every format that people send, and hostile ones."""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

_SIZE = (24, 20)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """An image as a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(mode: str = "RGB", seed: int = 0) -> Image.Image:
    """A small image."""
    rows = np.random.default_rng(seed).integers(0, 256, (*_SIZE[::-1], 3), dtype=np.uint8)
    return Image.fromarray(rows).convert(mode)


def valid_images() -> dict[str, bytes]:
    """Images by their file names."""
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010E: "a face", 0x8769: {0x9003: "2020:01:01 00:00:00"}})
    deep = Image.fromarray(np.arange(480, dtype=np.uint16).reshape(20, 24) * 99)
    return {
        "rgb.png": encoded(noise(), "PNG"),
        "clear.png": encoded(noise("RGBA"), "PNG"),
        "palette.png": encoded(noise("P"), "PNG", transparency=3),
        "deep.png": encoded(deep, "PNG"),
        "film.png": encoded(noise(), "PNG", **_film()),
        "exif.jpg": encoded(noise(), "JPEG", exif=exif),
        "progressive.jpg": encoded(noise(), "JPEG", progressive=True),
        "ink.jpg": encoded(noise("CMYK"), "JPEG"),
        "grey.jpg": encoded(noise("L"), "JPEG"),
        "two.jpg": encoded(noise(), "MPO", **_film()),
        "lossy.webp": encoded(noise(), "WEBP", exif=exif),
        "film.webp": encoded(noise(), "WEBP", **_film()),
        "film.gif": encoded(noise(), "GIF", **_film()),
        "still.gif": encoded(noise(), "GIF"),
        "plain.bmp": encoded(noise(), "BMP"),
        "plain.ppm": encoded(noise(), "PPM"),
        "plain.tga": encoded(noise(), "TGA"),
        "packed.tga": encoded(noise(), "TGA", compression="tga_rle"),
        "deflated.tif": encoded(noise(), "TIFF", compression="tiff_adobe_deflate"),
        "plain.tif": encoded(noise(), "TIFF"),
        "pages.tif": encoded(noise(), "TIFF", **_film()),
        "ink.tif": encoded(noise("CMYK"), "TIFF"),
    }


def hostile_images() -> dict[str, bytes]:
    """Images that are made to harm, and what is no image at all."""
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"
    zeros = zlib.compress(bytes(20_000_000))
    entities = b"<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><svg>&b;</svg>"
    return {
        "nothing.png": b"",
        "page.png": b"<!doctype html><script>alert(1)</script>",
        "drawing.svg": svg,
        "drawing.png": entities,
        "archive.png": b"PK\x05\x06" + bytes(18),
        "program.png": b"\x7fELF" + bytes(60),
        "document.pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj",
        "script.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n(touch x) system\n",
        "picture.wmf": b"\xd7\xcd\xc6\x9a" + bytes(64),
        "large.png": png((30_000, 30_000), []),
        "wide.png": png((2**31 - 1, 8), []),
        "flat.png": png((0, 0), []),
        "dense.png": png((7000, 7000), [_idat((7000, 7000))]),
        "empty.png": png((4096, 4096), []),
        "text-bomb.png": png((16, 16), [(b"zTXt", b"a\0\0" + zlib.compress(bytes(2 * 10**7)))] * 9),
        "colour-bomb.png": png((16, 16), [(b"iCCP", b"a\0\0" + zeros)]),
        "chunks.png": png((16, 16), [(b"teSt", b"")] * 50_000 + [_idat((16, 16))]),
        "frames.png": png((16, 16), [(b"acTL", struct.pack(">II", 2**31 - 1, 0)), _idat((16, 16))]),
        "more-pixels.png": png((16, 16), [_idat((4000, 4000))]),
        "loop.tif": _tiff([(256, 4, 1, 16), (257, 4, 1, 16)], following=8),
        "loop-in-exif.jpg": _jpeg_with(_tiff([(0x8769, 4, 1, 8), (0x0112, 3, 1, 6)], following=8)),
        "long-exif.jpg": _jpeg_with(_tiff([(0x010E, 2, 2**31, 8)] * 500, following=0)),
        "many-strips.tif": _tiff(
            [(256, 4, 1, 9000), (257, 4, 1, 5000), (273, 4, 2**30, 8)], following=0
        ),
        "large.gif": b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\0\0\0\0\xff\xff\xff\xff\0\x08\x00;",
        "dense.gif": b"GIF89a\x00\x1b\x00\x1b\x00\x00\x00,\0\0\0\0\x00\x1b\x00\x1b\0\x02\x01D\x00;",
        "large.webp": b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\xff\xff\xff\xff\xff\xff",
        "large.bmp": b"BM" + struct.pack("<IIIIiiHHI", 0, 0, 54, 40, 2**31 - 1, -(2**31), 1, 24, 0),
        "large.tga": struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 65535, 65535, 24, 0),
        "large.ppm": b"P6 99999999999999999999 9 255 ",
        "digits.ppm": b"P3 " + b"9" * 10**6,
        "negative.ppm": b"P6 -16 -16 255 " + bytes(999),
    }


def _film() -> dict[str, Any]:
    # New images for each format: saving leaves its settings there.
    return {"save_all": True, "append_images": [noise(seed=seed) for seed in (1, 2)]}


def png(
    size: tuple[int, int], chunks: Sequence[tuple[bytes, bytes]], bits: int = 8, colours: int = 2
) -> bytes:
    """A PNG that claims a size, and has these chunks, whatever is in them."""
    header = (b"IHDR", struct.pack(">IIBBBBB", *size, bits, colours, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in (header, *chunks, (b"IEND", b""))
    )


def _idat(size: tuple[int, int]) -> tuple[bytes, bytes]:
    return b"IDAT", zlib.compress(bytes((3 * size[0] + 1) * size[1]))


def _tiff(entries: Sequence[tuple[int, int, int, int]], following: int) -> bytes:
    """A TIFF of one directory: tag, type, count and value of each entry, and where the next is."""
    listed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + listed + struct.pack("<I", following)


def _jpeg_with(exif: bytes) -> bytes:
    content = b"Exif\0\0" + exif
    valid = encoded(noise(), "JPEG")
    return valid[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + valid[2:]

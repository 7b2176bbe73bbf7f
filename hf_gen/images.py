"""Opening images from anywhere, and pixels to tensors and back: the only module that knows pixels.

Images as tensors are floats in [-1, 1], (batch, 3, height, width).
"""

import io
import math
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from hf_gen.errors import UserError

if TYPE_CHECKING:  # the demo opens images before it has torch
    from torch import Tensor

SMALLEST_SIDE = 8
MAX_PIXELS = 50_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA", "AVIF")
HEIC = frozenset({".heic", ".heif", ".hif"})
EXTENSIONS = HEIC | {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".avif", ".gif"),
    *(".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga"),
}
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_MIN_LEVELS = 4
# The largest values of 8, 12, 16 and 32 bits.
_DEPTHS = (2**8 - 1, 2**12 - 1, 2**16 - 1, 2**32 - 1)


class ImageError(UserError):
    """An image that cannot be used, and why."""


def open_image(source: bytes | Path, still: bool = False) -> Image.Image:
    """Opens an untrusted image as RGB: EXIF orientation applied, transparency over white.

    Palettes, grey and CMYK are converted, and 16 bits, 32 bits and floats to what a viewer shows:
    the range is that of 8, 12, 16 or 32 bits, or [0, 1], whichever holds the largest value. Of an
    animation the first frame is taken, unless it has to be `still`. The size is checked in the
    header, before any pixel is decoded. HEIC needs `pillow-heif`.

    Raises:
        ImageError: If it is no image of a raster format, damaged, cut short, narrower than 8 pixels
            or larger than 50 megapixels, varies by less than 8 bits can show, or is an animation or
            has several pages where it has to be still.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with Image.open(file, formats=formats()) as image:
            width, height = image.size
            if min(width, height) < SMALLEST_SIDE:
                raise ImageError(f"{width}x{height} pixels, and at least 8x8 are needed")
            if width * height > MAX_PIXELS:
                raise ImageError(f"{width}x{height} pixels, and at most 50 megapixels are read")
            # A photograph may carry its preview along, as the second image of an MPO.
            if still and image.format != "MPO" and getattr(image, "is_animated", False):
                kind = "has several pages" if image.format == "TIFF" else "is an animation"
                raise ImageError(f"it {kind}, and one picture is needed")
            _load_all_bits(image, file)
            return _as_rgb(ImageOps.exif_transpose(image))
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"at most 50 megapixels are read ({error})") from error
    except UnidentifiedImageError:
        if _start(file)[8:12] in _HEIC_BRANDS and "HEIF" not in formats():
            raise ImageError("HEIC is read with pillow-heif: pip install pillow-heif") from None
        raise ImageError("not an image of a known format") from None
    except Exception as error:  # decoders raise whatever a damaged file leads them into
        raise ImageError(f"damaged or cut short ({error})") from error


@cache
def formats() -> tuple[str, ...]:
    """The formats that are read: HEIC too, if its plug-in is installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return FORMATS
    register_heif_opener(thumbnails=False)
    return (*FORMATS, "HEIF")


def has_image_signature(path: str | Path) -> bool:
    """Whether the first bytes of a file are those of a JPEG, PNG, GIF, WebP, AVIF or HEIC."""
    start = _start(Path(path))
    return (
        start.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a"))
        or (start[:4], start[8:12]) == (b"RIFF", b"WEBP")
        or (start[4:8] == b"ftyp" and start[8:12] in (b"avif", b"avis", *_HEIC_BRANDS))
    )


def square(image: Image.Image, size: int) -> Image.Image:
    """The centre square, resized by a Lanczos filter whose support grows as the image shrinks."""
    return ImageOps.fit(image, (size, size), method=Image.Resampling.LANCZOS)


def to_tensor(images: Sequence[Image.Image]) -> "Tensor":
    """RGB images of one size to floats in [-1, 1], (batch, 3, height, width)."""
    import torch

    return from_pixels(torch.from_numpy(np.stack([np.asarray(image) for image in images])))


def from_pixels(pixels: "Tensor") -> "Tensor":
    """Bytes, (batch, height, width, 3), to floats in [-1, 1], (batch, 3, height, width).

    The values keep their place in memory, which is the channels-last layout of convolutions.
    """
    return pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_pixels(images: "Tensor") -> np.ndarray:
    """Floats in [-1, 1], (batch, 3, height, width), to bytes, (batch, height, width, 3)."""
    scaled = images.detach().float().clamp(-1, 1).add(1).mul(127.5).round()
    return scaled.byte().permute(0, 2, 3, 1).cpu().numpy()


def grid(images: "Tensor", columns: int, enlarge: int = 1, gap: int = 2) -> Image.Image:
    """A picture of a batch, row by row on white.

    Args:
        images: In [-1, 1], (batch, 3, height, width).
        columns: Images per row.
        enlarge: Integer factor by which each pixel is repeated.
        gap: Pixels between two images and around all.
    """
    cells = to_pixels(images).repeat(enlarge, axis=1).repeat(enlarge, axis=2)
    count, height, width, _ = cells.shape
    rows = -(-count // columns)
    canvas = np.full(
        (rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, dtype=np.uint8
    )
    for index, cell in enumerate(cells):
        top = gap + index // columns * (height + gap)
        left = gap + index % columns * (width + gap)
        canvas[top : top + height, left : left + width] = cell
    return Image.fromarray(canvas)


def write_png(picture: Image.Image, file: Path) -> None:
    """Writes a PNG that names hf_gen as its software; only such a file is replaced.

    Raises:
        UserError: If there is another file.
    """
    if file.is_dir():
        raise UserError(f"{file} is a folder: name a file in it")
    mark = "Software", "hf_gen"
    if os.path.lexists(file) and b"\0".join(map(str.encode, mark)) not in _start(file, 200):
        raise UserError(f"{file} was not written by hf_gen: choose another file")
    about = PngInfo()
    about.add_text(*mark)
    picture.save(file, "PNG", pnginfo=about)


def _start(file: io.BytesIO | Path, count: int = 16) -> bytes:
    if isinstance(file, io.BytesIO):
        return file.getvalue()[:count]
    try:
        with file.open("rb") as opened:
            return opened.read(count)
    except OSError:
        return b""


def _load_all_bits(image: Image.Image, file: io.BytesIO | Path) -> None:
    """Decodes the pixels; those of 16 bits a colour by their lower bits if the upper are empty.

    Pillow keeps the upper 8 bits of such colours, and the lower ones under the other byte order.
    """
    tiles = getattr(image, "tile", [])
    mode = tiles[0].args if tiles else ""
    mode = mode if isinstance(mode, str) else str(next(iter(mode or ()), ""))
    image.load()
    native, other = ("L", "B") if sys.byteorder == "little" else ("B", "L")
    lower = {"B": "L", "L": "B", "N": other}.get(mode[-1:], native)
    if ";16" not in mode or image.mode not in ("RGB", "RGBA"):
        return
    upper = np.asarray(image)
    if upper[..., :3].max() > _DEPTHS[1] >> 8:
        return
    if isinstance(file, io.BytesIO):
        file.seek(0)
    with Image.open(file, formats=FORMATS) as again:
        for place, tile in enumerate(again.tile):
            more = () if isinstance(tile.args, str) else (tile.args or ())[1:]
            args = (mode[:-1] + lower, *more) if more else mode[:-1] + lower
            again.tile[place] = tile._replace(args=args)
        values = upper.astype(np.uint16) << 8 | np.asarray(again)
    channels = [_to_8_bits(values[..., :3]), *(_to_8_bits(a) for a in [values[..., 3:]] if a.size)]
    image.frombytes(np.concatenate(channels, axis=2).tobytes())


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(_to_8_bits(np.asarray(image)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _to_8_bits(values: np.ndarray) -> np.ndarray:
    """What a viewer shows of numbers of any range: bytes of the same shape.

    Raises:
        ImageError: If the values vary, and hardly anything of it would be seen.
    """
    low, high = values.min().item(), values.max().item()
    if np.issubdtype(values.dtype, np.floating):
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ImageError("it has pixels that are no finite numbers")
        full = next((full for full in (1, *_DEPTHS) if high <= full), high)
        bytes_ = (values.clip(0, full) * (255 / full)).round().astype(np.uint8)
    else:
        full = next(full for full in _DEPTHS if high <= full)
        bytes_ = (values.clip(0) // ((full + 1) // 256)).astype(np.uint8)
    if high > low and int(bytes_.max()) - int(bytes_.min()) < _MIN_LEVELS:
        raise ImageError(
            f"its values from {low:g} to {high:g} would be one shade of grey: save it with 8 bits"
        )
    return bytes_

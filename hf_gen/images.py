"""Opening images from anywhere, and pixels to tensors and back: the only room that knows pixels.

Images as tensors are floats in [-1, 1], (batch, 3, height, width).
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from hf_gen.errors import UserError

if TYPE_CHECKING:  # the demo opens images before it has torch
    from torch import Tensor

SMALLEST_SIDE = 8
MOST_PIXELS = 50_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA")


class ImageError(UserError):
    """An image that cannot be used, and why."""


def open_image(source: bytes | Path, still: bool = False) -> Image.Image:
    """Opens an untrusted image as RGB: EXIF orientation applied, transparency over white.

    Palettes, grey, CMYK and 16 bits are converted; of an animation the first frame is taken, unless
    it has to be `still`. The size is checked in the header, before any pixel is decoded.

    Raises:
        ImageError: If it is no image of a raster format, damaged, cut short, narrower than 8 pixels
            or larger than 50 megapixels, or an animation where it has to be still.
    """
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        with Image.open(file, formats=FORMATS) as image:
            width, height = image.size
            if min(width, height) < SMALLEST_SIDE:
                raise ImageError(f"{width}x{height} pixels, and at least 8x8 are needed")
            if width * height > MOST_PIXELS:
                raise ImageError(f"{width}x{height} pixels, and at most 50 megapixels are read")
            # A photograph may carry its preview along, as the second image of an MPO.
            if still and image.format != "MPO" and getattr(image, "is_animated", False):
                raise ImageError("it is an animation, and one picture is needed")
            return _as_rgb(ImageOps.exif_transpose(image))
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"at most 50 megapixels are read ({error})") from error
    except UnidentifiedImageError:
        raise ImageError("not an image of a known format") from None
    except Exception as error:  # decoders raise whatever a damaged file leads them into
        raise ImageError(f"damaged or cut short ({error})") from error


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
        enlarge: Whole factor by which each pixel is repeated.
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


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel: keep the upper eight
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype("u1"))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")

"""Images of noise, in folders and as bytes, and the pixels that a domain shows of them."""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hf_gen.data.pixels import Pixels
from hf_gen.images import square, to_tensor


def noise(count: int, seed: int = 0) -> list[Image.Image]:
    """Other images for another seed."""
    numbers = np.random.default_rng(seed)
    return [
        Image.fromarray(numbers.integers(0, 256, (16, 16, 3), dtype=np.uint8)) for _ in range(count)
    ]


def fill(folder: Path, count: int = 20, seed: int = 0, names: str = "{:02d}.png") -> None:
    """Writes `count` images into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, image in enumerate(noise(count, seed)):
        image.save(folder / names.format(place))


def png(image: Image.Image) -> bytes:
    """The image as a PNG."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def shown(pixels: Pixels) -> list[bytes]:
    """The images, as bytes to compare in any order."""
    return sorted(image.numpy().tobytes() for image in pixels.images(torch.arange(len(pixels))))


def expected(images: list[Image.Image]) -> list[bytes]:
    """What `shown` gives of these images at 8x8 pixels."""
    return sorted(image.numpy().tobytes() for image in to_tensor([square(i, 8) for i in images]))

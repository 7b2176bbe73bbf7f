"""Images of noise, in folders and tables, and the pixels that a domain shows of them."""

import io
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from PIL import Image

from hf_gen.data.batches import Domain
from hf_gen.data.pixels import Pixels
from hf_gen.images import square, to_tensor

Images = list[Image.Image]
SIZE = 8


def noise(count: int, seed: int = 0, size: int = 16) -> Images:
    """Other images for another seed."""
    numbers = np.random.default_rng(seed)
    shape = (size, size, 3)
    return [Image.fromarray(numbers.integers(0, 256, shape, dtype=np.uint8)) for _ in range(count)]


def fill(folder: Path, count: int = 20, seed: int = 0, names: str = "{:03d}.png") -> Path:
    """Writes `count` images into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, image in enumerate(noise(count, seed)):
        image.save(folder / names.format(place))
    return folder


def png(image: Image.Image) -> bytes:
    """The image as a PNG."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def write_parquet(path: Path, **columns: Any) -> None:
    """Columns of images, of integers, or of a (feature, values)."""
    features, values = {}, {}
    for name, column in columns.items():
        if isinstance(column, tuple):
            features[name], values[name] = column
        elif isinstance(column[0], int):
            features[name], values[name] = datasets.Value("int64"), column
        else:
            features[name] = datasets.Image()
            values[name] = [{"bytes": png(image), "path": None} for image in column]
    path.parent.mkdir(parents=True, exist_ok=True)
    made = datasets.Dataset.from_dict(values, features=datasets.Features(features))
    made.to_parquet(path)


def shown(pixels: Pixels) -> list[bytes]:
    """The images in order."""
    return [image.numpy().tobytes() for image in pixels.images(torch.arange(len(pixels)))]


def expected(images: Images) -> list[bytes]:
    """What `shown` gives of these images."""
    return [image.numpy().tobytes() for image in to_tensor([square(i, SIZE) for i in images])]


def check(domain: Domain, train: Images, test: Images, validation: Images | None = None) -> None:
    """The images of each split, in order; by default test and validation are one set."""
    assert shown(domain.train) == expected(train)
    assert shown(domain.test) == expected(test)
    assert domain.can_choose == (validation is not None)
    assert shown(domain.validation) == expected(test if validation is None else validation)


def check_hash_split(domain: Domain, images: Images) -> None:
    """A few of these images are validation and test in one, and none of them is trained on."""
    assert domain.validation is domain.test
    assert not domain.can_choose
    assert sorted(shown(domain.train) + shown(domain.test)) == sorted(expected(images))
    fewest = (len(images) + 1) // 2
    assert len(domain.test) in range(min(8, fewest), fewest + 1)

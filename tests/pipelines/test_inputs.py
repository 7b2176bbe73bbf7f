"""What a pipeline takes for images, and what it refuses: the same for both pipelines."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hf_gen.images import open_image, square, to_tensor
from hf_gen.pipelines import TranslationPipeline, VAEPipeline
from tests.pipelines.saved import Identity
from tests.untrusted.pictures import valid_images

SIZE = 4
Prepare = Callable[[Any], Tensor]


def prepare_by(name: str, size: int) -> Prepare:
    if name == "reconstruct":
        pipeline = VAEPipeline(Identity(), resolution=size)
        return lambda images: pipeline.reconstruct(images, output_type="pt")
    pipeline = TranslationPipeline(Identity(), Identity(), size)
    return lambda images: pipeline.translate(images, output_type="pt", crop=True)


@pytest.fixture(params=["reconstruct", "translate"])
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("name", valid_images())
def test_a_picture_of_any_kind_is_prepared_as_for_training(method: str, name: str) -> None:
    content = valid_images()[name]
    for size in (16, 33):
        expected = to_tensor([square(open_image(content), size)])
        prepare = prepare_by(method, size)
        with Image.open(io.BytesIO(content)) as picture:
            assert torch.equal(prepare(picture), expected)
            assert torch.equal(prepare([picture, picture]), expected.repeat(2, 1, 1, 1))


PIXELS = np.random.default_rng(1).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
FLOATS = torch.from_numpy(PIXELS).permute(0, 3, 1, 2).float() / 127.5 - 1
BYTES = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)
GREY = PIXELS[0, :, :, 0]
GREY_FLOATS = FLOATS[:1, :1].expand(1, 3, -1, -1)
TAKEN: dict[str, tuple[Any, Tensor]] = {
    "an array": (PIXELS[0], FLOATS[:1]),
    "a batch as an array": (PIXELS, FLOATS),
    "a batch as float32": ((PIXELS / 255).astype(np.float32), FLOATS),
    "a grey array": (GREY, GREY_FLOATS),
    "one channel": (GREY[..., None], GREY_FLOATS),
    "clear": (np.zeros((SIZE, SIZE, 4), np.uint8), torch.ones(1, 3, SIZE, SIZE)),
    "a tensor": (FLOATS, FLOATS),
    "bytes": (BYTES, FLOATS),
    "one image as bytes": (BYTES[1], FLOATS[1:]),
    "a list of batches": ([FLOATS, BYTES[:1]], FLOATS[[0, 1, 0]]),
    "a tuple of many kinds": ((Image.fromarray(PIXELS[0]), PIXELS[1], BYTES[0]), FLOATS[[0, 1, 0]]),
    "an iterator": (map(Image.fromarray, PIXELS), FLOATS),
}  # fmt: skip


@pytest.mark.parametrize("kind", TAKEN)
def test_images_as_they_come(method: str, kind: str) -> None:
    given, expected = TAKEN[kind]
    if kind == "an iterator":
        given = map(Image.fromarray, PIXELS)  # one for each test
    torch.testing.assert_close(prepare_by(method, SIZE)(given), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ([], "at least one image, got none"),
        (np.zeros((0, SIZE, SIZE, 3), np.uint8), "at least one image, got none"),
        (torch.zeros(0, 3, SIZE, SIZE), "got (0, 3, 4, 4)"),
        ("face.png", "got 'face.png': open a file with PIL.Image.open"),
        (["face.png"], "got 'face.png': open"),
        (Path("face.png"), "images must be PIL images, arrays or tensors"),
        ([None], "got None"),
        (torch.zeros(1, 3, 5, 5), "(batch, 3, 4, 4) in [-1, 1], got (1, 3, 5, 5): resize it"),
        (torch.zeros(1, 1, SIZE, SIZE), "got (1, 1, 4, 4)"),
        (torch.full((1, 3, SIZE, SIZE), 255.0), "or uint8, got torch.float32 from 255 to 255"),
        (torch.full((1, 3, SIZE, SIZE), torch.nan), "got torch.float32 from nan to nan"),
        (torch.zeros(1, 3, SIZE, SIZE, dtype=torch.int64), "got torch.int64 from 0 to 0"),
        (np.full((SIZE, SIZE, 3), -1.0), "floats in [0, 1], got float64 from -1 to -1"),
        (np.full((SIZE, SIZE, 3), np.nan), "got float64 from nan to nan"),
        (np.zeros((SIZE, SIZE, 3), np.int64), "must hold uint8 or floats in [0, 1], got int64"),
        (np.zeros((3, SIZE, 5), np.uint8), "1, 3 or 4 channels"),
    ],
)
def test_anything_else_raises(method: str, given: Any, error: str) -> None:
    with pytest.raises(ValueError, match=re.escape(error)):
        prepare_by(method, SIZE)(given)

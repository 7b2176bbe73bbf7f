"""What of a synthetic face survives its translation: the truth that no photograph has.

A small network learns on the spot, from faces drawn in the target style, to read every factor. Then
it reads the translations of held-out faces, and what it reads is compared with the true factors.
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from hf_gen.faces import (
    CONTINUOUS,
    FACTORS,
    IMAGE_SIZE,
    TEST_START,
    Face,
    drawing_version,
    face_at,
    face_png,
)
from hf_gen.features import FeatureExtractor
from hf_gen.images import open_image, square, to_tensor
from hf_gen.runs.atomic import atomic_dir

FORMAT = 2
_FILE = "reader.safetensors"
_CHANNELS = (3, 32, 64, 128, 128)
_BATCH = 50
_AT_ONCE = 250
_LEARNING_RATE = 3e-3
# So that the slight grain of a translation does not by itself look like something else.
_NOISE = 0.05
# Another series than the one that is trained on and translated, so its faces are new to the reader.
_SERIES = 1


class FactorReader(nn.Module):
    """Reads every factor of a face: four strided convolutions, one linear head per factor.

    Attributes:
        ceilings: Per factor, how well the reader does on true images that it has not seen: as much
            as any translation can be credited with.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *(_block(before, after) for before, after in pairwise(_CHANNELS)),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(16 * _CHANNELS[-1], 256),
            nn.BatchNorm1d(256),
            nn.ReLU(),
        )
        outputs = {name: len(values) for name, values in FACTORS.items()} | dict.fromkeys(
            CONTINUOUS, 1
        )
        self.heads = nn.ModuleDict({name: nn.Linear(256, n) for name, n in outputs.items()})
        self.ceilings: dict[str, float] = {}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Per factor the scores of its values, (batch, values), or a number, (batch, 1).

        Args:
            images: In [-1, 1], (batch, 3, height, width), of the size that it was trained for.

        Returns:
            Numbers are scaled so that the factor's range is [-1, 1].
        """
        hidden = self.trunk(images)
        return {name: head(hidden) for name, head in self.heads.items()}


def true_factors(faces: Sequence[Face]) -> dict[str, Tensor]:
    """What faces were drawn from: per factor the index of its value, or the number, (faces,)."""
    return {
        **{
            name: torch.tensor([values.index(getattr(face, name)) for face in faces])
            for name, values in FACTORS.items()
        },
        **{name: torch.tensor([getattr(face, name) for face in faces]) for name in CONTINUOUS},
    }


def train_factor_reader(
    style: str, size: int, cache_dir: Path, count: int = 4_000, epochs: int = 6, seed: int = 0
) -> FactorReader:
    """Trains a reader of one style, or takes it from the cache; it comes in evaluation mode.

    Args:
        style: "anime" or "cartoon": the style of the images that will be read.
        size: Their height and width in pixels.
        cache_dir: Where readers are kept, one folder for each style, size, drawing and recipe.
        count: Faces to learn from; an eighth as many more give the ceilings.
        epochs: Times that each face is seen.
        seed: Gives the first weights, the order and the noise.

    Raises:
        ValueError: `style` or `size` is one that cannot be drawn.
    """
    recipe = f"{FORMAT}-{count}-{epochs}-{seed}"
    file = cache_dir / f"factor-reader-{style}-{size}-{drawing_version()}-{recipe}" / _FILE
    known = file.exists()
    # A fork of the random numbers, so that training goes on as if nothing had been built.
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        reader = FactorReader()
        if not known:
            _train(reader, style, size, count, epochs)
    if not known:
        with atomic_dir(file.parent, marker=_FILE) as folder:
            save_file(
                reader.state_dict(),
                folder / _FILE,
                metadata={"format": "pt", "ceilings": json.dumps(reader.ceilings)},
            )
    reader.load_state_dict(load_file(file))
    with safe_open(file, framework="pt") as opened:
        reader.ceilings = json.loads(opened.metadata()["ceilings"])
    return reader.eval().requires_grad_(False)


def surviving_factors(
    reader: FactorReader, translations: Tensor, true_factors: dict[str, Tensor]
) -> dict[str, float]:
    """Per factor, how much of it is read off the translations.

    Args:
        reader: Of the style that they are translated into.
        translations: In [-1, 1], (images, 3, height, width).
        true_factors: Of the faces that were translated, per factor (images,); see `true_factors`.

    Returns:
        By the factor's name the share that is read correctly, or for a number its correlation with
        the truth; by "<name>_ceiling" what the reader reaches on true images. A guess would have
        one over the number of values, and 0.
    """
    survived = _read(reader, translations, true_factors)
    return survived | {f"{name}_ceiling": value for name, value in reader.ceilings.items()}


def paired_distance(
    translations: Tensor, counterparts: Tensor, extractor: FeatureExtractor
) -> dict[str, float]:
    """The distance of translations to the same faces, drawn in the other style.

    Returns:
        "paired_l1": mean absolute difference of images in [-1, 1]; "paired_perceptual": mean
        perceptual distance, in the features of `FEATURES`.
    """
    return {
        "paired_l1": functional.l1_loss(translations, counterparts).item(),
        "paired_perceptual": extractor.perceptual_distance(translations, counterparts)
        .mean()
        .item(),
    }


def _block(before: int, after: int) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU())


def _train(reader: FactorReader, style: str, size: int, count: int, epochs: int) -> None:
    images, factors = _draw(style, size, range(count))
    reader.train()
    steps = epochs * (count // _BATCH)
    optimizer = torch.optim.AdamW(reader.parameters(), lr=_LEARNING_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps)
    for _ in range(epochs):
        for indices in torch.randperm(count)[: count // _BATCH * _BATCH].split(_BATCH):
            batch = images[indices]
            outputs = reader(batch + _NOISE * torch.randn_like(batch))
            optimizer.zero_grad()
            _loss(outputs, {name: truth[indices] for name, truth in factors.items()}).backward()
            optimizer.step()
            schedule.step()
    held_out = range(TEST_START, TEST_START + max(count // 8, _BATCH))
    reader.ceilings = _read(reader.eval(), *_draw(style, size, held_out))


def _loss(outputs: dict[str, Tensor], factors: dict[str, Tensor]) -> Tensor:
    losses = [functional.cross_entropy(outputs[name], factors[name]) for name in FACTORS]
    for name, (low, high) in CONTINUOUS.items():
        scaled = (2 * factors[name] - low - high) / (high - low)
        losses.append(functional.mse_loss(outputs[name][:, 0], scaled))
    return torch.stack(losses).sum()


@torch.no_grad()
def _read(reader: FactorReader, images: Tensor, factors: dict[str, Tensor]) -> dict[str, float]:
    device = next(reader.parameters()).device
    chunks = [reader(chunk.to(device)) for chunk in images.split(_AT_ONCE)]
    read = {name: torch.cat([chunk[name] for chunk in chunks]).cpu() for name in reader.heads}
    right = {
        name: (read[name].argmax(1) == factors[name]).double().mean().item() for name in FACTORS
    }
    return right | {name: _correlation(read[name][:, 0], factors[name]) for name in CONTINUOUS}


def _correlation(first: Tensor, second: Tensor) -> float:
    """Pearson's correlation, and 0 where one of the two does not vary."""
    first, second = (numbers.double() - numbers.double().mean() for numbers in (first, second))
    length = first.norm() * second.norm()
    return (first @ second / length).item() if length > 0 else 0.0


def _draw(style: str, size: int, indices: range) -> tuple[Tensor, dict[str, Tensor]]:
    faces = [face_at(index, seed=_SERIES) for index in indices]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        images = list(pool.map(lambda face: synthetic_image(face, style, size), faces))
    return to_tensor(images).contiguous(), true_factors(faces)


def synthetic_image(face: Face, style: str, size: int) -> Image.Image:
    """A face as the training images show it: drawn at 64 pixels or more, and then shrunk."""
    return square(open_image(face_png(face, style, max(IMAGE_SIZE, size))), size)

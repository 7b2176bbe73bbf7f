"""Which factors of a synthetic face are preserved by its translation.

A small network is trained to predict every factor from synthetic faces in the target style. Its
predictions for translations of test faces are compared with the true factors.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from hf_gen.evaluation.cache import cached
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
from hf_gen.images import open_image, square, to_tensor

# Part of the cache's key: raise it when the training changes.
FORMAT = 5
_CHANNELS = (3, 32, 64, 128, 128)
_BATCH_SIZE = 50
_EVAL_BATCH_SIZE = 250
_LEARNING_RATE = 3e-3
# Makes the predictor robust to the slight grain of translations.
_NOISE = 0.05
# Another seed than that of the faces that are trained on and translated.
_FACES_SEED = 1
PREDICTED = (*FACTORS, *CONTINUOUS)
"""The names of what a `FactorPredictor` predicts, in its order."""


class FactorPredictor(nn.Module):
    """Predicts every factor of a face: four strided convolutions and one linear head a factor.

    The buffer `predictions` holds what it predicts for ground-truth images of new faces, the same
    for every style, (factors, faces); `ceilings` the score of each factor on them, (factors,): an
    upper bound for translations.

    Args:
        new_faces: How many of them.
    """

    ceilings: Tensor
    predictions: Tensor

    def __init__(self, new_faces: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *(_block(before, after) for before, after in pairwise(_CHANNELS)),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(16 * _CHANNELS[-1], 256),
            nn.BatchNorm1d(256),
            nn.ReLU(),
        )
        self.heads = nn.ModuleDict(
            {
                name: nn.Linear(256, len(FACTORS[name]) if name in FACTORS else 1)
                for name in PREDICTED
            }
        )
        self.register_buffer("ceilings", torch.zeros(len(PREDICTED), dtype=torch.float64))
        self.register_buffer("predictions", torch.zeros(len(PREDICTED), new_faces))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Returns logits, (batch, values), or a number, (batch, 1), for each factor.

        Args:
            images: In [-1, 1], (batch, 3, height, width), of the size that it was trained on.

        Returns:
            Continuous factors are scaled from their range to [-1, 1].
        """
        hidden = self.trunk(images)
        return {name: head(hidden) for name, head in self.heads.items()}


def render_faces(faces: Sequence[Face], style: str, size: int) -> Tensor:
    """Synthetic faces as training images show them, (faces, 3, size, size), in [-1, 1].

    Args:
        faces: Their factors.
        style: "anime" or "cartoon".
        size: In pixels; below 64 they are drawn at 64 pixels and shrunk.

    Raises:
        ValueError: The style or the size is not supported.
    """

    def draw(face: Face) -> Image.Image:
        return square(open_image(face_png(face, style, max(IMAGE_SIZE, size))), size)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return to_tensor(list(pool.map(draw, faces))).contiguous()


def factor_values(faces: Sequence[Face]) -> dict[str, Tensor]:
    """Index of the value of each categorical factor, or the continuous number, (faces,)."""
    values = {
        name: torch.tensor([options.index(getattr(face, name)) for face in faces])
        for name, options in FACTORS.items()
    }
    return values | {
        name: torch.tensor([getattr(face, name) for face in faces]) for name in CONTINUOUS
    }


def factor_score(name: str, predicted: Tensor, truth: Tensor) -> float:
    """Accuracy of a categorical factor; Pearson correlation of a continuous one, 0 if constant.

    Predictions and truth are (images,).
    """
    if name not in CONTINUOUS:
        return (predicted == truth).double().mean().item()
    if any(bool(values.min() == values.max()) for values in (predicted, truth)):
        return 0.0
    return torch.corrcoef(torch.stack((predicted.double(), truth.double())))[0, 1].item()


def train_factor_predictor(
    style: str, size: int, cache_dir: Path, count: int = 4_000, epochs: int = 6, seed: int = 0
) -> FactorPredictor:
    """Trains a predictor for one style, or loads it from the cache; it is in evaluation mode.

    Args:
        style: "anime" or "cartoon": that of the translations.
        size: Height and width of the images in pixels.
        cache_dir: Where predictors are kept.
        count: Number of training faces; an eighth as many more give the ceilings.
        epochs: Number of passes over the training faces.
        seed: Of the initial weights, the order and the noise.

    Raises:
        ValueError: The style or the size is not supported.
    """
    version = f"{drawing_version()}-{FORMAT}-{count}-{epochs}-{seed}"
    # A fork leaves the global generator, and with it the training of a run, undisturbed.
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        predictor = FactorPredictor(max(count // 8, _BATCH_SIZE))

        def train() -> dict[str, Tensor]:
            _train(predictor, style, size, count, epochs)
            return predictor.state_dict()

        weights = cached(cache_dir, f"factor-predictor-{style}-{size}-{version}", train)
    predictor.load_state_dict(weights)
    return predictor.eval().requires_grad_(False)


@torch.no_grad()
def predict_factors(predictor: FactorPredictor, images: Tensor) -> dict[str, Tensor]:
    """Predicts the factors of images, (images, 3, height, width) in [-1, 1].

    Returns:
        Index of the value of each categorical factor, or the continuous number scaled from its
        range to [-1, 1], (images,).
    """
    device = next(predictor.parameters()).device
    batches = [predictor(batch.to(device)) for batch in images.split(_EVAL_BATCH_SIZE)]
    outputs = {name: torch.cat([batch[name] for batch in batches]).cpu() for name in PREDICTED}
    return {
        name: output[:, 0] if name in CONTINUOUS else output.argmax(1)
        for name, output in outputs.items()
    }


def factor_scores(
    predictor: FactorPredictor, translations: Tensor, factors: dict[str, Tensor]
) -> dict[str, float]:
    """Scores, per factor, how well translations preserve it.

    Args:
        predictor: Of the target style.
        translations: In [-1, 1], (images, 3, height, width).
        factors: Of the translated faces, from `factor_values`.

    Returns:
        "NAME": accuracy, or correlation, of the predictions for the translations, see
        `factor_score`; "NAME_ceiling": the same for ground-truth images. The chance level is one
        over the number of values, or 0.
    """
    ceilings = [f"{name}_ceiling" for name in PREDICTED]
    predicted = predict_factors(predictor, translations)
    scores = {name: factor_score(name, predicted[name], factors[name]) for name in PREDICTED}
    return scores | dict(zip(ceilings, predictor.ceilings.tolist(), strict=True))


def _block(before: int, after: int) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU())


def _train(predictor: FactorPredictor, style: str, size: int, count: int, epochs: int) -> None:
    """Trains in place, and scores each factor on new ground-truth images."""
    faces = [face_at(index, seed=_FACES_SEED) for index in range(count)]
    images, factors = render_faces(faces, style, size), factor_values(faces)
    predictor.train()
    steps = epochs * (count // _BATCH_SIZE)
    optimizer = torch.optim.AdamW(predictor.parameters(), lr=_LEARNING_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps)
    for _ in range(epochs):
        order = torch.randperm(count)[: count // _BATCH_SIZE * _BATCH_SIZE]
        for indices in order.split(_BATCH_SIZE):
            batch = images[indices]
            outputs = predictor(batch + _NOISE * torch.randn_like(batch))
            optimizer.zero_grad()
            _loss(outputs, {name: truth[indices] for name, truth in factors.items()}).backward()
            optimizer.step()
            schedule.step()
    test = range(TEST_START, TEST_START + predictor.predictions.shape[1])
    faces = [face_at(index, seed=_FACES_SEED) for index in test]
    truth = factor_values(faces)
    predicted = predict_factors(predictor.eval(), render_faces(faces, style, size))
    scores = [factor_score(name, predicted[name], truth[name]) for name in PREDICTED]
    predictor.ceilings = torch.tensor(scores, dtype=torch.float64)
    predictor.predictions = torch.stack([predicted[name].float() for name in PREDICTED])


def _loss(outputs: dict[str, Tensor], factors: dict[str, Tensor]) -> Tensor:
    losses = [functional.cross_entropy(outputs[name], factors[name]) for name in FACTORS]
    for name, (low, high) in CONTINUOUS.items():
        scaled = (2 * factors[name] - low - high) / (high - low)
        losses.append(functional.mse_loss(outputs[name][:, 0], scaled))
    return torch.stack(losses).sum()

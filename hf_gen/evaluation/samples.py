"""Quality and diversity of generated images, as a set, against a set of real ones."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hf_gen.evaluation.cache import cached
from hf_gen.evaluation.distributions import compare_sets, set_distances
from hf_gen.features import FeatureExtractor, feature_extractor
from hf_gen.metrics import SECOND_OPINION

MIN_IMAGES = 8
MAX_SAMPLES = 2_000
_BATCH_SIZE = 256


@dataclass(frozen=True)
class SetStatistics:
    """What a set of images is compared by.

    Attributes:
        features: (images, features), on the CPU.
        diversity: Mean pairwise perceptual distance.
    """

    features: Tensor
    diversity: float


class RunningStatistics:
    """The statistics of a set whose images come in batches.

    Embeddings take 100 KB an image, so only their sums are kept.
    """

    def __init__(self) -> None:
        self._features: list[Tensor] = []
        self._total, self._squares = torch.zeros((), dtype=torch.float64), 0.0

    def update(self, features: Tensor, embeddings: Tensor) -> None:
        """Adds the images of one batch."""
        self._features.append(features.cpu())
        embeddings = embeddings.double()
        self._total = self._total.to(embeddings.device) + embeddings.sum(0)
        self._squares += embeddings.square().sum().item()

    def compute(self) -> SetStatistics:
        """Of all images so far, at least 2.

        The mean over pairs of |u - v|^2 follows from the sum of the rows and that of their squares.
        """
        features = torch.cat(self._features)
        scatter = self._squares - self._total.square().sum().item() / len(features)
        return SetStatistics(features, 2 * max(scatter, 0.0) / (len(features) - 1))


def reference(
    real: Tensor,
    extractor: FeatureExtractor,
    cache_dir: Path | None = None,
    known: RunningStatistics | None = None,
) -> SetStatistics:
    """Computes the statistics of real images, once for repeated comparisons.

    Args:
        real: In [-1, 1], (images, 3, height, width), at least 8.
        extractor: Also that of the generated images.
        cache_dir: Where the statistics of these very images are kept. By default nowhere.
        known: Of these images, where their features were needed for something else too.
    """

    def compute() -> dict[str, Tensor]:
        statistics = (known or _running(real, extractor)).compute()
        diversity = torch.tensor(statistics.diversity, dtype=torch.float64)
        return {"features": statistics.features, "diversity": diversity}

    name = "" if cache_dir is None else f"reference-{_content_hash(real, extractor)}"
    tensors = cached(cache_dir, name, compute)
    return SetStatistics(tensors["features"], tensors["diversity"].item())


def evaluate_samples(
    images: Tensor, real: SetStatistics, extractor: FeatureExtractor
) -> dict[str, float]:
    """Compares generated images with real ones: the scores of `set_scores`.

    All scores depend on the number of images: compare models at equal numbers.

    Args:
        images: In [-1, 1], (images, 3, height, width), at least 8.
        real: The real images.
        extractor: That of the real images.
    """
    return set_scores(_running(images, extractor).compute(), real)


def set_scores(generated: SetStatistics, real: SetStatistics) -> dict[str, float]:
    """Compares generated images with real ones by their statistics.

    Returns:
        "diversity": mean pairwise perceptual distance relative to that of the real images: 1 for a
            set as diverse, 0 for copies of one image;
        "precision", "recall", "density", "coverage", "kernel_distance", "frechet_distance": see
            `compare_sets`.
    """
    diversity = generated.diversity / real.diversity
    return {"diversity": diversity, **compare_sets(real.features, generated.features)}


def second_opinion(images: Tensor, real: SetStatistics) -> dict[str, float]:
    """Compares generated images with real ones in the features of another network, Lite1.

    Args:
        images: In [-1, 1], (images, 3, height, width), at least 8.
        real: The real images, by an extractor of the name `SECOND_OPINION`.

    Returns:
        "kernel_distance_lite1", "frechet_distance_lite1": see `set_distances`.
    """
    generated = _running(images, feature_extractor(name=SECOND_OPINION)).compute()
    distances = set_distances(real.features, generated.features)
    return {f"{name}_{SECOND_OPINION.lower()}": value for name, value in distances.items()}


def _running(images: Tensor, extractor: FeatureExtractor) -> RunningStatistics:
    statistics = RunningStatistics()
    for batch in images.split(_BATCH_SIZE):
        described = extractor(batch)
        statistics.update(described.features, described.embeddings)
    return statistics


def _content_hash(images: Tensor, extractor: FeatureExtractor) -> str:
    """Changes with the images and with the extractor, which is probed with two fixed images."""
    ramp = torch.linspace(-1, 1, 2 * 3 * 40 * 40).view(2, 3, 40, 40)
    probe = extractor(ramp)
    outputs = (probe.features.sum(1), probe.embeddings.sum(1))
    described = [f"{output:.4g}" for output in torch.cat(outputs).tolist()]
    content = hashlib.blake2b(repr((*images.shape, *described)).encode(), digest_size=16)
    content.update(images.detach().float().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()

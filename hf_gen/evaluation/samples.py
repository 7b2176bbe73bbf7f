"""Quality and diversity of generated images, as a set, against a set of real ones."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hf_gen.evaluation.cache import cached
from hf_gen.evaluation.distributions import compare_sets
from hf_gen.features import FeatureExtractor

MIN_IMAGES = 8
_BATCH_SIZE = 256


@dataclass(frozen=True)
class Reference:
    """Statistics of the real images.

    Attributes:
        features: (images, 496).
        diversity: Mean pairwise perceptual distance.
    """

    features: Tensor
    diversity: float


def reference(
    real: Tensor, extractor: FeatureExtractor, cache_dir: Path | None = None
) -> Reference:
    """Computes the statistics of real images, once for repeated comparisons.

    Args:
        real: In [-1, 1], (images, 3, height, width).
        extractor: Also that of the generated images.
        cache_dir: Where the statistics of these very images are kept. By default nowhere.

    Raises:
        ValueError: There are fewer than 8 images.
    """

    def compute() -> dict[str, Tensor]:
        features, diversity = features_and_diversity(real, extractor, "real")
        return {
            "features": features,
            "diversity": torch.tensor(diversity, dtype=torch.float64),
        }

    name = "" if cache_dir is None else f"reference-{_content_hash(real, extractor)}"
    known = cached(cache_dir, name, compute)
    return Reference(known["features"], known["diversity"].item())


def evaluate_samples(
    images: Tensor, real: Reference, extractor: FeatureExtractor
) -> dict[str, float]:
    """Compares generated images with real ones.

    All scores depend on the number of images: compare models at equal numbers.

    Args:
        images: In [-1, 1], (images, 3, height, width).
        real: The real images.
        extractor: That of the real images.

    Returns:
        See `set_scores`.

    Raises:
        ValueError: There are fewer than 8 images.
    """
    return set_scores(*features_and_diversity(images, extractor, "generated"), real)


def set_scores(features: Tensor, diversity: float, real: Reference) -> dict[str, float]:
    """Compares the statistics of generated images with those of real ones.

    Returns:
        "diversity": mean pairwise perceptual distance relative to that of the real images: 1 for a
            set as diverse, 0 for copies of one image;
        "precision", "recall", "density", "coverage", "kernel_distance", "frechet_distance": see
            `compare_sets`, in EfficientNet-Lite0 features.
    """
    return {"diversity": diversity / real.diversity, **compare_sets(real.features, features.cpu())}


def check_count(images: Tensor, kind: str) -> None:
    """Raises `ValueError` if a set holds fewer than 8 images."""
    if len(images) < MIN_IMAGES:
        raise ValueError(
            f"at least {MIN_IMAGES} {kind} images are needed to compare sets, got {len(images)}: "
            "hold out more"
        )


def features_and_diversity(
    images: Tensor, extractor: FeatureExtractor, kind: str
) -> tuple[Tensor, float]:
    """Features on the CPU, (images, 496), and the mean pairwise perceptual distance.

    Embeddings take 100 KB an image, so they are reduced batch by batch: the mean over pairs of
    |u - v|^2 follows from the sum of the rows and that of their squares.

    Args:
        images: In [-1, 1], (images, 3, height, width).
        extractor: On any device.
        kind: Of the images, for the error.

    Raises:
        ValueError: There are fewer than 8 images.
    """
    check_count(images, kind)
    features, total, squares = [], torch.zeros((), dtype=torch.float64), 0.0
    for batch in images.split(_BATCH_SIZE):
        described = extractor(batch)
        features.append(described.features.cpu())
        embeddings = described.embeddings.double()
        total = total.to(embeddings.device) + embeddings.sum(0)
        squares += embeddings.square().sum().item()
    scatter = squares - total.square().sum().item() / len(images)
    return torch.cat(features), 2 * max(scatter, 0.0) / (len(images) - 1)


def _content_hash(images: Tensor, extractor: FeatureExtractor) -> str:
    """Changes with the images and with the extractor, which is probed with two fixed images."""
    ramp = torch.linspace(-1, 1, 2 * 3 * 40 * 40).view(2, 3, 40, 40)
    probe = extractor(ramp)
    outputs = (probe.features.sum(1), probe.embeddings.sum(1))
    described = [f"{output:.4g}" for output in torch.cat(outputs).tolist()]
    content = hashlib.blake2b(repr((*images.shape, *described)).encode(), digest_size=16)
    content.update(images.detach().float().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()

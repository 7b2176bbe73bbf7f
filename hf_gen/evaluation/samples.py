"""How made images compare with real ones as sets: how alike they are, and how diverse."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file
from torch import Tensor

from hf_gen.errors import UserError, translate_os_errors
from hf_gen.evaluation.distributions import compare_sets
from hf_gen.features import Description, FeatureExtractor, mean_pairwise_distance
from hf_gen.runs.atomic import atomic_dir

FEWEST = 8
NEAR = 0.2
_AT_ONCE = 256
_FILE = "reference.safetensors"


@dataclass(frozen=True)
class RealReference:
    """What a comparison needs to know of the real images.

    Attributes:
        features: (images, 496).
        diversity: Their mean pairwise perceptual distance.
        near: The perceptual distance below which two images are near-identical: a fifth of
            `diversity`. Of 50 to 900 real faces at most 6 % have another one so near, whatever the
            set; a percentile of their nearest distances would hang on how many there are, and be 0
            where a set holds duplicates.
    """

    features: Tensor
    diversity: float
    near: float


def reference(
    real: Tensor, extractor: FeatureExtractor, cache_dir: Path | None = None
) -> RealReference:
    """Describes the real images once, for comparisons that are repeated.

    Args:
        real: In [-1, 1], (images, 3, height, width).
        extractor: Sees them, and later what is compared with them.
        cache_dir: Where descriptions are kept: the same images need not be seen again, whatever
            they are called. By default nothing is kept.

    Raises:
        ValueError: There are fewer than 8 images.
    """
    if cache_dir is None:
        return _describe_real(real, extractor)
    folder = cache_dir / f"reference-{_content(real, extractor)}"
    if folder.exists():
        kept = load_file(folder / _FILE)
        return _known(kept["features"], kept["diversity"].item())
    described = _describe_real(real, extractor)
    with suppress(UserError):  # what cannot be kept costs its time again, and no result
        _keep(described, folder)
    return described


def evaluate_samples(
    images: Tensor, real: RealReference, extractor: FeatureExtractor
) -> dict[str, float]:
    """Compares samples of a model with real images.

    Every number is a function of the images alone, and depends on how many there are: compare runs
    at equal numbers of images.

    Args:
        images: In [-1, 1], (images, 3, height, width).
        real: The real images.
        extractor: Sees the samples; it has seen the real images.

    Returns:
        As `compare_described`.

    Raises:
        ValueError: There are fewer than 8 images.
    """
    return _compare(*_features_and_diversity(images, extractor, "sampled"), real)


def describe_set(images: Tensor, extractor: FeatureExtractor, kind: str) -> Description:
    """Describes images that are to be compared as a set.

    Args:
        images: In [-1, 1], (images, 3, height, width).
        extractor: Sees them.
        kind: What the message calls them.

    Raises:
        ValueError: There are fewer than 8 images.
    """
    _check_count(images, kind)
    return extractor.describe(images)


def compare_described(made: Description, real: RealReference) -> dict[str, float]:
    """Compares images that the extractor has seen with real ones.

    Returns:
        "diversity": mean pairwise perceptual distance of the made images, relative to that of the
            real images: 1 is as diverse, 0 one image over and over;
        "precision", "recall", "density", "coverage", "kid", "frechet_distance": see
            `compare_sets`; in the features of `FEATURES`, so not comparable with numbers from
            Inception.
    """
    return _compare(made.features, mean_pairwise_distance(made.appearance), real)


def _compare(features: Tensor, diversity: float, real: RealReference) -> dict[str, float]:
    return {
        "diversity": diversity / real.diversity,
        **compare_sets(real.features, features.cpu()),
    }


def _check_count(images: Tensor, kind: str) -> None:
    if len(images) < FEWEST:
        raise ValueError(
            f"at least {FEWEST} {kind} images are needed to compare sets, got {len(images)}: hold "
            "out more"
        )


def _describe_real(real: Tensor, extractor: FeatureExtractor) -> RealReference:
    return _known(*_features_and_diversity(real, extractor, "real"))


def _known(features: Tensor, diversity: float) -> RealReference:
    return RealReference(features, diversity, near=NEAR * diversity)


def _features_and_diversity(
    images: Tensor, extractor: FeatureExtractor, kind: str
) -> tuple[Tensor, float]:
    """Features on the CPU, and the mean pairwise perceptual distance, some images at a time.

    All appearances at once would take 100 KB an image. The mean over pairs of |u - v|^2 follows
    from the sum of the rows and that of their squares; they are at most 1 long, so nothing is lost
    in double precision.
    """
    _check_count(images, kind)
    features, total, squares = [], torch.zeros((), dtype=torch.float64), 0.0
    for chunk in images.split(_AT_ONCE):
        description = extractor.describe(chunk)
        features.append(description.features.cpu())
        appearance = description.appearance.double()
        total = total.to(appearance.device) + appearance.sum(0)
        squares += appearance.square().sum().item()
    count = len(images)
    scatter = squares - total.square().sum().item() / count
    return torch.cat(features), 2 * max(scatter, 0.0) / (count - 1)


def _content(images: Tensor, extractor: FeatureExtractor) -> str:
    """A name for images as this extractor sees them: it changes with either."""
    # What it says of two fixed images stands for its weights and its code.
    ramp = torch.linspace(-1, 1, 2 * 3 * 40 * 40).view(2, 3, 40, 40)
    seen = extractor.describe(ramp)
    said = (*seen.features.sum(1).tolist(), mean_pairwise_distance(seen.appearance))
    probe = [f"{number:.4g}" for number in said]
    content = hashlib.blake2b(repr((tuple(images.shape), probe)).encode(), digest_size=16)
    content.update(images.detach().float().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()


def _keep(described: RealReference, folder: Path) -> None:
    """Raises `UserError` where the folder cannot be written."""
    with translate_os_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if not folder.exists():
                diversity = torch.tensor(described.diversity, dtype=torch.float64)
                with atomic_dir(folder, marker=_FILE) as partial:
                    save_file(
                        {"features": described.features, "diversity": diversity}, partial / _FILE
                    )

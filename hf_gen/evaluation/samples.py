"""How made images compare with real ones as sets: how alike they are, and how diverse."""

from dataclasses import dataclass

from torch import Tensor

from hf_gen.evaluation.distributions import compare_sets
from hf_gen.evaluation.features import Description, FeatureExtractor, mean_pairwise_distance

FEWEST = 8
NEAR = 0.2


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


def reference(real: Tensor, extractor: FeatureExtractor) -> RealReference:
    """Describes the real images once, for comparisons that are repeated.

    Args:
        real: In [-1, 1], (images, 3, height, width).
        extractor: Sees them, and later what is compared with them.

    Raises:
        ValueError: There are fewer than 8 images.
    """
    description = describe_set(real, extractor, "real")
    diversity = mean_pairwise_distance(description.appearance)
    return RealReference(description.features.cpu(), diversity, near=NEAR * diversity)


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
    return compare_described(describe_set(images, extractor, "sampled"), real)


def describe_set(images: Tensor, extractor: FeatureExtractor, kind: str) -> Description:
    """Describes images that are to be compared as a set.

    Args:
        images: In [-1, 1], (images, 3, height, width).
        extractor: Sees them.
        kind: What the message calls them.

    Raises:
        ValueError: There are fewer than 8 images.
    """
    if len(images) < FEWEST:
        raise ValueError(
            f"at least {FEWEST} {kind} images are needed to compare sets, got {len(images)}: hold "
            "out more"
        )
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
    return {
        "diversity": mean_pairwise_distance(made.appearance) / real.diversity,
        **compare_sets(real.features, made.features.cpu()),
    }

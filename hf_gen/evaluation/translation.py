"""How translations into a domain compare with that domain, and whether they have collapsed."""

from torch import Tensor

from hf_gen.evaluation.samples import (
    FEWEST,
    NEAR,
    RealReference,
    compare_described,
    describe_set,
    reference,
)
from hf_gen.features import FeatureExtractor, nearest_distances

__all__ = [
    "FEWEST",
    "LEAST_DIVERSITY",
    "MOST_NEAR_IDENTICAL",
    "NEAR",
    "RealReference",
    "collapse_declared",
    "evaluate_translations",
    "reference",
]

LEAST_DIVERSITY = 0.5
MOST_NEAR_IDENTICAL = 0.5


def evaluate_translations(
    translations: Tensor, real: Tensor | RealReference, extractor: FeatureExtractor
) -> dict[str, float]:
    """Compares translations with real images of the domain that they should belong to.

    Every number is a function of the images alone, and depends on how many there are: compare runs
    and steps on the same held-out images.

    Args:
        translations: In [-1, 1], (images, 3, height, width).
        real: Real images, likewise, or what `reference` made of them.
        extractor: Sees both.

    Returns:
        "diversity", "precision", "recall", "density", "coverage", "kid", "frechet_distance": see
            `compare_described`;
        "nearest_translation_share": share of the inputs whose nearest other translation is
            near-identical (see `RealReference`): almost 0 for real images, 1 for a few modes.

    Raises:
        ValueError: There are fewer than 8 images.
    """
    description = describe_set(translations, extractor, "translated")
    known = reference(real, extractor) if isinstance(real, Tensor) else real
    near_identical = nearest_distances(description.appearance) < known.near
    return {
        **compare_described(description, known),
        "nearest_translation_share": near_identical.double().mean().item(),
    }


def collapse_declared(scores: dict[str, float]) -> bool:
    """Whether the generator says the same, or one of a few things, to many inputs.

    One answer shows in the diversity, below half that of the real images. A few answers keep it up
    (three evenly used ones have two thirds of it), but then most inputs share theirs with another.
    Coverage has no say: it is as low where translations are diverse and not yet of the domain, and
    five modes cover a third of 50 images.

    Args:
        scores: From `evaluate_translations`.
    """
    few_answers = scores["nearest_translation_share"] > MOST_NEAR_IDENTICAL
    return few_answers or scores["diversity"] < LEAST_DIVERSITY

"""How translations into a domain compare with that domain, and whether they have collapsed."""

import io
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass

import torch
from joblib import parallel_config
from prdc import compute_prdc
from torch import Tensor, nn
from torchmetrics.image.kid import KernelInceptionDistance

from hf_gen.evaluation.features import (
    FeatureExtractor,
    mean_pairwise_distance,
    nearest_distances,
)

FEWEST = 8
NEAR = 0.2
LEAST_DIVERSITY = 0.5
MOST_NEAR_IDENTICAL = 0.5
_NEAREST_K = 5
_SUBSETS = 100
_SUBSET_SIZE = 100
_SEED = 0


@dataclass(frozen=True)
class RealReference:
    """What `evaluate_translations` needs to know of the real images of the target domain.

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
    """Describes the real images once, for evaluations that are repeated.

    Args:
        real: Images of the target domain, in [-1, 1], (images, 3, height, width).
        extractor: Sees them, and later the translations.

    Raises:
        ValueError: There are fewer than 8 images.
    """
    _check_count(real, "real")
    description = extractor.describe(real)
    diversity = mean_pairwise_distance(description.appearance)
    return RealReference(description.features.cpu(), diversity, near=NEAR * diversity)


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
        "diversity": mean pairwise perceptual distance of the translations, relative to that of the
            real images: 1 is as diverse, 0 one image over and over;
        "precision", "density": share of translations near a real image, and how near the crowd;
        "recall", "coverage": share of real images near a translation, measured by the distances
            between translations, and by those between real images;
        "kid": kernel distance of the two sets, 0 for samples of one distribution, in the features
            of `FEATURES` and not comparable with numbers from Inception;
        "nearest_translation_share": share of the inputs whose nearest other translation is
            near-identical (see `RealReference`): almost 0 for real images, 1 for a few modes.

    Raises:
        ValueError: There are fewer than 8 images.

    Source: Naeem, Oh, Uh, Choi and Yoo, Reliable fidelity and diversity metrics for generative
        models, 2020 (5 neighbours); Binkowski, Sutherland, Arbel and Gretton, Demystifying MMD
        GANs, 2018.
    """
    _check_count(translations, "translated")
    known = reference(real, extractor) if isinstance(real, Tensor) else real
    description = extractor.describe(translations)
    features = description.features.cpu()
    near_identical = nearest_distances(description.appearance) < known.near
    return {
        "diversity": mean_pairwise_distance(description.appearance) / known.diversity,
        **_manifolds(known.features, features),
        "kid": _kernel_distance(known.features, features),
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


def _manifolds(real: Tensor, translated: Tensor) -> dict[str, float]:
    # It prints the two counts, and asks for eight threads, which reset the filters of warnings.
    with redirect_stdout(io.StringIO()), parallel_config(backend="sequential"):
        scores = compute_prdc(real.double().numpy(), translated.double().numpy(), _NEAREST_K)
    return {name: float(value) for name, value in scores.items()}


def _kernel_distance(real: Tensor, translated: Tensor) -> float:
    """The mean over fixed random subsets of the unbiased squared MMD with a cubic kernel."""
    subset_size = min(_SUBSET_SIZE, len(real), len(translated))
    # The features are at hand, so the network in the metric hands them on.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it keeps the features
        metric = KernelInceptionDistance(
            feature=nn.Identity(), subsets=_SUBSETS, subset_size=subset_size, sync_on_compute=False
        )
    metric.update(real, real=True)
    metric.update(translated, real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)  # the subsets are drawn from the global generator
        mean, _ = metric.compute()
    return mean.item()


def _check_count(images: Tensor, kind: str) -> None:
    if len(images) < FEWEST:
        raise ValueError(
            f"at least {FEWEST} {kind} images are needed to compare sets, got {len(images)}: hold "
            "out more"
        )

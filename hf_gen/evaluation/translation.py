"""All metrics of a translation pipeline: image quality, cycle consistency and mode collapse."""

from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from hf_gen.data.pixels import Pixels
from hf_gen.errors import UserError
from hf_gen.evaluation.collapse import mode_collapse_detected
from hf_gen.evaluation.factors import factor_scores, factor_values, train_factor_predictor
from hf_gen.evaluation.samples import (
    MIN_IMAGES,
    SetStatistics,
    reference,
    second_opinion,
    set_scores,
)
from hf_gen.faces import TEST_START, face_at
from hf_gen.features import FeatureExtractor, feature_extractor
from hf_gen.metrics import DIRECTIONS, SECOND_OPINION, Direction
from hf_gen.pipelines import TranslationPipeline

MAX_IMAGES = 400
# A fifth of the mean pairwise distance of the real images. Of 50 to 900 real faces at most 6 % have
# another one so near; a percentile of their nearest distances would depend on how many there are.
_NEAR = 0.2
MAX_TRAIN_FACES = 4_000


class TranslationEvaluator:
    """Evaluates translations of the first 400 images of each domain.

    Args:
        a: Images of domain a: of validation during training, of test after it.
        b: Images of domain b.
        cache_dir: Where the statistics of the images are kept for other runs.

    Attributes:
        images: How many images of each domain are translated, at least.

    Raises:
        UserError: A domain has fewer than 8 images.
    """

    def __init__(self, a: Pixels, b: Pixels, cache_dir: Path | None = None) -> None:
        self.images = min(len(a), len(b), MAX_IMAGES)
        if self.images < MIN_IMAGES:
            raise UserError(
                f"a domain has {self.images} images in its validation or test split, and at least "
                f"{MIN_IMAGES} are needed to evaluate translations: give that split more, or leave "
                "it out, and images of train are split off instead"
            )
        self._extractor = feature_extractor()
        self._cache_dir = cache_dir
        self._inputs = dict(zip(DIRECTIONS, (_first(a), _first(b)), strict=True))

    @cached_property
    def _references(self) -> dict[Direction, SetStatistics]:
        return self._of_targets(self._extractor)

    @cached_property
    def _references_again(self) -> dict[Direction, SetStatistics]:
        return self._of_targets(feature_extractor(name=SECOND_OPINION))

    def _of_targets(self, extractor: FeatureExtractor) -> dict[Direction, SetStatistics]:
        """Of the target domain of each direction."""
        targets = zip(DIRECTIONS, reversed(self._inputs.values()), strict=True)
        return {
            direction: reference(target, extractor, self._cache_dir)
            for direction, target in targets
        }

    def __call__(self, pipeline: TranslationPipeline, complete: bool = False) -> dict[str, float]:
        """Evaluates the translations and the cycle reconstructions of a pipeline.

        Args:
            pipeline: On any device; features are computed on the CPU, so that results compare.
            complete: With the second opinion, which an evaluation during training does without.

        Returns:
            As "DIRECTION/NAME": the scores of `evaluate_translations`; "mode_collapse", 1 where
            mode collapse is detected, else 0; "cycle_l1", the mean absolute error of the cycle
            reconstructions, for images in [-1, 1]; and if complete those of `second_opinion`.
            "kernel_distance" is the mean over both directions.
        """
        results: dict[str, float] = {}
        for direction, inputs in self._inputs.items():
            translations, cycle_reconstructions = (
                images.cpu() for images in pipeline.cycle(inputs, direction, output_type="pt")
            )
            scores = evaluate_translations(
                translations, self._references[direction], self._extractor
            )
            scores["mode_collapse"] = float(mode_collapse_detected(scores))
            scores["cycle_l1"] = l1_loss(cycle_reconstructions, inputs).item()
            if complete:
                scores |= second_opinion(translations, self._references_again[direction])
            results |= {f"{direction}/{name}": score for name, score in scores.items()}
        distances = [results[f"{direction}/kernel_distance"] for direction in DIRECTIONS]
        return results | {"kernel_distance": sum(distances) / 2}


def evaluate_translations(
    translations: Tensor, real: SetStatistics, extractor: FeatureExtractor
) -> dict[str, float]:
    """Compares translations with real images of the target domain.

    All scores depend on the number of images: compare runs and steps on the same images.

    Args:
        translations: In [-1, 1], (images, 3, height, width), at least 8.
        real: Images of the target domain.
        extractor: That of the real images.

    Returns:
        The scores of `set_scores`, and "near_duplicates": share of translations whose nearest other
        translation is closer than a fifth of the diversity of the real images. It is near 0 for
        real images, and 1 for a few modes.
    """
    outputs = extractor(translations)
    # The mean of |u - v|^2 over pairs is twice the sum of the variances.
    diversity = 2 * outputs.embeddings.double().var(0).sum().item()
    nearest = torch.cdist(outputs.embeddings, outputs.embeddings).fill_diagonal_(torch.inf).amin(1)
    near = (nearest.square() < _NEAR * real.diversity).double().mean().item()
    made = SetStatistics(outputs.features.cpu(), diversity)
    return set_scores(made, real) | {"near_duplicates": near}


def evaluate_against_ground_truth(
    pipeline: TranslationPipeline,
    a: Pixels,
    b: Pixels,
    cache_dir: Path,
    train_faces: int = MAX_TRAIN_FACES,
) -> dict[str, float]:
    """Compares translations of synthetic faces with the same faces drawn in the target style.

    Args:
        pipeline: What translates.
        a: Synthetic faces of the test split in the anime style.
        b: The same faces in the cartoon style.
        cache_dir: Where the networks that predict factors are kept.
        train_faces: How many synthetic faces of each style they are trained on.

    Returns:
        As "DIRECTION/NAME": "paired_l1", mean absolute error of images in [-1, 1];
        "paired_perceptual", mean perceptual distance; and the scores of `factor_scores`.
    """
    anime, cartoon = _first(a), _first(b)
    factors = factor_values([face_at(TEST_START + index) for index in range(len(anime))])
    results: dict[str, float] = {}
    for direction, style, inputs, counterparts in zip(
        DIRECTIONS, ("cartoon", "anime"), (anime, cartoon), (cartoon, anime), strict=True
    ):
        translations = pipeline.translate(inputs, direction, output_type="pt").cpu()
        predictor = train_factor_predictor(style, a.resolution, cache_dir, train_faces)
        distances = feature_extractor().perceptual_distance(translations, counterparts)
        scores = factor_scores(predictor, translations, factors) | {
            "paired_l1": l1_loss(translations, counterparts).item(),
            "paired_perceptual": distances.mean().item(),
        }
        results |= {f"{direction}/{name}": score for name, score in scores.items()}
    return results


def _first(pixels: Pixels) -> Tensor:
    return pixels.images(torch.arange(min(len(pixels), MAX_IMAGES)))

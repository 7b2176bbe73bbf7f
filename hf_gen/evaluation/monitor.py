"""Mode collapse as numbers along a training: the same faces, translated again and again."""

from pathlib import Path

import torch

from hf_gen.data.batches import Domain
from hf_gen.errors import UserError
from hf_gen.evaluation.factors import (
    paired_distance,
    surviving_factors,
    train_factor_reader,
    true_factors,
)
from hf_gen.evaluation.inception import inception_frechet_distance
from hf_gen.evaluation.translation import (
    FEWEST,
    collapse_declared,
    evaluate_translations,
    reference,
)
from hf_gen.faces import TEST_START, face_at
from hf_gen.features import feature_extractor
from hf_gen.metrics import DIRECTIONS
from hf_gen.pipelines import TranslationPipeline

MOST = 400
_MOST_TO_LEARN_FROM = 4_000


class TranslationMonitor:
    """Measures a translation pipeline on the first 400 held-out images of each domain.

    Args:
        a: Domain a.
        b: Domain b.
        cache_dir: Where what is known of the held-out images is kept for other runs on them.

    Attributes:
        images: How many images of each domain are measured, at least.

    Raises:
        UserError: If too few images are held out.
    """

    def __init__(self, a: Domain, b: Domain, cache_dir: Path | None = None) -> None:
        for domain in (a, b):
            if len(domain.held_out) < FEWEST:
                raise UserError(
                    f"{len(domain.held_out)} images are held out of a domain, and at least "
                    f"{FEWEST} are needed to measure translations: give more images"
                )
        self._extractor = feature_extractor()
        held_out = [
            domain.held_out.images(torch.arange(min(len(domain.held_out), MOST)))
            for domain in (a, b)
        ]
        self.images = min(len(images) for images in held_out)
        self._inputs = dict(zip(DIRECTIONS, held_out, strict=True))
        targets = zip(DIRECTIONS, reversed(held_out), strict=True)
        self._references = {
            direction: reference(target, self._extractor, cache_dir)
            for direction, target in targets
        }

    def __call__(self, pipeline: TranslationPipeline) -> dict[str, float]:
        """Scores as "DIRECTION/NAME", see `evaluate_translations`.

        "DIRECTION/collapsed" is 1 where collapse is declared and 0 elsewhere, "DIRECTION/cycle" the
        mean absolute error of the way there and back in units of [-1, 1], and "kid" the mean kernel
        distance of the two directions.
        """
        numbers: dict[str, float] = {}
        for direction, inputs in self._inputs.items():
            translations, back = (
                images.cpu() for images in pipeline.cycle(inputs, direction, output_type="pt")
            )
            scores = evaluate_translations(
                translations, self._references[direction], self._extractor
            )
            scores["collapsed"] = float(collapse_declared(scores))
            scores["cycle"] = (back - inputs).abs().mean().item()
            numbers |= {f"{direction}/{name}": value for name, value in scores.items()}
        numbers["kid"] = sum(numbers[f"{direction}/kid"] for direction in DIRECTIONS) / 2
        return numbers

    def inception(self, pipeline: TranslationPipeline) -> dict[str, float]:
        """The FID of the translations, each way, as "DIRECTION/inception_frechet_distance"."""
        numbers = {}
        for direction, target in zip(DIRECTIONS, reversed(DIRECTIONS), strict=True):
            inputs, real = self._inputs[direction], self._inputs[target]
            translations = pipeline.translate(inputs, direction, output_type="pt").cpu()
            distance = inception_frechet_distance(real, translations)
            numbers[f"{direction}/inception_frechet_distance"] = distance
        return numbers


def measure_truth(
    pipeline: TranslationPipeline, a: Domain, b: Domain, cache_dir: Path
) -> dict[str, float]:
    """Of synthetic faces, how near the translations come to the truth, and what of a face survives.

    Args:
        pipeline: What translates.
        a: Synthetic faces in the anime style, whose held-out faces are those of domain b.
        b: The same faces in the cartoon style.
        cache_dir: Where the networks that read factors are kept.

    Returns:
        See `paired_distance` and `surviving_factors`, as "DIRECTION/NAME".
    """
    count = min(len(a.held_out), len(b.held_out), MOST)
    factors = true_factors([face_at(TEST_START + index) for index in range(count)])
    faces = [domain.held_out.images(torch.arange(count)) for domain in (a, b)]
    learns_from = min(_MOST_TO_LEARN_FROM, len(a.train))
    numbers: dict[str, float] = {}
    for direction, style, inputs, counterparts in (
        (DIRECTIONS[0], "cartoon", faces[0], faces[1]),
        (DIRECTIONS[1], "anime", faces[1], faces[0]),
    ):
        translations = pipeline.translate(inputs, direction, output_type="pt").cpu()
        reader = train_factor_reader(style, a.train.resolution, cache_dir, count=learns_from)
        measured = paired_distance(translations, counterparts, feature_extractor())
        measured |= surviving_factors(reader, translations, factors)
        numbers |= {f"{direction}/{name}": value for name, value in measured.items()}
    return numbers

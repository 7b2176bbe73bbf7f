"""Whether a translated face agrees with its input in hair colour, skin tone and glasses.

The factors of a real face are unknown, so they are predicted twice: from the input by a predictor
trained on synthetic faces of its style, and from the translation by one of the other style.
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from hf_gen.data.pixels import Pixels
from hf_gen.evaluation.factors import PREDICTED, predict_factors, train_factor_predictor
from hf_gen.evaluation.translation import MAX_IMAGES, MAX_TRAIN_FACES
from hf_gen.faces import FACTORS, style_of
from hf_gen.metrics import DIRECTIONS
from hf_gen.pipelines import TranslationPipeline

AGREEMENT_FACTORS = ("hair_colour", "skin_tone", "glasses")
"""What both styles of faces show, real or synthetic."""
# Larger images are resized to it: training faces of 256 pixels would take gigabytes.
_MAX_SIZE = 64


def evaluate_agreement(
    pipeline: TranslationPipeline,
    a: Pixels,
    b: Pixels,
    cache_dir: Path,
    train_faces: int = MAX_TRAIN_FACES,
) -> dict[str, float]:
    """Evaluates in how many faces a factor predicted from the input is that of the translation.

    Args:
        pipeline: What translates.
        a: Images of domain a, of which the first 400 are translated.
        b: Images of domain b, likewise.
        cache_dir: Where the networks that predict factors are kept.
        train_faces: How many synthetic faces of each style they are trained on.

    Returns:
        For each of `AGREEMENT_FACTORS`, all in [0, 1]: "DIRECTION/agreement/NAME", the share of
        images with one prediction for input and translation;
        "DIRECTION/agreement/NAME_ceiling", the share of synthetic faces with one prediction for
        both of their drawings; "DIRECTION/agreement/NAME_chance", what randomly paired inputs and
        translations have on average. Empty if the domains are not the two styles, see `styles_of`.
    """
    styles = styles_of((pipeline.config.domain_a, pipeline.config.domain_b))
    if styles is None:
        return {}
    size = min(pipeline.config.resolution, _MAX_SIZE)
    predictors = [train_factor_predictor(style, size, cache_dir, train_faces) for style in styles]
    same = (predictors[0].predictions == predictors[1].predictions).double().mean(1).tolist()
    ceilings = dict(zip(PREDICTED, same, strict=True))
    results: dict[str, float] = {}
    for direction, pixels, source, target in zip(
        DIRECTIONS, (a, b), predictors, reversed(predictors), strict=True
    ):
        inputs = pixels.images(torch.arange(min(len(pixels), MAX_IMAGES)))
        translations = pipeline.translate(inputs, direction, output_type="pt").cpu()
        before, after = (
            predict_factors(predictor, _resized(images, size))
            for predictor, images in ((source, inputs), (target, translations))
        )
        for name in AGREEMENT_FACTORS:
            key = f"{direction}/agreement/{name}"
            results[key], results[f"{key}_chance"] = agreement(
                before[name], after[name], len(FACTORS[name])
            )
            results[f"{key}_ceiling"] = ceilings[name]
    return results


def _resized(images: Tensor, size: int) -> Tensor:
    if images.shape[-1] == size:
        return images
    return interpolate(images, size=(size, size), mode="bilinear", antialias=True)


def styles_of(domains: tuple[str, str]) -> tuple[str, str] | None:
    """The styles of faces that two domains are, by how their names begin.

    Args:
        domains: Names such as "anime" and "cartoon-faces".

    Returns:
        "anime" and "cartoon", in the order of the domains; None for any other pair of names.
    """
    a, b = map(style_of, domains)
    return (a, b) if a and b and a != b else None


def agreement(first: Tensor, second: Tensor, values: int) -> tuple[float, float]:
    """The share of pairs with one value, and the mean of that share over all pairings.

    The mean is the sum over the values of the product of their frequencies in both sets.

    Args:
        first: The value of each image, (images,), from 0 to `values` - 1.
        second: The value of each counterpart, (images,).
        values: How many there are.
    """
    share = (first == second).double().mean().item()
    counts = [torch.bincount(one, minlength=values).double() for one in (first, second)]
    return share, torch.dot(*counts).item() / len(first) ** 2

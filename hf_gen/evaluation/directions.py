"""Finds directions with names in a latent space, and keeps those that do what their names say.

Codes of synthetic faces, whose factors are known, are regressed on numbers made of the factors. A
factor predictor then reads what a step along each direction changes, on synthetic faces that the
regression has not seen and on samples of the default prior.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from hf_gen.evaluation.direction_effects import VALUES, Measured, measure_directions
from hf_gen.evaluation.factor_numbers import STYLE, WHEELS, factor_numbers
from hf_gen.evaluation.factors import factor_values, render_faces, train_factor_predictor
from hf_gen.faces import CONTINUOUS, VALIDATION_START, Face, face_at
from hf_gen.models.directions import LatentDirections
from hf_gen.pipelines import VAEPipeline

_FACES = 2_000
_TEST_FACES = 96
_RIDGE = 0.1


def find_directions(
    pipeline: VAEPipeline, cache_dir: Path, seed: int = 0
) -> tuple[LatentDirections | None, list[Measured]]:
    """Fits all directions on codes of 2,000 synthetic faces, and measures which are kept.

    Args:
        pipeline: Of a trained autoencoder, with the prior that it samples from.
        cache_dir: Where factor predictors are kept: training one takes minutes.
        seed: Of the sampled faces.

    Returns:
        Those that are kept, or None, and what was measured of each.
    """
    faces = [face_at(place) for place in range(_FACES)]
    everything = fit_directions(_encode(pipeline, faces), factor_values(faces))
    unseen = [face_at(VALIDATION_START + place) for place in range(_TEST_FACES)]
    generator = torch.Generator().manual_seed(seed)
    sampled = pipeline.sample_latents(_TEST_FACES, generator).float().cpu()
    codes = _encode(pipeline, unseen), sampled
    size = pipeline.config.resolution
    predictor = train_factor_predictor(STYLE, size, cache_dir).to(pipeline.device)
    measured = measure_directions(pipeline, everything, codes, predictor)
    return keep(everything, measured), measured


def fit_directions(codes: Tensor, factors: dict[str, Tensor]) -> LatentDirections:
    """Regresses codes on what the factors are as numbers, all at once, by least squares.

    The vector of a direction is the change of a code that goes with 1 more of its number, the
    others being equal. Wheels also read, by ridge regressions of their numbers on codes.

    Args:
        codes: (images, channels, height, width).
        factors: By name, (images,), from `factor_values`.

    Returns:
        All, in the widest range that is measured.
    """
    numbers = {}
    for name, (factor, table) in factor_numbers().items():
        if factor in CONTINUOUS:
            low, high = CONTINUOUS[factor]
            numbers[name] = (2 * factors[factor][:, None] - low - high) / (high - low)
        else:
            numbers[name] = table[factors[factor]]
    targets = torch.cat([*numbers.values()], dim=1).double()  # (images, rows)
    flat = codes.flatten(1).double().cpu()
    ones = torch.ones(len(flat), 1, dtype=flat.dtype)
    vectors = torch.linalg.lstsq(torch.cat((targets, ones), dim=1), flat).solution[:-1]
    shape = (codes.shape[1], codes.shape[2], codes.shape[3])
    made = LatentDirections(shape, tuple(numbers), len(WHEELS))
    scalars = len(numbers) - len(WHEELS)
    aims, mean = targets[:, scalars:], flat.mean(0)
    deviation = flat.std(0, correction=0).clamp_min(1e-6)
    whitened = (flat - mean) / deviation
    gram = whitened.T @ whitened + _RIDGE * len(flat) * torch.eye(flat.shape[1], dtype=flat.dtype)
    weights = torch.linalg.solve(gram, whitened.T @ (aims - aims.mean(0))) / deviation[:, None]
    fitted = {"vectors": vectors, "readers": weights.T, "offsets": aims.mean(0) - mean @ weights}
    is_wheel = torch.arange(len(numbers)) >= scalars
    fitted["lows"] = torch.where(is_wheel, 0.0, -VALUES[-1])
    fitted["highs"] = torch.where(is_wheel, 1.0, VALUES[-1])
    made.load_state_dict(fitted)
    return made


def keep(everything: LatentDirections, measured: list[Measured]) -> LatentDirections | None:
    """The directions that are kept, each in its range; None if none is."""
    kept = [one for one in measured if one.is_kept]
    if not kept:
        return None
    names = tuple(one.name for one in kept)
    wheels = [one.name for one in kept if one.is_wheel]
    made = LatentDirections(everything.config.latent_shape, names, len(wheels))
    rows, before = [], everything.state_dict()
    scalars = len(everything.config.names) - everything.config.num_wheels
    for name in names:
        place = list(everything.config.names).index(name)
        first = place if place < scalars else 2 * place - scalars
        rows += [first] if place < scalars else [first, first + 1]
    fitted = {"vectors": before["vectors"][rows]}
    if wheels:
        of_wheels = [row - scalars for row in rows if row >= scalars]
        fitted |= {key: before[key][of_wheels] for key in ("readers", "offsets")}
    fitted["lows"], fitted["highs"] = torch.tensor([one.range for one in kept]).T
    made.load_state_dict(fitted)
    return made


def _encode(pipeline: VAEPipeline, faces: Sequence[Face]) -> Tensor:
    images = render_faces(faces, STYLE, pipeline.config.resolution)
    return pipeline.encode(images).float().cpu()

"""Figures of variational autoencoders: of one run, or of several on the same test images."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import torch
from matplotlib.figure import Figure
from torch import Tensor

from hf_gen.metrics import MEASURED_IN, PRIORS, PriorName
from hf_gen.report.curves import ELBO, learning_curves
from hf_gen.report.image_grid import CELL, Row, image_grid
from hf_gen.report.run import EvaluatedRun
from hf_gen.report.style import save

COLUMNS = 10
_STEPS = 8
_PAIRS, _FROZEN_PAIRS = 4, 3
_MAX_TRAVERSED, _SPAN, _TRAVERSAL_STEPS = 50, 3, 7
_FEW_TRAVERSED = 12
Method = Literal["linear", "spherical"]
_FRECHET = f"Fréchet distance ({MEASURED_IN}) {{:.3g}}"
_WALK_LABELS = ("real", *[""] * _STEPS, "real")


def draw_vae_figures(run: EvaluatedRun, folder: Path) -> None:
    """Writes the figures of a run as PNGs, each also for a dark page with "-dark" after its stem.

    They are learning_curve, reconstructions, samples, interpolation, for latents of several
    channels frozen_dims (interpolations with frozen dimensions), and for vector latents traversal.

    Args:
        run: The run.
        folder: Of the figures.

    Raises:
        UserError: If the disk cannot be written, or the run has logged no losses.
    """
    save(folder / "learning_curve.png", lambda: learning_curves([run], ELBO))
    draw_vae_pictures(run, folder)
    save(folder / "interpolation.png", lambda: interpolations([run], _PAIRS))
    channels, height, width = run.pipeline.latent_shape
    if channels > 1:
        save(folder / "frozen_dims.png", lambda: frozen_interpolations(run))
    if height == width == 1:
        save(folder / "traversal.png", lambda: traversal(run))


def draw_vae_pictures(run: EvaluatedRun, folder: Path) -> None:
    """Writes reconstructions and samples of `draw_vae_figures`, which need no log.

    Raises:
        UserError: If the disk cannot be written.
    """
    save(folder / "reconstructions.png", lambda: reconstructions([run], 4 * COLUMNS))
    priors = run.pipeline.priors
    count, seed = COLUMNS * (2 if len(priors) > 1 else 4), run.recipe.optimisation.seed
    save(folder / "samples.png", lambda: samples([run], priors, count, seed))


def reconstructions(runs: Sequence[EvaluatedRun], count: int = COLUMNS) -> Figure:
    """The first test images, and below them their reconstructions by each run."""
    subtitle = "Each reconstruction is decoded from the mean of its image's posterior."
    rows = reconstruction_rows(runs, count)
    return image_grid("Test images and their reconstructions", rows, subtitle)


def samples(
    runs: Sequence[EvaluatedRun],
    priors: Sequence[PriorName] = (),
    count: int = COLUMNS,
    seed: int = 0,
) -> Figure:
    """New images of each run from each of some priors that it has.

    Args:
        runs: Of autoencoders, one of which has one of the priors.
        priors: What the latents are drawn from. Default: of each run its default prior.
        count: Of each run and prior.
        seed: The same for each run and prior.
    """
    subtitle = (
        f"Decoded from random latents of one seed. Fréchet distance in features of {MEASURED_IN}."
    )
    return image_grid("Samples", sample_rows(runs, priors, count, seed), subtitle)


def interpolations(runs: Sequence[EvaluatedRun], count: int) -> Figure:
    """Linear and spherical interpolations between `count` pairs of test images, by each run."""
    subtitle = "Decoded latents along a straight line, and along an arc that keeps their length."
    rows = interpolation_rows(runs, count)
    return image_grid("From one test image to another", rows, subtitle, _WALK_LABELS)


def reconstruction_rows(runs: Sequence[EvaluatedRun], count: int = COLUMNS) -> list[Row]:
    """The rows of `reconstructions`."""
    real = runs[0].images(count)
    reconstructed = [run.pipeline.reconstruct(real, output_type="pt").cpu() for run in runs]
    rows: list[Row] = []
    for start in range(0, len(real), COLUMNS):
        line = slice(start, start + COLUMNS)
        rows.append(Row("real", real[line], heading=" " if rows else ""))
        for run, images in zip(runs, reconstructed, strict=True):
            detail = "" if start else run.fact("psnr", "PSNR {:.1f} dB")
            rows.append(Row(run.name, images[line], detail))
    return rows


def sample_rows(
    runs: Sequence[EvaluatedRun],
    priors: Sequence[PriorName] = (),
    count: int = COLUMNS,
    seed: int = 0,
) -> list[Row]:
    """The rows of `samples`."""
    rows: list[Row] = []
    for run in runs:
        chosen = [prior for prior in run.pipeline.priors if prior in priors]
        for prior in chosen if priors else (None,):
            draw = partial(run.pipeline.sample, count, torch.Generator().manual_seed(seed), "pt")
            generated = (draw(prior) if prior else draw()).cpu()
            group = f"samples/{prior}" if prior else "samples"
            detail = run.fact(f"{group}/frechet_distance", _FRECHET)
            label = f"{run.name}, {PRIORS[prior]} prior" if prior else run.name
            rows += [Row(label, images, detail) for images in generated.split(COLUMNS)]
    return rows


def interpolation_rows(runs: Sequence[EvaluatedRun], count: int) -> list[Row]:
    """The rows of `interpolations`."""
    walks = {
        f"{run.name}, {method}": partial(walk, run, method=method)
        for method in get_args(Method)
        for run in runs
    }
    return _rows_of_pairs(runs[0], count, walks)


def frozen_interpolations(run: EvaluatedRun) -> Figure:
    """Interpolations in which all dimensions change, some are frozen, or only those change.

    Of 5 dimensions 2 to 4 are frozen, otherwise 0, 2 and 4.
    """
    channels = run.pipeline.latent_shape[0]
    frozen = [d for d in ((2, 3, 4) if channels == 5 else (0, 2, 4)) if d < channels]
    frozen = frozen[: channels - 1]
    others = [dimension for dimension in range(channels) if dimension not in frozen]
    names = ", ".join(map(str, frozen))
    walks = {
        "all dimensions change": partial(walk, run),
        f"{names} frozen": partial(walk, run, frozen=frozen),
        f"all but {names} frozen": partial(walk, run, frozen=others),
    }
    subtitle = (
        f"Linear interpolations between the latents of two test images, {channels} dimensions "
        "each, counted from 0. Frozen dimensions stay as in the left image."
    )
    rows = _rows_of_pairs(run, _FROZEN_PAIRS, walks)
    return image_grid("Interpolations with frozen dimensions", rows, subtitle, _WALK_LABELS)


def _rows_of_pairs(
    run: EvaluatedRun, count: int, walks: Mapping[str, Callable[[Tensor, Tensor], Tensor]]
) -> list[Row]:
    """Walks between the images of some pairs, a label each, with a gap between pairs."""
    return [
        Row(label, make(first, second), heading=" " if pair and not place else "")
        for pair, (first, second) in enumerate(image_pairs(run, count))
        for place, (label, make) in enumerate(walks.items())
    ]


def traversal(run: EvaluatedRun) -> Figure:
    """What each dimension of a vector latent does to one image, most informative first."""
    channels, kl = run.pipeline.latent_shape[0], run.results.get("kl_per_dimension", [])
    order, is_measured = list(range(channels)), len(kl) == channels
    if is_measured:
        order.sort(key=lambda dimension: -kl[dimension])
    chosen = order[:_MAX_TRAVERSED]
    walks = run.pipeline.traverse(
        run.images(1), chosen, _SPAN, _TRAVERSAL_STEPS, output_type="pt"
    ).cpu()
    rows = [
        Row(f"dimension {dimension}", images, f"{kl[dimension]:.2f} nats" if is_measured else "")
        for dimension, images in zip(chosen, walks, strict=True)
    ]
    subtitle = (
        f"One image; in each row one dimension of its latent goes from -{_SPAN} to +{_SPAN} "
        "standard deviations of the prior"
    )
    if is_measured:
        subtitle += ", the dimension with the largest KL first"
    if len(chosen) < channels:
        subtitle += f"; {len(chosen)} of {channels} are shown"
    places = torch.linspace(-_SPAN, _SPAN, _TRAVERSAL_STEPS).tolist()
    labels = [f"{place:+.0f}" if place else "0" for place in places]
    cell = CELL if len(rows) <= _FEW_TRAVERSED else CELL // 2
    return image_grid("Latent traversal", rows, subtitle + ".", labels, cell)


def image_pairs(run: EvaluatedRun, count: int) -> list[tuple[Tensor, Tensor]]:
    """Pairs of test images, (1, 3, height, width) each; of few images some twice."""
    images = run.test[0]
    ends = images.images(torch.arange(2 * count) % len(images)).split(1)
    return list(zip(ends[0::2], ends[1::2], strict=True))


def walk(
    run: EvaluatedRun,
    first: Tensor,
    second: Tensor,
    method: Method = "linear",
    frozen: Sequence[int] = (),
) -> Tensor:
    """Two real images and 8 decoded ones between them, (10, 3, height, width)."""
    generated = run.pipeline.interpolate(
        first, second, _STEPS, method, output_type="pt", frozen_dims=frozen
    )
    return torch.cat((first, generated.cpu(), second))

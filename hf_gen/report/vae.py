"""The figures of one run of a variational autoencoder."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from matplotlib.figure import Figure
from torch import Tensor

from hf_gen.data.pixels import Pixels
from hf_gen.metrics import PRIORS
from hf_gen.pipelines import VAEPipeline
from hf_gen.report.curves import TERMS, Metrics, draw_splits, limit
from hf_gen.report.sheet import Row, sheet
from hf_gen.report.style import HELD_OUT, TRAIN, charts, legend_below, save
from hf_gen.runs.folder import RunFolder

METHODS: dict[Literal["linear", "spherical"], str] = {
    "linear": "straight",
    "spherical": "spherical",
}
COLUMNS = 10
_PAIRS, _HELD_PAIRS = 4, 3
_STEPS = 8
_MOST_TRAVERSED, _SPAN, _TRAVERSAL_STEPS = 50, 3, 7
_IN_ONE_COLUMN = 12


def draw_vae_figures(run: RunFolder, pipeline: VAEPipeline, held_out: Pixels, seed: int) -> None:
    """Writes the figures of a run as PNGs, each also for a dark page with "-dark" after its stem.

    They are learning_curve, reconstructions, samples, interpolation, and for codes of several
    dimensions held; for codes that are vectors also traversal.

    Args:
        run: Whose log, results and figures folder.
        pipeline: The trained autoencoder.
        held_out: The images to show; the same ones in every figure of the same data.
        seed: Of the samples.

    Raises:
        UserError: If the disk cannot be written.
    """
    folder, name = run.figures, run.path.name
    save(folder / "learning_curve.png", partial(_learning_curve, run.metrics(), name))
    draw_vae_pictures(folder, name, pipeline, held_out, seed)
    save(folder / "interpolation.png", _interpolation(pipeline, held_out))
    _, channels, height, width = pipeline.encode(_images(held_out, 1)).shape
    if channels > 1:
        save(folder / "held.png", held_walks(pipeline, held_out, channels))
    if height == width == 1:
        kl = run.results().get("kl_per_dimension", [])
        save(folder / "traversal.png", traversal(pipeline, held_out, channels, kl))


def draw_vae_pictures(
    folder: Path, name: str, pipeline: VAEPipeline, held_out: Pixels, seed: int
) -> None:
    """The figures reconstructions and samples of `draw_vae_figures`, into a folder.

    Args:
        folder: Where to.
        name: What the model is called.
        pipeline: The trained autoencoder.
        held_out: The images to show.
        seed: Of the samples.

    Raises:
        UserError: If the disk cannot be written.
    """
    save(folder / "reconstructions.png", _reconstructions(pipeline, held_out))
    save(folder / "samples.png", partial(samples_sheet, name, sample_rows(pipeline, seed)))


def sample_rows(pipeline: VAEPipeline, seed: int, count: int | None = None) -> list[Row]:
    """Samples of every prior that the pipeline has, a row each, all from the same seed.

    Args:
        pipeline: What samples.
        seed: Of each row.
        count: In a row. Default: two lines, or four where there is but one prior.
    """
    count = count or COLUMNS * (2 if len(pipeline.priors) > 1 else 4)
    rows = []
    for prior in pipeline.priors:
        generator = torch.Generator().manual_seed(seed)
        images = pipeline.sample(count, generator=generator, output_type="pt", prior=prior)
        rows.append(Row(f"{PRIORS[prior]} prior", images.cpu()))
    return rows


def samples_sheet(name: str, rows: Sequence[Row]) -> Figure:
    """The figure of what `sample_rows` made."""
    subtitle = "New images, decoded from random codes; every prior starts from the same seed."
    if len(rows) == 1:
        subtitle = "New images, decoded from random codes."
    return sheet(f"{name}: samples", rows, subtitle, columns=COLUMNS)


def walk_labels(steps: int) -> tuple[str, ...]:
    """What stands above a walk between two real images."""
    return ("real", *[""] * steps, "real")


def _learning_curve(metrics: Metrics, name: str) -> Figure:
    shown = [term for term in TERMS if any(f"train/{term}" in line for line in metrics)]
    figure, panels = charts(f"{name}: learning curve", 1, len(shown), 3.2)
    for axes, term in zip(panels, shown, strict=True):
        train = {"color": TRAIN, "linewidth": 1.1, "label": "training images"}
        held_out = {"color": HELD_OUT, "linewidth": 1.8, "label": "held-out images"}
        held_out |= {"marker": "o", "markersize": 3}
        is_log = limit(axes, draw_splits(axes, metrics, term, train, held_out))
        unit = "nats per image" + (", log scale" if is_log else "")
        axes.set(title=TERMS[term], xlabel="epoch", ylabel=unit)
    legend_below(figure, *panels[0].get_legend_handles_labels())
    return figure


def _reconstructions(pipeline: VAEPipeline, held_out: Pixels) -> partial[Figure]:
    real = _images(held_out, 4 * COLUMNS)
    made = pipeline.reconstruct(real, output_type="pt").cpu()
    rows: list[Row] = []
    for number, (ours, theirs) in enumerate(
        zip(real.split(COLUMNS), made.split(COLUMNS), strict=True)
    ):
        # A heading without words parts the pairs of rows.
        rows += [Row("real", ours, heading=" " if number else ""), Row("reconstructed", theirs)]
    subtitle = "Each image stands above what the decoder makes of its code's mean."
    return partial(sheet, "Held-out images and their reconstructions", rows, subtitle)


def _interpolation(pipeline: VAEPipeline, held_out: Pixels) -> partial[Figure]:
    rows: list[Row] = []
    for first, second in pairs(held_out, _PAIRS):
        for method, label in METHODS.items():
            walk = pipeline.interpolate(first, second, _STEPS, method, output_type="pt").cpu()
            heading = " " if rows and method == "linear" else ""
            rows.append(Row(label, torch.cat((first, walk, second)), heading=heading))
    title = "From one held-out image to another"
    subtitle = "Decoded codes along a straight line, and along the arc that keeps their length."
    return partial(sheet, title, rows, subtitle, column_labels=walk_labels(_STEPS))


def held_walks(pipeline: VAEPipeline, held_out: Pixels, channels: int) -> partial[Figure]:
    """Walks between held-out images: all dimensions move, some are held, only those move.

    Args:
        pipeline: The autoencoder.
        held_out: Where the ends come from.
        channels: Of its codes, at least 2. Of 5 dimensions 2 to 4 are held, else 0, 2 and 4.
    """
    wanted = (2, 3, 4) if channels == 5 else (0, 2, 4)
    held = [dimension for dimension in wanted if dimension < channels]
    held = held[: channels - 1]
    others = [dimension for dimension in range(channels) if dimension not in held]
    named = _named(held, channels)
    rows: list[Row] = []
    for first, second in pairs(held_out, _HELD_PAIRS):
        heading = " " if rows else ""
        for label, still in (
            ("all dimensions move", []),
            (f"{named} held", held),
            (f"only {named} {'move' if len(held) > 1 else 'moves'}", others),
        ):
            walk = pipeline.interpolate(
                first, second, _STEPS, output_type="pt", frozen_dims=still
            ).cpu()
            rows.append(Row(label, torch.cat((first, walk, second)), heading=heading))
            heading = ""
    subtitle = (
        f"Straight walks between the codes of two held-out images, {channels} dimensions each, "
        "counted from 0. What is held stays as in the left image."
    )
    title = "Walks on which some dimensions are held"
    return partial(sheet, title, rows, subtitle, column_labels=walk_labels(_STEPS))


def traversal(
    pipeline: VAEPipeline, held_out: Pixels, channels: int, kl: Sequence[float]
) -> partial[Figure]:
    """What each dimension of a vector code does to one image, a row a dimension.

    Args:
        pipeline: The autoencoder.
        held_out: Whose first image it is.
        channels: Of its codes.
        kl: Of each dimension, in nats: the largest first. Without it they come in order.
    """
    order = list(range(channels))
    if len(kl) == channels:
        order.sort(key=lambda dimension: -kl[dimension])
    chosen = order[:_MOST_TRAVERSED]
    walks = pipeline.traverse(
        _images(held_out, 1), chosen, _SPAN, _TRAVERSAL_STEPS, output_type="pt"
    ).cpu()
    rows = [
        Row(f"dimension {place}", walk, f"{kl[place]:.2f} nats" if len(kl) == channels else "")
        for place, walk in zip(chosen, walks, strict=True)
    ]
    is_tall = len(rows) > _IN_ONE_COLUMN
    subtitle = (
        f"One image; in each row one dimension of its code goes from -{_SPAN} to +{_SPAN} standard "
        "deviations of the prior"
    )
    if len(kl) == channels:
        subtitle += ", the dimension that tells most about an image (KL) first"
    if len(chosen) < channels:
        subtitle += f"; {len(chosen)} of {channels} are shown"
    places = torch.linspace(-_SPAN, _SPAN, _TRAVERSAL_STEPS)
    return partial(
        sheet,
        "What every dimension does",
        rows,
        subtitle + ".",
        column_labels=[f"{place:+.0f}" if place else "0" for place in places.tolist()],
        cell=96 if is_tall else 128,
        side_by_side=2 if is_tall else 1,
    )


def _named(held: Sequence[int], channels: int) -> str:
    """Such as "2 to 4", or "0, 2 and 4"."""
    if len(held) > 2 and list(held) == list(range(held[0], held[-1] + 1)):
        return f"{held[0]} to {held[-1]}"
    return " and ".join(filter(None, (", ".join(map(str, held[:-1])), str(held[-1]))))


def _images(held_out: Pixels, count: int) -> Tensor:
    return held_out.images(torch.arange(min(len(held_out), count)))


def pairs(held_out: Pixels, count: int) -> list[tuple[Tensor, Tensor]]:
    """So many pairs of held-out images, (1, 3, height, width) each; of few images some twice."""
    ends = held_out.images(torch.arange(2 * count) % len(held_out)).split(1)
    return list(zip(ends[0::2], ends[1::2], strict=True))

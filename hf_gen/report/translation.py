"""Figures of CycleGAN: of one run, or of several on the same test images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from torch import Tensor

from hf_gen.errors import UserError
from hf_gen.evaluation.collapse import EPOCH, MAX_NEAR_DUPLICATES, MIN_DIVERSITY
from hf_gen.images import to_tensor
from hf_gen.metrics import DIRECTIONS, MEASURED_IN, Direction
from hf_gen.report.curves import TRANSLATION_LOSSES, learning_curves, limit, series
from hf_gen.report.image_grid import Row, image_grid
from hf_gen.report.run import EvaluatedRun
from hf_gen.report.style import charts, legend_below, legend_height, look, save

_TIMELINE = {
    "diversity": "Diversity (1: as the real images)",
    "coverage": "Coverage (share of the real images)",
    "kernel_distance": "Kernel distance (0: as the real images)",
    "near_duplicates": "Share of near-duplicate translations",
}
# Beyond which mode collapse is detected.
_LIMITS = {"diversity": MIN_DIVERSITY, "near_duplicates": MAX_NEAR_DUPLICATES}
_ALARM = "#d1495b"
_SHOWN = 10


def draw_translation_figures(run: EvaluatedRun, folder: Path) -> None:
    """Writes the figures of a run as PNGs, each also for a dark page with "-dark" after its stem.

    They are learning_curve, a_to_b, b_to_a, collapse, and training (of pictures in progress/).

    Args:
        run: The run.
        folder: Of the figures.

    Raises:
        UserError: If the disk cannot be written, or the run has logged no losses or scores.
    """
    save(folder / "learning_curve.png", lambda: learning_curves([run], TRANSLATION_LOSSES))
    draw_translations(run, folder)
    save(folder / "collapse.png", lambda: mode_collapse([run]))
    save(folder / "training.png", lambda: training_progress(run, folder / "progress"))


def draw_translations(run: EvaluatedRun, folder: Path) -> None:
    """Writes a_to_b and b_to_a of `draw_translation_figures`, which need no log.

    Raises:
        UserError: If the disk cannot be written.
    """
    save(folder / "a_to_b.png", lambda: translations([run], "a_to_b"))
    save(folder / "b_to_a.png", lambda: translations([run], "b_to_a"))


def translations(runs: Sequence[EvaluatedRun], direction: Direction, count: int = _SHOWN) -> Figure:
    """The first test images, and their translations and cycle reconstructions by each run."""
    source, target = runs[0].domain_names(direction)
    real = runs[0].images(count, DIRECTIONS.index(direction))
    rows = [Row(f"real {source}", real)]
    for run in runs:
        translated, cycled = run.pipeline.cycle(real, direction, output_type="pt")
        detail = run.fact(
            f"{direction}/kernel_distance", f"kernel distance ({MEASURED_IN}) {{:.3g}}"
        )
        name = f"{run.name}, " if len(runs) > 1 else ""
        rows.append(Row(f"{name}as {target}", translated, detail, heading=" "))
        rows.append(Row(f"{name}back as {source}", cycled))
    return image_grid(f"Test images from {source} to {target} and back", rows)


def mode_collapse(runs: Sequence[EvaluatedRun]) -> Figure:
    """The scores of mode collapse along the training: a column a direction, a curve a run.

    Raises:
        UserError: If no run has logged its scores.
    """
    if not any(series(run.metrics, "validation", "a_to_b/diversity", x=EPOCH)[0] for run in runs):
        names = ", ".join(run.name for run in runs)
        raise UserError(f"metrics.jsonl of {names} has no scores of translations: train again")
    labels = [run.name for run in runs] + ["limit of mode collapse", "mode collapse detected"]
    title = f"Mode collapse along the training (features: {MEASURED_IN})"
    figure, panels = charts(title, len(_TIMELINE), 2, 7.6 + legend_height(labels))
    for number, (score, label) in enumerate(_TIMELINE.items()):
        pair = panels[2 * number : 2 * number + 2]
        values: list[float] = []
        for axes, direction in zip(pair, DIRECTIONS, strict=True):
            for place, run in enumerate(runs):
                values += _timeline(axes, run, direction, score, look(place))
            if score in _LIMITS:
                axes.axhline(_LIMITS[score], linestyle=":", linewidth=1.4, color=_ALARM)
                values.append(_LIMITS[score])
            axes.set_title(label, fontsize=8.5)
            axes.set_xlabel("epoch of the smaller domain" if number == len(_TIMELINE) - 1 else "")
            if number == 0:
                way = " to ".join(runs[0].domain_names(direction))
                axes.text(0, 1.24, way, transform=axes.transAxes, fontweight="bold")
        for axes in pair:
            limit(axes, values, is_linear=True)
    handles = [Line2D([], [], linewidth=1.5, **look(place)) for place in range(len(runs))]
    handles.append(Line2D([], [], linestyle=":", linewidth=1.4, color=_ALARM))
    handles.append(Line2D([], [], linestyle="", marker="x", markeredgewidth=1.8, color=_ALARM))
    legend_below(figure, handles, labels)
    return figure


def _timeline(
    axes: Axes, run: EvaluatedRun, direction: Direction, score: str, style: dict[str, Any]
) -> list[float]:
    """Draws one score of one run, with a cross where mode collapse is detected."""
    epochs, values = series(run.metrics, "validation", f"{direction}/{score}", x=EPOCH)
    axes.plot(epochs, values, linewidth=1.5, **style)
    _, collapsed = series(run.metrics, "validation", f"{direction}/mode_collapse", x=EPOCH)
    points = [point for point in zip(epochs, values, collapsed, strict=False) if point[2]]
    where = [point[0] for point in points], [point[1] for point in points]
    axes.plot(*where, "x", color=_ALARM, markersize=8, markeredgewidth=1.8)
    return values


def training_progress(run: EvaluatedRun, folder: Path) -> Figure:
    """The same validation images through the training, in both directions.

    Args:
        run: Whose domains are named.
        folder: Holds the pictures of the training, step-NUMBER.png.
    """
    steps = {int(path.stem[5:]): path for path in folder.glob("step-*.png")}
    places = np.linspace(0, len(steps) - 1, min(len(steps), _SHOWN)).round()
    chosen = [sorted(steps)[int(place)] for place in places]
    strips = [_strips(steps[step]) for step in chosen]
    rows = [Row("real", torch.cat((strips[-1][0], strips[-1][2])))]
    for step, (_, as_b, _, as_a) in zip(chosen, strips, strict=True):
        rows.append(Row(f"step {step:,}", torch.cat((as_b, as_a))))
    ways = [" to ".join(run.domain_names(direction)) for direction in DIRECTIONS]
    labels = [ways[0], *[""] * (len(strips[-1][0]) - 1), ways[1]]
    title = "The same validation images through the training"
    return image_grid(title, rows, column_labels=labels, cell=96)


def _strips(path: Path) -> list[Tensor]:
    """The four rows of a picture that `hf_gen.images.grid` made, (columns, 3, height, width).

    They are domain a, its translations, domain b and its translations.
    """
    gap = 2
    with Image.open(path) as picture:
        pixels = np.array(picture.convert("RGB"))[gap:, gap:]
    pitch = len(pixels) // 4
    cells = pixels.reshape(4, pitch, -1, pitch, 3)[:, :-gap, :, :-gap].swapaxes(1, 2)
    return [to_tensor([Image.fromarray(cell) for cell in row]) for row in cells]

"""The figures of one CycleGAN run: curves, translations both ways, the story of mode collapse."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from hf_gen.data.batches import Domain
from hf_gen.data.pixels import Pixels
from hf_gen.evaluation.translation import MAX_NEAR_DUPLICATES, MIN_DIVERSITY
from hf_gen.faces import CONTINUOUS, FACTORS
from hf_gen.features import FEATURES
from hf_gen.images import to_tensor
from hf_gen.metrics import DIRECTIONS, Direction
from hf_gen.pipelines import TranslationPipeline
from hf_gen.report.curves import Metrics, draw_splits, limit, series
from hf_gen.report.sheet import Row, sheet
from hf_gen.report.style import HELD_OUT, PALETTE, TRAIN, charts, legend_below, save
from hf_gen.runs.folder import RunFolder

COLOURS: dict[Direction, str] = {"a_to_b": PALETTE[1], "b_to_a": PALETTE[0]}
TIMELINE = {
    "diversity": "Diversity (1: as the real images)",
    "coverage": "Coverage (share of the real images)",
    "kernel_distance": "Kernel distance (0: as the real images)",
    "near_duplicates": "Share of near-duplicate translations",
}
ALARMS = {"diversity": MIN_DIVERSITY, "near_duplicates": MAX_NEAR_DUPLICATES}
"""Beyond which mode collapse is detected."""
_SHOWN = 10
_STEPS_OF_STRIP = 10
Names = tuple[str, str]


def draw_translation_figures(
    run: RunFolder, pipeline: TranslationPipeline, a: Domain, b: Domain
) -> None:
    """Writes the figures of a run as PNGs, each also for a dark page with "-dark" after its stem.

    They are learning_curve, a_to_b, b_to_a, collapse, training, and of synthetic faces truth.

    Args:
        run: Whose log, results, progress pictures and figures folder.
        pipeline: The exported generators.
        a: Domain a, of which held-out images are shown.
        b: Domain b.

    Raises:
        UserError: If the disk cannot be written.
    """
    folder, name, metrics = run.figures, run.path.name, run.metrics()
    names = (pipeline.config.domain_a, pipeline.config.domain_b)
    save(folder / "learning_curve.png", partial(_learning_curve, metrics, name))
    draw_translations(folder, pipeline, a, b)
    if "a_to_b/paired_l1" in run.results():
        save(folder / "truth.png", partial(_truth, run.results(), name, names))
    save(folder / "collapse.png", partial(_collapse, metrics, name, names))
    save(folder / "training.png", _training(folder / "progress", names))


def draw_translations(folder: Path, pipeline: TranslationPipeline, a: Domain, b: Domain) -> None:
    """The figures a_to_b and b_to_a of `draw_translation_figures`, into a folder.

    Raises:
        UserError: If the disk cannot be written.
    """
    names = (pipeline.config.domain_a, pipeline.config.domain_b)
    save(folder / "a_to_b.png", _translations(pipeline, a.held_out, "a_to_b", names))
    save(folder / "b_to_a.png", _translations(pipeline, b.held_out, "b_to_a", names[::-1]))


def cycled(
    pipeline: TranslationPipeline, real: Tensor, direction: Direction
) -> tuple[Tensor, Tensor]:
    """Translations of images and what they come back as, on the CPU, shaped as the images."""
    there, back = pipeline.cycle(real, direction, output_type="pt")
    return there.cpu(), back.cpu()


def _learning_curve(metrics: Metrics, name: str) -> Figure:
    turns = ("generators", "discriminators")
    figure, panels = charts(f"{name}: learning curves", 1, 2, 3.3)
    for axes, turn in zip(panels, turns, strict=True):
        train = {"color": TRAIN, "linewidth": 1.1, "label": "training images"}
        held_out = {"color": HELD_OUT, "linewidth": 1.8, "label": "held-out images"}
        held_out |= {"marker": "o", "markersize": 3}
        is_log = limit(axes, draw_splits(axes, metrics, f"{turn}/objective", train, held_out))
        unit = "objective" + (", log scale" if is_log else "")
        axes.set(title=f"Both {turn}", xlabel="epoch", ylabel=unit)
    legend_below(figure, *panels[0].get_legend_handles_labels())
    return figure


def _translations(
    pipeline: TranslationPipeline, held_out: Pixels, direction: Direction, way: Names
) -> partial[Figure]:
    real = held_out.images(torch.arange(min(_SHOWN, len(held_out))))
    there, back = cycled(pipeline, real, direction)
    rows = [Row(f"real {way[0]}", real), Row(f"as {way[1]}", there), Row("and back", back)]
    return partial(sheet, f"Held-out images from {way[0]} to {way[1]} and back again", rows)


def _collapse(metrics: Metrics, name: str, names: Names) -> Figure:
    title = f"{name}: mode collapse along the training (features: {FEATURES})"
    figure, panels = charts(title, 2, 2, 5.6)
    for axes, (score, label) in zip(panels, TIMELINE.items(), strict=True):
        seen: list[float] = []
        for direction, way in zip(DIRECTIONS, (names, names[::-1]), strict=True):
            epochs, values = series(metrics, f"validation/{direction}/{score}")
            look: Any = {"color": COLOURS[direction], "label": " to ".join(way), "markersize": 3}
            axes.plot(epochs, values, "o-", **look)
            _shade(axes, *series(metrics, f"validation/{direction}/mode_collapse"))
            seen += values
        if score in ALARMS:
            seen.append(draw_alarm(axes, score))
        limit(axes, seen, is_linear=True)
        axes.set(title=label, xlabel="epoch")
    legend_below(figure, *panels[0].get_legend_handles_labels())
    return figure


def draw_alarm(axes: Axes, score: str) -> float:
    """The line beyond which mode collapse is detected; returns where it stands."""
    style: Any = {"linestyle": ":", "linewidth": 1.4, "color": HELD_OUT}
    words = "dotted: limit of collapse; shaded: mode collapse detected"
    axes.axhline(ALARMS[score], label=words, **style)
    return ALARMS[score]


def _shade(axes: Axes, epochs: list[float], collapsed: list[float]) -> None:
    """From the evaluation before to the one that detects it."""
    for before, now, is_collapsed in zip([0.0, *epochs], epochs, collapsed, strict=False):
        if is_collapsed:
            axes.axvspan(before, now, color="#808890", alpha=0.22, linewidth=0)


def _truth(results: Mapping[str, float], name: str, names: Names) -> Figure:
    factors = (*FACTORS, *CONTINUOUS)
    places = np.arange(len(factors))
    figure, (axes,) = charts(f"{name}: what of a face survives its translation", 1, 1, 3.6)
    for offset, direction, way in zip((-0.2, 0.2), DIRECTIONS, (names, names[::-1]), strict=True):
        survived = [results[f"{direction}/{factor}"] for factor in factors]
        ceilings = [results[f"{direction}/{factor}_ceiling"] for factor in factors]
        axes.bar(places + offset, survived, 0.36, color=COLOURS[direction], label=" to ".join(way))
        label = "read off true images" if direction == "a_to_b" else ""
        axes.hlines(
            ceilings, places + offset - 0.18, places + offset + 0.18, "#808890", label=label
        )
    guesses = [1 / len(FACTORS[factor]) if factor in FACTORS else 0.0 for factor in factors]
    axes.plot(places, guesses, "x", color="#808890", label="a guess", zorder=3)
    axes.set_xticks(places, [factor.replace("_", " ") for factor in factors], rotation=20)
    axes.grid(visible=False, axis="x")
    axes.set_ylabel("share read correctly\n(width, tilt: correlation)")
    legend_below(figure, *axes.get_legend_handles_labels())
    return figure


def _training(folder: Path, names: Names) -> partial[Figure]:
    """The same images through the training, from the pictures kept along the way."""
    pictures = sorted(folder.glob("step-*.png"), key=lambda picture: int(picture.stem[5:]))
    places = np.linspace(0, len(pictures) - 1, min(len(pictures), _STEPS_OF_STRIP)).round()
    chosen = [pictures[int(place)] for place in places]
    strips = {path: _strips(path) for path in chosen}
    rows = []
    # Rows of a progress picture: a, its translation, b, its translation.
    for domain, (source, target) in enumerate((names, names[::-1])):
        rows.append(Row(f"real {source}", strips[chosen[-1]][2 * domain]))
        for path in chosen:
            step = f"step {int(path.stem[5:]):,}"
            rows.append(Row(f"as {target}", strips[path][2 * domain + 1], step))
    title = "The same held-out images through the training"
    return partial(sheet, title, rows, cell=96, side_by_side=2)


def _strips(path: Path) -> list[Tensor]:
    """The four rows of a picture that `hf_gen.images.grid` made, (columns, 3, height, width)."""
    gap = 2
    with Image.open(path) as picture:
        pitch = (picture.height - gap) // 4
        rows = []
        for top in range(gap, picture.height - gap, pitch):
            lefts = range(gap, picture.width - gap, pitch)
            side = pitch - gap
            cells = [picture.crop((left, top, left + side, top + side)) for left in lefts]
            rows.append(to_tensor(cells))
    return rows

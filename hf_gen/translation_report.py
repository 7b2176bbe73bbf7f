"""The figures of a CycleGAN run: curves, translations both ways, the story of mode collapse."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from hf_gen.atomic import disk_errors_as_sentences
from hf_gen.data.batches import Domain
from hf_gen.data.faces import CONTINUOUS, FACTORS
from hf_gen.evaluation.features import FEATURES
from hf_gen.pipelines import TranslationPipeline
from hf_gen.pipelines.translation import Direction
from hf_gen.report import HELD_OUT, TRAIN, crisp_grid, show
from hf_gen.runs import RunFolder

COLOURS = {"a_to_b": "#d1495b", "b_to_a": "#2e7d8f"}
_SHOWN = 10
_STEPS_OF_STRIP = 10
_TIMELINE = {
    "diversity": "diversity (1: as the real images)",
    "coverage": "coverage of the real images",
    "kid": "KID",
    "nearest_translation_share": "share of near-identical translations",
}


def draw_translation_figures(
    run: RunFolder, pipeline: TranslationPipeline, a: Domain, b: Domain
) -> None:
    """Writes learning_curve, a_to_b, b_to_a, collapse and training as PNGs into the run.

    Args:
        run: Whose log, progress pictures and figures folder.
        pipeline: The exported generators.
        a: Domain a, of which held-out images are shown.
        b: Domain b.

    Raises:
        UserError: If the disk cannot be written.
    """
    with disk_errors_as_sentences(run.figures):
        run.figures.mkdir(parents=True, exist_ok=True)
        metrics, title = run.metrics(), run.path.name
        names = (pipeline.config.domain_a, pipeline.config.domain_b)
        _learning_curves(metrics, title, run.figures / "learning_curve.png")
        _translations(pipeline, a, "a_to_b", names, run.figures / "a_to_b.png")
        _translations(pipeline, b, "b_to_a", names[::-1], run.figures / "b_to_a.png")
        if "a_to_b/paired_l1" in run.results():
            _truth(run.results(), title, names, run.figures / "truth.png")
        _collapse(metrics, title, names, run.figures / "collapse.png")
        _training(run, names, run.figures / "training.png")


def _learning_curves(metrics: list[dict[str, float]], title: str, path: Path) -> None:
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    figure.suptitle(f"{title}: learning curves")
    panels = figure.subplots(1, 2)
    for axes, turn in zip(panels, ("generators", "discriminators"), strict=True):
        for split, label, colour in (
            ("train", "train", TRAIN),
            ("validation", "held out", HELD_OUT),
        ):
            key = f"{split}/{turn}/objective"
            lines = [line for line in metrics if key in line]
            epochs, values = [line["epoch"] for line in lines], [line[key] for line in lines]
            axes.plot(epochs, values, color=colour, label=label)
        axes.set(title=f"{turn}, sum of both", xlabel="epoch", ylabel="objective")
        _tidy(axes)
    panels[0].legend(frameon=False)
    figure.savefig(path, dpi=150)


def _translations(
    pipeline: TranslationPipeline,
    domain: Domain,
    direction: Direction,
    way: tuple[str, str],
    path: Path,
) -> None:
    count = min(_SHOWN, len(domain.held_out))
    real = domain.held_out.images(torch.arange(count))
    there, back = (images.cpu() for images in pipeline.cycle(real, direction, output_type="pt"))
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    title = f"{way[0]}, its translation to {way[1]}, and back again"
    show(figure.subplots(), crisp_grid(torch.cat((real, there, back)), count), title)
    figure.savefig(path, dpi=150)


def _collapse(
    metrics: list[dict[str, float]], title: str, names: tuple[str, str], path: Path
) -> None:
    lines = [line for line in metrics if "validation/kid" in line]
    epochs = [line["epoch"] for line in lines]
    figure = Figure(figsize=(10, 6), layout="constrained")
    figure.suptitle(f"{title}: mode collapse (features: {FEATURES}; shaded: collapse declared)")
    panels = figure.subplots(2, 2).flatten()
    for axes, (name, label) in zip(panels, _TIMELINE.items(), strict=True):
        for direction, way in (("a_to_b", names), ("b_to_a", names[::-1])):
            values = [line[f"validation/{direction}/{name}"] for line in lines]
            axes.plot(
                epochs, values, "o-", markersize=3, color=COLOURS[direction], label=" to ".join(way)
            )
            _shade(axes, epochs, [line[f"validation/{direction}/collapsed"] for line in lines])
        axes.set(title=label, xlabel="epoch")
        _tidy(axes)
    panels[0].legend(frameon=False)
    figure.savefig(path, dpi=150)


def _truth(results: dict[str, float], title: str, names: tuple[str, str], path: Path) -> None:
    factors = (*FACTORS, *CONTINUOUS)
    places = np.arange(len(factors))
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    axes = figure.subplots()
    for offset, (direction, way) in zip(
        (-0.2, 0.2), (("a_to_b", names), ("b_to_a", names[::-1])), strict=True
    ):
        survived = [results[f"{direction}/{factor}"] for factor in factors]
        ceilings = [results[f"{direction}/{factor}_ceiling"] for factor in factors]
        axes.bar(places + offset, survived, 0.36, color=COLOURS[direction], label=" to ".join(way))
        axes.plot(places + offset, ceilings, "k_", markersize=14)
    guesses = [1 / len(FACTORS[name]) if name in FACTORS else 0.0 for name in factors]
    axes.plot(places, guesses, "x", color="#888888", label="a guess")
    axes.plot([], [], "k_", label="read off true images")
    axes.set_xticks(places, [factor.replace("_", " ") for factor in factors], rotation=20)
    axes.set_ylabel("share read correctly\n(width, tilt: correlation)")
    axes.set_title(f"{title}: what of a face survives its translation")
    figure.legend(frameon=False, ncols=4, loc="outside lower center")
    _tidy(axes)
    figure.savefig(path, dpi=150)


def _shade(axes: Axes, epochs: list[float], collapsed: list[float]) -> None:
    """From the evaluation before to the one that declares it."""
    for before, now, is_collapsed in zip([0.0, *epochs], epochs, collapsed, strict=False):
        if is_collapsed:
            axes.axvspan(before, now, color="#888888", alpha=0.15, linewidth=0)


def _training(run: RunFolder, names: tuple[str, str], path: Path) -> None:
    """One strip of the same faces through the training, from the pictures kept along the way."""
    pictures = sorted(
        (run.figures / "progress").glob("step-*.png"), key=lambda picture: int(picture.stem[5:])
    )
    places = np.linspace(0, len(pictures) - 1, min(len(pictures), _STEPS_OF_STRIP)).round()
    chosen = [pictures[int(place)] for place in places]
    figure = Figure(figsize=(10, 0.85 * len(chosen) + 1.2), layout="constrained")
    rows = figure.subplots(len(chosen) + 1, 2, squeeze=False)
    for column, (source, target) in enumerate((names, names[::-1])):
        for row, picture in enumerate([chosen[-1], *chosen]):
            with Image.open(picture) as image:
                height = image.height / 4
                # Rows of a progress picture: a, its translation, b, its translation.
                top = 2 * column if row == 0 else 2 * column + 1
                part = image.crop((0, round(top * height), image.width, round((top + 1) * height)))
                label = source if row == 0 else f"{target}, step {int(picture.stem[5:]):,}"
                show(rows[row, column], part, label)
    figure.savefig(path, dpi=150)


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)

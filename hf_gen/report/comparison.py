"""Figures over several autoencoders: the same images, the same seeds, one row or curve a run.

Each function makes one figure, within the theme that `hf_gen.report.style.save` sets, and leaves
out the runs that have nothing to show in it.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from hf_gen.config import Data, Recipe
from hf_gen.data.pixels import Pixels
from hf_gen.features import FEATURES
from hf_gen.metrics import PRIORS, PriorName
from hf_gen.pipelines import TranslationPipeline, VAEPipeline
from hf_gen.report.curves import TERMS, draw_splits, limit
from hf_gen.report.fonts import legible
from hf_gen.report.sheet import Row, sheet
from hf_gen.report.style import PALETTE, charts, legend_below, legend_height, look
from hf_gen.report.vae import METHODS, pairs, sample_rows, samples_sheet

SAMPLE_SCORES = {"frechet_distance": "Fréchet distance", "kernel_distance": "Kernel distance"}
_STEPS = 8
_FEW_RUNS = 3


@dataclass(frozen=True)
class Shown:
    """One run in a comparison.

    Attributes:
        name: Its folder's, by which figures call it.
        recipe: What it is.
        metrics: Its log.
        results: What was measured after training.
        pipeline: What it exported.
        held_out: The held-out images of each domain.
    """

    name: str
    recipe: Recipe
    metrics: list[dict[str, float]]
    results: dict[str, Any]
    pipeline: VAEPipeline | TranslationPipeline
    held_out: tuple[Pixels, ...]


def learning_curves(runs: Sequence[Shown]) -> Figure:
    """The negative ELBO and its two parts along the training, every run in one figure.

    Raises:
        ValueError: If no run has logged any of them.
    """
    lines = [line for run in runs for line in run.metrics]
    shown = [term for term in TERMS if any(f"train/{term}" in line for line in lines)]
    _check(shown, "a logged term of the ELBO")
    height = 3.0 + legend_height(curve_words(runs))
    figure, panels = charts("Learning curves", 1, len(shown), height)
    for axes, term in zip(panels, shown, strict=True):
        settled: list[float] = []
        for place, run in enumerate(runs):
            style = look(place)
            thin = {"color": style["color"], "linewidth": 0.8, "alpha": 0.5}
            settled += draw_splits(axes, run.metrics, term, thin, {"linewidth": 1.8, **style})
        is_log = limit(axes, settled)
        unit = "nats per image" + (", log scale" if is_log else "")
        axes.set(title=TERMS[term], xlabel="epoch", ylabel=unit)
    explain_curves(figure, runs)
    return figure


def explain_curves(figure: Figure, runs: Sequence[Shown]) -> None:
    """The legend of curves in which a run has a colour, and training is thin."""
    grey = "#808890"
    handles = [Line2D([], [], linewidth=1.8, **look(place)) for place in range(len(runs))]
    handles += [Line2D([], [], color=grey, linewidth=0.8), Line2D([], [], color=grey, linewidth=2)]
    legend_below(figure, handles, curve_words(runs))


def curve_words(runs: Sequence[Shown]) -> list[str]:
    """The words of that legend."""
    return [run.name for run in runs] + ["thin: training images", "thick: held-out images"]


def reconstructions(runs: Sequence[Shown], count: int = 10) -> Figure:
    """Held-out images, and under them what each run makes of them.

    Runs on other data than those before begin with their own real images.

    Args:
        runs: Of autoencoders.
        count: Images in a row.

    Raises:
        ValueError: If there is no run.
    """
    _check(runs, "a run")
    rows: list[Row] = []
    for group in _by_images(runs):
        sharpest = max(group, key=lambda run: run.held_out[0].resolution)
        rows.append(Row("real", _images(sharpest, count), heading=" " if rows else ""))
        for run in group:
            made = run.pipeline.reconstruct(_images(run, count), output_type="pt")
            rows.append(Row(run.name, made, _number(run.results, "psnr", "PSNR {:.1f} dB")))
    return sheet("The same held-out images, reconstructed by each run", rows)


def samples(
    runs: Sequence[Shown], prior: PriorName = "standard", count: int = 10, seed: int = 0
) -> Figure:
    """New images of each run from the same seed.

    Args:
        runs: Of autoencoders; those without that prior are left out.
        prior: What the codes are drawn from.
        count: Images in a row.
        seed: Each row's own.

    Raises:
        ValueError: If no run has that prior.
    """
    rows = []
    for run in runs:
        if prior in run.pipeline.priors:
            generator = torch.Generator().manual_seed(seed)
            made = run.pipeline.sample(count, generator, "pt", prior)
            rows.append(Row(run.name, made, _distance(run.results, prior)))
    _check(rows, f"a run with the prior {prior}")
    subtitle = f"Every row starts from the same seed. Fréchet distance in features of {FEATURES}."
    return sheet(f"Samples from the {PRIORS[prior]} prior", rows, subtitle)


def samples_of_priors(run: Shown, count: int = 20, seed: int = 0) -> Figure:
    """New images of one run from each of its priors, with the distances of each.

    Args:
        run: Of an autoencoder.
        count: Images of each prior.
        seed: Each prior's own.
    """
    rows = [
        dataclasses.replace(row, detail=_distance(run.results, prior))
        for prior, row in zip(
            run.pipeline.priors, sample_rows(run.pipeline, seed, count), strict=True
        )
    ]
    return samples_sheet(run.name, rows)


def interpolations(runs: Sequence[Shown], count: int | None = None) -> Figure:
    """Walks between the same held-out images, straight and spherical, a row a run.

    Args:
        runs: Of autoencoders.
        count: Pairs of images. Default: two for up to 3 runs, else one.

    Raises:
        ValueError: If there is no run.
    """
    _check(runs, "a run")
    count = count or (2 if len(runs) <= _FEW_RUNS else 1)
    ends = {run.name: pairs(run.held_out[0], count) for run in runs}
    rows = []
    for pair in range(count):
        for method, label in METHODS.items():
            heading = f"{label} walk" if count == 1 else f"{label} walk, pair {pair + 1}"
            for run in runs:
                first, second = ends[run.name][pair]
                walk = run.pipeline.interpolate(first, second, _STEPS, method, output_type="pt")
                rows.append(Row(run.name, torch.cat((first, walk.cpu(), second)), heading=heading))
                heading = ""
    title = "From one held-out image to another, by each run"
    return sheet(title, rows, "The first and the last image of a row are real, the rest decoded.")


def priors(runs: Sequence[Shown]) -> Figure:
    """How far the samples of each prior of each run are from held-out images.

    Raises:
        ValueError: If no run has measured its samples.
    """
    scores = [
        score
        for score in SAMPLE_SCORES
        if any(f"samples/{prior}/{score}" in run.results for run in runs for prior in PRIORS)
    ]
    _check(scores, "a run with measured samples")
    kept = [run for run in runs if any(key.startswith("samples/") for key in run.results)]
    height = 1.3 + 0.16 * len(PRIORS) * len(kept) + 0.12 * len(kept)
    title = f"Distance of samples to held-out images (features: {FEATURES})"
    figure, panels = charts(title, 1, len(scores), height)
    names = [legible(run.name)[0] for run in kept]
    for axes, score in zip(panels, scores, strict=True):
        for place, (prior, label) in enumerate(PRIORS.items()):
            found = [
                (row + 0.27 * (place - 1), run.results[f"samples/{prior}/{score}"])
                for row, run in enumerate(kept)
                if f"samples/{prior}/{score}" in run.results
            ]
            where, values = [row for row, _ in found], [value for _, value in found]
            bars = axes.barh(where, values, 0.24, color=PALETTE[place], label=label)
            axes.bar_label(bars, fmt="{:,.3g}", padding=2, fontsize=7)
        axes.set_yticks(range(len(kept)), names if axes is panels[0] else [])
        axes.set(title=f"{SAMPLE_SCORES[score]} (0 is best)", ylim=(len(kept) - 0.5, -0.5))
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.12)
    legend_below(figure, *panels[0].get_legend_handles_labels())
    return figure


def _distance(results: Mapping[str, Any], prior: str) -> str:
    key = f"samples/{prior}/frechet_distance"
    return _number(results, key, "Fréchet distance {:.3g}")


def _number(results: Mapping[str, Any], key: str, words: str) -> str:
    return words.format(results[key]) if key in results else ""


def _images(run: Shown, count: int) -> Tensor:
    held_out = run.held_out[0]
    return held_out.images(torch.arange(min(len(held_out), count)))


def _by_images(runs: Sequence[Shown]) -> list[list[Shown]]:
    """Runs that hold out the same images, whatever their resolution, together."""
    groups: list[tuple[Data, list[Shown]]] = []
    for run in runs:
        data = run.recipe.data
        is_synthetic = data.dataset_name == "faces" and data.train_data_dir is None
        most = None if is_synthetic else data.max_train_samples
        faces = dataclasses.replace(
            data, max_train_samples=most, resolution=32, random_flip=False, cache_dir=None
        )
        for known, group in groups:
            if known == faces:
                group.append(run)
                break
        else:
            groups.append((faces, [run]))
    return [group for _, group in groups]


def _check(found: Sequence[object], needed: str) -> None:
    if not found:
        raise ValueError(f"nothing to draw: {needed} is needed, and there is none")

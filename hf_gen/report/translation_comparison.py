"""Figures over several CycleGAN runs, such as lambda 10 beside lambda 5."""

from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hf_gen.features import FEATURES
from hf_gen.metrics import DIRECTIONS, Direction
from hf_gen.pipelines import TranslationPipeline
from hf_gen.report.comparison import Shown, curve_words, explain_curves
from hf_gen.report.curves import Metrics, draw_splits, limit, series
from hf_gen.report.sheet import Row, sheet
from hf_gen.report.style import HELD_OUT, charts, legend_below, legend_height, look
from hf_gen.report.translation import ALARMS, TIMELINE, cycled, draw_alarm

# The objectives hold the weight of the cycle, so runs with other weights share their parts only.
_PARTS = {
    "Generators: adversarial loss": (
        "generators/adversarial_a_to_b",
        "generators/adversarial_b_to_a",
    ),
    "Cycle-consistency L1": ("generators/cycle_a", "generators/cycle_b"),
    "Discriminators: loss": ("discriminators/disc_a", "discriminators/disc_b"),
}
_FIRST = next(iter(TIMELINE))
_UNITS = ("mean of both", "mean absolute, of [-1, 1]", "mean of both")


def translation_curves(runs: Sequence[Shown]) -> Figure:
    """The adversarial and the cycle losses along the training, without their weights.

    Raises:
        ValueError: If no run has logged any of them.
    """
    logs = [_with_means(run.metrics) for run in runs]
    shown = {
        part: unit
        for part, unit in zip(_PARTS, _UNITS, strict=True)
        if any(f"train/{part}" in line for log in logs for line in log)
    }
    if not shown:
        raise ValueError("nothing to draw: a logged loss of a translation is needed")
    height = 3.0 + legend_height(curve_words(runs))
    figure, panels = charts("Learning curves", 1, len(shown), height)
    for axes, (part, unit) in zip(panels, shown.items(), strict=True):
        settled: list[float] = []
        for place, log in enumerate(logs):
            style = look(place)
            thin = {"color": style["color"], "linewidth": 0.8, "alpha": 0.5}
            settled += draw_splits(axes, log, part, thin, {"linewidth": 1.8, **style})
        is_log = limit(axes, settled)
        label = unit + (", log scale" if is_log else "")
        axes.set(title=part, xlabel="epoch", ylabel=label)
    explain_curves(figure, runs)
    return figure


def translations(runs: Sequence[Shown], direction: Direction, count: int = 8) -> Figure:
    """Held-out images, and for each run their translations and what those come back as.

    Args:
        runs: Of translations between the same two domains.
        direction: Which way.
        count: Images in a row.

    Raises:
        ValueError: If there is no run.
    """
    if not runs:
        raise ValueError("nothing to draw: a run is needed")
    source, target = _way(runs[0], direction)
    domain = 0 if direction == "a_to_b" else 1
    places = torch.arange(min(len(runs[0].held_out[domain]), count))
    rows = [Row(f"real {source}", runs[0].held_out[domain].images(places))]
    for run in runs:
        if isinstance(run.pipeline, TranslationPipeline):
            real = run.held_out[domain].images(places)
            there, back = cycled(run.pipeline, real, direction)
            distance = run.results.get(f"{direction}/kernel_distance")
            detail = "" if distance is None else f"kernel distance {distance:.3g}"
            rows.append(Row(f"as {target}", there, detail, heading=run.name))
            rows.append(Row("and back", back))
    return sheet(f"The same held-out images from {source} to {target} and back again", rows)


def collapse_timelines(runs: Sequence[Shown]) -> Figure:
    """The scores of mode collapse along the training, a column a direction, a curve a run.

    Raises:
        ValueError: If no run has measured its translations.
    """
    if not any(f"validation/a_to_b/{_FIRST}" in line for run in runs for line in run.metrics):
        raise ValueError("nothing to draw: a run with measured translations is needed")
    labels = [run.name for run in runs]
    labels += ["limit of collapse", "mode collapse detected"]
    title = f"Mode collapse along the training (features: {FEATURES})"
    height = 7.6 + legend_height(labels)
    figure, panels = charts(title, len(TIMELINE), 2, height)
    for number, (score, label) in enumerate(TIMELINE.items()):
        pair = panels[2 * number : 2 * number + 2]
        seen: list[float] = []
        for axes, direction in zip(pair, DIRECTIONS, strict=True):
            seen += _timelines(axes, runs, direction, score)
            axes.set_title(label, fontsize=8.5)
            axes.set_xlabel("epoch" if number == len(TIMELINE) - 1 else "")
            if number == 0:
                way = " to ".join(_way(runs[0], direction))
                axes.text(0, 1.24, way, transform=axes.transAxes, fontweight="bold")
        for axes in pair:
            limit(axes, seen, is_linear=True)
    line: Any = {"color": HELD_OUT, "linewidth": 1.4}
    handles = [Line2D([], [], linewidth=1.5, **look(place)) for place in range(len(runs))]
    handles.append(Line2D([], [], linestyle=":", **line))
    handles.append(Line2D([], [], linestyle="", marker="x", markeredgewidth=1.8, **line))
    legend_below(figure, handles, labels)
    return figure


def _timelines(axes: Axes, runs: Sequence[Shown], direction: Direction, score: str) -> list[float]:
    """One score of every run; returns the values."""
    seen: list[float] = []
    for place, run in enumerate(runs):
        epochs, values = series(run.metrics, f"validation/{direction}/{score}")
        axes.plot(epochs, values, linewidth=1.5, **look(place))
        _, collapsed = series(run.metrics, f"validation/{direction}/mode_collapse")
        alarms = [number for number, is_collapsed in enumerate(collapsed) if is_collapsed]
        where = [epochs[number] for number in alarms], [values[number] for number in alarms]
        axes.plot(*where, "x", color=HELD_OUT, markersize=8, markeredgewidth=1.8)
        seen += values
    if score in ALARMS:
        seen.append(draw_alarm(axes, score))
    return seen


def _with_means(metrics: Metrics) -> Metrics:
    """The log with the mean of both directions of each part."""
    means = []
    for line in metrics:
        found = {"epoch": line["epoch"]}
        for split in ("train", "validation"):
            for part, (one, other) in _PARTS.items():
                keys = (f"{split}/{one}", f"{split}/{other}")
                if all(key in line for key in keys):
                    found[f"{split}/{part}"] = sum(line[key] for key in keys) / 2
        means.append(found)
    return means


def _way(run: Shown, direction: Direction) -> tuple[str, str]:
    a, b = run.pipeline.config.domain_a, run.pipeline.config.domain_b
    return (a, b) if direction == "a_to_b" else (b, a)

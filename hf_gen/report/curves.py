"""Curves along a training: training images thin, validation images thick, a colour a run."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hf_gen.errors import UserError
from hf_gen.report.run import EvaluatedRun
from hf_gen.report.style import charts, legend_below, legend_height, look

_NATS = "nats per image"
_BOTH = "mean of both"
# The title of each panel, its unit, and the logged metrics whose mean it shows.
Panels = Mapping[str, tuple[str, tuple[str, ...]]]
ELBO: Panels = {
    "Negative ELBO": (_NATS, ("negative_elbo",)),
    "Reconstruction term": (_NATS, ("reconstruction",)),
    "KL term": (_NATS, ("kl",)),
}
# Objectives hold the weight of the cycle loss, so runs with other weights share their parts only.
TRANSLATION_LOSSES: Panels = {
    "Generators: adversarial loss": (
        _BOTH,
        ("generators/adversarial_a_to_b", "generators/adversarial_b_to_a"),
    ),
    "Cycle-consistency L1": (
        "mean absolute, of [-1, 1]",
        ("generators/cycle_a", "generators/cycle_b"),
    ),
    "Discriminators: loss": (_BOTH, ("discriminators/disc_a", "discriminators/disc_b")),
}
_SPLITS = ("train", "validation")
_UNSETTLED = 20
_FACTOR_FOR_LOG = 20
_MAX_LOG_RATIO = 1e4


def learning_curves(runs: Sequence[EvaluatedRun], panels: Panels) -> Figure:
    """Logged metrics along the training, a panel each; those that no run has logged are left out.

    Raises:
        UserError: If no run has logged any of them.
    """
    shown = {
        title: (unit, keys)
        for title, (unit, keys) in panels.items()
        if any(series(run.metrics, split, *keys)[0] for run in runs for split in _SPLITS)
    }
    if not shown:
        names = ", ".join(run.name for run in runs)
        raise UserError(f"metrics.jsonl of {names} has no losses to draw: train again")
    labels = [run.name + run.measured_at for run in runs] + [
        "thin: training images",
        "thick: validation images",
    ]
    handles = [Line2D([], [], linewidth=1.8, **look(place)) for place in range(len(runs))]
    handles += [Line2D([], [], color="#808890", linewidth=width) for width in (0.8, 2.0)]
    height = 3.0 + legend_height(labels)
    figure, all_axes = charts("Learning curves", 1, len(shown), height)
    for axes, (title, (unit, keys)) in zip(all_axes, shown.items(), strict=True):
        settled: list[float] = []
        for place, run in enumerate(runs):
            settled += _draw_splits(axes, run.metrics, keys, look(place))
        scale = ", log scale" if limit(axes, settled) else ""
        axes.set(title=title, xlabel="epoch", ylabel=unit + scale)
    legend_below(figure, handles, labels)
    return figure


def series(
    metrics: Sequence[Mapping[str, float]], split: str, *keys: str, x: str = "epoch"
) -> tuple[list[float], list[float]]:
    """The epochs at which all of some metrics were logged, and the means of their values."""
    names = [f"{split}/{key}" for key in keys]
    lines = [line for line in metrics if all(name in line for name in names)]
    values = [sum(line[name] for name in names) / len(names) for line in lines]
    return [line[x] for line in lines], values


def limit(axes: Axes, values: list[float], is_linear: bool = False) -> bool:
    """Makes the axis show these values, unless `is_linear` on a log scale if they differ by far.

    Returns:
        Whether the scale is logarithmic.
    """
    low, high = min(values), max(values)
    # A single evaluation would be a window around it, with long numbers side by side.
    axes.set_xlim(left=0)
    is_log = not is_linear and low > 0 and high > _FACTOR_FOR_LOG * low
    if is_log:
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter("")
        axes.set_ylim(max(low, high / _MAX_LOG_RATIO) / 1.5, high * 1.5)
    else:
        margin = 0.06 * (high - low) or 0.06 * abs(high)
        axes.set_ylim((low - margin, high + margin) if margin else (-0.06, 1))
    axes.yaxis.set_major_formatter("{x:,.10g}")
    return is_log


def _draw_splits(
    axes: Axes, metrics: Sequence[Mapping[str, float]], keys: Sequence[str], style: dict[str, Any]
) -> list[float]:
    """Draws both splits, and returns the values without the first twentieth of each curve.

    The first steps are so far off that the rest would look like a flat line.
    """
    thin = {"color": style["color"], "linewidth": 0.8, "alpha": 0.5}
    settled: list[float] = []
    for split, split_style in (("train", thin), ("validation", {"linewidth": 1.8, **style})):
        epochs, values = series(metrics, split, *keys)
        point: dict[str, Any] = {"marker": "o", "markersize": 3} if len(values) == 1 else {}
        axes.plot(epochs, values, **point | split_style)
        settled += values[len(values) // _UNSETTLED :]
    return settled

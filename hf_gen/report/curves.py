"""Curves along a training: what was seen in training thin, held-out images thick."""

from typing import Any

from matplotlib.axes import Axes

Metrics = list[dict[str, float]]
TERMS = {
    "negative_elbo": "Negative ELBO",
    "reconstruction": "Reconstruction term",
    "kl": "KL term",
}
_POINT = {"marker": "o", "markersize": 3}
_UNSETTLED = 20
_FACTOR_FOR_LOG = 20
_MOST_IN_LOG = 1e4


def series(metrics: Metrics, key: str) -> tuple[list[float], list[float]]:
    """The epochs at which a number was logged, and its values."""
    lines = [line for line in metrics if key in line]
    return [line["epoch"] for line in lines], [line[key] for line in lines]


def draw_splits(
    axes: Axes, metrics: Metrics, name: str, train: dict[str, Any], held_out: dict[str, Any]
) -> list[float]:
    """Draws a number of the training and of the held-out images.

    Args:
        axes: Where.
        metrics: The lines of a run's log.
        name: Of the number, without its split.
        train: How the curve of the training looks, for `Axes.plot`.
        held_out: How that of the held-out images looks.

    Returns:
        The values without the first twentieth of each curve: what the axis has to show. The first
        steps are so far off that the rest would be a flat line beside them.
    """
    settled: list[float] = []
    for split, style in (("train", train), ("validation", held_out)):
        epochs, values = series(metrics, f"{split}/{name}")
        if values:
            axes.plot(epochs, values, **(_POINT | style if len(values) == 1 else style))
        settled += values[len(values) // _UNSETTLED :]
    return settled


def limit(axes: Axes, values: list[float], is_linear: bool = False) -> bool:
    """Makes the axis show these values, unless `is_linear` on a log scale where they differ by far.

    Returns:
        Whether the scale is logarithmic.
    """
    low, high = min(values), max(values)
    # A single evaluation would be a window around it, with long numbers side by side.
    axes.set_xlim(left=0)
    if not is_linear and low > 0 and high > _FACTOR_FOR_LOG * low:
        low = max(low, high / _MOST_IN_LOG)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(_tick)
        axes.yaxis.set_minor_formatter("")
        axes.set_ylim(low / 1.5, high * 1.5)
        return True
    axes.yaxis.set_major_formatter(_tick)
    margin = 0.06 * (high - low) or 0.06 * abs(high)
    axes.set_ylim((low - margin, high + margin) if margin else (-0.06, 1))
    return False


def _tick(value: float, place: float) -> str:
    """With as many digits as tell it from its neighbours."""
    return f"{value:,.10g}"

"""The KL term: rate against distortion, and what the weight of the KL term does to the images.

Source: Alemi, Poole, Fischer, Dillon, Saurous and Murphy, Fixing a Broken ELBO, 2018 (rate and
distortion); Higgins et al., beta-VAE, 2017 (the weight).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from hf_gen.config import VAERecipe
from hf_gen.report.comparison import Shown
from hf_gen.report.sheet import Row, sheet
from hf_gen.report.style import MUTED, WIDTH, look
from hf_gen.report.vae import pairs

_COUNT, _STEPS = 10, 8
_SPREAD_FOR_LOG = 20
# Where a label may stand beside its point, in points (right, up), best first.
_OFFSETS = ((9, 0), (-9, 0), (8, 9), (-8, 9), (8, -9), (-8, -9), (0, 13), (0, -13))
_FURTHER = (1, 2, 3.2, 4.6)
Labels = Sequence[tuple[Shown, str]]


def rate_distortion(runs: Sequence[Shown]) -> Figure:
    """Rate (the KL term) against distortion (the reconstruction term), a point a run.

    Raises:
        ValueError: If no run has both terms in its results.
    """
    shown = [(run, run.name) for run in runs if _has_both(run)]
    if not shown:
        raise ValueError("nothing to draw: a run with a reconstruction and a KL term is needed")
    figure = Figure(figsize=(WIDTH, 4.8))
    figure.suptitle("Rate against distortion", x=0.012, y=0.975, ha="left", va="top")
    draw_rate_distortion(figure.add_axes((0.09, 0.115, 0.88, 0.79)), shown)
    return figure


def kl_term(runs: Sequence[Shown]) -> Figure:
    """What the weight of the KL term does: numbers as points, and under them the same images.

    Args:
        runs: Of one autoencoder with different weights of the KL term, on the same data; they are
            shown from the smallest weight to the largest.

    Raises:
        ValueError: If there is no run.
    """
    if not runs:
        raise ValueError("nothing to draw: a run is needed")
    ordered = sorted(runs, key=_weight)
    labels = [(run, f"KL x{_weight(run):g}") for run in ordered]
    points = [(run, f"{label} ({run.name})") for run, label in labels if _has_both(run)]
    rows = [*_reconstructed(labels), *_sampled(labels), *_walked(labels)]
    return sheet(
        "What the KL term does",
        rows,
        "The objective is the reconstruction term plus the weighted KL term. Rate: how much the "
        "code tells about its image. Distortion: how much of the image is lost.",
        chart=partial(draw_rate_distortion, shown=points) if points else None,
        chart_height=3.9 if points else 0.0,
    )


def draw_rate_distortion(axes: Axes, shown: Labels) -> None:
    """Draws points with labels, and lines of equal negative ELBO, on axes whose place is fixed.

    Args:
        axes: Where; of a figure without automatic layout, or the labels would be misplaced.
        shown: Runs with both terms in their results, and what to call them.
    """
    rates = np.array([run.results["kl"] for run, _ in shown])
    distortions = np.array([run.results["reconstruction"] for run, _ in shown])
    is_log = rates.max() > _SPREAD_FOR_LOG * max(rates.min(), 1.0)
    if is_log:
        axes.set_xscale("symlog", linthresh=1.0, linscale=0.5)
        axes.set_xlim(0, rates.max() * 4)
        axes.xaxis.set_major_formatter("{x:,g}")
    else:
        axes.set_xlim(0, rates.max() * 1.25 or 1.0)
    room = max(0.18 * np.ptp(distortions), 0.02 * distortions.max())
    axes.set_ylim(distortions.min() - room, distortions.max() + room)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    scale = ", log scale" if is_log else ""
    axes.set_xlabel(f"rate: KL term, nats per image{scale}")
    axes.set_ylabel("distortion: reconstruction, nats per image")
    obstacles = _lines_of_equal_elbo(axes, rates + distortions)
    for place, (rate, distortion) in enumerate(zip(rates, distortions, strict=True)):
        axes.plot([rate], [distortion], **{**look(place), "linestyle": "", "markersize": 8})
    _label_points(
        axes,
        [
            (*point, name)
            for point, (_, name) in zip(
                zip(rates.tolist(), distortions.tolist(), strict=True), shown, strict=True
            )
        ],
        obstacles,
    )


def _lines_of_equal_elbo(axes: Axes, elbos: np.ndarray) -> list[Bbox]:
    """Where rate plus distortion is the same; returns where their labels stand, in pixels."""
    left, right = axes.get_xlim()
    low, high = axes.get_ylim()
    rates = np.union1d(np.linspace(left, right, 200), np.geomspace(0.1, max(right, 1.0), 400))
    levels = MaxNLocator(6).tick_values(low, max(high, elbos.max()))
    colour = axes.xaxis.label.get_color()
    boxes: list[Bbox] = []
    for level in levels:
        style: Any = {"color": colour, "alpha": 0.28, "linewidth": 0.8, "zorder": 1}
        axes.plot(rates, level - rates, **style)
        # A line has its number where it comes in: at the left edge, or else at the upper one.
        is_at_left = level - left < high - 0.06 * (high - low)
        start = (left, level - left) if is_at_left else (level - high, high)
        if level <= low or not left <= start[0] < right:
            continue
        words = f"{level:,.0f}" if boxes else f"negative ELBO {level:,.0f}"
        text = axes.annotate(
            words,
            start,
            (4, 2) if is_at_left else (3, -2),
            textcoords="offset points",
            va="bottom" if is_at_left else "top",
            fontsize=7,
            alpha=MUTED,
        )
        box = text.get_window_extent(_renderer(axes))
        if box.count_overlaps(boxes):
            text.remove()
        else:
            boxes.append(box)
    return boxes


def _label_points(
    axes: Axes, points: Sequence[tuple[float, float, str]], obstacles: Sequence[Bbox]
) -> None:
    """Words beside points, each in the first place where they cover nothing else."""
    renderer = _renderer(axes)
    inside = axes.get_window_extent(renderer)
    taken = list(obstacles)
    for rate, distortion, _ in points:
        x, y = axes.transData.transform((rate, distortion))
        taken.append(Bbox.from_extents(x - 14, y - 14, x + 14, y + 14))
    for rate, distortion, name in points:
        candidates = [(right * far, up * far) for far in _FURTHER for right, up in _OFFSETS]
        for right, up in candidates:
            text = axes.annotate(
                name,
                (rate, distortion),
                (right, up),
                textcoords="offset points",
                ha="left" if right > 0 else "right" if right < 0 else "center",
                va="center",
                fontsize=8.5,
                parse_math=False,
            )
            box = text.get_window_extent(renderer)
            fits = inside.x0 <= box.x0 and box.x1 <= inside.x1
            fits = fits and inside.y0 <= box.y0 and box.y1 <= inside.y1
            if (fits and box.count_overlaps(taken) == 0) or (right, up) == candidates[-1]:
                taken.append(box)
                break
            text.remove()


def _reconstructed(labels: Labels) -> list[Row]:
    first = labels[0][0].held_out[0]
    places = torch.arange(min(len(first), _COUNT))
    rows = [Row("real", first.images(places), heading="The same held-out images, reconstructed")]
    for run, label in labels:
        made = run.pipeline.reconstruct(run.held_out[0].images(places), output_type="pt")
        facts = [_fact(run, "psnr", "PSNR {:.1f} dB")]
        if "active_units" in run.results and "latents" in run.results:
            facts.append("{active_units} of {latents} units active".format(**run.results))
        rows.append(Row(label, made, "\n".join(filter(None, facts))))
    return rows


def _sampled(labels: Labels) -> list[Row]:
    rows = []
    heading = "Samples from the standard normal prior, the same codes"
    for run, label in labels:
        made = run.pipeline.sample(_COUNT, torch.Generator().manual_seed(0), "pt", "standard")
        facts = [
            _fact(run, "samples/standard/frechet_distance", "Fréchet distance {:.3g}"),
            _fact(run, "samples/standard/diversity", "diversity {:.2f}"),
        ]
        rows.append(Row(label, made, "\n".join(filter(None, facts)), heading))
        heading = ""
    return rows


def _walked(labels: Labels) -> list[Row]:
    rows = []
    heading = "A straight walk between two held-out images (first and last image: real)"
    for run, label in labels:
        ((first, second),) = pairs(run.held_out[0], 1)
        walk = run.pipeline.interpolate(first, second, _STEPS, output_type="pt").cpu()
        fact = _fact(run, "kl", "KL {:.3g} nats")
        rows.append(Row(label, torch.cat((first, walk, second)), fact, heading))
        heading = ""
    return rows


def _fact(run: Shown, key: str, words: str) -> str:
    return words.format(run.results[key]) if key in run.results else ""


def _has_both(run: Shown) -> bool:
    return {"kl", "reconstruction"} <= run.results.keys()


def _weight(run: Shown) -> float:
    if not isinstance(run.recipe, VAERecipe):
        raise ValueError(f"{run.name} is no autoencoder, so it has no KL term")
    return run.recipe.objective.kl_weight


def _renderer(axes: Axes) -> Any:
    return FigureCanvasAgg(axes.get_figure(root=True)).get_renderer()

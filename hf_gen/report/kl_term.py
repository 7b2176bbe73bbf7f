"""The KL term: rate against distortion, and what the weight of the KL term does to the images.

Source: Alemi, Poole, Fischer, Dillon, Saurous and Murphy, Fixing a Broken ELBO, 2018 (rate and
distortion); Higgins et al., beta-VAE, 2017 (the weight).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hf_gen.report.image_grid import Row, image_grid
from hf_gen.report.run import EvaluatedRun
from hf_gen.report.style import charts, legend_below, legend_height, look
from hf_gen.report.vae import interpolation_rows, reconstruction_rows, sample_rows

_SPREAD_FOR_LOG = 20


def rate_distortion(runs: Sequence[EvaluatedRun]) -> Figure:
    """Rate (the KL term) against distortion (the reconstruction term), a point a run.

    Args:
        runs: Of autoencoders with both terms in their results.
    """
    rates = np.array([run.results["kl"] for run in runs])
    distortions = np.array([run.results["reconstruction"] for run in runs])
    names = [run.name for run in runs]
    figure, (axes,) = charts("Rate against distortion", 1, 1, 4.8 + legend_height(names))
    for place, (rate, distortion) in enumerate(zip(rates, distortions, strict=True)):
        style = look(place) | {"linestyle": "", "markersize": 8}
        axes.plot([rate], [distortion], label=names[place], **style)
    is_log = rates.max() > _SPREAD_FOR_LOG * max(rates.min(), 1.0)
    right = rates.max() * (4 if is_log else 1.25) or 1.0
    room = max(0.18 * np.ptp(distortions), 0.02 * distortions.max())
    low, high = distortions.min() - room, distortions.max() + room
    if is_log:
        axes.set_xscale("symlog", linthresh=1.0, linscale=0.5)
        axes.xaxis.set_major_formatter("{x:,g}")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set(xlim=(0, right), ylim=(low, high))
    # Closer together at small rates, for the log scale.
    rate, distortion = np.meshgrid(right * np.linspace(0, 1, 200) ** 3, (low, high))
    style = {"colors": [axes.xaxis.label.get_color()], "alpha": 0.4, "linewidths": 0.8}
    levels = MaxNLocator(8).tick_values(low, max(high, (rates + distortions).max()))
    lines = axes.contour(rate, distortion, rate + distortion, levels, zorder=1, **style)
    axes.clabel(lines, fmt=lambda level: f"{level:,.0f}", fontsize=7)
    axes.set_title("The number on a line is the negative ELBO along it", fontsize=8.5)
    axes.set_xlabel("rate: KL term, nats per image" + (", log scale" if is_log else ""))
    axes.set_ylabel("distortion: reconstruction term, nats per image")
    legend_below(figure, *axes.get_legend_handles_labels())
    return figure


def kl_term(runs: Sequence[EvaluatedRun]) -> Figure:
    """What the weight of the KL term does to reconstructions, samples and interpolations.

    Args:
        runs: Of one autoencoder with different weights of the KL term, on the same data.
    """
    blocks = {
        "The same test images, reconstructed": reconstruction_rows(runs),
        "Samples from the same latents": sample_rows(runs, ("standard",)),
        "Interpolations between two test images": interpolation_rows(runs, 1),
    }
    rows: list[Row] = []
    for heading, (first, *others) in blocks.items():
        rows += [replace(first, heading=heading), *others]
    subtitle = "The objective is the reconstruction term plus the weighted KL term."
    return image_grid("What the KL term does", rows, subtitle)

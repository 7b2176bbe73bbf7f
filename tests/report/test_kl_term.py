"""Rate against distortion, and the images of runs that weigh the KL term differently."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from hf_gen.report.comparison import Shown
from hf_gen.report.kl_term import kl_term, rate_distortion

Make = Callable[..., Shown]
THREE = [(677.0, 1617.8), (45.2, 1637.1), (0.13, 1901.3)]
ALIKE = [(45.0 + number / 50, 1640.0 + number / 50) for number in range(12)]


def runs_at(vae_run: Make, terms: Sequence[tuple[float, float]]) -> list[Shown]:
    return [
        vae_run(f"conv-vae-{number}", results={"kl": kl, "reconstruction": reconstruction})
        for number, (kl, reconstruction) in enumerate(terms)
    ]


def points(figure: Figure) -> list[tuple[float, float]]:
    """Where the markers stand, in the units of the axes."""
    markers = [line for line in figure.axes[-1].lines if line.get_marker() not in ("None", "")]
    return [tuple(line.get_xydata()[0]) for line in markers]


def lines(figure: Figure) -> list[Line2D]:
    return [line for line in figure.axes[-1].lines if line.get_marker() in ("None", "")]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text().strip()]


@pytest.mark.parametrize(
    "terms", [THREE, THREE[1:2], [(11.0, 1729.0), (18.0, 1696.0)], [(0.0, 5.0)]]
)
def test_points_stand_at_their_rate_and_distortion_within_the_axes(
    vae_run: Make, terms: list[tuple[float, float]]
) -> None:
    figure = rate_distortion(runs_at(vae_run, terms))
    assert points(figure) == terms
    left, right = figure.axes[-1].get_xlim()
    low, high = figure.axes[-1].get_ylim()
    assert all(left <= rate < right and low < distortion < high for rate, distortion in terms)


@pytest.mark.parametrize("terms", [THREE, [(11.0, 1729.0), (18.0, 1696.0)]])
def test_along_a_line_the_negative_elbo_is_that_of_its_label(
    vae_run: Make, terms: list[tuple[float, float]]
) -> None:
    figure = rate_distortion(runs_at(vae_run, terms))
    levels = []
    for line in lines(figure):
        rates, distortions = line.get_data()
        assert np.ptp(np.asarray(rates) + np.asarray(distortions)) < 1e-6
        levels.append(float(rates[0] + distortions[0]))
    labelled = [text for text in texts(figure) if text.startswith("negative ELBO ")]
    assert len(labelled) == 1
    assert float(labelled[0].removeprefix("negative ELBO ").replace(",", "")) in levels


def boxes(figure: Figure, names: list[str]) -> list[Any]:
    renderer = FigureCanvasAgg(figure).get_renderer()
    found = [text for text in figure.axes[-1].texts if text.get_text() in names]
    assert len(found) == len(names)
    return [text.get_window_extent(renderer) for text in found]


@pytest.mark.parametrize("terms", [THREE, ALIKE[:5], THREE * 2])
def test_the_labels_of_points_do_not_cover_each_other(
    vae_run: Make, terms: list[tuple[float, float]]
) -> None:
    runs = runs_at(vae_run, terms)
    figure = rate_distortion(runs)
    placed = boxes(figure, [run.name for run in runs])
    inside = figure.axes[-1].get_window_extent()
    for number, box in enumerate(placed):
        assert box.count_overlaps(placed[:number]) == 0
        assert inside.x0 <= box.x0 < box.x1 <= inside.x1
        assert inside.y0 <= box.y0 < box.y1 <= inside.y1


def test_runs_without_the_two_terms_are_left_out(vae_run: Make) -> None:
    known, unknown = vae_run("known"), vae_run("unknown", results={})
    shown = texts(rate_distortion([known, unknown]))
    assert "known" in shown
    assert "unknown" not in shown
    with pytest.raises(ValueError, match="nothing to draw"):
        rate_distortion([unknown])


def test_the_weights_are_in_order_with_the_numbers_that_tell_them_apart(vae_run: Make) -> None:
    results = {
        "psnr": 12.5,
        "kl": 0.13,
        "reconstruction": 1900.0,
        "active_units": 3,
        "latents": 50,
        "samples/standard/frechet_distance": 473.4,
        "samples/standard/diversity": 0.157,
    }
    runs = [
        vae_run("conv-vae-kl100", kl_weight=100.0, results=results),
        vae_run("conv-vae-kl0", kl_weight=0.0),
        vae_run("conv-vae"),
    ]
    figure = kl_term(runs)
    shown = texts(figure)
    weights = [text for text in shown if text in ("KL x0", "KL x1", "KL x100")]
    assert weights == ["KL x0", "KL x1", "KL x100"] * 3
    for fact in (
        "PSNR 12.5 dB",
        "3 of 50 units active",
        "Fréchet distance 473",
        "diversity 0.16",
        "KL 0.13 nats",
        "KL x100 (conv-vae-kl100)",
    ):
        assert fact in shown
    assert points(figure) == [(10.0, 100.0), (10.0, 100.0), (0.13, 1900.0)]


def test_without_numbers_the_images_are_shown(vae_run: Make) -> None:
    figure = kl_term([vae_run(kl_weight=weight, results={}) for weight in (0.0, 1.0)])
    assert len(figure.axes) == 1
    assert texts(figure).count("KL x0") == 3


def test_a_run_without_a_kl_term_is_refused(translation_run: Make) -> None:
    with pytest.raises(ValueError, match="run is no autoencoder"):
        kl_term([translation_run()])

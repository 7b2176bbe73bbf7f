"""Rate against distortion, and the images of runs that weigh the KL term differently."""

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure

from hf_gen.report.kl_term import kl_term, rate_distortion
from hf_gen.report.run import EvaluatedRun
from tests.report.figures import enlarged, image_rows, rendered, texts

Make = Callable[..., EvaluatedRun]
THREE = [(677.0, 1617.8), (45.2, 1637.1), (0.13, 1901.3)]
TWO = [(11.0, 1729.0), (18.0, 1696.0)]


def drawn(vae_run: Make, terms: list[tuple[float, float]]) -> Figure:
    figure = rate_distortion(
        [
            vae_run(f"conv-vae-{number}", results={"kl": kl, "reconstruction": reconstruction})
            for number, (kl, reconstruction) in enumerate(terms)
        ]
    )
    rendered(figure)
    return figure


@pytest.mark.parametrize("terms", [THREE, THREE[1:2], TWO, [(0.0, 5.0)], THREE * 4])
def test_points_are_at_their_rate_and_distortion_within_the_axes(
    vae_run: Make, terms: list[tuple[float, float]]
) -> None:
    figure = drawn(vae_run, terms)
    (axes,) = figure.axes
    assert [tuple(line.get_xydata()[0]) for line in axes.lines] == terms
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    assert all(left <= rate < right and low < distortion < high for rate, distortion in terms)
    assert {f"conv-vae-{number}" for number in range(len(terms))} <= set(texts(figure))


@pytest.mark.parametrize("terms", [THREE, TWO])
def test_along_a_line_the_negative_elbo_is_the_number_on_it(
    vae_run: Make, terms: list[tuple[float, float]]
) -> None:
    (axes,) = drawn(vae_run, terms).axes
    (lines,) = axes.collections
    shown = [text.get_text() for text in axes.texts]
    assert shown
    levels = dict(zip(lines.levels, lines.get_paths(), strict=True))
    assert {*shown} <= {f"{level:,.0f}" for level in levels}
    for level, path in levels.items():
        points = path.vertices[np.isfinite(path.vertices).all(axis=1)]
        assert np.allclose(points.sum(axis=1), level, rtol=2e-3)


def test_each_weight_has_its_images_and_metrics_in_every_block(vae_run: Make) -> None:
    results = {"psnr": 12.5, "samples/standard/frechet_distance": 473.4}
    runs = [vae_run("KL x1"), vae_run("KL x100", kl_weight=100.0, results=results)]
    figure = kl_term(runs)
    shown = texts(figure)
    weights = [text.split(",")[0] for text in shown if text.startswith("KL x")]
    assert weights == ["KL x1", "KL x100"] * 4
    assert {"PSNR 12.5 dB", "Fréchet distance (Lite2) 473"} <= set(shown)
    rows = image_rows(figure)
    assert len(rows) == 9
    made = runs[1].pipeline.reconstruct(runs[1].images(10), output_type="pt")
    assert np.array_equal(rows[2], enlarged(made))

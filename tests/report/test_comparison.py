"""Figures over several runs show the same faces and seeds, and leave out what is not there."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from hf_gen.config import Data
from hf_gen.images import to_pixels
from hf_gen.report import comparison
from hf_gen.report.comparison import Shown
from hf_gen.report.sheet import CELL

Make = Callable[..., Shown]
SCORES = {"samples/standard/frechet_distance": 50.0, "samples/standard/kernel_distance": 1.5}


def words(figure: Figure) -> list[str]:
    """Every text of a figure."""
    return [text.get_text() for text in figure.findobj(Text) if text.get_text().strip()]


def drawn(figure: Figure) -> Any:
    figure.set_dpi(200)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3]


def rows_of_cells(figure: Figure) -> Any:
    """The left edges of a sheet's pictures, cut out of it: (rows, CELL, width, 3)."""
    picture = figure.axes[0].images[0].get_array()
    opaque = np.asarray(picture[:, :, 3] == 255)
    tops = np.flatnonzero(np.diff(opaque.any(axis=1).astype(int)) == 1) + 1
    left = int(np.flatnonzero(opaque.any(axis=0))[0])
    return [np.asarray(picture[top : top + CELL, left:, :3]) for top in tops]


def enlarged(images: torch.Tensor) -> Any:
    """The first of some images as it stands in a sheet."""
    factor = CELL // images.shape[-1]
    return to_pixels(images[:1])[0].repeat(factor, axis=0).repeat(factor, axis=1)


@pytest.mark.parametrize("count", [1, 2, 12])
def test_every_run_has_its_curves_and_a_place_in_the_legend(vae_run: Make, count: int) -> None:
    runs = [vae_run(f"a-run-with-quite-a-long-name-{number}") for number in range(count)]
    figure = comparison.learning_curves(runs)
    drawn(figure)
    assert len(figure.axes) == 3
    for axes in figure.axes:
        assert len(axes.lines) == 2 * count
        assert axes.get_window_extent().height > 250
    shown = words(figure)
    assert all(run.name in shown for run in runs)
    legend = figure.legends[0].get_window_extent()
    assert 0 <= legend.x0 < legend.x1 <= 1800
    for axes in figure.axes:
        assert axes.get_tightbbox().y0 >= legend.y1 - 1


def test_a_term_that_nobody_logged_has_no_panel(vae_run: Make) -> None:
    run = vae_run()
    metrics = [
        {key: value for key, value in line.items() if not key.endswith("/kl")}
        for line in run.metrics
    ]
    without = dataclasses.replace(run, metrics=metrics)
    assert len(comparison.learning_curves([without]).axes) == 2
    assert len(comparison.learning_curves([without, run]).axes) == 3
    with pytest.raises(ValueError, match="nothing to draw"):
        comparison.learning_curves([dataclasses.replace(run, metrics=[])])


def test_reconstructions_show_the_real_faces_and_each_run_s_own_of_any_size(vae_run: Make) -> None:
    small, large = vae_run("small", size=16), vae_run("large", size=32, results={})
    figure = comparison.reconstructions([small, large], count=5)
    real, of_small, of_large = rows_of_cells(figure)
    face = large.held_out[0].images(torch.arange(1))
    assert np.array_equal(real[:, :CELL], enlarged(face))
    for run, row in ((small, of_small), (large, of_large)):
        face = run.held_out[0].images(torch.arange(1))
        made = run.pipeline.reconstruct(face, output_type="pt")
        assert np.array_equal(row[:, :CELL], enlarged(made))
    shown = words(figure)
    assert shown.count("PSNR 18.0 dB") == 1


def test_runs_on_other_data_have_their_own_real_faces(vae_run: Make) -> None:
    one, other = vae_run("one"), vae_run("other")
    elsewhere = dataclasses.replace(other.recipe, data=Data(dataset_name="elsewhere"))
    other = dataclasses.replace(other, recipe=elsewhere)
    assert words(comparison.reconstructions([one, other, one])).count("real") == 2
    fewer = dataclasses.replace(one.recipe, data=Data(max_train_samples=100, resolution=64))
    assert (
        words(comparison.reconstructions([one, dataclasses.replace(one, recipe=fewer)])).count(
            "real"
        )
        == 1
    )


def test_samples_start_from_the_same_seed_and_runs_without_the_prior_are_left_out(
    vae_run: Make,
) -> None:
    fitted = vae_run("fitted", has_prior=True, results=SCORES)
    plain = vae_run("plain")
    figure = comparison.samples([fitted, plain, fitted], "standard", count=4, seed=3)
    rows = rows_of_cells(figure)
    assert np.array_equal(rows[0], rows[2])
    made = fitted.pipeline.sample(4, torch.Generator().manual_seed(3), "pt", "standard")
    assert np.array_equal(rows[0][:, :CELL], enlarged(made))
    assert "Fréchet distance 50" in words(figure)
    shown = words(comparison.samples([fitted, plain], "mixture"))
    assert "fitted" in shown
    assert "plain" not in shown
    with pytest.raises(ValueError, match="nothing to draw"):
        comparison.samples([plain], "mixture")


def test_all_priors_of_a_run_are_shown_with_their_distances(vae_run: Make) -> None:
    run = vae_run("fitted", has_prior=True, results=SCORES)
    shown = words(comparison.samples_of_priors(run, count=4))
    assert "Fréchet distance 50" in shown
    assert sum("mixture" in word for word in shown) == 1


@pytest.mark.parametrize(("count", "rows"), [(1, 4), (3, 12), (4, 8)])
def test_walks_are_straight_and_spherical_for_every_run(
    vae_run: Make, count: int, rows: int
) -> None:
    runs = [vae_run(f"run-{number}") for number in range(count)]
    figure = comparison.interpolations(runs)
    assert len(rows_of_cells(figure)) == rows
    assert sum(word.startswith("straight walk") for word in words(figure)) == rows // 2 // count


@pytest.mark.parametrize("count", [1, 12])
def test_the_bars_of_the_priors_are_as_long_as_their_numbers(vae_run: Make, count: int) -> None:
    results = SCORES | {
        "samples/mixture/frechet_distance": 25.0,
        "samples/mixture/kernel_distance": 0.5,
    }
    runs = [vae_run(f"a-run-with-quite-a-long-name-{n}", results=results) for n in range(count)]
    figure = comparison.priors([*runs, vae_run("unmeasured", results={})])
    drawn(figure)
    frechet, kernel = figure.axes
    lengths = sorted(bar.get_width() for bar in frechet.patches)
    assert lengths == [25.0] * count + [50.0] * count
    assert sorted({bar.get_width() for bar in kernel.patches}) == [0.5, 1.5]
    shown = words(figure)
    assert "unmeasured" not in shown
    assert all(run.name in shown for run in runs)
    with pytest.raises(ValueError, match="nothing to draw"):
        comparison.priors([vae_run(results={})])

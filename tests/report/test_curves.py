"""Curves: what the axis shows, and what it leaves out."""

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hf_gen.errors import UserError
from hf_gen.report.curves import ELBO, TRANSLATION_LOSSES, learning_curves, limit, series
from hf_gen.report.run import EvaluatedRun
from tests.report.figures import rendered, texts

Make = Callable[..., EvaluatedRun]
KL = {"KL term": ("nats", ("kl",))}


def panel() -> Axes:
    return Figure().subplots()


def test_a_series_has_the_lines_that_hold_all_its_metrics() -> None:
    metrics = [{"epoch": 1.0, "train/a": 2.0, "train/b": 4.0}, {"epoch": 2.0, "train/a": 5.0}]
    assert series(metrics, "train", "a") == ([1.0, 2.0], [2.0, 5.0])
    assert series(metrics, "train", "a", "b") == ([1.0], [3.0])
    assert series(metrics, "validation", "a") == ([], [])


@pytest.mark.parametrize("count", [1, 2, 12])
def test_every_run_has_its_curves_and_is_in_the_legend(vae_run: Make, count: int) -> None:
    runs = [vae_run(f"a-run-with-quite-a-long-name-{number}") for number in range(count)]
    figure = learning_curves(runs, ELBO)
    rendered(figure)
    assert len(figure.axes) == 3
    legend = figure.legends[0].get_window_extent()
    assert 0 <= legend.x0 < legend.x1 <= 1800
    for axes in figure.axes:
        assert len(axes.lines) == 2 * count
        assert axes.get_window_extent().height > 250
        assert axes.get_tightbbox().y0 >= legend.y1 - 1
    assert {run.name for run in runs} <= set(texts(figure))


def test_the_losses_of_both_directions_are_averaged(translation_run: Make) -> None:
    figure = learning_curves([translation_run("one"), translation_run("two")], TRANSLATION_LOSSES)
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(TRANSLATION_LOSSES)
    for axes, value in zip(figure.axes, (1.5, 1.5, 0.3), strict=True):
        assert len(axes.lines) == 4
        assert all(np.allclose(line.get_ydata(), value) for line in axes.lines)


def test_a_term_that_no_run_has_logged_has_no_panel(vae_run: Make) -> None:
    run = vae_run()
    lines = [{k: v for k, v in line.items() if not k.endswith("/kl")} for line in run.metrics]
    without = dataclasses.replace(run, metrics=lines)
    assert len(learning_curves([without], ELBO).axes) == 2
    assert len(learning_curves([without, run], ELBO).axes) == 3
    with pytest.raises(UserError, match=r"metrics.jsonl of run has no losses to draw"):
        learning_curves([dataclasses.replace(run, metrics=[])], ELBO)


def test_the_first_steps_do_not_squash_the_rest(vae_run: Make) -> None:
    lines = [
        {"epoch": epoch / 10, "train/kl": 1e6 if epoch < 2 else 40 + epoch} for epoch in range(60)
    ]
    lines[40]["validation/kl"] = 70.0
    (axes,) = learning_curves([dataclasses.replace(vae_run(), metrics=lines)], KL).axes
    low, high = axes.get_ylim()
    assert 38 < low < 43 < 99 < high < 105
    assert [len(line.get_xdata()) for line in axes.lines] == [60, 1]


@pytest.mark.parametrize(
    ("values", "is_log"),
    [
        ([0.1, 40.0, 700.0], True),
        ([10.0, 150.0], False),
        ([0.0, 700.0], False),
        ([-5.0, 9.0], False),
        ([0.0], False),
        ([3.0], False),
        ([-3.0], False),
    ],
)
def test_an_axis_holds_its_values_on_a_log_scale_if_far_apart(
    values: list[float], is_log: bool
) -> None:
    axes = panel()
    assert limit(axes, values) == is_log
    low, high = axes.get_ylim()
    assert low < min(values) <= max(values) < high
    assert axes.get_yscale() == ("log" if is_log else "linear")


def test_a_log_scale_spans_four_decades_at_most() -> None:
    axes = panel()
    limit(axes, [1e-9, 100.0])
    low, high = axes.get_ylim()
    assert high / low < 4e4


@pytest.mark.parametrize(
    ("epoch", "train", "validation"),
    [(0.0123, 1682.3, 1682.31), (1 / 3, 3e4, 1e3), (12345.67, 1234567.9, 1234567.8)],
)
def test_labels_of_one_evaluation_do_not_collide(
    vae_run: Make, epoch: float, train: float, validation: float
) -> None:
    lines = [{"epoch": epoch}]
    for term in ("negative_elbo", "reconstruction", "kl"):
        lines[0] |= {f"train/{term}": train, f"validation/{term}": validation}
    figure = learning_curves([dataclasses.replace(vae_run(), metrics=lines)], ELBO)
    rendered(figure)
    for axes in figure.axes:
        assert all(line.get_marker() == "o" for line in axes.lines)  # one point has no line
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            shown = [
                tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high
            ]
            words = [label.get_text() for label in shown]
            assert len({*words}) == len(words) > 1
            boxes = [label.get_window_extent() for label in shown]
            assert not any(one.overlaps(two) for one, two in itertools.pairwise(boxes)), words

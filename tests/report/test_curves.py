"""Curves: what the axis shows, and what it leaves out."""

import itertools

import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hf_gen.report.curves import draw_splits, limit, series
from hf_gen.report.style import charts

METRICS = [
    {"epoch": epoch / 10, "train/kl": 1e6 if epoch < 2 else 40 + epoch} for epoch in range(60)
]
METRICS[40]["validation/kl"] = 70.0


def panel() -> Axes:
    return Figure().subplots()


def test_a_series_is_where_it_was_logged() -> None:
    assert series(METRICS, "validation/kl") == ([4.0], [70.0])
    assert series(METRICS, "validation/other") == ([], [])


def test_the_first_steps_do_not_squash_the_rest() -> None:
    axes = panel()
    assert not limit(axes, draw_splits(axes, METRICS, "kl", {}, {}))
    low, high = axes.get_ylim()
    assert 38 < low < 43 < 99 < high < 105
    assert [len(line.get_xdata()) for line in axes.lines] == [60, 1]


def test_a_split_that_was_not_logged_has_no_curve() -> None:
    axes = panel()
    assert draw_splits(axes, METRICS, "other", {}, {}) == []
    assert not axes.lines


@pytest.mark.parametrize(
    ("values", "is_log"),
    [
        ([0.1, 40.0, 700.0], True),
        ([10.0, 150.0], False),
        ([0.0, 700.0], False),
        ([-5.0, 9.0], False),
    ],
)
def test_far_apart_values_are_on_a_log_scale(values: list[float], is_log: bool) -> None:
    axes = panel()
    assert limit(axes, values) == is_log
    low, high = axes.get_ylim()
    assert low < min(values) < max(values) < high
    assert axes.get_yscale() == ("log" if is_log else "linear")


def test_a_log_scale_spans_four_decades_at_most() -> None:
    axes = panel()
    limit(axes, [1e-9, 100.0])
    low, high = axes.get_ylim()
    assert high / low < 4e4


def test_a_constant_has_an_axis_of_some_height() -> None:
    for value in (0.0, 3.0, -3.0):
        axes = panel()
        limit(axes, [value, value])
        low, high = axes.get_ylim()
        assert low < value < high


@pytest.mark.parametrize("epoch", [0.0123, 1 / 3, 12345.67])
@pytest.mark.parametrize(
    ("train", "held_out"), [(1682.3, 1682.31), (1234567.9, 1234567.8), (3e4, 1e3)]
)
def test_labels_of_one_evaluation_do_not_collide(
    epoch: float, train: float, held_out: float
) -> None:
    figure, panels = charts("one", 1, 3, 3.2)
    for axes in panels:
        metrics = [{"epoch": epoch, "train/kl": train, "validation/kl": held_out}]
        limit(axes, draw_splits(axes, metrics, "kl", {}, {}))
        assert all(line.get_marker() == "o" for line in axes.lines)  # a line of one point is none
    FigureCanvasAgg(figure).draw()
    for axes in panels:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            shown = [
                tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high
            ]
            words = [label.get_text() for label in shown]
            assert len({*words}) == len(words) > 1
            boxes = [label.get_window_extent() for label in shown]
            assert not any(one.overlaps(two) for one, two in itertools.pairwise(boxes)), words

"""Figures over several CycleGAN runs."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from hf_gen.pipelines.translation import Direction
from hf_gen.report.comparison import Shown
from hf_gen.report.translation_comparison import (
    collapse_timelines,
    translation_curves,
    translations,
)

Make = Callable[..., Shown]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text().strip()]


@pytest.mark.parametrize("count", [1, 12])
def test_the_parts_of_the_losses_are_the_means_of_both_directions(
    translation_run: Make, count: int
) -> None:
    runs = [translation_run(f"cyclegan-with-a-long-name-{number}") for number in range(count)]
    figure = translation_curves(runs)
    FigureCanvasAgg(figure).draw()
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "Generators: adversarial loss",
        "Cycle-consistency L1",
        "Discriminators: loss",
    ]
    for axes, value in zip(figure.axes, (1.5, 1.5, 0.3), strict=True):
        assert len(axes.lines) == 2 * count
        for line in axes.lines:
            assert np.allclose(line.get_ydata(), value)
        assert axes.get_window_extent().height > 250
    assert all(run.name in texts(figure) for run in runs)


def test_a_log_without_losses_has_no_curves(translation_run: Make) -> None:
    run = dataclasses.replace(translation_run(), metrics=[{"step": 1, "epoch": 0.1}])
    with pytest.raises(ValueError, match="nothing to draw"):
        translation_curves([run])
    with pytest.raises(ValueError, match="nothing to draw"):
        collapse_timelines([run])


@pytest.mark.parametrize(
    ("direction", "source", "target"), [("a_to_b", "horse", "zebra"), ("b_to_a", "zebra", "horse")]
)
def test_each_run_s_translations_are_named_and_measured(
    translation_run: Make, direction: Direction, source: str, target: str
) -> None:
    runs = [translation_run("lambda10"), translation_run("lambda5")]
    shown = texts(translations(runs, direction, count=4))
    assert shown.count(f"real {source}") == 1
    assert shown.count(f"as {target}") == shown.count("and back") == 2
    assert {"lambda10", "lambda5"} <= set(shown)
    assert ("kernel distance 1.25" if direction == "a_to_b" else "kernel distance 2.5") in shown


def test_collapse_is_marked_where_it_was_detected(translation_run: Make) -> None:
    fine = translation_run("fine")
    fallen = translation_run("fallen", collapsed=(0.0, 1.0, 1.0))
    figure = collapse_timelines([fine, fallen])
    FigureCanvasAgg(figure).draw()
    assert len(figure.axes) == 8
    crosses = [
        [line for line in axes.lines if line.get_marker() == "x" and len(line.get_xdata())]
        for axes in figure.axes
    ]
    # The left column is the way from a to b, which alone has collapsed.
    assert [len(found) for found in crosses] == [1, 0] * 4
    assert list(crosses[0][0].get_xdata()) == [1.0, 1.5]
    assert np.allclose(crosses[0][0].get_ydata(), [0.7, 0.8])
    for left, right in zip(figure.axes[::2], figure.axes[1::2], strict=True):
        assert left.get_ylim() == right.get_ylim()

"""The figures of CycleGAN show what the log, the results and the pictures say."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hf_gen.errors import UserError
from hf_gen.images import grid, to_tensor
from hf_gen.metrics import DIRECTIONS, Direction
from hf_gen.report import draw_translation_figures, translation
from hf_gen.report.run import EvaluatedRun
from hf_gen.runs.folder import RunFolder
from hf_gen.tasks.cyclegan import SHOWN
from tests.report.figures import drawn_twice, enlarged, image_rows, rendered, texts

Make = Callable[..., EvaluatedRun]
SIZE = 16
FIGURES = {"learning_curve", "a_to_b", "b_to_a", "collapse", "training"}
RED, BLUE = (220, 20, 20), (20, 20, 220)


def shade_of(place: int, pictures: int) -> int:
    """The later the picture, the brighter the translations in it."""
    return 40 + 200 * place // max(pictures - 1, 1)


def save_progress(folder: Path, steps: list[int]) -> RunFolder:
    """Pictures in which a is red, b is blue, and their translations are grey and green."""
    run = RunFolder(folder)
    for place, step in enumerate(steps):
        shade = shade_of(place, len(steps))
        colours = (RED, (shade, shade, shade), BLUE, (0, shade, 0))
        images = [to_tensor([Image.new("RGB", (SIZE, SIZE), colour)]) for colour in colours]
        shown = torch.cat([image.repeat(SHOWN, 1, 1, 1) for image in images])
        run.save_progress(grid(shown, SHOWN, enlarge=2), step)
    return run


def test_every_figure_is_written_in_both_themes_and_is_deterministic(
    tmp_path: Path, translation_run: Make
) -> None:
    folder = save_progress(tmp_path, [20, 40]).figures
    assert drawn_twice(draw_translation_figures, translation_run(), folder) == FIGURES


@pytest.mark.parametrize("images", [12, 3])
@pytest.mark.parametrize(
    ("direction", "source", "target"), [("a_to_b", "horse", "zebra"), ("b_to_a", "zebra", "horse")]
)
def test_translations_and_cycle_reconstructions_of_every_run_are_below_the_real_images(
    translation_run: Make, direction: Direction, source: str, target: str, images: int
) -> None:
    runs = [translation_run(name, images=images) for name in ("lambda10", "lambda5")]
    figure = translation.translations(runs, direction)
    rows, shown = image_rows(figure), texts(figure)
    assert len(rows) == 5
    real = runs[0].images(10, DIRECTIONS.index(direction))
    expected = (real, *runs[0].pipeline.cycle(real, direction, output_type="pt"))
    for row, made in zip(rows, expected, strict=False):
        assert np.array_equal(row, enlarged(made))
    assert shown.count(f"real {source}") == 1
    labels = " ".join(shown)
    for run in ("lambda10", "lambda5"):
        assert labels.count(f"{run}, as {target}") == labels.count(f"{run}, back as {source}") == 1
    assert f"kernel distance (Lite2) {1.25 if direction == 'a_to_b' else 2.5}" in shown


def test_mode_collapse_is_marked_where_it_was_detected(translation_run: Make) -> None:
    runs = [translation_run("fine"), translation_run("collapsed", collapsed=(0.0, 1.0, 1.0))]
    figure = translation.mode_collapse(runs)
    rendered(figure)
    assert len(figure.axes) == 8
    crosses = [
        [line for line in axes.lines if line.get_marker() == "x" and len(line.get_xdata())]
        for axes in figure.axes
    ]
    # The left column is the direction from a to b, the only one that has collapsed.
    assert [len(found) for found in crosses] == [1, 0] * 4
    assert list(crosses[0][0].get_xdata()) == [1.0, 1.5]
    assert np.allclose(crosses[0][0].get_ydata(), [0.7, 0.8])
    for left, right in zip(figure.axes[::2], figure.axes[1::2], strict=True):
        assert left.get_ylim() == right.get_ylim()


def test_a_log_without_scores_is_an_error(translation_run: Make) -> None:
    run = replace(translation_run(), metrics=[{"step": 1, "epoch": 0.1}])
    with pytest.raises(UserError, match=r"metrics.jsonl of run has no scores of translations"):
        translation.mode_collapse([run])


@pytest.mark.parametrize("steps", [[20], list(range(20, 760, 20)), [500_000, 999_980, 1_000_000]])
def test_training_progress_shows_the_same_images_in_the_order_of_the_steps(
    tmp_path: Path, translation_run: Make, steps: list[int]
) -> None:
    folder = save_progress(tmp_path, steps).figures / "progress"
    rows = image_rows(translation.training_progress(translation_run(), folder), 96)
    count = min(len(steps), 10)
    places = [int(place) for place in np.linspace(0, len(steps) - 1, count).round()]
    shades = [shade_of(place, len(steps)) for place in places]
    colours = [(RED, BLUE), *(((shade, shade, shade), (0, shade, 0)) for shade in shades)]
    assert len(rows) == len(colours)
    for row, (left, right) in zip(rows, colours, strict=True):
        assert (row[:SHOWN] == left).all()
        assert (row[SHOWN:] == right).all()

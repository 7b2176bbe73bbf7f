"""Sheets show every pixel whole, and no word lies on an image or beyond the edge."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from hf_gen.report.sheet import CELL, Row, sheet

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def plain(colour: tuple[int, int, int], count: int = 3, size: int = 16) -> Tensor:
    """Images of one colour, in [-1, 1]."""
    values = torch.tensor(colour).float().div(127.5).sub(1)
    return values[None, :, None, None].expand(count, 3, size, size)


def pixels(figure: Figure) -> Any:
    """What is drawn, (height, width, 3)."""
    figure.set_dpi(200)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3]


def where(drawn: Any, colour: tuple[int, int, int]) -> Any:
    return (drawn == np.array(colour, dtype=np.uint8)).all(axis=2)


def words_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_images_of_any_size_fill_their_cells_exactly(size: int) -> None:
    drawn = pixels(sheet("title", [Row("red", plain(RED, 3, size)), Row("blue", plain(BLUE, 2))]))
    assert where(drawn, RED).sum() == 3 * CELL**2
    assert where(drawn, BLUE).sum() == 2 * CELL**2


def test_each_pixel_of_a_small_image_becomes_a_whole_square() -> None:
    board = torch.where(torch.arange(16)[:, None] % 2 == torch.arange(16) % 2, 1.0, -1.0)
    image = torch.stack((board, -board, -torch.ones(16, 16)))[None]
    drawn = pixels(sheet("title", [Row("board", image)]))
    reds, greens = where(drawn, RED), where(drawn, GREEN)
    assert reds.sum() == greens.sum() == CELL**2 / 2
    top, left = np.argwhere(reds | greens)[0]
    assert reds[top : top + 8, left : left + 8].all()
    assert greens[top : top + 8, left + 8 : left + 16].all()


def test_large_images_are_made_smaller() -> None:
    assert where(pixels(sheet("title", [Row("red", plain(RED, 1, 256))])), RED).sum() == CELL**2


def test_images_beyond_the_columns_go_on_below() -> None:
    wide, wrapped = (
        pixels(sheet("title", [Row("red", plain(RED, 6))], columns=columns)) for columns in (6, 3)
    )
    assert where(wide, RED).sum() == where(wrapped, RED).sum()
    assert where(wide, RED).any(axis=1).sum() == CELL
    assert where(wrapped, RED).any(axis=1).sum() == 2 * CELL


def test_rows_stand_side_by_side_in_their_order() -> None:
    rows = [Row("red", plain(RED)), Row("green", plain(GREEN)), Row("blue", plain(BLUE))]
    drawn = pixels(sheet("title", rows, side_by_side=2))
    red, green, blue = (np.argwhere(where(drawn, colour))[0] for colour in (RED, GREEN, BLUE))
    assert red[0] < green[0]
    assert red[1] == green[1]
    assert blue[0] == red[0]
    assert blue[1] > red[1] + 3 * CELL


@pytest.mark.parametrize(
    "label",
    ["real", "a-run-whose-name-is-very-long-and-goes-on-and-on", "x" * 90, "$5 and 10 % of \\it"],
)
@pytest.mark.parametrize("count", [1, 10])
def test_no_word_lies_on_an_image_on_another_word_or_beyond_the_edge(
    label: str, count: int
) -> None:
    rows = [Row("real", plain(RED, count))]
    rows += [Row(label, plain(RED, count), "first fact 1.0\nsecond fact", heading="Here")] * 2
    subtitle = "A sentence that is so long that it takes more than one line to say it. " * 3
    labels = ["real"] * count
    figure = sheet("A title that is long " * 6, rows, subtitle, column_labels=labels)
    drawn = pixels(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    covered = where(drawn, RED)
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= drawn.shape[1]
        assert box.y1 <= drawn.shape[0]
        top, bottom = drawn.shape[0] - int(box.y1), drawn.shape[0] - int(box.y0)
        assert not covered[top:bottom, int(box.x0) : int(box.x1)].any()
    for number, box in enumerate(boxes):
        # Line boxes hold room above and below their letters, which may touch.
        assert box.shrunk(1.0, 0.7).count_overlaps(boxes[:number]) == 0


def test_a_label_with_a_dollar_is_shown_as_it_is(tmp_path: Path) -> None:
    figure = sheet("costs $5", [Row("$x$", plain(RED))])
    figure.savefig(tmp_path / "sheet.png")
    assert {"costs $5", "$x$"} <= set(words_of(figure))


def test_a_chart_stands_between_the_title_and_the_rows() -> None:
    def chart(axes: Axes) -> None:
        axes.set_facecolor("#00ff00")

    drawn = pixels(sheet("title", [Row("red", plain(RED))], chart=chart, chart_height=3.0))
    lowest_of_chart = np.argwhere(where(drawn, GREEN)).max(axis=0)[0]
    highest_of_row = np.argwhere(where(drawn, RED))[0][0]
    assert 50 < highest_of_row - lowest_of_chart < 200
    assert where(drawn, GREEN).any(axis=1).sum() > 400


def test_the_same_rows_are_synthetic_the_same() -> None:
    first, second = (pixels(sheet("title", [Row("red", plain(RED))])) for _ in range(2))
    assert np.array_equal(first, second)

"""Image grids show every pixel, and no text covers an image or is cut off."""

from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import Tensor

from hf_gen.report.image_grid import CELL, Row, image_grid
from tests.report.figures import enlarged, image_rows, rendered, texts

RED, BLUE = (255, 0, 0), (0, 0, 255)


def plain(colour: tuple[int, int, int], count: int = 3, size: int = 16) -> Tensor:
    """Images of one colour, in [-1, 1]."""
    values = torch.tensor(colour).float().div(127.5).sub(1)
    return values[None, :, None, None].expand(count, 3, size, size)


def where(drawn: Any, colour: tuple[int, int, int]) -> Any:
    return (drawn == np.array(colour, dtype=np.uint8)).all(axis=2)


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
def test_images_of_any_size_fill_their_cells_exactly(size: int) -> None:
    drawn = rendered(
        image_grid("title", [Row("red", plain(RED, 3, size)), Row("blue", plain(BLUE, 2))])
    )
    assert where(drawn, RED).sum() == 3 * CELL**2
    assert where(drawn, BLUE).sum() == 2 * CELL**2


@pytest.mark.parametrize("cell", [64, 128])
def test_each_pixel_of_a_small_image_becomes_a_square(cell: int) -> None:
    images = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    figure = image_grid("title", [Row("one", images[:2]), Row("two", images[2:])], cell=cell)
    first, second = image_rows(figure, cell)
    assert np.array_equal(first, enlarged(images[:2], cell))
    assert np.array_equal(second, enlarged(images[2:], cell))
    canvas = figure.axes[0].images[0].get_array()
    opaque = canvas[:, :, 3] == 255
    assert np.array_equal(rendered(figure)[opaque], canvas[opaque][:, :3])


def test_a_group_of_columns_has_a_wider_gap_at_its_left() -> None:
    rows = [Row("red", plain(RED, 4))]
    edges = []
    for gap_before in (0, 2):
        drawn = rendered(image_grid("title", rows, gap_before=gap_before))
        columns = where(drawn, RED).any(axis=0).nonzero()[0]
        starts = columns[np.diff(columns, prepend=-2) > 1]
        assert len(columns) == 4 * CELL
        edges.append(starts)
    assert (edges[1] - edges[0]).tolist() == [0, 0, 24, 24]


def test_a_row_may_be_empty() -> None:
    drawn = rendered(image_grid("title", [Row("none", torch.zeros(0, 3, 16, 16))]))
    assert min(drawn.shape[:2]) > CELL
    drawn = rendered(
        image_grid("title", [Row("none", torch.zeros(0, 3, 16, 16)), Row("red", plain(RED))])
    )
    assert where(drawn, RED).sum() == 3 * CELL**2


@pytest.mark.parametrize(
    "label",
    ["real", "a-run-whose-name-is-very-long-and-has-many-words", "x" * 90, "$5 and 10 % of \\it"],
)
@pytest.mark.parametrize("count", [1, 10])
def test_no_text_covers_an_image_or_another_text_or_is_cut_off(label: str, count: int) -> None:
    rows = [Row("real", plain(RED, count))]
    rows += [Row(label, plain(RED, count), "first fact 1.0\nsecond fact", heading="Here")] * 2
    subtitle = "A subtitle that is so long that it takes more than one line. " * 3
    labels = ["real"] * count
    figure = image_grid("A title that is long " * 6, rows, subtitle, labels)
    drawn = rendered(figure)
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


def test_dollar_signs_are_not_rendered_as_formulas() -> None:
    figure = image_grid("costs $5", [Row("$x$", plain(RED))])
    rendered(figure)
    assert {"costs $5", "$x$"} <= set(texts(figure))

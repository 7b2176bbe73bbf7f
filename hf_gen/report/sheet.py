"""Sheets of pictures: labelled rows of images whose pixels are enlarged whole."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from torch import Tensor
from torch.nn import functional

from hf_gen.images import to_pixels
from hf_gen.report.fonts import legible
from hf_gen.report.style import DPI, MUTED

CELL = 128
_GAP, _MARGIN, _BETWEEN = 8, 24, 56
_TITLE, _LABEL, _DETAIL = 11.0, 9.0, 8.0
_PART = 24
_LINE = 1.35
_LONGEST_LABEL = 20
_LEAST_WIDTH = 1_000


@dataclass(frozen=True)
class Row:
    """Images under each other's columns.

    Attributes:
        label: What they are, at their left.
        images: In [-1, 1], (count, 3, height, width); more than the columns go on below.
        detail: Numbers or a second thought, a line each, smaller.
        heading: What begins here, above the row; a space for a gap without words.
    """

    label: str
    images: Tensor
    detail: str = ""
    heading: str = ""


@dataclass
class _Page:
    """What is placed, in pixels from the upper left."""

    words: list[tuple[float, float, str, dict[str, Any]]] = field(default_factory=list)
    cells: list[tuple[int, int, np.ndarray]] = field(default_factory=list)


def sheet(
    title: str,
    rows: Sequence[Row],
    subtitle: str = "",
    columns: int | None = None,
    column_labels: Sequence[str] = (),
    cell: int = CELL,
    side_by_side: int = 1,
    chart: Callable[[Axes], None] | None = None,
    chart_height: float = 0.0,
) -> Figure:
    """Rows of images with their labels.

    Args:
        title: In plain words.
        rows: From top to bottom, images of any sizes.
        subtitle: What else a reader needs to know.
        columns: Images in a row before it goes on below. Default: as many as the longest has.
        column_labels: Above the columns.
        cell: Height and width of each image in pixels; multiples of the images' sizes look best.
        side_by_side: In how many columns the rows stand, filled one after the other.
        chart: Draws a chart between the titles and the rows.
        chart_height: In inches, with its labels.
    """
    columns = columns or max(len(row.images) for row in rows)
    pitch = cell + _GAP
    # A row whose images go on below has one label for all its lines.
    label_width = max(map(_label_width, rows)) + 16
    block = label_width + columns * pitch - _GAP
    width = max(2 * _MARGIN + side_by_side * (block + _BETWEEN) - _BETWEEN, _LEAST_WIDTH)
    page = _Page()
    chart_top = _titles(page, title, subtitle, width)
    top = chart_top + round(chart_height * DPI)
    per_block = -(-len(rows) // side_by_side)
    bottom = top
    for number, start in enumerate(range(0, len(rows), per_block)):
        left = _MARGIN + number * (block + _BETWEEN)
        y = top
        if any(column_labels):
            for column, label in enumerate(column_labels):
                middle = left + label_width + column * pitch + cell / 2
                style = {"fontsize": _DETAIL, "ha": "center", "va": "bottom", "alpha": MUTED}
                page.words.append((middle, y + 22, label, style))
            y += 30
        for row in rows[start : start + per_block]:
            y = _place(page, row, left, label_width, y, columns, cell)
        bottom = max(bottom, y)
    height = bottom - _GAP + _MARGIN
    figure = _render(page, width, height)
    if chart is not None:
        # Room for the labels of both axes.
        tall, low = top - chart_top - 130, height - top + 110
        place = (150 / width, low / height, (width - 190) / width, tall / height)
        chart(figure.add_axes(place))
    return figure


def _titles(page: _Page, title: str, subtitle: str, width: int) -> int:
    y = float(_MARGIN)
    for text, size, look in (
        (title, _TITLE, {"fontweight": "bold"}),
        (subtitle, _LABEL, {"alpha": MUTED}),
    ):
        # A letter is about 0.55 of the size wide.
        for line in textwrap.wrap(text, int((width - 2 * _MARGIN) / (0.57 * size * DPI / 72))):
            page.words.append((_MARGIN, y, line, {"fontsize": size, "va": "top", **look}))
            y += _line(size)
    return round(y + 10)


def _place(
    page: _Page, row: Row, left: int, label_width: int, y: int, columns: int, cell: int
) -> int:
    """Puts one row on the page and returns where the next begins."""
    if row.heading.isspace():
        y += _PART
    elif row.heading:
        y += 14
        style = {"fontsize": _LABEL, "fontweight": "bold", "va": "top"}
        page.words.append((left, y, row.heading, style))
        y += round(_line(_LABEL)) + 8
    pitch = cell + _GAP
    words = [(line, _LABEL, 1.0) for line in _wrapped(row.label)]
    words += [(line, _DETAIL, MUTED) for line in row.detail.splitlines()]
    text_height = round(sum(_line(size) for _, size, _ in words))
    picture_height = -(-len(row.images) // columns) * pitch - _GAP
    height = max(picture_height, text_height)
    down = float(y + (height - text_height) / 2)
    for text, size, opacity in words:
        look = {"fontsize": size, "va": "top", "alpha": opacity}
        page.words.append((left, down, text, look))
        down += _line(size)
    top = y + (height - picture_height) // 2
    for place, picture in enumerate(_enlarged(row.images, cell)):
        x = left + label_width + place % columns * pitch
        page.cells.append((x, top + place // columns * pitch, picture))
    return y + height + _GAP


def _render(page: _Page, width: int, height: int) -> Figure:
    figure = Figure(figsize=(width / DPI, height / DPI))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    canvas = np.zeros((height, width, 4), dtype=np.uint8)  # clear: the theme shows between
    for x, y, picture in page.cells:
        canvas[y : y + len(picture), x : x + len(picture), :3] = picture
        canvas[y : y + len(picture), x : x + len(picture), 3] = 255
    axes.imshow(canvas, interpolation="nearest", aspect="auto", extent=(0, width, height, 0))
    for right, down, text, look in page.words:
        axes.text(right, down, text, parse_math=False, **look)
    return figure


def _enlarged(images: Tensor, cell: int) -> np.ndarray:
    """(count, cell, cell, 3), bytes."""
    mode = "nearest-exact" if images.shape[-1] <= cell else "area"
    return to_pixels(functional.interpolate(images.float().cpu(), (cell, cell), mode=mode))


def _wrapped(label: str) -> list[str]:
    return textwrap.wrap(legible(label)[0], _LONGEST_LABEL) or [""]


def _label_width(row: Row) -> int:
    lines = [(line, _LABEL) for line in _wrapped(row.label)]
    lines += [(line, _DETAIL) for line in row.detail.splitlines()]
    return max(_text_width(line, size) for line, size in lines)


def _text_width(text: str, size: float) -> int:
    words, families = legible(text)
    font = FontProperties(family=families, size=size)
    width, _, _ = text_to_path.get_text_width_height_descent(words, font, ismath=False)
    return int(width * DPI / 72) + 1


def _line(size: float) -> float:
    return size * _LINE * DPI / 72

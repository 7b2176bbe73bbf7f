"""A figure of labelled rows of images, whose pixels are enlarged by one factor."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from torch import Tensor
from torch.nn import functional

from hf_gen.images import to_pixels
from hf_gen.report.fonts import legible
from hf_gen.report.style import DPI, MUTED

CELL = 128
_GAP, _MARGIN, _BEFORE_HEADING = 8, 24, 24
_TITLE, _LABEL, _DETAIL = 11.0, 9.0, 8.0
_LINE = 1.35
_LONGEST_LABEL = 20
_MIN_WIDTH = 1_000


@dataclass(frozen=True)
class Row:
    """Images in one line.

    Attributes:
        label: What they are, at their left.
        images: In [-1, 1], (count, 3, height, width).
        detail: Numbers, a line each, smaller.
        heading: Above the row; a space for a gap without words.
    """

    label: str
    images: Tensor
    detail: str = ""
    heading: str = ""

    @property
    def lines(self) -> list[tuple[str, float, float]]:
        """The words at the left: each line with its font size and opacity."""
        label = textwrap.wrap(legible(self.label)[0], _LONGEST_LABEL)
        lines = [(line, _LABEL, 1.0) for line in label]
        return lines + [(line, _DETAIL, MUTED) for line in self.detail.splitlines()]


def image_grid(
    title: str,
    rows: Sequence[Row],
    subtitle: str = "",
    column_labels: Sequence[str] = (),
    cell: int = CELL,
    gap_before: int = 0,
) -> Figure:
    """Draws rows of images with their labels.

    Args:
        title: Of the figure.
        rows: From top to bottom, images of any sizes and numbers.
        subtitle: What else a reader needs to know.
        column_labels: Above the columns.
        cell: Height and width of each image in pixels; multiples of the images' sizes look best.
        gap_before: A column with a wider gap at its left. Default: there is none.
    """

    def start(column: int) -> int:
        """The left edge of a column."""
        return left + column * (cell + _GAP) + _MARGIN * (0 < gap_before <= column)

    columns = max(1, *(len(row.images) for row in rows))
    widths = [_text_width(text, size) for row in rows for text, size, _ in row.lines]
    left = _MARGIN + max(widths, default=0) + 16
    width = max(start(columns) - _GAP + _MARGIN, _MIN_WIDTH)
    figure = Figure()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()

    def write(x: float, y: float, text: str, size: float, alpha: float, weight: str = "") -> float:
        """Writes one line and returns where the next one begins."""
        style: Any = {"fontsize": size, "alpha": alpha, "fontweight": weight or "normal"}
        axes.text(x, y, text, va="top", parse_math=False, **style)
        return y + _line(size)

    y: float = _MARGIN
    for text, size, alpha, weight in ((title, _TITLE, 1, "bold"), (subtitle, _LABEL, MUTED, "")):
        # A letter is about 0.57 of the size wide.
        for line in textwrap.wrap(text, int((width - 2 * _MARGIN) / (0.57 * size * DPI / 72))):
            y = write(_MARGIN, y, line, size, alpha, weight)
    y += 10
    if column_labels:
        for column, label in enumerate(column_labels):
            write(start(column), y, label, _DETAIL, MUTED)
        y += _line(_DETAIL)
    cells: list[tuple[int, int, np.ndarray]] = []
    for row in rows:
        if row.heading:
            y += _BEFORE_HEADING
        if row.heading.strip():
            y = write(_MARGIN, y, row.heading, _LABEL, 1, "bold") + 8
        text_height = sum(_line(size) for _, size, _ in row.lines)
        height = max(cell, text_height)
        below = y + (height - text_height) / 2
        for text, size, alpha in row.lines:
            below = write(_MARGIN, below, text, size, alpha)
        top = round(y + (height - cell) / 2)
        pictures = enumerate(_enlarged(row.images, cell))
        cells += [(top, start(column), picture) for column, picture in pictures]
        y += height + _GAP
    canvas = np.zeros((round(y) - _GAP + _MARGIN, width, 4), dtype=np.uint8)  # clear between images
    for top, edge, picture in cells:
        canvas[top : top + cell, edge : edge + cell] = picture
    extent = (0, width, len(canvas), 0)
    axes.imshow(canvas, interpolation="nearest", aspect="auto", extent=extent)
    figure.set_size_inches(width / DPI, len(canvas) / DPI)
    return figure


def _enlarged(images: Tensor, cell: int) -> np.ndarray:
    """Opaque RGBA bytes, (count, cell, cell, 4)."""
    if not len(images):
        return np.zeros((0, cell, cell, 4), dtype=np.uint8)
    mode = "nearest-exact" if images.shape[-1] <= cell else "area"
    pixels = to_pixels(functional.interpolate(images.float().cpu(), (cell, cell), mode=mode))
    return np.concatenate((pixels, np.full_like(pixels[..., :1], 255)), axis=3)


def _text_width(text: str, size: float) -> int:
    words, families = legible(text)
    font = FontProperties(family=families, size=size)
    width, _, _ = text_to_path.get_text_width_height_descent(words, font, ismath=False)
    return int(width * DPI / 72) + 1


def _line(size: float) -> float:
    return size * _LINE * DPI / 72

"""What a figure shows: its texts, its pixels and the images in its rows."""

from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from hf_gen.images import to_pixels
from hf_gen.report.image_grid import CELL


def texts(figure: Figure) -> list[str]:
    """Every text of a figure."""
    return [text.get_text() for text in figure.findobj(Text) if text.get_text().strip()]


def rendered(figure: Figure) -> Any:
    """The pixels, (height, width, 3)."""
    figure.set_dpi(200)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3]


def image_rows(figure: Figure, cell: int = CELL) -> list[Any]:
    """The images of an image grid, a row each, (images, cell, cell, 3)."""
    canvas = figure.axes[0].images[0].get_array()
    opaque = np.asarray(canvas[:, :, 3] == 255)
    tops = np.flatnonzero(np.diff(opaque.any(axis=1).astype(int)) == 1) + 1
    found = []
    for top in tops:
        starts = np.flatnonzero(np.diff(opaque[top].astype(int)) == 1) + 1
        cells = [canvas[top : top + cell, start : start + cell, :3] for start in starts]
        found.append(np.stack(cells))
    return found


def enlarged(images: torch.Tensor, cell: int = CELL) -> Any:
    """Images as they are in an image grid, (images, cell, cell, 3)."""
    factor = cell // images.shape[-1]
    return to_pixels(images).repeat(factor, axis=1).repeat(factor, axis=2)

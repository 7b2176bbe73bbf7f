"""What a figure shows: its texts, its pixels and the images in its rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from hf_gen.images import to_pixels
from hf_gen.report.image_grid import CELL
from hf_gen.report.run import EvaluatedRun


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


def drawn_twice(
    draw: Callable[[EvaluatedRun, Path], None], run: EvaluatedRun, folder: Path
) -> set[str]:
    """The names of the light figures, after checks that hold for the figures of every run."""
    pictures: list[dict[str, Any]] = []
    for _ in range(2):
        draw(run, folder)
        files = folder.glob("*.png")
        pictures.append({file.stem: np.asarray(Image.open(file).convert("RGB")) for file in files})
    light = {name for name in pictures[0] if not name.endswith("-dark")}
    assert pictures[0].keys() == light | {f"{name}-dark" for name in light}
    for name, pixels in pictures[0].items():
        assert np.array_equal(pixels, pictures[1][name]), name
        assert pixels.shape[1] >= 1000
        assert pixels.shape[0] >= 300
        assert (pixels[0, 0].max() < 30) == name.endswith("-dark")
        assert len(Image.fromarray(pixels).getcolors(pixels.size) or []) > 20, name
    return light

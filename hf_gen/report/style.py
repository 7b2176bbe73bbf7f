"""One style for all figures: a light and a dark theme, and colours that read on both."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from hf_gen.errors import translate_os_errors
from hf_gen.metrics import PALETTE as PALETTE
from hf_gen.report.fonts import make_legible

WIDTH = 9.0
"""Of a figure, in inches: 900 pixels of a page, drawn at twice that."""
DPI = 200

_MARKERS = "os^DvPX*"
_DASHES = ("-", "--", ":")
_LETTERS = 130
_PAD = 0.1
MUTED = 0.68
"""Opacity of secondary text."""

_SHARED: Any = {
    "figure.dpi": DPI,
    "savefig.dpi": "figure",
    "font.size": 9,
    "text.parse_math": False,  # names of folders are no formulas
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}


def _theme(background: str, text: str, lines: str) -> Any:
    faces = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
    texts = ("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color")
    colours = dict.fromkeys(faces, background) | dict.fromkeys((*texts, "axes.edgecolor"), text)
    return _SHARED | colours | {"grid.color": lines}


LIGHT = _theme(background="#ffffff", text="#1f2328", lines="#e3e6ea")
DARK = _theme(background="#0d1117", text="#e6edf3", lines="#2b313a")
THEMES = {"": LIGHT, "-dark": DARK}
# The settings of matplotlib belong to the process: one figure at a time.
_lock = threading.Lock()


def save(path: Path, draw: Callable[[], Figure]) -> None:
    """Draws a figure once per theme, as `path` and, with "-dark" after its stem.

    Args:
        path: A PNG file; its folder is created.
        draw: Makes the figure, within the theme's settings.

    Raises:
        UserError: If the disk cannot be written.
    """
    for suffix, theme in THEMES.items():
        with _lock, rc_context(theme):
            figure = draw()
            make_legible(figure)
            with translate_os_errors(path.parent):
                path.parent.mkdir(parents=True, exist_ok=True)
                figure.savefig(path.with_stem(path.stem + suffix), pil_kwargs={"compress_level": 4})


def look(place: int) -> dict[str, Any]:
    """Colour, dash and marker of the run at a place, different for the first 24."""
    return {
        "color": PALETTE[place % len(PALETTE)],
        "linestyle": _DASHES[place // len(PALETTE) % len(_DASHES)],
        "marker": _MARKERS[place % len(_MARKERS)],
        "markersize": 3.5,
    }


def charts(title: str, rows: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with a title and panels, row by row.

    Args:
        title: Of the figure.
        rows: Of panels.
        columns: Of panels.
        height: Of the figure, in inches.
    """
    figure = Figure(figsize=(WIDTH, height), layout=ConstrainedLayoutEngine(h_pad=_PAD, w_pad=_PAD))
    figure.suptitle(title, x=_PAD / WIDTH, horizontalalignment="left")
    return figure, list(figure.subplots(rows, columns, squeeze=False).flatten())


def legend_height(labels: Sequence[str]) -> float:
    """What `legend_below` adds to the height of a figure, in inches."""
    return 0.21 * -(-len(labels) // _legend_columns(labels))


def legend_below(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """A legend under all panels, in as many columns as its words leave room for."""
    figure.legend(handles, labels, ncols=_legend_columns(labels), loc="outside lower left")


def _legend_columns(labels: Sequence[str]) -> int:
    return max(1, min(len(labels), _LETTERS // (max(map(len, labels), default=0) + 7)))

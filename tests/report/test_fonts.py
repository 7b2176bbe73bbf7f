"""Names in any script can be read in a figure, whatever fonts the system has."""

import warnings
from pathlib import Path

import pytest
import torch
from matplotlib import font_manager
from matplotlib.figure import Figure

from hf_gen.report import fonts
from hf_gen.report.fonts import legible
from hf_gen.report.image_grid import Row, image_grid
from hf_gen.report.style import charts, legend_below, save

CAT = "\N{CJK UNIFIED IDEOGRAPH-732B}"


@pytest.fixture(autouse=True)
def _only_fonts_of_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system may have others."""
    own = str(Path(font_manager.__file__).parent)
    listed = [font for font in font_manager.fontManager.ttflist if font.fname.startswith(own)]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", listed)
    for cached in (fonts._letters, fonts._other_families):
        cached.cache_clear()


def test_letters_that_no_font_has_are_escaped() -> None:
    assert legible("conv-vae") == ("conv-vae", ["DejaVu Sans"])
    assert (
        legible("größe \N{GREEK SMALL LETTER BETA}=4")[0] == "größe \N{GREEK SMALL LETTER BETA}=4"
    )
    assert legible(f"{CAT}-z10")[0] == "\\u732b-z10"


def test_letters_of_another_font_are_shown_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    known = fonts._letters
    others = {"STIXGeneral": frozenset({ord(CAT)})}
    monkeypatch.setattr(fonts, "_letters", lambda name: others.get(name) or known(name))
    assert legible(f"{CAT}-z10") == (f"{CAT}-z10", ["DejaVu Sans", "STIXGeneral"])


def test_no_figure_shows_boxes(tmp_path: Path) -> None:
    def chart() -> Figure:
        figure, (axes,) = charts(f"{CAT}: learning curve", 1, 1, 3.0)
        axes.plot([0, 1], [0, 1], label=f"{CAT} $x$")
        axes.set(title=CAT, xlabel=CAT)
        legend_below(figure, *axes.get_legend_handles_labels())
        return figure

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of each letter that it has no glyph for
        save(tmp_path / "chart.png", chart)
        rows = [Row(f"{CAT}の実行", torch.zeros(2, 3, 8, 8), detail=CAT, heading=CAT)]
        save(tmp_path / "grid.png", lambda: image_grid(CAT, rows, CAT))

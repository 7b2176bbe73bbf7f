"""Both themes of every figure, and colours that can be told apart on them."""

import itertools
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from hf_gen.errors import UserError
from hf_gen.report.style import DARK, LIGHT, PALETTE, charts, look, save

# Machado, Oliveira and Fernandes, 2009, at full severity: what linear RGB becomes.
_VISIONS = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
}
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> Any:
    values = np.array(to_rgb(colour))
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it, from 1 to 21."""
    luminances = sorted(float(linear(colour) @ _TO_XYZ[1]) for colour in (one, other))
    return (luminances[1] + 0.05) / (luminances[0] + 0.05)


def lab(rgb: Any) -> Any:
    white = _TO_XYZ.sum(1)
    scaled = _TO_XYZ @ rgb / white
    bent = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * bent[1] - 16, 500 * (bent[0] - bent[1]), 200 * (bent[1] - bent[2])])


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_every_colour_has_contrast_on_both_backgrounds(theme: Any) -> None:
    for colour in PALETTE:
        assert contrast(colour, theme["figure.facecolor"]) >= 3
    assert contrast(theme["text.color"], theme["figure.facecolor"]) >= 7


@pytest.mark.parametrize("vision", _VISIONS)
def test_colour_blind_people_can_tell_any_two_colours_apart(vision: str) -> None:
    seen = [lab(np.clip(_VISIONS[vision] @ linear(colour), 0, 1)) for colour in PALETTE]
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(one - other) >= 25


def test_twenty_four_runs_look_different() -> None:
    assert len({tuple(look(place).items()) for place in range(24)}) == 24


def empty() -> Figure:
    return charts("a title", 1, 1, 2.0)[0]


def test_a_figure_is_saved_light_and_dark_by_any_thread(tmp_path: Path) -> None:
    before = dict(rcParams)
    folder = tmp_path / "figures"
    places = [folder / f"{number}.png" for number in range(6)]
    threads = [threading.Thread(target=save, args=(path, empty)) for path in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(folder.iterdir())) == 12
    for path in places:
        for suffix, theme in (("", LIGHT), ("-dark", DARK)):
            with Image.open(path.with_stem(path.stem + suffix)) as picture:
                assert picture.size == (1800, 400)
                background = tuple(round(255 * part) for part in to_rgb(theme["figure.facecolor"]))
                assert picture.convert("RGB").getpixel((0, 0)) == background
    assert dict(rcParams) == before


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "figures").write_text("a file")
    with pytest.raises(UserError, match=r"figures is a file where a folder is needed"):
        save(tmp_path / "figures" / "curve.png", empty)

"""Words that the usual font cannot show: in another font of the system, or escaped."""

from functools import cache

from matplotlib import font_manager, rcParams
from matplotlib.figure import Figure
from matplotlib.text import Text

# Of matplotlib's own: a box for every letter, and symbols in the places of letters.
_NOT_FOR_WORDS = ("Last Resort", "STIXNon", "STIXSize", "cm")


def legible(words: str) -> tuple[str, list[str]]:
    """Words that can be shown, and the fonts that show them.

    Args:
        words: Such as the name of a run's folder, in any script.

    Returns:
        The words, in which letters that no font of the system has are escaped as Python does, and
        the families of fonts.
    """
    usual = rcParams["font.sans-serif"][0]
    letters = {letter for letter in words if not letter.isspace()}
    missing = letters - _shown_by(usual, letters)
    families = [usual]
    while missing:
        best = max(_other_families(), key=lambda name: len(_shown_by(name, missing)), default=usual)
        shown = _shown_by(best, missing)
        if not shown:
            break
        families.append(best)
        missing -= shown
    return words.translate({ord(letter): ascii(letter)[1:-1] for letter in missing}), families


def make_legible(figure: Figure) -> None:
    """Does so with all words of a figure."""
    for text in figure.findobj(Text):
        if isinstance(text, Text) and not text.get_text().isascii():
            words, families = legible(text.get_text())
            text.set_text(words)
            text.set_fontfamily(families)


def _shown_by(family: str, letters: set[str]) -> set[str]:
    known = _letters(family)
    return {letter for letter in letters if ord(letter) in known}


@cache
def _letters(family: str) -> frozenset[int]:
    """The code points of a font."""
    file = font_manager.findfont(font_manager.FontProperties(family=[family]))
    return frozenset(font_manager.get_font(file).get_charmap())


@cache
def _other_families() -> tuple[str, ...]:
    names = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(sorted(name for name in names if not name.startswith(_NOT_FOR_WORDS)))

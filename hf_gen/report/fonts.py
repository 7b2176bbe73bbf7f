"""Letters that the default font cannot show: in another font of the system, or escaped."""

from functools import cache

from matplotlib import font_manager, rcParams
from matplotlib.figure import Figure
from matplotlib.text import Text

# Fonts of matplotlib: a box for every letter, or symbols in the places of letters.
_NOT_FOR_WORDS = ("Last Resort", "STIXNon", "STIXSize", "cm")


def legible(words: str) -> tuple[str, list[str]]:
    """Words that can be shown, and the fonts that show them.

    Args:
        words: Such as the name of a run's folder, in any script.

    Returns:
        The words, in which letters that no font of the system has are escaped as Python does, and
        the families of fonts.
    """
    families = [rcParams["font.sans-serif"][0]]
    missing = {ord(letter) for letter in words if not letter.isspace()} - _letters(families[0])
    for family in _other_families() if missing else ():
        if missing & _letters(family):
            families.append(family)
            missing -= _letters(family)
    return words.translate({code: ascii(chr(code))[1:-1] for code in missing}), families


def make_legible(figure: Figure) -> None:
    """Makes all texts of a figure legible."""
    for text in figure.findobj(Text):
        if isinstance(text, Text) and not text.get_text().isascii():
            words, families = legible(text.get_text())
            text.set_text(words)
            text.set_fontfamily(families)


@cache
def _letters(family: str) -> frozenset[int]:
    """The code points of a font."""
    file = font_manager.findfont(font_manager.FontProperties(family=[family]))
    return frozenset(font_manager.get_font(file).get_charmap())


@cache
def _other_families() -> tuple[str, ...]:
    names = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(sorted(name for name in names if not name.startswith(_NOT_FOR_WORDS)))

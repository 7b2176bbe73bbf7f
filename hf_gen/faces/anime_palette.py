"""The colours of the anime style: tables by factor, gradients, and the paints of its hair."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from hf_gen.faces.svg import Layers, fill, line, shape

if TYPE_CHECKING:
    from hf_gen.faces.factors import Face

# base, shade, sheen, line
HAIR = {
    "black": ("#3d3a52", "#26233a", "#8f93bd", "#16131f"),
    "brown": ("#865644", "#603930", "#c99a80", "#3a1f1c"),
    "ginger": ("#f0863c", "#c65d2a", "#ffc795", "#7c3018"),
    "blonde": ("#f9db76", "#dfae4b", "#fff6cc", "#8f6420"),
    "red": ("#d53c43", "#9f2338", "#ff9a8f", "#5a1022"),
    "pink": ("#f893b6", "#d9658f", "#ffd7e4", "#8b2f55"),
    "violet": ("#9a78d4", "#6f4fae", "#d9c5fa", "#3c2470"),
    "blue": ("#4a7fdb", "#2e56ac", "#a8d2ff", "#182d66"),
    "green": ("#49b389", "#2b8069", "#b0ecc8", "#124840"),
    "silver": ("#dcdfea", "#a9afc8", "#ffffff", "#5c627e"),
}
# top of the iris, bottom of the iris
EYES = {
    "brown": ("#4f2614", "#b4713f"),
    "amber": ("#a5560a", "#ffd04a"),
    "red": ("#7c0d20", "#ff5a5a"),
    "violet": ("#45188a", "#c47dff"),
    "blue": ("#12308f", "#58a6ff"),
    "cyan": ("#0a6a80", "#5cf0ee"),
    "green": ("#0d5a28", "#6fdd5c"),
    "grey": ("#3c434f", "#b4bfcb"),
}
# base, shade, line, blush
SKIN = {
    "porcelain": ("#fff1ea", "#f6cfc6", "#b8756f", "#ff9fa6"),
    "light": ("#ffe2cd", "#f3b99f", "#a8654f", "#ff8f85"),
    "beige": ("#f7cfa6", "#dda177", "#8f5537", "#f27f68"),
    "tan": ("#e0a878", "#bd7d52", "#75412a", "#dc6650"),
    "brown": ("#b57a52", "#8c5638", "#55301f", "#b94f3c"),
    "dark": ("#85553d", "#613a2b", "#351d17", "#9c4038"),
}
# top, bottom
GROUND = {
    "white": ("#ffffff", "#f6f7f9"),
    "cream": ("#fff6d2", "#ffe7a6"),
    "rose": ("#ffe2e8", "#fdbccb"),
    "lavender": ("#ebe4ff", "#c8b8f6"),
    "sky": ("#def2ff", "#a3d6fa"),
    "mint": ("#def9e8", "#a4e5c1"),
}
CLOTHES = ("#34487f", "#b23a48", "#f4f1ea", "#3f7d6a", "#e0a63b", "#6b5b95", "#38363f", "#e58fae")
INK = "#2b1a28"


def gradients(face: "Face") -> str:
    """The definitions of `url(#ground)`, `url(#iris)` and `url(#hair)` in this face's colours."""
    base, shade, *_ = HAIR[face.hair_colour]
    return (
        _gradient("ground", *GROUND[face.background], units="objectBoundingBox", y=(0, 1))
        + _gradient("iris", *EYES[face.eye_colour], units="objectBoundingBox", y=(0.1, 0.9))
        + _gradient("hair", base, shade, units="userSpaceOnUse", y=(110, 290))
    )


def paint(face: "Face", layers: Layers) -> str:
    """Layers of hair and of what it wears, in this face's colours."""
    _, shade, sheen, ink = HAIR[face.hair_colour]
    accent = CLOTHES[face.accent]
    paints: dict[str, Callable[[str], str]] = {
        "hair": lambda path: shape(path, "url(#hair)", ink),
        "bulk": lambda path: fill(path, "url(#hair)"),
        "nape": lambda path: fill(path, shade),
        "gleam": lambda path: fill(path, sheen, 0.9),
        "shade": lambda path: line(path, shade, 6),
        "sheen": lambda path: line(path, sheen, 5),
        "strands": lambda path: line(path, shade, 2.5),
        "outline": lambda path: line(path, ink, 2.5),
        "accent": lambda path: shape(path, accent, INK, 2.5),
        "band": lambda path: line(path, INK, 13) + line(path, accent, 9),
        "seam": lambda path: line(path, INK, 1.5),
        "glare": lambda path: fill(path, "#ffffff", 0.35),
        "pollen": lambda path: fill(path, "#ffe27a"),
    }
    return "".join(paints[name](path) for name, path in layers)


def _gradient(name: str, top: str, bottom: str, units: str, y: tuple[float, float]) -> str:
    return (
        f'<linearGradient id="{name}" gradientUnits="{units}" x1="0" x2="0" y1="{y[0]}" '
        f'y2="{y[1]}"><stop stop-color="{top}"/><stop offset="1" stop-color="{bottom}"/>'
        "</linearGradient>"
    )

"""The colours of the cartoon style: tables by factor, and the paints of its hair."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from hf_gen.faces.svg import Layers, fill, line, shape

if TYPE_CHECKING:
    from hf_gen.faces.factors import Face

INK = "#2a2126"
# fill, highlight, brows
HAIR = {
    "black": ("#3a3542", "#857f90", "#151218"),
    "brown": ("#6b3f24", "#a87a55", "#4a2814"),
    "ginger": ("#ee7a26", "#ffc08a", "#b8500f"),
    "blonde": ("#fbd65a", "#fff3bf", "#c48f1e"),
    "red": ("#c9302c", "#f08a80", "#8a1a1d"),
    "pink": ("#ff7fb0", "#ffd0e2", "#c93d78"),
    "violet": ("#8a55c8", "#c9a8f0", "#5c2d94"),
    "blue": ("#2f6fd6", "#93bdf8", "#1b4596"),
    "green": ("#2fa36b", "#94dcb4", "#176a43"),
    "silver": ("#d5d8dd", "#ffffff", "#8d929c"),
}
EYES = {
    "brown": "#7a4522",
    "amber": "#f0a512",
    "red": "#e0302f",
    "violet": "#8b3fd1",
    "blue": "#2463d8",
    "cyan": "#19c5d4",
    "green": "#3fa52b",
    "grey": "#8a95a0",
}
# fill, shade
SKIN = {
    "porcelain": ("#ffe9df", "#f7cfc2"),
    "light": ("#ffd3b5", "#f2b690"),
    "beige": ("#eebd8b", "#d89f69"),
    "tan": ("#cf9257", "#b3763f"),
    "brown": ("#a66c41", "#8a532e"),
    "dark": ("#7b4c32", "#613823"),
}
GROUND = {
    "white": "#ffffff",
    "cream": "#ffeeb8",
    "rose": "#ffc9d3",
    "lavender": "#d8cbfa",
    "sky": "#bbe2ff",
    "mint": "#bcf0d4",
}
CLOTHES = ("#3d5a9e", "#d1434f", "#fbfaf5", "#2f8f78", "#f2b53c", "#7a5bb0", "#4a4852", "#f08fb4")


def paint(face: "Face", layers: Layers) -> str:
    """Layers of hair and of what it wears, in this face's colours."""
    colour, light, dark = HAIR[face.hair_colour]
    accent = CLOTHES[face.accent]
    paints: dict[str, Callable[[str], str]] = {
        "hair": lambda path: shape(path, colour, INK, 4),
        "bulk": lambda path: fill(path, colour),
        "outline": lambda path: line(path, INK, 4),
        "dark": lambda path: line(path, dark, 3.5),
        "light": lambda path: line(path, light, 5),
        "stubble": lambda path: line(path, light, 3),
        "accent": lambda path: shape(path, accent, INK, 3.5),
        "band": lambda path: line(path, INK, 15) + line(path, accent, 8),
        "seam": lambda path: line(path, INK, 2.5),
        "pollen": lambda path: fill(path, "#ffd95c"),
    }
    return "".join(paints[name](path) for name, path in layers)

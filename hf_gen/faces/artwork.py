"""A face in the colours and shapes of a style, which are data: `anime.toml` and `cartoon.toml`."""

import tomllib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from hf_gen.faces.factors import Face
from hf_gen.faces.svg import fill, line, mirrored, shape

Layers = Iterable[tuple[str, str]]
"""Names of paints and SVG paths, from the back to the front."""
_STROKES: dict[str, Callable[..., str]] = {"shape": shape, "fill": fill, "line": line}


@cache
def artwork(style: str) -> dict[str, Any]:
    """The colours, paints and shapes of a style."""
    return tomllib.loads(Path(__file__).with_name(f"{style}.toml").read_text(encoding="utf-8"))


class StyledFace:
    """Draws what both styles draw in the same way, each with its own artwork.

    Args:
        face: Who is drawn.
        style: Whose artwork is used.
    """

    def __init__(self, face: Face, style: str) -> None:
        self.face = face
        self.art = artwork(style)
        clothes = self.art["clothes"]
        self.colours: dict[str, str] = {
            "ink": self.art["ink"],
            "cloth": clothes[face.clothes],
            "accent": clothes[face.accent],
        }
        for factor, values in self.art["colours"].items():
            self.colours |= values[getattr(face, factor)]

    def paint(self, layers: Layers) -> str:
        """Layers in this face's colours."""
        return "".join(
            _STROKES[stroke](path, *(self.colours.get(value, value) for value in values))
            for name, path in layers
            for stroke, *values in self.art["paints"][name]
        )

    def fragment(self, svg: str, **numbers: object) -> str:
        """A piece of SVG with this face's colours, and with the numbers that it names."""
        return svg.format(**self.colours, **numbers)

    def pick(self, name: str, choices: list[Any]) -> Any:
        """One of the choices that no factor decides."""
        return choices[int(self.face.decoration(name) * len(choices))]

    def fringe(self) -> Any:
        """The lower edge of the fringe, as the style describes it."""
        fringe = self.pick("fringe", self.art["fringes"])
        return self.art["curly_fringe"] if self.face.hair_style == "curls" else fringe

    def back_hair(self) -> str:
        """What is behind the body and the head."""
        style = self.face.hair_style
        pairs = mirrored(self.paint(self.art["back_pairs"].get(style, ())))
        return pairs + self.paint(self.art["back"].get(style, ()))

    def accessories(self) -> str:
        """What belongs to the hair style (ties, ribbons, braids, a cap) and what any may wear."""
        art, style = self.art, self.face.hair_style
        pairs = self._braid(**art["braid"]) if style == "braids" else ""
        pairs += self.paint(art["tie_pairs"].get(style, ()))
        drawing = mirrored(pairs) + self.paint(art["ties"].get(style, ()))
        if style not in ("buzz", "cap"):
            drawing += self.paint(art["accessories"][self.face.accessory])
        return drawing

    def glasses(self, paint: str) -> str:
        """Two round or square lenses and the bridge between them, painted by SVG attributes."""
        if self.face.glasses == "none":
            return ""
        form, level = self.art["glasses"], self.art["glasses"]["level"]
        offset = form["apart"] * self.face.face_width
        half = min(form["half"], offset - form["gap"])
        bridge = f"M{128 - offset + half:.2f} {level - 2}L{128 + offset - half:.2f} {level - 2}"
        drawing = f'<path d="{bridge}"/>'
        for x in (128 - offset, 128 + offset):
            if self.face.glasses == "round":
                drawing += f'<circle cx="{x:.2f}" cy="{level}" r="{half:.2f}"/>'
            else:
                top, height = level - form["height"] / 2, form["height"]
                drawing += (
                    f'<rect x="{x - half:.2f}" y="{top:.2f}" width="{2 * half:.2f}" '
                    f'height="{height}" rx="4"/>'
                )
        return f"<g {paint}>{drawing}</g>"

    def _braid(self, x: int, y: int, links: int, size: int) -> str:
        """A plait that hangs down from (x, y), one slanted link of `size` units over the other."""
        _, colour, ink, *_ = self.art["paints"]["hair"][0]
        ellipses = ""
        for link in range(links):
            side, below = 1 - 2 * (link % 2), y + size * link
            ellipses += (
                f'<ellipse rx="{size}" ry="{0.6 * size:.1f}" '
                f'transform="translate({x + size * side / 3:.1f} {below}) rotate({40 * side})"/>'
            )
        paint = f'fill="{self.colours.get(colour, colour)}" stroke="{self.colours[ink]}"'
        return f'<g {paint} stroke-width="3">{ellipses}</g>'

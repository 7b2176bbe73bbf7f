"""The strokes that both styles of faces are drawn with, as SVG text on a canvas 256 units wide.

Numbers are written with fixed decimals, so that the text is the same on every machine.
"""


def shape(path: str, colour: str, ink: str, width: float = 3.0) -> str:
    """A path filled and outlined `width` units wide, each closed part over the one before."""
    paint = f'fill="{colour}" stroke="{ink}" stroke-width="{width}" stroke-linejoin="round"'
    return "".join(f'<path d="{part}Z" {paint}/>' for part in path.removesuffix("Z").split("Z"))


def fill(path: str, colour: str, opacity: float = 1.0) -> str:
    """A filled path without an outline."""
    return f'<path d="{path}" fill="{colour}" fill-opacity="{opacity}"/>'


def line(path: str, colour: str, width: float, opacity: float = 1.0) -> str:
    """An open stroke of `width` canvas units with round ends."""
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}" '
        f'stroke-opacity="{opacity}" stroke-linecap="round" stroke-linejoin="round"/>'
    )


def mirrored(left: str) -> str:
    """What is drawn on the left, and again on the right."""
    return f'{left}<g transform="matrix(-1 0 0 1 256 0)">{left}</g>' if left else ""


def widened(width: float, drawing: str) -> str:
    """The drawing scaled about the axis of the head; a negative width also mirrors it."""
    return f'<g transform="matrix({width:.3f} 0 0 1 {128 - 128 * width:.2f} 0)">{drawing}</g>'


def paired(offset: float, level: float, left: str) -> str:
    """What is drawn around (0, 0), placed `offset` left of the axis and, mirrored, right of it."""
    return (
        f'<g transform="translate({128 - offset:.2f} {level})">{left}</g>'
        f'<g transform="matrix(-1 0 0 1 {128 + offset:.2f} {level})">{left}</g>'
    )

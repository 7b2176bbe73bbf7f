"""The strokes that both styles of faces are drawn with, as SVG text on a canvas 256 units wide.

Numbers are written with fixed decimals, so that the text is the same on every machine.
"""

# A layer is a paint, which a style gives its colours, and an SVG path.
Layers = tuple[tuple[str, str], ...]


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


def circles(radius: int, *centres: tuple[int, int]) -> str:
    """One path of equal circles, a closed part each."""
    arc = f"a{radius} {radius} 0 1 1"
    return "".join(
        f"M{x - radius} {y}{arc} {2 * radius} 0{arc} {-2 * radius} 0Z" for x, y in centres
    )


def braid(colour: str, ink: str, x: int, y: int, links: int, size: int) -> str:
    """A plait that hangs down from (x, y), one slanted link of `size` units over the other."""
    ellipses = ""
    for link in range(links):
        side, below = 1 - 2 * (link % 2), y + size * link
        ellipses += (
            f'<ellipse rx="{size}" ry="{0.6 * size:.1f}" '
            f'transform="translate({x + size * side / 3:.1f} {below}) rotate({40 * side})"/>'
        )
    return f'<g fill="{colour}" stroke="{ink}" stroke-width="3">{ellipses}</g>'


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


def lenses(form: str, offset: float, level: float, half: float, height: float) -> str:
    """Two round or square lenses of half width `half` and the bridge between them."""
    drawing = (
        f'<path d="M{128 - offset + half:.2f} {level - 2}L{128 + offset - half:.2f} {level - 2}"/>'
    )
    for x in (128 - offset, 128 + offset):
        if form == "round":
            drawing += f'<circle cx="{x:.2f}" cy="{level}" r="{half:.2f}"/>'
        else:
            drawing += (
                f'<rect x="{x - half:.2f}" y="{level - height / 2:.2f}" width="{2 * half:.2f}" '
                f'height="{height}" rx="4"/>'
            )
    return drawing

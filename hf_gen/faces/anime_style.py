"""The anime style: a portrait crop, large shaded eyes, a small chin, cel-shaded hair with a sheen.

The canvas is 256 x 256. The head stands upright with its axis at x = 128, the eyes at y = 150 and
the chin at y = 235; `draw` widens, turns and places it. What comes in pairs is drawn once, on the
left, and mirrored.
"""

from itertools import pairwise

from hf_gen.faces.artwork import Layers, StyledFace
from hf_gen.faces.factors import Face
from hf_gen.faces.svg import mirrored, paired, widened

# Styles whose back hair is wider than the front: the front then has no outer line of its own.
_FULL = ("bob", "long", "short_spiky", "curls")


def draw(face: Face) -> str:
    """The complete picture as SVG text."""
    styled = StyledFace(face, "anime")
    hair_width = face.face_width * (-1 if face.decoration("side") < 0.5 else 1)
    shift_x, shift_y = 12 * face.decoration("shift_x") - 6, 8 * face.decoration("shift_y") - 2
    place = (
        f"translate({shift_x:.2f} {shift_y:.2f}) rotate({face.head_tilt:.2f} 128 190) "
        "translate(-8.96 -9) scale(1.07)"
    )
    brow = styled.paint([("brow", styled.art["brows"][face.brows])])
    layers = (
        widened(hair_width, styled.back_hair()),
        styled.paint(styled.art["body"]),
        widened(face.face_width, _head(styled)),
        widened(hair_width, _fringe_shadow(styled)),
        _eyes(styled),
        styled.paint(styled.art["nose"]),
        styled.fragment(styled.art["mouth"][face.mouth]),
        widened(hair_width, _front_hair(styled) + styled.accessories()),
        paired(39 * face.face_width, 113, brow),
        styled.glasses('fill="none" stroke="#3a2a3a" stroke-width="4"'),
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 256">'
        f"<defs>{styled.fragment(styled.art['gradients'])}</defs>"
        '<rect width="256" height="256" fill="url(#ground)"/>'
        f'<g transform="{place}">{"".join(layers)}</g></svg>'
    )


def _head(styled: StyledFace) -> str:
    face, art = styled.face, styled.art
    jaw = round(12 * face.decoration("jaw") - 6)
    ear = styled.paint(art["ear"])
    if face.decoration("earring") < 0.3:
        ear += styled.paint(art["earring"])
    outline = (
        f"M56 110C54 156 60 184 {84 - jaw} 208Q{112 - jaw} 233 128 235"
        f"Q{144 + jaw} 233 {172 + jaw} 208C196 184 202 156 200 110"
        "C196 50 168 30 128 30C88 30 60 50 56 110Z"
    )
    cheek = f"M199 120C201 156 195 184 {171 + jaw} 207Q{148 + jaw} 228 132 233Q176 202 186 120Z"
    head = styled.paint([("head", outline), ("cheek", cheek)])
    return mirrored(ear) + head + mirrored(styled.fragment(art["rouge"]))


def _eyes(styled: StyledFace) -> str:
    face = styled.face
    width = 1.0 + 0.14 * face.decoration("eye_size")
    height = width * (0.88 + 0.16 * face.decoration("eye_height"))
    slant = 12 * face.decoration("eye_slant") - 6
    gaze = 7 * face.decoration("gaze") - 3.5
    apart = 39 * face.face_width + 4 * face.decoration("eyes_apart") - 2
    level = 148 + 5 * face.decoration("eye_level")
    highlights = styled.fragment(styled.art["highlights"], left=gaze - 5, right=gaze + 6)
    drawing = ""
    for side in (-1, 1):
        eye = styled.fragment(styled.art["eye"], centre=1 + side * gaze)
        drawing += (
            f'<g transform="translate({128 + side * apart:.2f} {level:.2f})">'
            f'<g transform="scale({side * width:.3f} {height:.3f}) rotate({slant:.2f})">{eye}</g>'
            f"{highlights}</g>"
        )
    return drawing


def _fringe_shadow(styled: StyledFace) -> str:
    """What the fringe casts on the forehead."""
    if styled.face.hair_style == "buzz":
        return ""
    edge = [(min(max(x, 62), 194), y + 9) for x, y in styled.fringe()]
    path = f"M62 60L{edge[0][0]} {edge[0][1]}{_strands(edge)}L194 60Z"
    return styled.paint([("forehead", path)])


def _front_hair(styled: StyledFace) -> str:
    """Fringe and locks over the face, or the stubble of a buzz cut."""
    style, art = styled.face.hair_style, styled.art
    if style == "buzz":
        return styled.paint(art["buzz"])
    edge = styled.fringe()
    low, wide = art["locks"][style]
    middle, (temple_x, temple_y) = (low + 104) // 2, edge[-1]
    outer = (
        f"M58 {low}C40 {low - 36} 34 96 48 64C62 30 94 12 128 12C162 12 194 30 208 64"
        f"C222 96 216 {low - 36} 198 {low}"
    )
    inner = (
        f"Q{198 - wide} {middle} {temple_x} {temple_y}{_strands(edge[::-1])}"
        f"Q{58 + wide} {middle} 58 {low}"
    )
    slivers = ""
    roots = f"M56 {low - 14}C50 150 50 124 62 92M200 {low - 14}C206 150 206 124 194 92"
    for (tip_x, tip_y), (x, y) in zip(edge[1::2], edge[2::2], strict=True):
        slivers += f"M{tip_x} {tip_y}Q{x} {(tip_y + y) // 2 + 6} {x} {y}"
        slivers += f"Q{(tip_x + x) // 2} {y} {tip_x} {tip_y}Z"
        roots += f"M{x} {y}Q{x} {y - 34} {64 + x / 2:.1f} {max(y - 74, 20)}"
        roots += f"M{tip_x} {tip_y - 22}Q{tip_x} {tip_y - 50} {51.2 + tip_x * 0.6:.1f} {tip_y - 76}"
    side = f"M58 {low}C40 {low - 36} 34 96 48 64Q56 48 70 34C50 80 54 130 58 {low}Z"
    layers = [("nape", slivers), ("strands", roots), ("outline", f"M198 {low}{inner}")]
    if style not in _FULL:
        layers.append(("outline", outer))
    sheen: Layers = () if style == "cap" else art["curl_sheen" if style == "curls" else "sheen"]
    return (
        styled.paint([("bulk", outer + inner + "Z")])
        + mirrored(styled.paint([("nape", side)]))
        + styled.paint([*layers, *sheen])
    )


def _strands(edge: list[tuple[int, int]]) -> str:
    """Curves through notch, tip, notch, ...: strands that bulge and end in a point."""
    path = ""
    for position, ((x, y), (next_x, next_y)) in enumerate(pairwise(edge)):
        path += f"Q{next_x if position % 2 else x} {(y + next_y) // 2 + 6} {next_x} {next_y}"
    return path

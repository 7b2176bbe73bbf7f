"""The hair of the anime style in front of the face: fringe, locks, sheen, and what the hair wears.

The shapes stand in tables: a layer is a paint (see `anime_palette.paint`) and an SVG path.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

from hf_gen.faces.anime_palette import HAIR, SKIN, paint
from hf_gen.faces.svg import Layers, braid, circles, fill, mirrored

if TYPE_CHECKING:
    from hf_gen.faces.factors import Face

# The lower edge of the fringe from temple to temple: notch, tip, notch, ..., tip, notch.
FRINGES = (
    "70 104 82 122 97 105 112 122 127 105 143 122 158 105 173 122 186 104",
    "70 102 79 136 96 88 108 118 120 84 135 132 146 86 163 120 170 90 180 134 186 102",
    "70 110 75 142 86 100 97 112 124 52 160 114 170 100 181 142 186 110",
    "70 110 75 138 92 54 130 110 122 88 163 124 158 96 182 138 186 110",
    "70 106 78 132 98 80 118 132 134 56 152 118 164 92 177 136 186 106",
    "70 98 80 110 96 86 110 100 126 84 142 100 156 86 172 110 186 98",
)
CURLY_FRINGE = "70 110 79 122 90 96 106 115 120 93 135 114 146 93 161 116 170 96 180 122 186 110"

BUZZ_OUTLINE = "M52 138C42 60 76 18 128 18C180 18 214 60 204 138"
BUZZ_HAIRLINE = (
    "L199 112L193 92L181 88L172 76L160 83L148 72L137 80L126 71L114 80L104 72L94 83L83 76L75 88"
    "L63 92L57 112L52 138"
)
BUZZ: Layers = (
    ("bulk", BUZZ_OUTLINE + BUZZ_HAIRLINE + "Z"),
    ("strands", "M204 138" + BUZZ_HAIRLINE),
    ("outline", BUZZ_OUTLINE),
    (
        "strands",
        "M92 42l-6 12M112 36l-4 12M134 36l2 12M156 42l5 12M76 62l-5 12M100 58l-3 11M124 54l0 11"
        "M148 58l3 11M174 60l5 12",
    ),
    ("gleam", "M84 46Q108 28 146 32Q114 38 92 54Z"),
)
SHEEN = (
    "M58 86L66 66L70 72L80 54L86 62L98 46L106 58L118 44L122 60L114 66L110 60L104 72L98 64L90 84"
    "L82 72L74 90L68 80ZM138 62L142 46L150 56L158 48L166 62L174 56L184 72L188 68L197 86L188 80"
    "L182 88L174 74L166 82L158 66L150 74Z"
)
CURL_SHEEN = "M70 70q6 -22 26 -12M108 44q16 -16 30 0M152 62q14 -16 30 4"
# How far down the locks beside the face reach, and how wide they are.
LOCKS = {
    "bob": (204, 26),
    "long": (238, 22),
    "twin_tails": (196, 16),
    "short_spiky": (166, 18),
    "bun": (186, 12),
    "curls": (150, 14),
    "ponytail": (178, 14),
    "braids": (164, 18),
    "cap": (176, 20),
}
# Styles whose back hair is wider than the front: the front then has no outer line of its own.
FULL = ("bob", "long", "short_spiky", "curls")
# What belongs to a hair style, and what any hair but a cap's and a buzz cut's may wear.
TIES: dict[str, Layers] = {
    "ponytail": (("accent", "M168 30Q180 44 184 68Q194 72 202 62Q198 36 184 24Q174 22 168 30Z"),),
    "bun": (("band", "M152 15Q178 26 196 46"),),
    "cap": (
        ("accent", "M36 98C34 30 82 0 128 0C174 0 222 30 220 98Q174 70 128 70Q82 70 36 98Z"),
        ("seam", "M128 0C112 20 106 44 106 72M128 0C144 20 150 44 150 72"),
        ("glare", "M64 78Q66 34 104 16Q84 40 82 72Z"),
        (
            "accent",
            "M40 96Q84 64 128 64Q172 64 216 96Q242 110 238 122Q180 92 128 94Q76 92 18 122"
            "Q14 110 40 96Z",
        ),
    ),
}
RIBBON: Layers = (("accent", "M50 58L22 40L28 76L50 64L58 90L72 66L60 36Z"),)
ACCESSORIES: dict[str, Layers] = {
    "none": (),
    "clip": (("accent", "M66 84L92 70L96 78L70 92ZM72 98L96 86L99 94L76 106Z"),),
    "flower": (
        ("accent", circles(9, (66, 70), (80, 62), (88, 76), (78, 88), (64, 84))),
        ("pollen", circles(7, (75, 76))),
    ),
    "headband": (("band", "M48 74Q74 32 128 32Q182 32 208 74"),),
}


def fringe_shadow(face: "Face") -> str:
    """What the fringe casts on the forehead."""
    if face.hair_style == "buzz":
        return ""
    edge = [(min(max(x, 62), 194), y + 9) for x, y in _fringe(face)]
    path = f"M62 60L{edge[0][0]} {edge[0][1]}{_strands(edge)}L194 60Z"
    return fill(path, SKIN[face.skin_tone][1])


def front_hair(face: "Face") -> str:
    """Fringe and locks over the face, or the stubble of a buzz cut."""
    style = face.hair_style
    if style == "buzz":
        return paint(face, BUZZ)
    edge = _fringe(face)
    low, wide = LOCKS[style]
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
    layers: Layers = (("nape", slivers), ("strands", roots), ("outline", f"M198 {low}{inner}"))
    if style not in FULL:
        layers += (("outline", outer),)
    if style == "curls":
        layers += (("sheen", CURL_SHEEN),)
    elif style != "cap":
        layers += (("gleam", SHEEN),)
    return "".join(
        (
            paint(face, (("bulk", outer + inner + "Z"),)),
            mirrored(paint(face, (("nape", side),))),
            paint(face, layers),
        )
    )


def accessories(face: "Face") -> str:
    """What belongs to the hair style (ties, ribbons, braids, a cap) and what any hair may wear."""
    style = face.hair_style
    drawing = paint(face, TIES.get(style, ()))
    if style == "twin_tails":
        drawing += mirrored(paint(face, RIBBON))
    if style == "braids":
        drawing += mirrored(
            braid("url(#hair)", HAIR[face.hair_colour][3], x=40, y=172, links=8, size=18)
        )
    if style not in ("buzz", "cap"):
        drawing += paint(face, ACCESSORIES[face.accessory])
    return drawing


def _fringe(face: "Face") -> list[tuple[int, int]]:
    edge = FRINGES[int(face.decoration("fringe") * len(FRINGES))]
    numbers = [int(word) for word in (CURLY_FRINGE if face.hair_style == "curls" else edge).split()]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _strands(edge: list[tuple[int, int]]) -> str:
    """Curves through notch, tip, notch, ...: strands that bulge and end in a point."""
    path = ""
    for position, ((x, y), (next_x, next_y)) in enumerate(pairwise(edge)):
        path += f"Q{next_x if position % 2 else x} {(y + next_y) // 2 + 6} {next_x} {next_y}"
    return path

"""The hair of the cartoon style, behind the face and in front of it, and what the hair wears.

The shapes stand in tables: a layer is a paint (see `cartoon_palette.paint`) and an SVG path.
"""

from typing import TYPE_CHECKING

from hf_gen.faces.cartoon_palette import HAIR, INK, paint
from hf_gen.faces.svg import Layers, braid, circles, mirrored

if TYPE_CHECKING:
    from hf_gen.faces.factors import Face

# The lower edge of the fringe, from the right temple (178, 118) to the left one (78, 118).
FRINGES = (
    "Q176 104 172 102L157 106L146 101L132 106L118 101L104 106L92 101L84 102Q80 106 78 118",
    "L170 94L160 114L148 93L134 114L120 92L108 112L97 93L88 112L84 96L78 118",
    "Q178 88 128 72Q78 88 78 118",
    "Q178 100 164 84Q140 112 88 96Q80 102 78 118",
    "Q178 96 166 88L152 104L138 74Q116 108 86 108Q80 110 78 118",
    "Q176 98 170 92Q128 78 86 92Q80 98 78 118",
)
CURLY_FRINGE = "A15 15 0 0 1 158 102A16 16 0 0 1 128 100A16 16 0 0 1 98 102A15 15 0 0 1 78 118"

# The hair behind the face: first what hangs on both sides, then the rest.
BACK_PAIRS: dict[str, Layers] = {
    "twin_tails": (
        (
            "hair",
            "M62 66C30 34 8 76 14 122C18 146 8 160 14 190C36 180 54 152 48 124C46 104 54 92 72 90Z",
        ),
        ("dark", "M30 74Q22 110 28 140"),
    ),
    "curls": (
        (
            "hair",
            circles(21, (86, 204), (58, 188), (44, 160), (40, 128), (48, 96), (66, 68), (96, 48)),
        ),
    ),
}
BACK: dict[str, Layers] = {
    "bob": (
        (
            "hair",
            "M128 34C68 32 50 80 52 128C53 156 52 176 42 196Q72 206 94 188L162 188"
            "Q184 206 214 196C204 176 203 156 204 128C206 80 188 32 128 34Z",
        ),
    ),
    "long": (
        (
            "hair",
            "M128 34C66 32 48 82 50 132C50 170 50 204 34 244Q56 252 68 240Q80 252 96 236L160 236"
            "Q176 252 188 240Q200 252 222 244C206 204 206 170 206 132C208 82 190 32 128 34Z",
        ),
    ),
    "short_spiky": (
        (
            "hair",
            "M76 152L48 146L62 130L36 114L60 98L38 68L68 70L64 34L94 48L108 14L130 40L158 12"
            "L164 46L196 32L188 68L220 68L196 98L220 114L194 130L208 146L180 152Z",
        ),
    ),
    "bun": (("hair", "M106 56A30 30 0 1 1 164 56Z"),),
    "ponytail": (
        (
            "hair",
            "M160 56C196 22 244 52 236 106C230 144 214 160 226 204C194 190 184 152 196 120"
            "C200 98 190 84 172 82Z",
        ),
        ("dark", "M206 66Q222 92 210 130"),
    ),
    "curls": (
        ("hair", circles(22, (128, 40))),
        (
            "bulk",
            "M128 54C80 54 50 84 50 130C50 176 84 204 128 204C172 204 206 176 206 130"
            "C206 84 176 54 128 54Z",
        ),
    ),
    "cap": (("hair", "M72 100L64 164Q76 170 88 156L168 156Q180 170 192 164L184 100Z"),),
}
SWIRLS: Layers = (
    (
        "dark",
        "M38 130q0 -14 12 -12q8 8 0 14M46 164q-6 -14 8 -16q10 4 4 14M50 96q0 -14 14 -10q6 8 -2 12",
    ),
)
BUZZ: Layers = (
    (
        "hair",
        "M75 122C72 80 94 57 128 57C162 57 184 80 181 122Q178 102 166 94Q128 80 90 94"
        "Q78 102 75 122Z",
    ),
    (
        "stubble",
        "M92 80l4 5M108 72l3 5M126 70l1 6M144 71l-2 6M162 80l-4 5M118 62l1 4M138 63l-1 4",
    ),
)
SQUIGGLE = "M96 62Q108 50 120 54Q108 60 116 64Q130 54 146 58"
# How far down the locks beside the face reach, where they do.
LOCKS = {"bob": 168, "long": 182, "curls": 150, "short_spiky": 140, "cap": 146}
# Styles whose back hair frames the face: no ears, and no outer line around the front.
FULL = ("bob", "long", "curls")
# What belongs to a hair style, and what any hair but a cap's and a buzz cut's may wear.
TIE_PAIRS: dict[str, Layers] = {
    "twin_tails": (("accent", circles(11, (66, 78))),),
    "braids": (("hair", "M52 222L46 246Q60 252 74 246L68 222Z"), ("accent", circles(8, (60, 222)))),
}
TIES: dict[str, Layers] = {
    "ponytail": (("accent", "M158 52L174 84Q184 84 190 74L176 46Q166 42 158 52Z"),),
    "bun": (("accent", "M104 46Q135 34 166 46L164 57Q135 46 106 57Z"),),
    "cap": (
        ("accent", "M66 94C64 52 92 32 128 32C164 32 192 52 190 94Z"),
        ("seam", "M128 34Q116 54 116 86M128 34Q140 54 140 86"),
        ("accent", "M62 94Q128 70 194 94Q220 100 218 112Q128 84 38 112Q36 100 62 94Z"),
    ),
}
ACCESSORIES: dict[str, Layers] = {
    "none": (),
    "clip": (("accent", "M80 96L102 84L106 91L84 103Z"),),
    "flower": (
        ("accent", circles(8, (86, 78), (98, 70), (106, 81), (98, 92), (86, 90))),
        ("pollen", circles(7, (95, 82))),
    ),
    "headband": (("band", "M67 94Q80 56 128 56Q176 56 189 94"),),
}


def back_hair(face: "Face") -> str:
    """What lies behind the body and the head."""
    style = face.hair_style
    sides = mirrored(paint(face, BACK_PAIRS.get(style, ())))
    swirls = mirrored(paint(face, SWIRLS)) if style == "curls" else ""
    return sides + paint(face, BACK.get(style, ())) + swirls


def front_hair(face: "Face") -> str:
    """Fringe and locks over the face, or the stubble of a buzz cut."""
    style = face.hair_style
    if style == "buzz":
        return paint(face, BUZZ)
    fringe = FRINGES[int(face.decoration("fringe") * len(FRINGES))]
    low = LOCKS.get(style, 132)
    middle = (low + 118) // 2
    outer = f"M72 {low}C54 84 78 40 128 40C178 40 202 84 184 {low}"
    inner = f"Q182 {middle} 178 118{CURLY_FRINGE if style == 'curls' else fringe}"
    inner += f"Q74 {middle} 72 {low}"
    layers: Layers = (("bulk", outer + inner + "Z"), ("outline", f"M184 {low}{inner}"))
    if style not in (*FULL, "short_spiky"):
        layers += (("outline", outer),)
    if style != "cap" and face.accessory != "headband":
        layers += (("light", SQUIGGLE),)
    drawing = paint(face, layers)
    if style in ("bob", "long"):
        drawing += mirrored(paint(face, (("dark", f"M66 100Q58 {low - 40} 62 {low}"),)))
    return drawing


def accessories(face: "Face") -> str:
    """What belongs to the hair style (ties, braids, a cap) and what any hair may wear."""
    style = face.hair_style
    sides = ""
    if style == "braids":
        sides += braid(HAIR[face.hair_colour][0], INK, x=60, y=148, links=6, size=14)
    sides += paint(face, TIE_PAIRS.get(style, ()))
    drawing = mirrored(sides) + paint(face, TIES.get(style, ()))
    if style not in ("buzz", "cap"):
        drawing += paint(face, ACCESSORIES[face.accessory])
    return drawing

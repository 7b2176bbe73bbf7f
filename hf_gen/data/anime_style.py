"""The anime style: a portrait crop, large shaded eyes, a small chin, cel-shaded hair with a sheen.

The canvas is 256 x 256. The head stands upright with its axis at x = 128, the eyes at y = 150 and
the chin at y = 235; `draw` widens, turns and places it. What comes in pairs is drawn once, on the
left, and mirrored. The shapes stand in tables: a layer is a paint (see `_paint`) and an SVG path.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from hf_gen.data.svg import (
    Layers,
    braid,
    circles,
    fill,
    lenses,
    line,
    mirrored,
    paired,
    shape,
    widened,
)

if TYPE_CHECKING:
    from hf_gen.data.faces import Face

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

MOUTHS = {
    "smile": '<path d="M109 202Q128 218 147 202" {line}/>',
    "grin": '<path d="M106 199Q128 204 150 199Q147 220 128 220Q109 220 106 199Z" fill="#fff" '
    '{rim}/><path d="M110 209Q128 212 146 209" {line} stroke-opacity=".5"/>',
    "open": '<path d="M109 198Q128 203 147 198Q146 224 128 224Q110 224 109 198Z" fill="#8e2533" '
    "{rim}/>"
    '<path d="M115 217Q128 206 141 217Q136 223 128 223Q120 223 115 217Z" fill="#f58a8f"/>',
    "flat": '<path d="M113 207L143 207" {line}/>',
    "frown": '<path d="M110 213Q128 197 146 213" {line}/>',
    "round": '<ellipse cx="128" cy="209" rx="9" ry="12" fill="#8e2533" {rim}/>'
    '<ellipse cx="128" cy="215" rx="5" ry="4" fill="#f58a8f"/>',
}
# The left brow, around (0, 0) at its middle.
BROWS = {
    "flat": "M-22 1Q0 -3 20 0",
    "arched": "M-23 6Q-8 -14 20 -1",
    "angry": "M-22 -11Q2 -6 20 9",
    "worried": "M-23 8Q4 4 18 -12",
}
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

FULL_NAPE = "M62 130L194 130L182 210L74 210Z"
TIED_BACK = "M128 14C58 12 38 70 44 128Q50 170 90 184L166 184Q206 170 212 128C218 70 198 12 128 14Z"
TIED_LOW = "M128 14C58 12 36 70 42 130Q52 176 92 190L164 190Q204 176 214 130C220 70 198 12 128 14Z"
# The hair behind the face: first what hangs on both sides, then the rest.
BACK_PAIRS: dict[str, Layers] = {
    "twin_tails": (
        (
            "hair",
            "M58 44C14 22 -16 66 -8 130C-2 190 4 230 -14 290L40 300C56 240 34 196 34 150"
            "C34 110 46 88 62 76Z",
        ),
        ("shade", "M38 54C2 74 6 150 16 196C22 230 18 260 6 290M24 84C14 120 22 170 32 220"),
        ("sheen", "M16 66C0 84 2 110 4 124"),
    ),
    "curls": (
        ("hair", circles(29, (36, 196), (22, 158), (20, 116), (34, 74), (64, 42), (104, 22))),
        ("bulk", "M128 22C70 22 26 70 26 126C26 176 60 232 128 232Z"),
        (
            "shade",
            "M16 164q-4 -18 14 -20q14 4 6 16M14 118q-2 -18 16 -18q14 6 4 16M34 76q0 -20 20 -16"
            "q10 8 0 16M34 206q-10 -14 4 -22q16 -2 12 14M68 44q6 -16 22 -10",
        ),
    ),
}
BACK: dict[str, Layers] = {
    "bob": (
        (
            "hair",
            "M128 8C48 6 22 72 26 136C28 172 26 204 36 236Q50 228 56 216Q62 226 60 238"
            "Q78 224 88 204L168 204Q178 224 196 238Q194 226 200 216Q206 228 220 236"
            "C230 204 228 172 230 136C234 72 208 6 128 8Z",
        ),
        ("nape", FULL_NAPE),
    ),
    "long": (
        (
            "hair",
            "M128 8C46 6 22 74 26 140C28 190 20 240 6 300L250 300C236 240 228 190 230 140"
            "C234 74 210 6 128 8Z",
        ),
        ("nape", "M62 130L194 130L184 196L172 300L84 300L72 196Z"),
    ),
    "twin_tails": (("hair", TIED_LOW),),
    "short_spiky": (
        (
            "hair",
            "M60 190Q38 184 22 168Q34 166 38 158Q14 146 2 116Q20 122 30 114Q8 88 10 50Q26 66 42 64"
            "Q44 28 66 2Q72 24 86 28Q104 4 138 -10Q134 14 146 22Q172 2 204 8Q192 24 196 40"
            "Q228 40 246 62Q226 70 224 84Q248 102 254 132Q236 124 226 130Q236 150 236 174"
            "Q222 166 214 170Q210 184 196 190Z",
        ),
    ),
    "bun": (
        ("hair", "M140 30A38 38 0 1 1 204 62Z"),
        ("shade", "M150 22Q168 -10 198 8Q206 22 196 36M164 24Q178 6 188 22"),
        ("hair", TIED_BACK),
    ),
    "curls": (("nape", "M70 130L186 130L180 200Q128 250 76 200Z"),),
    "ponytail": (
        (
            "hair",
            "M164 34C206 -26 268 2 268 82C266 150 246 190 264 256C230 240 212 200 217 150"
            "C221 110 212 80 180 66Z",
        ),
        (
            "shade",
            "M192 34C236 20 248 60 243 110C238 150 232 184 242 226M206 48C232 66 228 116 226 160",
        ),
        ("sheen", "M226 26C250 40 254 64 254 84"),
        ("hair", TIED_BACK),
    ),
    "braids": (("hair", TIED_LOW),),
    "cap": (
        (
            "hair",
            "M128 20C58 20 38 76 40 130Q42 178 62 204Q76 196 84 184L172 184Q180 196 194 204"
            "Q214 178 216 130C218 76 198 20 128 20Z",
        ),
    ),
    "buzz": (("hair", "M128 24C66 24 46 74 54 130L202 130C210 74 190 24 128 24Z"),),
}
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


def draw(face: "Face") -> str:
    """The whole picture as SVG text."""
    hair_width = face.face_width * (-1 if face.decoration("side") < 0.5 else 1)
    shift_x, shift_y = 12 * face.decoration("shift_x") - 6, 8 * face.decoration("shift_y") - 2
    place = (
        f"translate({shift_x:.2f} {shift_y:.2f}) rotate({face.head_tilt:.2f} 128 190) "
        "translate(-8.96 -9) scale(1.07)"
    )
    base, shade, *_ = HAIR[face.hair_colour]
    gradients = (
        _gradient("ground", *GROUND[face.background], units="objectBoundingBox", y=(0, 1)),
        _gradient("iris", *EYES[face.eye_colour], units="objectBoundingBox", y=(0.1, 0.9)),
        _gradient("hair", base, shade, units="userSpaceOnUse", y=(110, 290)),
    )
    back = mirrored(_paint(face, BACK_PAIRS.get(face.hair_style, ())))
    layers = (
        widened(hair_width, back + _paint(face, BACK[face.hair_style])),
        _body(face),
        widened(face.face_width, _head(face)),
        widened(hair_width, _fringe_shadow(face)),
        _eyes_nose_mouth(face),
        widened(hair_width, _front_hair(face) + _accessories(face)),
        _brows(face),
        _glasses(face),
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 256">'
        f"<defs>{''.join(gradients)}</defs>"
        '<rect width="256" height="256" fill="url(#ground)"/>'
        f'<g transform="{place}">{"".join(layers)}</g></svg>'
    )


def _gradient(name: str, top: str, bottom: str, units: str, y: tuple[float, float]) -> str:
    return (
        f'<linearGradient id="{name}" gradientUnits="{units}" x1="0" x2="0" y1="{y[0]}" '
        f'y2="{y[1]}"><stop stop-color="{top}"/><stop offset="1" stop-color="{bottom}"/>'
        "</linearGradient>"
    )


def _paint(face: "Face", layers: Layers) -> str:
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
    return "".join(paints[paint](path) for paint, path in layers)


def _body(face: "Face") -> str:
    _, shade, ink, _ = SKIN[face.skin_tone]
    cloth = "M20 310Q36 256 98 240L128 268L158 240Q220 256 236 310Z"
    neck = "M106 206L106 240Q76 250 56 270L200 270Q180 250 150 240L150 206Z"
    return shape(neck, shade, ink, 2.5) + shape(cloth, CLOTHES[face.clothes], INK, 2.5)


def _head(face: "Face") -> str:
    base, shade, ink, blush = SKIN[face.skin_tone]
    jaw = round(12 * face.decoration("jaw") - 6)
    ear = shape("M62 134C44 122 38 144 46 160C50 172 58 176 66 172Z", base, ink, 2.5)
    ear += line("M60 142Q49 142 54 160", shade, 4)
    if face.decoration("earring") < 0.3:
        ear += shape(circles(5, (50, 177)), CLOTHES[face.accent], INK, 2)
    outline = (
        f"M56 110C54 156 60 184 {84 - jaw} 208Q{112 - jaw} 233 128 235"
        f"Q{144 + jaw} 233 {172 + jaw} 208C196 184 202 156 200 110"
        "C196 50 168 30 128 30C88 30 60 50 56 110Z"
    )
    cheek = f"M199 120C201 156 195 184 {171 + jaw} 207Q{148 + jaw} 228 132 233Q176 202 186 120Z"
    rouge = f'<ellipse cx="82" cy="186" rx="17" ry="9" fill="{blush}" fill-opacity=".45"/>'
    return mirrored(ear) + shape(outline, base, ink) + fill(cheek, shade, 0.6) + mirrored(rouge)


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


def _fringe_shadow(face: "Face") -> str:
    if face.hair_style == "buzz":
        return ""
    edge = [(min(max(x, 62), 194), y + 9) for x, y in _fringe(face)]
    path = f"M62 60L{edge[0][0]} {edge[0][1]}{_strands(edge)}L194 60Z"
    return fill(path, SKIN[face.skin_tone][1])


def _front_hair(face: "Face") -> str:
    style = face.hair_style
    if style == "buzz":
        return _paint(face, BUZZ)
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
            _paint(face, (("bulk", outer + inner + "Z"),)),
            mirrored(_paint(face, (("nape", side),))),
            _paint(face, layers),
        )
    )


def _accessories(face: "Face") -> str:
    style = face.hair_style
    drawing = _paint(face, TIES.get(style, ()))
    if style == "twin_tails":
        drawing += mirrored(_paint(face, RIBBON))
    if style == "braids":
        drawing += mirrored(
            braid("url(#hair)", HAIR[face.hair_colour][3], x=40, y=172, links=8, size=18)
        )
    if style not in ("buzz", "cap"):
        drawing += _paint(face, ACCESSORIES[face.accessory])
    return drawing


def _eyes_nose_mouth(face: "Face") -> str:
    ink = SKIN[face.skin_tone][2]
    width = 1.0 + 0.14 * face.decoration("eye_size")
    height = width * (0.88 + 0.16 * face.decoration("eye_height"))
    slant = 12 * face.decoration("eye_slant") - 6
    gaze = 7 * face.decoration("gaze") - 3.5
    apart = 39 * face.face_width + 4 * face.decoration("eyes_apart") - 2
    level = 148 + 5 * face.decoration("eye_level")
    drawing = ""
    for side in (-1, 1):
        centre = f"{1 + side * gaze:.2f}"
        eye = (
            fill("M-21 4C-18 -22 16 -26 23 2C20 22 -12 26 -21 4Z", "#fff")
            + f'<ellipse cx="{centre}" cy="1" rx="15.5" ry="21.5" fill="url(#iris)"/>'
            f'<ellipse cx="{centre}" cy="14" rx="9" ry="6" fill="#fff" fill-opacity=".28"/>'
            f'<ellipse cx="{centre}" cy="-2" rx="6.5" ry="10" fill="{INK}" fill-opacity=".85"/>'
            + fill("M-24 2C-20 -28 16 -32 26 -6L32 -12Q30 2 25 8C18 -19 -14 -19 -24 2Z", INK)
            + line("M20 14Q8 24 -8 22", INK, 2)
        )
        # The highlights are not mirrored with the eye: one lamp lights both.
        drawing += (
            f'<g transform="translate({128 + side * apart:.2f} {level:.2f})">'
            f'<g transform="scale({side * width:.3f} {height:.3f}) rotate({slant:.2f})">{eye}</g>'
            f'<circle cx="{gaze - 5:.2f}" cy="-10" r="6" fill="#fff"/>'
            f'<circle cx="{gaze + 6:.2f}" cy="10" r="3.4" fill="#fff" fill-opacity=".85"/></g>'
        )
    mouth = MOUTHS[face.mouth].format(
        line=f'fill="none" stroke="{ink}" stroke-width="4" stroke-linecap="round"',
        rim=f'stroke="{ink}" stroke-width="3" stroke-linejoin="round"',
    )
    return drawing + line("M129 181L132 187L127 189", ink, 2.5) + mouth


def _brows(face: "Face") -> str:
    path = BROWS[face.brows]
    # Brows show through the fringe, as anime draws them: the halo keeps them apart from dark hair.
    halo = line(path, SKIN[face.skin_tone][0], 11, opacity=0.5)
    return paired(39 * face.face_width, 113, halo + line(path, HAIR[face.hair_colour][3], 5))


def _glasses(face: "Face") -> str:
    if face.glasses == "none":
        return ""
    offset = 39 * face.face_width
    frame = lenses(face.glasses, offset, level=152, half=min(31.0, offset - 5), height=42)
    return f'<g fill="none" stroke="#3a2a3a" stroke-width="4">{frame}</g>'

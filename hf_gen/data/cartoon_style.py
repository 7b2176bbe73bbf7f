"""The cartoon style: flat colour, a dark outline, small round eyes, a whole head on plain ground.

The canvas is 256 x 256. The head stands upright with its axis at x = 128, the eyes at y = 138 and
the chin at y = 206; `draw` widens, turns and places it. What comes in pairs is drawn once, on the
left, and mirrored. The shapes stand in tables: a layer is a paint (see `_paint`) and an SVG path.
"""

from collections.abc import Callable
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

MOUTHS = {
    "smile": '<path d="M106 176Q128 198 150 176" {line}/>',
    "grin": '<path d="M102 174Q128 180 154 174Q151 197 128 197Q105 197 102 174Z" fill="#fff" '
    "{rim}/>"
    '<path d="M104 185L152 185" fill="none" stroke="#2a2126" stroke-width="2"/>',
    "open": '<path d="M103 173L153 173Q152 200 128 200Q104 200 103 173Z" fill="#8c1f2c" {rim}/>'
    '<path d="M114 195Q128 182 142 195Q136 200 128 200Q120 200 114 195Z" fill="#ff7a80"/>',
    "flat": '<path d="M108 182L148 182" {line}/>',
    "frown": '<path d="M107 190Q128 169 149 190" {line}/>',
    "round": '<ellipse cx="128" cy="183" rx="10" ry="12" fill="#8c1f2c" {rim}/>',
}
# The left brow, around (0, 0) at its middle.
BROWS = {
    "flat": "M-15 0L14 0",
    "arched": "M-16 6Q-4 -12 15 0",
    "angry": "M-15 -8L15 7",
    "worried": "M-16 7L13 -8",
}
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
NOSES = ("M126 150Q119 165 131 165", "M121 162Q128 170 135 162", "M130 150L135 164L126 165")


def draw(face: "Face") -> str:
    """The whole picture as SVG text."""
    hair_width = face.face_width * (-1 if face.decoration("side") < 0.5 else 1)
    tilted = f'<g transform="rotate({face.head_tilt:.2f} 128 192)">'
    head = (
        widened(face.face_width, _head(face)),
        _glasses(face, 'fill="#fff" fill-opacity=".3"'),
        _eyes_nose_mouth(face),
        widened(hair_width, _front_hair(face) + _accessories(face)),
        paired(25 * face.face_width, 112, line(BROWS[face.brows], HAIR[face.hair_colour][2], 7)),
        _glasses(face, f'fill="none" stroke="{INK}" stroke-width="4.5"'),
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 256">'
        f'<rect width="256" height="256" fill="{GROUND[face.background]}"/>'
        '<g transform="translate(-19.2 -14) scale(1.15)">'
        f"{tilted}{widened(hair_width, _back_hair(face))}</g>{_body(face)}"
        f"{tilted}{''.join(head)}</g></g></svg>"
    )


def _paint(face: "Face", layers: Layers) -> str:
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
    return "".join(paints[paint](path) for paint, path in layers)


def _back_hair(face: "Face") -> str:
    style = face.hair_style
    sides = mirrored(_paint(face, BACK_PAIRS.get(style, ())))
    swirls = mirrored(_paint(face, SWIRLS)) if style == "curls" else ""
    return sides + _paint(face, BACK.get(style, ())) + swirls


def _body(face: "Face") -> str:
    neck = "M109 190L109 226Q128 244 147 226L147 190Z"
    shirt = "M50 272C52 238 82 228 107 223Q128 244 149 223C174 228 204 238 206 272Z"
    return shape(neck, SKIN[face.skin_tone][1], INK, 4) + shape(
        shirt, CLOTHES[face.clothes], INK, 4
    )


def _head(face: "Face") -> str:
    skin, shade = SKIN[face.skin_tone]
    jaw = round(14 * face.decoration("jaw") - 7)
    ears = (
        f'<ellipse cx="74" cy="140" rx="12" ry="16" fill="{skin}" stroke="{INK}" stroke-width="4"/>'
    )
    outline = (
        f"M76 118C76 156 {82 - jaw} 174 {98 - jaw} 190Q{114 - jaw} 206 128 206"
        f"Q{142 + jaw} 206 {158 + jaw} 190C{174 + jaw} 174 180 156 180 118"
        "C180 84 158 62 128 62C98 62 76 84 76 118Z"
    )
    cheek = (
        f"M178 110C178 156 {172 + jaw} 174 {157 + jaw} 188Q{144 + jaw} 202 134 203"
        "C158 184 166 160 164 110Z"
    )
    hidden = face.hair_style in FULL
    return ("" if hidden else mirrored(ears)) + shape(outline, skin, INK, 4) + fill(cheek, shade)


def _eyes_nose_mouth(face: "Face") -> str:
    gaze = f"{6 * face.decoration('gaze') - 3:.2f}"
    eye = (
        f'<circle r="13.5" fill="#fff" stroke="{INK}" stroke-width="2"/>'
        f'<circle cx="{gaze}" cy="1" r="10" fill="{EYES[face.eye_colour]}"/>'
        f'<circle cx="{gaze}" cy="1" r="4.5" fill="{INK}"/>'
        '<circle cx="-3" cy="-4" r="2.8" fill="#fff"/>' + line("M-15 -4Q0 -20 15 -4", INK, 5)
    )
    offset = 25 * face.face_width
    eyes = "".join(
        f'<g transform="translate({x:.2f} 138)">{eye}</g>' for x in (128 - offset, 128 + offset)
    )
    nose = line(NOSES[int(face.decoration("nose") * len(NOSES))], INK, 3.5)
    mouth = MOUTHS[face.mouth].format(
        line=f'fill="none" stroke="{INK}" stroke-width="4" stroke-linecap="round"',
        rim=f'stroke="{INK}" stroke-width="4" stroke-linejoin="round"',
    )
    return eyes + nose + mouth


def _front_hair(face: "Face") -> str:
    style = face.hair_style
    if style == "buzz":
        return _paint(face, BUZZ)
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
    drawing = _paint(face, layers)
    if style in ("bob", "long"):
        drawing += mirrored(_paint(face, (("dark", f"M66 100Q58 {low - 40} 62 {low}"),)))
    return drawing


def _accessories(face: "Face") -> str:
    style = face.hair_style
    sides = ""
    if style == "braids":
        sides += braid(HAIR[face.hair_colour][0], INK, x=60, y=148, links=6, size=14)
    sides += _paint(face, TIE_PAIRS.get(style, ()))
    drawing = mirrored(sides) + _paint(face, TIES.get(style, ()))
    if style not in ("buzz", "cap"):
        drawing += _paint(face, ACCESSORIES[face.accessory])
    return drawing


def _glasses(face: "Face", paint: str) -> str:
    """Painted twice: as glass behind the eyes, then as a frame before them."""
    if face.glasses == "none":
        return ""
    offset = 25 * face.face_width
    frame = lenses(face.glasses, offset, level=139, half=min(21.0, offset - 3), height=34)
    return f"<g {paint}>{frame}</g>"

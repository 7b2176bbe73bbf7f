"""The cartoon style: flat colour, a dark outline, small round eyes, a whole head on plain ground.

The canvas is 256 x 256. The head stands upright with its axis at x = 128, the eyes at y = 138 and
the chin at y = 206; `draw` widens, turns and places it. What comes in pairs is drawn once, on the
left, and mirrored.
"""

from typing import TYPE_CHECKING

from hf_gen.faces.cartoon_hair import FULL, accessories, back_hair, front_hair
from hf_gen.faces.cartoon_palette import CLOTHES, EYES, GROUND, HAIR, INK, SKIN
from hf_gen.faces.svg import fill, lenses, line, mirrored, paired, shape, widened

if TYPE_CHECKING:
    from hf_gen.faces.factors import Face

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
NOSES = ("M126 150Q119 165 131 165", "M121 162Q128 170 135 162", "M130 150L135 164L126 165")


def draw(face: "Face") -> str:
    """The whole picture as SVG text."""
    hair_width = face.face_width * (-1 if face.decoration("side") < 0.5 else 1)
    tilted = f'<g transform="rotate({face.head_tilt:.2f} 128 192)">'
    head = (
        widened(face.face_width, _head(face)),
        _glasses(face, 'fill="#fff" fill-opacity=".3"'),
        _eyes_nose_mouth(face),
        widened(hair_width, front_hair(face) + accessories(face)),
        paired(25 * face.face_width, 112, line(BROWS[face.brows], HAIR[face.hair_colour][2], 7)),
        _glasses(face, f'fill="none" stroke="{INK}" stroke-width="4.5"'),
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 256">'
        f'<rect width="256" height="256" fill="{GROUND[face.background]}"/>'
        '<g transform="translate(-19.2 -14) scale(1.15)">'
        f"{tilted}{widened(hair_width, back_hair(face))}</g>{_body(face)}"
        f"{tilted}{''.join(head)}</g></g></svg>"
    )


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


def _glasses(face: "Face", paint: str) -> str:
    """Painted twice: as glass behind the eyes, then as a frame before them."""
    if face.glasses == "none":
        return ""
    offset = 25 * face.face_width
    frame = lenses(face.glasses, offset, level=139, half=min(21.0, offset - 3), height=34)
    return f"<g {paint}>{frame}</g>"

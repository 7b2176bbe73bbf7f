"""The anime style: a portrait crop, large shaded eyes, a small chin, cel-shaded hair with a sheen.

The canvas is 256 x 256. The head stands upright with its axis at x = 128, the eyes at y = 150 and
the chin at y = 235; `draw` widens, turns and places it. What comes in pairs is drawn once, on the
left, and mirrored.
"""

from typing import TYPE_CHECKING

from hf_gen.faces.anime_back_hair import back_hair
from hf_gen.faces.anime_front_hair import accessories, fringe_shadow, front_hair
from hf_gen.faces.anime_palette import CLOTHES, HAIR, INK, SKIN, gradients
from hf_gen.faces.svg import circles, fill, lenses, line, mirrored, paired, shape, widened

if TYPE_CHECKING:
    from hf_gen.faces.factors import Face

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


def draw(face: "Face") -> str:
    """The whole picture as SVG text."""
    hair_width = face.face_width * (-1 if face.decoration("side") < 0.5 else 1)
    shift_x, shift_y = 12 * face.decoration("shift_x") - 6, 8 * face.decoration("shift_y") - 2
    place = (
        f"translate({shift_x:.2f} {shift_y:.2f}) rotate({face.head_tilt:.2f} 128 190) "
        "translate(-8.96 -9) scale(1.07)"
    )
    layers = (
        widened(hair_width, back_hair(face)),
        _body(face),
        widened(face.face_width, _head(face)),
        widened(hair_width, fringe_shadow(face)),
        _eyes_nose_mouth(face),
        widened(hair_width, front_hair(face) + accessories(face)),
        _brows(face),
        _glasses(face),
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 256">'
        f"<defs>{gradients(face)}</defs>"
        '<rect width="256" height="256" fill="url(#ground)"/>'
        f'<g transform="{place}">{"".join(layers)}</g></svg>'
    )


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

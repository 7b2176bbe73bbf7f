"""The cartoon style: flat colour, a dark outline, small round eyes, the full head on plain ground.

The canvas is 256 x 256. The head stands upright with its axis at x = 128, the eyes at y = 138 and
the chin at y = 206; `draw` widens, turns and places it. What comes in pairs is drawn once, on the
left, and mirrored.
"""

from hf_gen.faces.artwork import StyledFace
from hf_gen.faces.factors import Face
from hf_gen.faces.svg import mirrored, paired, widened

# Styles whose back hair frames the face: no ears, and no outer line around the front.
_FULL = ("bob", "long", "curls")


def draw(face: Face) -> str:
    """The complete picture as SVG text."""
    styled = StyledFace(face, "cartoon")
    hair_width = face.face_width * (-1 if face.decoration("side") < 0.5 else 1)
    tilted = f'<g transform="rotate({face.head_tilt:.2f} 128 192)">'
    brow = styled.paint([("brow", styled.art["brows"][face.brows])])
    frame = f'fill="none" stroke="{styled.colours["ink"]}" stroke-width="4.5"'
    head = (
        widened(face.face_width, _head(styled)),
        styled.glasses('fill="#fff" fill-opacity=".3"'),
        _eyes(styled),
        styled.paint([("nose", styled.pick("nose", styled.art["noses"]))]),
        styled.fragment(styled.art["mouth"][face.mouth]),
        widened(hair_width, _front_hair(styled) + styled.accessories()),
        paired(25 * face.face_width, 112, brow),
        styled.glasses(frame),
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 256">'
        f'<rect width="256" height="256" fill="{styled.colours["ground"]}"/>'
        '<g transform="translate(-19.2 -14) scale(1.15)">'
        f"{tilted}{widened(hair_width, _back_hair(styled))}</g>{styled.paint(styled.art['body'])}"
        f"{tilted}{''.join(head)}</g></g></svg>"
    )


def _back_hair(styled: StyledFace) -> str:
    swirls = styled.art["swirls"] if styled.face.hair_style == "curls" else ()
    return styled.back_hair() + mirrored(styled.paint(swirls))


def _head(styled: StyledFace) -> str:
    jaw = round(14 * styled.face.decoration("jaw") - 7)
    outline = (
        f"M76 118C76 156 {82 - jaw} 174 {98 - jaw} 190Q{114 - jaw} 206 128 206"
        f"Q{142 + jaw} 206 {158 + jaw} 190C{174 + jaw} 174 180 156 180 118"
        "C180 84 158 62 128 62C98 62 76 84 76 118Z"
    )
    cheek = (
        f"M178 110C178 156 {172 + jaw} 174 {157 + jaw} 188Q{144 + jaw} 202 134 203"
        "C158 184 166 160 164 110Z"
    )
    has_ears = styled.face.hair_style not in _FULL
    ears = mirrored(styled.fragment(styled.art["ear"])) if has_ears else ""
    return ears + styled.paint([("head", outline), ("cheek", cheek)])


def _eyes(styled: StyledFace) -> str:
    face = styled.face
    eye = styled.fragment(styled.art["eye"], gaze=6 * face.decoration("gaze") - 3)
    offset = 25 * face.face_width
    return "".join(
        f'<g transform="translate({x:.2f} 138)">{eye}</g>' for x in (128 - offset, 128 + offset)
    )


def _front_hair(styled: StyledFace) -> str:
    """Fringe and locks over the face, or the stubble of a buzz cut."""
    face, art, style = styled.face, styled.art, styled.face.hair_style
    if style == "buzz":
        return styled.paint(art["buzz"])
    low = art["locks"].get(style, 132)
    middle = (low + 118) // 2
    outer = f"M72 {low}C54 84 78 40 128 40C178 40 202 84 184 {low}"
    inner = f"Q182 {middle} 178 118{styled.fringe()}Q74 {middle} 72 {low}"
    layers = [("bulk", outer + inner + "Z"), ("outline", f"M184 {low}{inner}")]
    if style not in (*_FULL, "short_spiky"):
        layers.append(("outline", outer))
    if style != "cap" and face.accessory != "headband":
        layers += art["squiggle"]
    drawing = styled.paint(layers)
    if style in ("bob", "long"):
        drawing += mirrored(styled.paint([("dark", f"M66 100Q58 {low - 40} 62 {low}")]))
    return drawing

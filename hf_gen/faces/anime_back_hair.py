"""The hair of the anime style that hangs behind the face.

The shapes stand in tables: a layer is a paint (see `anime_palette.paint`) and an SVG path.
"""

from typing import TYPE_CHECKING

from hf_gen.faces.anime_palette import paint
from hf_gen.faces.svg import Layers, circles, mirrored

if TYPE_CHECKING:
    from hf_gen.faces.factors import Face

FULL_NAPE = "M62 130L194 130L182 210L74 210Z"
TIED_BACK = "M128 14C58 12 38 70 44 128Q50 170 90 184L166 184Q206 170 212 128C218 70 198 12 128 14Z"
TIED_LOW = "M128 14C58 12 36 70 42 130Q52 176 92 190L164 190Q204 176 214 130C220 70 198 12 128 14Z"
# What hangs on both sides, drawn first.
PAIRS: dict[str, Layers] = {
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


def back_hair(face: "Face") -> str:
    """What lies behind the body and the head."""
    pairs = mirrored(paint(face, PAIRS.get(face.hair_style, ())))
    return pairs + paint(face, BACK[face.hair_style])

"""A synthetic face as SVG and PNG, in the anime or in the cartoon style."""

import hashlib
import io
from functools import cache
from pathlib import Path

from hf_gen.faces import anime_style, cartoon_style
from hf_gen.faces.factors import Face

STYLES = ("anime", "cartoon")
# Smallest and largest image, in pixels.
SIZES = (8, 1024)


def style_of(domain: str) -> str | None:
    """The style of faces that a domain is, by how its name begins, such as that of anime-faces."""
    return next((style for style in STYLES if domain.lower().startswith(style)), None)


def face_svg(face: Face, style: str) -> str:
    """The face as SVG text on a 256 x 256 canvas.

    Raises:
        ValueError: `style` is neither anime nor cartoon.
    """
    if style not in STYLES:
        raise ValueError(f"style must be {' or '.join(STYLES)}, got {style!r}")
    return anime_style.draw(face) if style == "anime" else cartoon_style.draw(face)


def face_png(face: Face, style: str, size: int = 64) -> bytes:
    """The face as an RGB PNG of `size` x `size` pixels.

    Raises:
        ValueError: `style` is unknown, or `size` is outside [8, 1024].
    """
    check_size(size)
    import resvg_py
    from PIL import Image

    svg = face_svg(face, style)
    drawn = resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size, skip_system_fonts=True)
    encoded = io.BytesIO()
    # resvg writes an alpha channel; the background covers the canvas, so dropping it loses nothing.
    Image.open(io.BytesIO(drawn)).convert("RGB").save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


@cache
def drawing_version() -> str:
    """Names the drawing: a short SHA-256 of the text of the files that make it."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.iterdir()):
        if file.suffix in (".py", ".toml"):
            digest.update(file.read_text(encoding="utf-8").encode())
    return digest.hexdigest()[:16]


def check_size(size: int) -> None:
    """Raises ValueError unless `size` is one that faces are drawn at, in [8, 1024] pixels."""
    low, high = SIZES
    if not low <= size <= high:
        raise ValueError(f"size must be {low} to {high} pixels, got {size}: try 64")

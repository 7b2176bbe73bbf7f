"""Pieces of HTML: images with crisp pixels, metrics, downloads.

These pictures travel inside the page, in their own size; the browser enlarges them pixel by pixel.
"""

import base64
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from html import escape

from PIL import Image

FRAME_MILLISECONDS = 90


def picture(image: Image.Image, alt: str, kind: str = "face") -> str:
    """An image as it is, enlarged by the browser; `kind` is its class in style.css."""
    return f'<img class="crisp {kind}" alt="{escape(alt)}" src="{_uri("image/png", png(image))}">'


def animation(frames: Sequence[Image.Image], alt: str, name: str, closed: bool = False) -> str:
    """Frames as a film that runs forever, to the end and back unless it is closed, to keep too."""
    order = [*frames] if closed else [*frames, *reversed(frames[1:-1])]
    file = io.BytesIO()
    order[0].save(
        file,
        "WEBP",
        save_all=True,
        append_images=order[1:],
        duration=FRAME_MILLISECONDS,
        loop=0,
        lossless=True,
    )
    film = _uri("image/webp", file.getvalue())
    return (
        f'<figure class="film"><img class="crisp" alt="{escape(alt)}" src="{film}">'
        f"<figcaption>{_link(film, name, 'Download')}</figcaption></figure>"
    )


def download(files: Mapping[str, Image.Image], name: str, words: str) -> str:
    """A button that saves several images as a ZIP of PNG files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for path, image in files.items():
            packed.writestr(path, png(image))
    return _link(_uri("application/zip", file.getvalue()), name, words)


def download_image(image: Image.Image, name: str, words: str) -> str:
    """A button that saves one image as PNG."""
    return _link(_uri("image/png", png(image)), name, words)


def sheet(image: Image.Image, rows: Sequence[str], alt: str, beside: str = "") -> str:
    """A picture of rows of faces with the names of its rows, to keep as PNG, and what is beside."""
    names = "".join(f"<li>{escape(row)}</li>" for row in rows)
    save = download_image(image, f"{alt.replace(' ', '-').replace(',', '')}.png", "Save as PNG")
    return (
        f'<section class="sheet">{beside}<div><ol>{names}</ol><div class="scroll">'
        f"{picture(image, alt, 'wide')}</div>{save}</div></section>"
    )


def file_name(words: str) -> str:
    """A name for a file, of what may be a stranger's: it leads to no folder on any system."""
    return re.sub(r"[^\w.-]+", "-", words).strip(".") or "model"


def title(words: str, beside: str = "") -> str:
    """What stands above a card: a name, and in grey what is good to know."""
    return f'<p class="title">{escape(words)} <span>{escape(beside)}</span></p>'


def numbers(values: Mapping[str, str]) -> str:
    """Names and values, side by side."""
    pairs = [f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in values.items()]
    return f'<dl class="numbers">{"".join(pairs)}</dl>'


def note(words: str, kind: str = "hint") -> str:
    """A sentence that stands where a result would."""
    return f'<p class="{kind}">{escape(words)}</p>'


def png(image: Image.Image) -> bytes:
    """The bytes of an image as PNG."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=3)
    return file.getvalue()


def _uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _link(uri: str, name: str, words: str) -> str:
    return f'<a class="save" download="{escape(name)}" href="{uri}">{escape(words)}</a>'

"""Images for display: enlarged by integer factors, in grids, as error maps, and as HTML.

Images in HTML keep their own size, and the browser enlarges them pixel by pixel.
"""

import base64
import io
import re
import uuid
import zipfile
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from PIL import Image

# Black, violet, red, orange, pale yellow: dark to bright for every kind of colour vision.
_HEAT = np.array(
    [(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], dtype=np.float64
)
_FULL_HEAT = 0.5
_GAP = 2
_FRAME_MILLISECONDS = 90


def enlarge(image: Image.Image, size: int = 384) -> Image.Image:
    """Enlarges the image by an integer factor, to about `size`."""
    factor = max(1, round(size / image.width))
    width, height = image.width * factor, image.height * factor
    enlarged = image.resize((width, height), Image.Resampling.NEAREST)
    # gradio names a file by its content and writes it every time: if two visitors got the same
    # picture at once, one would get half of it.
    enlarged.info["id"] = uuid.uuid4().hex
    return enlarged


def error_map(first: Image.Image, second: Image.Image) -> Image.Image:
    """Where two images of one size differ: black for nothing, pale for half the range and more."""
    difference = np.abs(np.asarray(first, np.float64) - np.asarray(second, np.float64)).mean(2)
    heat = (difference / 255 / _FULL_HEAT).clip(0, 1)
    stops = np.linspace(0, 1, len(_HEAT))
    colours = np.stack([np.interp(heat, stops, _HEAT[:, channel]) for channel in range(3)], axis=2)
    return Image.fromarray(colours.round().astype(np.uint8))


def grid(rows: Sequence[Sequence[Image.Image]], size: int = 96) -> Image.Image:
    """Rows of images, each enlarged by an integer factor to about `size`, on white."""
    cells = [[enlarge(image, size) for image in row] for row in rows]
    side = max(image.width for row in cells for image in row)
    columns = max(map(len, cells))
    step = side + _GAP
    canvas = Image.new("RGB", (columns * step + _GAP, len(cells) * step + _GAP), "white")
    for top, row in enumerate(cells):
        for left, image in enumerate(row):
            margin = (side - image.width) // 2
            canvas.paste(image, (left * step + _GAP + margin, top * step + _GAP + margin))
    return canvas


def picture(image: Image.Image, alt: str, kind: str) -> str:
    """An image in its own size; `kind` is its class in style.css."""
    return f'<img class="crisp {kind}" alt="{escape(alt)}" src="{_uri("image/png", _png(image))}">'


def sheet(
    rows: Sequence[Sequence[Image.Image]],
    names: Sequence[str],
    alt: str,
    aside: str = "",
    size: int = 96,
) -> str:
    """A grid with the names of its rows, to save as PNG, and the HTML `aside` next to it."""
    image = grid(rows, size)
    items = "".join(f"<li>{escape(name)}</li>" for name in names)
    file = f"{alt.replace(' ', '-').replace(',', '')}.png"
    save = _link(_uri("image/png", _png(image)), file, "Save as PNG")
    return (
        f'<section class="sheet">{aside}<div><ol>{items}</ol><div class="scroll">'
        f"{picture(image, alt, 'wide')}</div>{save}</div></section>"
    )


def animation(frames: Sequence[Image.Image], alt: str, name: str, closed: bool = False) -> str:
    """Frames as an endless animation, to the end and back unless it is closed, to download."""
    order = [*frames] if closed else [*frames, *reversed(frames[1:-1])]
    file = io.BytesIO()
    order[0].save(
        file,
        "WEBP",
        save_all=True,
        append_images=order[1:],
        duration=_FRAME_MILLISECONDS,
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
    with zipfile.ZipFile(file, "w") as archive:
        for path, image in files.items():
            archive.writestr(path, _png(image))
    return _link(_uri("application/zip", file.getvalue()), name, words)


def file_name(words: str) -> str:
    """A file name from untrusted text: it leads to no folder on any system."""
    return re.sub(r"[^\w.-]+", "-", words).strip(".") or "model"


def title(name: str, remark: str = "") -> str:
    """The heading of a card: a name, and a remark in grey."""
    return f'<p class="title">{escape(name)} <span>{escape(remark)}</span></p>'


def metrics_table(values: Mapping[str, str]) -> str:
    """Names and values, side by side."""
    pairs = [f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in values.items()]
    return f'<dl class="numbers">{"".join(pairs)}</dl>'


def note(words: str) -> str:
    """A hint in the place of a result."""
    return f'<p class="hint">{escape(words)}</p>'


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=3)
    return file.getvalue()


def _uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _link(uri: str, name: str, words: str) -> str:
    return f'<a class="save" download="{escape(name)}" href="{uri}">{escape(words)}</a>'

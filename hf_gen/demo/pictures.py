"""Images for display: enlarged by integer factors, in grids, as error maps, and as HTML.

Images in HTML keep their own size. The browser enlarges them: smoothly, unless a visitor asks for
pixels, and those of the class "crisp" pixel by pixel always.
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
_FILM_QUALITY = 90  # lossless it would be five times as large


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


def thumbnail(image: Image.Image, size: int) -> Image.Image:
    """The centre square of an image, at most so many pixels wide."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return square.resize((size, size), Image.Resampling.LANCZOS) if side > size else square


def picture(image: Image.Image, alt: str, kind: str = "") -> str:
    """An image in its own size; `kind` is its class in style.css."""
    return f'<img class="{kind}" alt="{escape(alt)}" src="{_uri("image/png", _png(image))}">'


def face(image: Image.Image, reference: str, words: str, kind: str = "", action: str = "") -> str:
    """A face to click on, which opens the menu of what can be done with it.

    Args:
        image: The face.
        reference: Of it.
        words: Its name for those who do not see it.
        kind: A class in style.css.
        action: What a click does at once, in place of the menu.
    """
    data = f'data-face="{escape(reference)}"' + (f' data-action="{action}"' if action else "")
    return (
        f'<button type="button" class="face {kind}" {data} aria-label="{escape(words)}">'
        f"{picture(image, '')}</button>"
    )


def wall(faces: Sequence[str]) -> str:
    """Faces of `face` side by side."""
    return f'<div class="wall">{"".join(faces)}</div>'


def before_after(before: Image.Image, after: Image.Image, names: tuple[str, str]) -> str:
    """Two images, one on the other, with a divider between them; all dividers move together."""
    first, second = (
        picture(image, name, kind)
        for image, name, kind in zip((before, after), names, ("before", "after"), strict=True)
    )
    return (
        f'<div class="pair">{first}{second}<input type="range" min="0" max="100" value="30" '
        f'aria-label="Divider: {escape(names[0])} to its left, {escape(names[1])} to its right">'
        "</div>"
    )


def card(name: str, remark: str, content: str) -> str:
    """A result of one model."""
    return f'<article class="card">{title(name, remark)}{content}</article>'


def cards(content: Sequence[str], kind: str = "") -> str:
    """Results side by side."""
    return f'<div class="cards {kind}">{"".join(content)}</div>'


def sheet(rows: Sequence[Sequence[Image.Image]], names: Sequence[str], alt: str) -> str:
    """Rows of images with their names beside them, to save as one PNG."""
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{picture(one, f'{alt}, {name}, {at}')}</td>" for at, one in enumerate(row))
        + "</tr>"
        for name, row in zip(names, rows, strict=True)
    )
    file = f"{alt.replace(' ', '-').replace(',', '')}.png"
    save = _link(_uri("image/png", _png(grid(rows))), file, "Save as PNG")
    return (
        f'<section class="sheet" aria-label="{escape(alt)}"><div class="scroll" tabindex="0" '
        f'role="group" aria-label="{escape(alt)}"><table>{lines}</table></div>{save}</section>'
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
        quality=_FILM_QUALITY,
    )
    film = _uri("image/webp", file.getvalue())
    return (
        f'<figure class="film"><img alt="{escape(alt)}" src="{film}">'
        f'<figcaption><button type="button" class="save" data-save="{escape(name)}">'
        "Save this animation</button></figcaption></figure>"
    )


def download(files: Mapping[str, Image.Image], name: str, words: str) -> str:
    """A button that saves several images as a ZIP of PNG files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path, image in files.items():
            archive.writestr(path, _png(image))
    return _link(_uri("application/zip", file.getvalue()), name, words)


def pad(rows: Sequence[Sequence[Image.Image]], words: str) -> str:
    """A pad on which the face under the finger is shown, of rows of faces."""
    side, count = rows[0][0].width, len(rows)
    canvas = Image.new("RGB", (count * side, count * side))
    for top, row in enumerate(rows):
        for left, one in enumerate(row):
            canvas.paste(one, (left * side, top * side))
    corners = ((0, 0), (0, -1), (-1, 0), (-1, -1))
    images = "".join(
        picture(rows[top][left], "", f"corner c{top + 2}{left + 2}") for top, left in corners
    )
    tiles = f"background-image: url({_uri('image/png', _png(canvas))}); --count: {count}"
    return (
        f'<div class="pad"><div class="tiles" style="{tiles}" role="img" '
        f'aria-label="{escape(words)}"></div><div class="field" tabindex="0" role="slider" '
        f'aria-label="{escape(words)}" aria-valuemin="0" aria-valuemax="{count * count - 1}" '
        f'aria-valuenow="{count * count // 2}" data-count="{count}">{images}'
        '<span class="dot"></span></div></div>'
    )


def file_name(words: str) -> str:
    """A file name from untrusted text: it leads to no folder on any system."""
    return re.sub(r"[^\w.-]+", "-", words).strip(".") or "model"


def title(name: str, remark: str = "") -> str:
    """The heading of a card: a name, and a remark in grey."""
    return f'<p class="title">{escape(name)} <span>{escape(remark)}</span></p>'


def metrics_table(values: Mapping[str, str]) -> str:
    """Names and values, side by side, behind the word "Numbers"."""
    pairs = [f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in values.items()]
    table = f'<dl class="numbers">{"".join(pairs)}</dl>'
    return f"<details><summary>Numbers</summary>{table}</details>"


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

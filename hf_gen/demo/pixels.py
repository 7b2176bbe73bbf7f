"""Images for display: enlarged by whole pixels, in sheets, and error maps."""

import uuid
from collections.abc import Sequence

import numpy as np
from PIL import Image

# Black, violet, red, orange, pale yellow: dark to bright for every kind of colour vision.
_HEAT = np.array(
    [(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], dtype=np.float64
)
_FULL_HEAT = 0.5
_GAP = 2
_CRISP = 384


def enlarge(image: Image.Image, size: int = _CRISP) -> Image.Image:
    """Repeats whole pixels until the image is `size` wide or nearly so."""
    factor = max(1, round(size / image.width))
    width, height = image.width * factor, image.height * factor
    enlarged = image.resize((width, height), Image.Resampling.NEAREST)
    # gradio names a file by its content and writes it anew each time: of the same picture, for two
    # visitors at once, one would get half.
    enlarged.info["id"] = uuid.uuid4().hex
    return enlarged


def heat_map(first: Image.Image, second: Image.Image) -> Image.Image:
    """Where two images of one size differ: black for nothing, pale for half the range and more."""
    difference = np.abs(np.asarray(first, np.float64) - np.asarray(second, np.float64)).mean(2)
    heat = (difference / 255 / _FULL_HEAT).clip(0, 1)
    stops = np.linspace(0, 1, len(_HEAT))
    colours = np.stack([np.interp(heat, stops, _HEAT[:, channel]) for channel in range(3)], axis=2)
    return Image.fromarray(colours.round().astype(np.uint8))


def sheet(rows: Sequence[Sequence[Image.Image]], size: int = 96) -> Image.Image:
    """Rows of images, each enlarged by whole pixels to about `size`, on white."""
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

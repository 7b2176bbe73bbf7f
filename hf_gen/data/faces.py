"""Drawn faces: one set of factors, two styles (anime, cartoon), exact pairs, nothing to license.

A face is a pure function of (seed, index): every factor comes from its own hash, so the factors are
independent and uniform, and the same face is drawn on every machine and in every process.
"""

import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_gen.data import anime_style, cartoon_style

if TYPE_CHECKING:
    import datasets

FACTORS: dict[str, tuple[str, ...]] = {
    "hair_style": (
        "bob",
        "long",
        "twin_tails",
        "short_spiky",
        "bun",
        "curls",
        "ponytail",
        "braids",
        "cap",
        "buzz",
    ),
    "hair_colour": (
        "black",
        "brown",
        "ginger",
        "blonde",
        "red",
        "pink",
        "violet",
        "blue",
        "green",
        "silver",
    ),
    "eye_colour": ("brown", "amber", "red", "violet", "blue", "cyan", "green", "grey"),
    "skin_tone": ("porcelain", "light", "beige", "tan", "brown", "dark"),
    "mouth": ("smile", "grin", "open", "flat", "frown", "round"),
    "brows": ("flat", "arched", "angry", "worried"),
    "glasses": ("none", "round", "square"),
    "background": ("white", "cream", "rose", "lavender", "sky", "mint"),
}
# Name -> lowest and highest value: a width relative to the average head, and degrees.
CONTINUOUS = {"face_width": (0.85, 1.15), "head_tilt": (-12.0, 12.0)}
STYLES = ("anime", "cartoon")
# The test split draws faces from this index on, so it never meets the train split.
TEST_START = 1_000_000_000
# Smallest and largest picture, in pixels.
SIZES = (8, 1024)
# What smaller training images are shrunk from.
DRAWN_SIZE = 64
# Faces that one process draws before it takes the next block.
BLOCK = 500


@dataclass(frozen=True)
class Face:
    """One person, whatever the style: the factors, and what only decorates.

    The ten factors are independent and uniform. `variation` decides what no factor names (fringe,
    side of the ponytail, jaw, gaze, clothes, accessories, small shifts): decoration, shared where
    both styles draw it, and never a hint at a factor.
    """

    hair_style: str
    hair_colour: str
    eye_colour: str
    skin_tone: str
    mouth: str
    brows: str
    glasses: str
    background: str
    face_width: float
    """Width relative to the style's average head, in [0.85, 1.15]."""
    head_tilt: float
    """Clockwise rotation of the head in degrees, in [-12, 12]."""
    variation: int
    """Decoration, in [0, 2**32)."""

    def decoration(self, name: str) -> float:
        """A number in [0, 1) for one named piece of decoration, the same in both styles."""
        return _uniform(f"{self.variation}:{name}")

    @property
    def accessory(self) -> str:
        """What the hair wears, where the hair style has room for it."""
        choices = ("none", "none", "none", "clip", "flower", "headband")
        return choices[int(self.decoration("accessory") * len(choices))]

    @property
    def clothes(self) -> int:
        """Which of a style's eight cloth colours the collar has."""
        return int(8 * self.decoration("clothes"))

    @property
    def accent(self) -> int:
        """Which of a style's eight cloth colours the cap and the accessories have."""
        return int(8 * self.decoration("accent"))


def face_at(index: int, seed: int = 0) -> Face:
    """The face at `index` of the endless series that `seed` names."""
    chosen: dict[str, Any] = {}
    for factor, values in FACTORS.items():
        chosen[factor] = values[int(_uniform(f"{seed}:{index}:{factor}") * len(values))]
    for factor, (low, high) in CONTINUOUS.items():
        chosen[factor] = round(low + (high - low) * _uniform(f"{seed}:{index}:{factor}"), 4)
    variation = int(_uniform(f"{seed}:{index}:variation") * 2**32)
    return Face(**chosen, variation=variation)


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
    _check_size(size)
    import resvg_py
    from PIL import Image

    svg = face_svg(face, style)
    drawn = resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size, skip_system_fonts=True)
    encoded = io.BytesIO()
    # resvg writes an alpha channel; the background covers the canvas, so dropping it loses nothing.
    Image.open(io.BytesIO(drawn)).convert("RGB").save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def drawn_faces(
    count: int,
    start: int = 0,
    seed: int = 0,
    size: int = 64,
    cache_dir: str | None = None,
    num_proc: int | None = None,
) -> "datasets.Dataset":
    """Draws `count` pairs once; the second call finds them in the `datasets` cache.

    The rows are in order of their index, and equal whatever `num_proc` is.

    Args:
        count: Number of pairs, at least 1.
        start: Index of the first face; `TEST_START` for the test split.
        seed: Names the series of faces.
        size: Height and width in pixels, in [8, 1024].
        cache_dir: Where the cache lies; `datasets`' own folder when None.
        num_proc: Processes that draw; every core when None. It is no part of the cache key.

    Returns:
        Columns `anime` and `cartoon` (images), `index`, and one column a factor.

    Raises:
        ValueError: `count` is below 1, or `size` is outside [8, 1024].
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}: ask for one face or more")
    _check_size(size)
    import datasets

    indices = range(start, start + count)
    # A list in gen_kwargs is what `datasets` deals out to its processes: blocks of fixed length, so
    # that neither the rows nor the cache key depend on how many processes share them.
    blocks = [indices[first : first + BLOCK] for first in range(0, count, BLOCK)]
    workers = min(num_proc or os.cpu_count() or 1, len(blocks))
    return datasets.Dataset.from_generator(
        _rows,
        features=_features(),
        cache_dir=cache_dir,
        gen_kwargs={
            "blocks": [(block.start, block.stop) for block in blocks],
            "seed": seed,
            "size": size,
            "version": drawing_version(),
        },
        num_proc=workers if workers > 1 else None,
    )


@cache
def drawing_version() -> str:
    """Names the drawing: a short SHA-256 of the source text of the files that make it."""
    digest = hashlib.sha256()
    names = (
        "faces.py",
        "svg.py",
        "anime_palette.py",
        "anime_back_hair.py",
        "anime_front_hair.py",
        "anime_style.py",
        "cartoon_palette.py",
        "cartoon_hair.py",
        "cartoon_style.py",
    )
    for name in names:
        digest.update(Path(__file__).with_name(name).read_text(encoding="utf-8").encode())
    return digest.hexdigest()[:16]


def _rows(
    blocks: list[tuple[int, int]], seed: int, size: int, version: str
) -> Iterator[dict[str, Any]]:
    """Draws the faces of some blocks; `version` is there for the cache key alone."""
    for first, end in blocks:
        for index in range(first, end):
            face = face_at(index, seed)
            images = {
                style: {"bytes": face_png(face, style, size), "path": None} for style in STYLES
            }
            factors = {name: getattr(face, name) for name in (*FACTORS, *CONTINUOUS)}
            yield {**images, "index": index, **factors}


def _features() -> "datasets.Features":
    import datasets

    return datasets.Features(
        {
            **{style: datasets.Image() for style in STYLES},
            "index": datasets.Value("int64"),
            **{name: datasets.ClassLabel(names=list(values)) for name, values in FACTORS.items()},
            **{name: datasets.Value("float32") for name in CONTINUOUS},
        }
    )


def _check_size(size: int) -> None:
    low, high = SIZES
    if not low <= size <= high:
        raise ValueError(f"size must be {low} to {high} pixels, got {size}: try 64")


def _uniform(key: str) -> float:
    """A number in [0, 1) from 53 bits of the key's hash: exact, so the same everywhere."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53

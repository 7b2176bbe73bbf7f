"""Synthetic faces as a dataset: two styles (anime, cartoon), exact pairs, nothing to license."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_gen.errors import UserError
from hf_gen.faces.drawing import STYLES, check_size, drawing_version, face_png
from hf_gen.faces.factors import CONTINUOUS, FACTORS, TEST_START, VALIDATION_START, face_at
from hf_gen.runs.atomic import atomic_dir

if TYPE_CHECKING:
    import datasets

# What smaller training images are shrunk from.
IMAGE_SIZE = 64
# Faces that one process draws before it takes the next block.
BLOCK = 500


def synthetic_faces(
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
        start: Index of the first face: `VALIDATION_START` and `TEST_START` begin those splits.
        seed: Names the series of faces.
        size: Height and width in pixels, in [8, 1024].
        cache_dir: The folder of the cache; `datasets`' own when None.
        num_proc: Processes that draw; every core when None. It is no part of the cache key.

    Returns:
        Columns `anime` and `cartoon` (images), `index`, and one column a factor.

    Raises:
        ValueError: `count` is below 1, or `size` is outside [8, 1024].
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}: ask for one face or more")
    check_size(size)
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


def write_synthetic_faces(
    folder: Path, train: int, validation: int, test: int, size: int, seed: int
) -> None:
    """Draws pairs of faces into a new folder, which appears complete or not at all.

    Args:
        folder: A new one.
        train: Pairs to train on.
        validation: Pairs of the validation split: other faces than those to train on.
        test: Pairs of the test split: other faces again.
        size: Height and width in pixels.
        seed: Another seed draws other faces.

    Raises:
        UserError: If a number is out of its range, the folder exists, or the disk cannot be
            written.
    """
    splits = (
        ("train", train, 0),
        ("validation", validation, VALIDATION_START),
        ("test", test, TEST_START),
    )
    with atomic_dir(folder) as partial:
        for name, count, start in splits:
            try:
                split = synthetic_faces(count, start=start, seed=seed, size=size)
            except ValueError as error:
                raise UserError(str(error)) from error
            target = partial / "data" / f"{name}-00000-of-00001.parquet"
            target.parent.mkdir(exist_ok=True)
            split.to_parquet(target)

"""The images of a run: a Hub id, a local folder or archive, tables, or the synthetic faces."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hf_gen.config import Data
from hf_gen.data.archives import archive_extension
from hf_gen.data.batches import Domain
from hf_gen.data.folders import NAMED_TABLES, TABLES, list_folder
from hf_gen.data.local import Choice, LocalImages
from hf_gen.data.pixels import Item, Split, cached_pixels
from hf_gen.data.tables import Tables, encoded_images
from hf_gen.errors import UserError
from hf_gen.faces import (
    IMAGE_SIZE,
    SIZES,
    STYLES,
    TEST_START,
    drawing_version,
    synthetic_faces,
)

SYNTHETIC_COUNT = 10_000
ALL = Choice()


def load_domain(data: Data, choice: Choice = ALL) -> Domain:
    """The pixels to train on and those held out, decoded now or taken from the cache.

    Args:
        data: Which dataset, and what becomes of its images.
        choice: Which of its images, where they do not all belong to one domain.

    Raises:
        UserError: If the dataset cannot be found, reached or used; the sentence says why.
    """
    if not is_synthetic(data):
        return decode(data, open_dataset(data), choice)
    train, held_out = _synthetic_splits(data, choice.first_face)
    return _decoded(data, train, held_out, [])


def open_dataset(data: Data) -> LocalImages | Tables:
    """What is in a folder, or the dataset of that name on the Hub; nothing is decoded yet.

    Raises:
        UserError: If there is no such folder, it holds nothing to train on, or --cache-dir cannot
            be written.
    """
    cache_dir = cache_folder(data)
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{cache_dir} cannot be created ({error.strerror}): choose another --cache-dir"
        ) from error
    path, data_files = _named_path(data), data.data_files
    if path.is_file():
        if not (archive_extension(path.name) or path.suffix in (*TABLES, *NAMED_TABLES)):
            raise UserError(f"{path} is a file: name the folder of images that it is in")
        path, data_files = path.parent, (path.name,)
    elif not path.is_dir():
        if data.train_data_dir is not None or data.dataset_name.startswith(("/", ".", "~")):
            raise UserError(f"there is no folder {path}: check the path")
        return Tables(data)
    listing = list_folder(path, data_files)
    if extensions := listing.web_dataset():
        if data.image_column is None:
            raise UserError(
                f"{path} has several images per sample ({', '.join(extensions)}): name one with "
                "--image-column"
            )
        return Tables(data, replace(listing, tables=listing.archives))
    if listing.tables and not listing.images:
        return Tables(data, listing)
    if not listing.images:
        there = ", ".join(f"{count:,} {kind}" for kind, count in listing.ignored.most_common())
        raise UserError(
            f"{path} holds no images or parquet files (it holds {there or 'nothing'}): name a "
            "folder that has some"
        )
    return LocalImages(data, listing)


def decode(data: Data, dataset: LocalImages | Tables, choice: Choice) -> Domain:
    """The pixels of a dataset; without a test or validation split, 5 % are held out.

    Raises:
        UserError: If a split cannot be read, or is too small to hold anything out.
    """
    return _decoded(data, *dataset.splits(choice), dataset.notes(choice))


def is_synthetic(data: Data) -> bool:
    """Whether the images are the synthetic faces."""
    return data.train_data_dir is None and data.dataset_name == "faces"


def cache_folder(data: Data) -> Path:
    """Where the pixels lie: in --cache-dir, or in the Hugging Face cache, which HF_HOME moves."""
    from huggingface_hub.constants import HF_HOME

    return (data.cache_dir or Path(HF_HOME)) / "hf_gen"


def _decoded(data: Data, train: Split, held_out: Split | None, notes: list[str]) -> Domain:
    cache_dir = cache_folder(data)
    pixels, kept_back = cached_pixels(train, data.resolution, cache_dir, held_out is None)
    if held_out is not None:
        kept_back, _ = cached_pixels(held_out, data.resolution, cache_dir, False)
    if kept_back is None or not len(kept_back) or not len(pixels):
        raise UserError(
            f"too few different images to hold some out of {train.name}, got {len(pixels.rows)}: "
            "give it more or a test split"
        )
    by = "by hash" if held_out is None else held_out.name.rpartition(" (")[2].strip(")")
    parts = [f"{len(pixels):,} images; held out: {len(kept_back):,} ({by})", *notes]
    unreadable = [one.unreadable for one in (pixels, kept_back) if one.unreadable]
    if unreadable:
        parts.append(f"unreadable: {', '.join(unreadable)}")
    summary = f"{train.name}: {'; '.join(parts)}"
    # The bytes of a file's name need not be text.
    return Domain(pixels, kept_back, summary.encode("utf-8", "replace").decode())


def _synthetic_splits(data: Data, first: int) -> tuple[Split, Split | None]:
    count = data.max_train_samples or SYNTHETIC_COUNT
    column = data.image_column or "anime"
    size = max(IMAGE_SIZE, data.resolution)
    if size > SIZES[1]:
        raise UserError(f"faces are drawn up to {SIZES[1]} pixels, got a resolution of {size}")
    if column not in STYLES:
        raise UserError(f"faces has no image column {column!r}: it has {' and '.join(STYLES)}")

    def split(name: str, start: int, count: int) -> Split:
        def read() -> tuple[int | None, Iterator[Item]]:
            cache_dir = None if data.cache_dir is None else str(data.cache_dir)
            faces = synthetic_faces(count, start=start, size=size, cache_dir=cache_dir)
            return count, encoded_images(faces, column, follows_paths=False)

        key = f"faces {drawing_version()} {column} {start} {count} {size}"
        return Split(f"the synthetic faces ({name})", key, read)

    return split("train", first, count), split("held out", TEST_START, max(count // 10, 1))


def _named_path(data: Data) -> Path:
    """The folder or file that the dataset is if it is one, with the home folder in place of ~."""
    name = data.train_data_dir or data.dataset_name
    return Path(os.path.expanduser(name))  # noqa: PTH111, which fails for unknown users

"""The images of a run: a Hub id, a local folder or archive, tables, or the synthetic faces."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hf_gen.config import Data
from hf_gen.data.archives import archive_extension
from hf_gen.data.batches import Domain
from hf_gen.data.folders import NAMED_TABLES, TABLES, list_folder
from hf_gen.data.local import LocalImages
from hf_gen.data.selection import Choice, Item, Selection, Split, no_split
from hf_gen.data.splits import decode_all
from hf_gen.data.tables import Tables, encoded_images
from hf_gen.errors import UserError
from hf_gen.faces import (
    IMAGE_SIZE,
    SIZES,
    STYLES,
    TEST_START,
    VALIDATION_START,
    drawing_version,
    synthetic_faces,
)

SYNTHETIC_COUNT = 10_000


def load_domain(data: Data) -> Domain:
    """The pixels of the training, validation and test split, decoded or taken from the cache.

    Args:
        data: Which dataset, and what becomes of its images.

    Raises:
        UserError: If the dataset cannot be found, reached or used, and why.
    """
    selections = [open_dataset(one).select(Choice(one.image_column)) for one in data.parts]
    return decode_all(selections, data.dataset_share, data.resolution, cache_folder(data))


def open_dataset(data: Data) -> "LocalImages | Tables | SyntheticFaces":
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
    if is_synthetic(data):
        return SyntheticFaces(data)
    # Path.expanduser fails for unknown users.
    path = Path(os.path.expanduser(data.source))  # noqa: PTH111
    data_files = data.data_files
    if path.is_file():
        if not (archive_extension(path.name) or path.suffix in (*TABLES, *NAMED_TABLES)):
            raise UserError(f"{path} is a file: name the folder of images that it is in")
        path, data_files = path.parent, (path.name,)
    elif not path.is_dir():
        if data.train_data_dir is not None or data.source.startswith(("/", ".", "~")):
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
    if listing.images:
        return LocalImages(data, listing)
    if listing.tables:
        return Tables(data, listing)
    others = ", ".join(f"{count:,} {kind}" for kind, count in listing.ignored.most_common())
    raise UserError(
        f"{path} holds no images or parquet files (it holds {others or 'nothing'}): name a "
        "folder that has some"
    )


def is_synthetic(data: Data) -> bool:
    """Whether the images are the synthetic faces."""
    return data.train_data_dir is None and data.dataset_name == "faces"


def cache_folder(data: Data) -> Path:
    """The folder of the pixels: in --cache-dir, or the Hugging Face cache, which HF_HOME moves."""
    from huggingface_hub.constants import HF_HOME

    return (data.cache_dir or Path(HF_HOME)) / "hf_gen"


class SyntheticFaces:
    """The synthetic faces as a dataset of two image columns, anime and cartoon.

    Args:
        data: How many, and at which resolution.
    """

    sides: frozenset[str] = frozenset()

    def __init__(self, data: Data) -> None:
        self._cache_dir = None if data.cache_dir is None else str(data.cache_dir)
        self._count = data.max_train_samples or SYNTHETIC_COUNT
        self._size = max(IMAGE_SIZE, data.resolution)
        self._wanted = data.split

    def splits(self, side: str = "") -> list[str]:
        """The names of the splits; faces have no sides."""
        return ["train", "validation", "test"]

    def select(self, choice: Choice, split: str | None = None) -> Selection:
        """The faces of one style; validation and test have the same people in both styles.

        Args:
            choice: Which style.
            split: What to train on: only "train".

        Raises:
            UserError: If there is no such style or split, or the faces are too large to draw.
        """
        if (split or self._wanted) != "train":
            raise no_split("faces", split or self._wanted, ["train"])
        column = replace(choice, usual=choice.usual or STYLES).image_column("faces", STYLES)
        if self._size > SIZES[1]:
            limit = f"faces are drawn up to {SIZES[1]} pixels"
            raise UserError(f"{limit}, got a resolution of {self._size}")
        few = max(self._count // 10, 1)
        return Selection(
            self._split("train", column, self._count * choice.is_second, self._count),
            {
                "validation": self._split("validation", column, VALIDATION_START, few),
                "test": self._split("test", column, TEST_START, few),
            },
        )

    def _split(self, name: str, column: str, start: int, count: int) -> Split:
        def read() -> tuple[int | None, Iterator[Item]]:
            faces = synthetic_faces(count, start, size=self._size, cache_dir=self._cache_dir)
            return count, encoded_images(faces, column, follows_paths=False)

        key = f"faces {drawing_version()} {column} {start} {count} {self._size}"
        return Split("the synthetic faces", name, key, read)

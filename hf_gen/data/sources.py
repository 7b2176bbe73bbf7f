"""A Hub id, a local folder, parquet files or the synthetic faces, as splits that can be decoded."""

import errno
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from hf_gen.config import Data
from hf_gen.data.batches import Domain
from hf_gen.data.pixels import Item, Split, cached_pixels
from hf_gen.errors import UserError, check_repo_access, translate_os_errors
from hf_gen.faces import (
    IMAGE_SIZE,
    SIZES,
    STYLES,
    TEST_START,
    drawing_version,
    synthetic_faces,
)
from hf_gen.runs.atomic import atomic_write_text

if TYPE_CHECKING:
    import datasets


SYNTHETIC_COUNT = 10_000
_READ_AT_ONCE = 256
# What a broken archive raises: of its index, its checksums, its streams, or a password.
_BROKEN_ARCHIVE = (BadZipFile, zlib.error, EOFError, RuntimeError)
_MOST_BYTES = 400_000_000  # of an image: 50 megapixels in 16 bits are 300 MB


@dataclass(frozen=True)
class Choice:
    """Which images of a dataset belong to a domain; by default all.

    Attributes:
        columns: Names of the image column, the usual ones first; none takes the only one there is.
        label: A column and the label that an image must have in it.
        first_face: Index of the first of the synthetic faces to train on.
        remedy: What to do where no such column is there.
    """

    columns: tuple[str, ...] = ()
    label: tuple[str, str] | None = None
    first_face: int = 0
    remedy: str = ""


def load_domain(data: Data, choice: Choice = Choice()) -> Domain:
    """The pixels to train on and those held out, decoded now or taken from the cache.

    Args:
        data: Which dataset, and what becomes of its images.
        choice: Which of its images, where they do not all belong to one domain.

    Raises:
        UserError: If the dataset cannot be found, reached or used; the sentence says why.
    """
    cache_dir = cache_folder(data)
    if is_synthetic(data):
        train, held_out = _synthetic_splits(data, choice.first_face)
    else:
        train, held_out = _Dataset(data, choice, cache_dir).splits()
    return decode(data, train, held_out)


def decode(data: Data, train: Split, held_out: Split | None) -> Domain:
    """The pixels of two splits; without the second, 5 % of the first are held out.

    Raises:
        UserError: If a split cannot be read, or is too small to hold anything out.
    """
    cache_dir = cache_folder(data)
    pixels, kept_back = cached_pixels(train, data.resolution, cache_dir, held_out is None)
    if held_out is not None:
        kept_back, _ = cached_pixels(held_out, data.resolution, cache_dir, False)
    if kept_back is None or not len(kept_back):
        raise UserError(
            f"{train.name} has {len(pixels)} images, too few to hold 5 % out: give it more images "
            "or a test split"
        )
    return Domain(pixels, kept_back)


def is_synthetic(data: Data) -> bool:
    """Whether the images are the synthetic faces."""
    return data.train_data_dir is None and data.dataset_name == "faces"


def cache_folder(data: Data) -> Path:
    """Where the pixels lie: in --cache-dir, or in the Hugging Face cache, which HF_HOME moves."""
    from huggingface_hub.constants import HF_HOME

    return (data.cache_dir or Path(HF_HOME)) / "hf_gen"


def folder_split(data: Data, folder: Path) -> Split:
    """All images of a local folder, whatever splits `datasets` sees in it."""
    # Named one by one the files are one split, whatever their names look like.
    files = data.data_files or ("**",)
    whole = replace(
        data, dataset_name="faces", train_data_dir=folder, data_files=files, split="train"
    )
    train, _ = _Dataset(whole, Choice(), cache_folder(data)).splits()
    return train


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
            return count, _encoded(faces, column, follows_paths=False)

        key = f"faces {drawing_version()} {column} {start} {count} {size}"
        return Split(f"the synthetic faces ({name})", key, read)

    return split("train", first, count), split("held out", TEST_START, max(count // 10, 1))


class _Dataset:
    """A dataset on the Hub or in a folder, opened only when its pixels are not in the cache."""

    def __init__(self, data: Data, choice: Choice, cache_dir: Path) -> None:
        self._data = data
        self._choice = choice
        self._name = str(data.train_data_dir or data.dataset_name)
        self._folder = _local_folder(data)
        self._cache_dir = cache_dir

    def splits(self) -> tuple[Split, Split | None]:
        """The split to train on, and the set's own held-out split if it has one."""
        data = self._data
        version, available = self._version_and_splits()
        wanted = [part.partition("[")[0] for part in data.split.split("+")]
        if available and not set(wanted) <= set(available):
            raise UserError(
                f"{self._name} has no split {data.split!r}: its splits are {', '.join(available)}"
            )
        own = next(
            (name for name in ("test", "validation") if name in available and name not in wanted),
            None,
        )
        train = self._split(data.split, version, data.max_train_samples)
        return train, None if own is None else self._split(own, version, None)

    def _version_and_splits(self) -> tuple[str, list[str]]:
        """What changes with the images, and the names of the splits.

        `datasets` looks at a folder of 22,100 files for 9 seconds to answer this; a listing of the
        folder takes a fraction of one, so its answer is kept under the hash of the listing.
        """
        if self._folder is None:
            builder = self._builder
            return f"{builder.dataset_name} {builder.config_id} {builder.hash}", self._names()
        flags = (self._data.dataset_config_name, self._data.data_files)
        version = hashlib.sha256(f"{flags} {_listing(self._folder)}".encode()).hexdigest()
        known = self._cache_dir / f"splits-{version[:16]}.json"
        if not known.exists():
            names = self._names()
            with translate_os_errors(self._cache_dir):
                self._cache_dir.mkdir(parents=True, exist_ok=True)
            atomic_write_text(known, json.dumps(names))
        return version, json.loads(known.read_text(encoding="utf-8"))

    def _names(self) -> list[str]:
        info, config = self._builder.info, self._builder.config
        return [str(name) for name in (info.splits or config.data_files or {})]

    def _split(self, name: str, version: str, most: int | None) -> Split:
        def read() -> tuple[int | None, Iterator[Item]]:
            dataset = self._open(name)
            column = self._image_column(dataset.features)
            if self._choice.label is not None:
                dataset = self._with_label(dataset, *self._choice.label)
            if most is not None and not self._data.streaming:
                dataset = dataset.shuffle(seed=0).select(range(min(most, len(dataset))))
            elif most is not None:
                dataset = dataset.take(most)
            # Only a folder's own listing is followed to files: a path inside a parquet file is a
            # stranger's word, and could name any file of this machine.
            module = type(self._builder).__module__
            follows_paths = module.startswith("datasets.packaged_modules.imagefolder")
            count = most if self._data.streaming else len(dataset)
            return count, self._checked(_encoded(dataset, column, follows_paths))

        choice = self._choice
        chosen = f"{self._data.image_column} {choice.columns} {choice.label}"
        key = f"{version} {name} {chosen} {most} {self._data.streaming}"
        labelled = "" if choice.label is None else f", {choice.label[0]} {choice.label[1]!r}"
        return Split(f"{self._name} ({name}{labelled})", key, read)

    @cached_property
    def _builder(self) -> "datasets.DatasetBuilder":
        import datasets
        from datasets.data_files import EmptyDatasetError
        from datasets.exceptions import DataFilesNotFoundError, DatasetNotFoundError

        data = self._data
        if self._folder is None:
            check_repo_access(data.dataset_name, "dataset", data.revision)
        try:
            return datasets.load_dataset_builder(
                self._name if self._folder is None else str(self._folder),
                data.dataset_config_name,
                data_files=list(data.data_files) or self._split_folders(),
                revision=data.revision,
                cache_dir=None if data.cache_dir is None else str(data.cache_dir),
            )
        except (EmptyDatasetError, DataFilesNotFoundError) as error:
            raise UserError(
                f"{self._name} holds no images or parquet files: name a folder that has some"
            ) from error
        except (DatasetNotFoundError, FileNotFoundError) as error:
            raise UserError(f"there is no dataset {self._name}: check it ({error})") from error
        except (ValueError, *_BROKEN_ARCHIVE) as error:
            raise UserError(f"{self._name} cannot be opened: {error}") from error

    def _split_folders(self) -> dict[str, str] | None:
        """Patterns of train/, test/ and validation/, which spare `datasets` half of its search."""
        if self._folder is None or not (self._folder / "train").is_dir():
            return None
        names = ("train", "test", "validation")
        return {name: f"{name}/**" for name in names if (self._folder / name).is_dir()}

    def _open(self, name: str) -> Any:
        """The split as a `datasets.Dataset`, or an `IterableDataset` when streaming."""
        from datasets.exceptions import DatasetGenerationError
        from pyarrow import ArrowInvalid  # type: ignore[import-untyped]

        try:
            if self._data.streaming:
                # A streamed folder learns its columns from its first rows.
                return self._builder.as_streaming_dataset(split=name)._resolve_features()
            self._builder.download_and_prepare()
            return self._builder.as_dataset(split=name)
        except (DatasetGenerationError, ArrowInvalid, OSError, *_BROKEN_ARCHIVE) as error:
            raise self._damaged(error.__cause__ or error) from error
        except ValueError as error:
            raise UserError(f"{self._name} has no split {name!r}: {error}") from error

    def _damaged(self, error: BaseException) -> Exception:
        # A broken archive leads to a place before its beginning, which is no valid argument.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            return error  # of the disk, not of what it holds
        reason = str(error).strip().partition("\n")[0]
        return UserError(f"{self._name} cannot be read ({reason}): one of its files is damaged")

    def _checked(self, items: Iterator[Item]) -> Iterator[Item]:
        """The same items; what is wrong with a stream shows only while it is read."""
        try:
            yield from items
        except (ValueError, OSError, *_BROKEN_ARCHIVE) as error:
            raise self._damaged(error) from error

    def _image_column(self, features: "datasets.Features") -> str:
        import datasets

        wish = self._data.image_column
        columns = [
            name for name, feature in features.items() if isinstance(feature, datasets.Image)
        ]
        if wish is not None and wish in columns:
            return wish
        there = (
            f"its image columns are {', '.join(columns)}" if columns else "it has no image column"
        )
        if wish is not None:
            raise UserError(
                f"{self._name} has no image column {wish!r}: {there} (of {', '.join(features)})"
            )
        if len(columns) == 1 and not self._choice.columns:
            return columns[0]
        for usual in self._choice.columns or ("image",):
            if usual in columns:
                return usual
        remedy = self._choice.remedy or "name --image-column"
        raise UserError(f"{self._name}: {there} (of {', '.join(features)}); {remedy}")

    def _with_label(self, dataset: Any, column: str, label: str) -> Any:
        feature = dataset.features.get(column)
        if feature is None:
            there = ", ".join(dataset.features)
            raise UserError(f"{self._name} has no column {column!r}: its columns are {there}")
        names = getattr(feature, "names", None)
        if names is not None and label not in names:
            raise UserError(f"{column} of {self._name} has no {label!r}: it has {', '.join(names)}")
        wanted = label if names is None else feature.str2int(label)
        return dataset.filter(lambda value: str(value) == str(wanted), input_columns=[column])


def named_folder(data: Data) -> Path:
    """The folder that the dataset is if it is one, with the home folder in place of ~."""
    name = data.train_data_dir or data.dataset_name
    return Path(os.path.expanduser(name))  # noqa: PTH111, which fails for unknown users


def _local_folder(data: Data) -> Path | None:
    path = named_folder(data)
    if path.is_dir():
        return path
    if path.exists():
        raise UserError(f"{path} is a file: name the folder it lies in and pass it as --data-files")
    if data.train_data_dir is not None or data.dataset_name.startswith(("/", ".", "~")):
        raise UserError(f"there is no folder {path}: check the path")
    return None


def _listing(folder: Path) -> str:
    """Every file below `folder` with its size and time of change."""
    lines = []
    for parent, _, _ in os.walk(folder):
        for entry in os.scandir(parent):
            state = entry.stat(follow_symlinks=Path(entry.path).exists())
            lines.append(f"{entry.path} {state.st_size} {state.st_mtime_ns}")
    return f"{folder.resolve()} {sorted(lines)}"


def _encoded(dataset: Any, column: str, follows_paths: bool) -> Iterator[Item]:
    # As Arrow tables the images come as they are stored, from a streamed archive too.
    stored = dataset.select_columns([column]).with_format("arrow")
    place = 0
    for table in stored.iter(batch_size=_READ_AT_ONCE):
        for value in table[column].to_pylist():
            name = (value or {}).get("path") or f"row {place}"
            yield name, _source(value, follows_paths)
            place += 1


def _source(value: dict[str, Any] | None, follows_paths: bool) -> bytes | Path | None:
    if value is None:
        return None
    if value["bytes"] is None and value["path"] and follows_paths:
        if Path(value["path"]).exists():
            return Path(value["path"])
        from datasets.utils.file_utils import xopen

        with xopen(value["path"], "rb") as file:
            # What an archive holds can be a thousand times as large as it; what is cut is damaged.
            try:
                return bytes(file.read(_MOST_BYTES))
            except _BROKEN_ARCHIVE:
                return b""
    return value["bytes"]

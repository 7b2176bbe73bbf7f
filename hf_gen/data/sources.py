"""A Hub id, a local folder, parquet files or the drawn faces, as splits that can be decoded."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_gen.config import Data
from hf_gen.data.batches import Domain
from hf_gen.data.faces import STYLES, TEST_START, drawing_version, drawn_faces
from hf_gen.data.pixels import Item, Split, cached_pixels
from hf_gen.errors import UserError
from hf_gen.hub_lookup import ask_the_hub

if TYPE_CHECKING:
    import datasets

DRAWN_COUNT = 10_000
DRAWN_SIZE = 64
_READ_AT_ONCE = 256


def load_domain(data: Data) -> Domain:
    """The pixels to train on and those held out, decoded now or taken from the cache.

    Raises:
        UserError: If the dataset cannot be found, reached or used; the sentence says why.
    """
    train, held_out = find_splits(data)
    cache_dir = default_cache_dir() if data.cache_dir is None else data.cache_dir / "hf_gen"
    pixels, kept_back = cached_pixels(train, data.resolution, cache_dir, held_out is None)
    if held_out is not None:
        kept_back, _ = cached_pixels(held_out, data.resolution, cache_dir, False)
    if kept_back is None or not len(kept_back):
        raise UserError(
            f"{train.name} has {len(pixels)} images, too few to hold 5 % out: give it more images "
            "or a test split"
        )
    return Domain(pixels, kept_back)


def default_cache_dir() -> Path:
    """`hf_gen` in the cache of the Hugging Face libraries, which HF_HOME moves."""
    from huggingface_hub.constants import HF_HOME

    return Path(HF_HOME) / "hf_gen"


def find_splits(data: Data) -> tuple[Split, Split | None]:
    """The split to train on, and the set's own held-out split if it has one. Reads no image.

    Raises:
        UserError: If the dataset cannot be found or reached, or has no such split or column.
    """
    if data.train_data_dir is None and data.dataset_name == "faces":
        return _drawn_splits(data)
    builder = _open_builder(data)
    available = [str(name) for name in (builder.info.splits or builder.config.data_files or {})]
    wanted = re.split(r"[\[+]", data.split)[0]
    if available and wanted not in available:
        raise UserError(
            f"{_name(data)} has no split {data.split!r}: its splits are {', '.join(available)}"
        )
    held_out = next((name for name in ("test", "validation") if name in available), None)
    train = _dataset_split(builder, data, data.split, data.max_train_samples)
    if held_out is None or held_out == wanted:
        return train, None
    return train, _dataset_split(builder, data, held_out, None)


def _drawn_splits(data: Data) -> tuple[Split, Split]:
    count = data.max_train_samples or DRAWN_COUNT
    column = data.image_column or "anime"
    size = max(DRAWN_SIZE, data.resolution)
    if column not in STYLES:
        raise UserError(f"faces has no image column {column!r}: it has {' and '.join(STYLES)}")

    def split(name: str, start: int, count: int) -> Split:
        def read() -> tuple[int | None, Iterator[Item]]:
            cache_dir = None if data.cache_dir is None else str(data.cache_dir)
            faces = drawn_faces(count, start=start, size=size, cache_dir=cache_dir)
            return count, _encoded(faces, column, follows_paths=False)

        key = f"faces {drawing_version()} {column} {start} {count} {size}"
        return Split(f"the drawn faces ({name})", key, read)

    return split("train", 0, count), split("held out", TEST_START, max(count // 10, 1))


def _dataset_split(
    builder: "datasets.DatasetBuilder", data: Data, name: str, most: int | None
) -> Split:
    def read() -> tuple[int | None, Iterator[Item]]:
        dataset = _open_split(builder, data, name)
        column = _image_column(dataset.features, data)
        if most is not None and not data.streaming:
            dataset = dataset.shuffle(seed=0).select(range(min(most, len(dataset))))
        elif most is not None:
            dataset = dataset.take(most)
        # Only a folder's own listing is followed to files: a path inside a parquet file is a
        # stranger's word, and could name any file of this machine.
        follows_paths = type(builder).__module__.startswith("datasets.packaged_modules.imagefolder")
        count = most if data.streaming else len(dataset)
        return count, _encoded(dataset, column, follows_paths)

    # The builder's hash covers the commit on the Hub or the times of local files.
    version = f"{builder.dataset_name} {builder.config_id} {builder.hash}"
    key = f"{version} {name} {data.image_column} {most}"
    return Split(f"{_name(data)} ({name})", key, read)


def _open_builder(data: Data) -> "datasets.DatasetBuilder":
    import datasets
    from datasets.data_files import EmptyDatasetError
    from datasets.exceptions import DataFilesNotFoundError, DatasetNotFoundError
    from huggingface_hub.errors import HFValidationError

    path = data.train_data_dir or Path(data.dataset_name)
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file: name the folder it lies in and pass it as --data-files")
    if not path.is_dir():
        if data.train_data_dir is not None or data.dataset_name.startswith(("/", ".", "~")):
            raise UserError(f"there is no folder {path}: check the path")
        ask_the_hub(data.dataset_name, "dataset", data.revision)
    try:
        return datasets.load_dataset_builder(
            str(path),
            data.dataset_config_name,
            data_files=list(data.data_files) or None,
            revision=data.revision,
            cache_dir=None if data.cache_dir is None else str(data.cache_dir),
        )
    except (EmptyDatasetError, DataFilesNotFoundError) as error:
        raise UserError(
            f"{_name(data)} holds no images or parquet files: name a folder that has some"
        ) from error
    except (DatasetNotFoundError, HFValidationError, FileNotFoundError) as error:
        raise UserError(f"there is no dataset {_name(data)}: check the name ({error})") from error
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{_name(data)} cannot be opened: {error}") from error


def _open_split(builder: "datasets.DatasetBuilder", data: Data, name: str) -> Any:
    """The split as a `datasets.Dataset`, or an `IterableDataset` when streaming."""
    from datasets.exceptions import DatasetGenerationError

    try:
        if data.streaming:
            return builder.as_streaming_dataset(split=name)
        builder.download_and_prepare()
        return builder.as_dataset(split=name)
    except DatasetGenerationError as error:
        raise UserError(
            f"{_name(data)} cannot be read ({_first_line(error.__cause__ or error)}): "
            "one of its files is damaged"
        ) from error
    except ValueError as error:
        raise UserError(f"{_name(data)} has no split {name!r}: {error}") from error


def _image_column(features: "datasets.Features | None", data: Data) -> str:
    import datasets

    if features is None:
        return data.image_column or "image"
    columns = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    if data.image_column is not None and data.image_column in columns:
        return data.image_column
    there = f"its image columns are {', '.join(columns)}" if columns else "it has no image column"
    if data.image_column is not None:
        raise UserError(
            f"{_name(data)} has no image column {data.image_column!r}: {there} "
            f"(of {', '.join(features)})"
        )
    if len(columns) == 1:
        return columns[0]
    if "image" in columns:
        return "image"
    raise UserError(f"{_name(data)}: {there} (of {', '.join(features)}); choose by --image-column")


def _encoded(dataset: Any, column: str, follows_paths: bool) -> Iterator[Item]:
    import datasets

    undecoded = dataset.select_columns([column]).cast_column(column, datasets.Image(decode=False))
    place = 0
    for batch in undecoded.iter(batch_size=_READ_AT_ONCE):
        for value in batch[column]:
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
            return bytes(file.read())
    return value["bytes"]


def _name(data: Data) -> str:
    return str(data.train_data_dir or data.dataset_name)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]

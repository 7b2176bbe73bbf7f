"""Datasets that `datasets` opens: Hub ids, and local files of parquet, Arrow, CSV or JSON."""

import errno
import glob
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_gen.config import Data
from hf_gen.data.archives import BROKEN_ARCHIVE, MOST_BYTES
from hf_gen.data.folders import Listing, split_and_side
from hf_gen.data.selection import Choice, Item, Selection, Split, find_split, own_splits
from hf_gen.errors import UserError, check_repo_access

if TYPE_CHECKING:
    import datasets

_READ_AT_ONCE = 256
_SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}")


class Tables:
    """A dataset on the Hub or in a folder, opened only when its pixels are not in the cache.

    Args:
        data: Which one.
        listing: The files, if it is in a folder.
    """

    sides: frozenset[str] = frozenset()

    def __init__(self, data: Data, listing: Listing | None = None) -> None:
        self._data = data
        self._name = data.source
        self._listing = listing
        self._files = None if listing is None else _files_of_splits(listing, data)

    def splits(self, side: str = "") -> list[str]:
        """The splits, as the dataset calls them; tables have no sides."""
        if self._files is not None:
            return [*self._files]
        builder = self._builder
        return [str(name) for name in builder.info.splits or builder.config.data_files or {}]

    def select(self, choice: Choice, split: str | None = None) -> Selection:
        """The split to train on, and the dataset's own validation and test splits if it has them.

        Args:
            choice: Which images are the domain's.
            split: What to train on. Default: --split.

        Raises:
            UserError: If the dataset cannot be opened or has no such split.
        """
        data, version, available = self._data, "", self.splits()
        if self._files is None:
            builder = self._builder
            version = f"{builder.dataset_name} {builder.config_id} {builder.hash}"
        if self._listing is not None:
            version += self._listing.version
        train = find_split(available, split or data.split)
        own, unused = own_splits(self._name, train, available)
        return Selection(
            self._split(train, version, data.max_train_samples, choice),
            {kind: self._split(split, version, None, choice) for kind, split in own.items()},
            tuple(f"not used: the split {split}" for split in unused),
        )

    def _split(self, name: str, version: str, most: int | None, choice: Choice) -> Split:
        def read() -> tuple[int | None, Iterator[Item]]:
            from datasets import Image

            dataset = self._open(name)
            features = dataset.features
            columns = [name for name, kind in features.items() if isinstance(kind, Image)]
            column = choice.image_column(self._name, columns, features)
            if choice.label is not None:
                dataset = self._with_label(dataset, *choice.label)
            if most is not None and not self._data.streaming:
                dataset = dataset.shuffle(seed=0).select(range(min(most, len(dataset))))
            elif most is not None:
                dataset = dataset.take(most)
            # Only a folder's own listing is followed to files: a path inside a parquet file is
            # untrusted, and could name any file of this machine.
            module = type(self._builder).__module__
            follows_paths = module.startswith("datasets.packaged_modules.imagefolder")
            count = most if self._data.streaming else len(dataset)
            return count, self._checked(encoded_images(dataset, column, follows_paths))

        key = f"{version} {name} {choice} {most} {self._data.streaming}"
        return Split(self._name, choice.part(name), key, read)

    @cached_property
    def _builder(self) -> "datasets.DatasetBuilder":
        import datasets
        from datasets.exceptions import DatasetNotFoundError

        data, name = self._data, self._data.source
        files: Any = self._files
        if self._listing is not None:
            name = str(self._listing.folder.resolve())
        else:
            check_repo_access(name, "dataset", data.revision)
            files = list(data.data_files) or None
        try:
            return datasets.load_dataset_builder(
                name,
                data.dataset_config_name,
                data_files=files,
                revision=data.revision,
                cache_dir=None if data.cache_dir is None else str(data.cache_dir),
            )
        except DatasetNotFoundError as error:
            raise UserError(f"there is no dataset {self._name}: check it ({error})") from error
        except FileNotFoundError as error:
            if not data.data_files:
                raise UserError(f"{self._name} holds no images or parquet files") from error
            raise UserError(
                f"{self._name} has no file that --data-files {' '.join(data.data_files)} names: "
                f"check the names ({error})"
            ) from error
        except ConnectionError as error:
            raise UserError(
                f"{self._name} is no folder here, and there is no copy of it in the cache: "
                f"check the name, or load it once without HF_HUB_OFFLINE ({error})"
            ) from error
        except (ValueError, *BROKEN_ARCHIVE) as error:
            raise UserError(f"{self._name} cannot be opened: {error}") from error

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
        except (DatasetGenerationError, ArrowInvalid, OSError, *BROKEN_ARCHIVE) as error:
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
        except (ValueError, OSError, *BROKEN_ARCHIVE) as error:
            raise self._damaged(error) from error

    def _with_label(self, dataset: Any, column: str, label: str) -> Any:
        feature = dataset.features.get(column)
        if feature is None:
            present = ", ".join(dataset.features)
            raise UserError(f"{self._name} has no column {column!r}: its columns are {present}")
        names = getattr(feature, "names", None)
        if names is not None and label not in names:
            raise UserError(f"{column} of {self._name} has no {label!r}: it has {', '.join(names)}")
        wanted = label if names is None else feature.str2int(label)
        return dataset.filter(lambda value: str(value) == str(wanted), input_columns=[column])


def _files_of_splits(listing: Listing, data: Data) -> dict[str, list[str]] | None:
    """The tables of each split; None where the folder's README.md says which they are.

    Raises:
        UserError: If the path of the folder cannot be given to `datasets`.
    """
    folder = listing.folder.resolve()
    readme = folder / "README.md"
    if data.dataset_config_name or (readme.is_file() and b"configs:" in readme.read_bytes()):
        return None
    found: dict[str, list[str]] = {}
    for name in listing.tables:
        if "::" in str(folder / name):
            raise UserError(f"{folder / name}: no table is read from a path with '::': rename it")
        found.setdefault(_split_of(name), []).append(glob.escape(str(folder / name)))
    return found


def _split_of(table: str) -> str:
    """By the folder of a table, or its name as the Hub has them: train-00000-of-00002.parquet."""
    *folders, file = table.split("/")
    stem = file.partition(".")[0]
    shard = _SHARD.fullmatch(stem)
    words = [*folders, shard[1] if shard else re.split(r"[-_]", stem)[0]]
    found = next((found for word in words if (found := split_and_side(word))), None)
    if found is not None:
        return found[0]
    return shard[1] if shard and not table.endswith(".arrow") and shard[1] != "data" else "train"


def encoded_images(dataset: Any, column: str, follows_paths: bool) -> Iterator[Item]:
    """The name of each image of a `datasets.Dataset`, and its bytes as they are stored."""
    # As Arrow tables the images come as they are stored, from a streamed archive too.
    stored = dataset.select_columns([column]).with_format("arrow")
    place = 0
    for table in stored.iter(batch_size=_READ_AT_ONCE):
        images = table[column].combine_chunks()
        fields = dict(zip((field.name for field in images.type), images.flatten(), strict=True))
        for row, path in enumerate(fields["path"].to_pylist()):
            in_table = fields["bytes"][row]
            # Bytes of the table are copied by whoever decodes them.
            source = in_table.as_py if in_table.is_valid else _source(path, follows_paths)
            yield path or f"row {place}", source
            place += 1


def _source(path: str | None, follows_paths: bool) -> bytes | Path | None:
    if path is None or not follows_paths:
        return None
    if Path(path).exists():
        return Path(path)
    from datasets.utils.file_utils import xopen

    with xopen(path, "rb") as file:
        # What an archive holds can be a thousand times as large as it; what is cut is damaged.
        try:
            return bytes(file.read(MOST_BYTES))
        except BROKEN_ARCHIVE:
            return b""

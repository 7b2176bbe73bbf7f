"""Images of a local folder or archive as splits that can be decoded, with labels and pairs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hf_gen.config import Data
from hf_gen.data.folders import Listing
from hf_gen.data.metadata import Metadata, read_metadata
from hf_gen.data.pixels import BAD_SHARE, Item, Split
from hf_gen.errors import UserError


@dataclass(frozen=True)
class Choice:
    """Which images of a dataset belong to a domain; by default all.

    Attributes:
        columns: Names of the image column, the usual ones first; none takes the only one there is.
        label: A column and the label that an image must have in it.
        side: "a" or "b" of a folder with trainA, trainB, testA and testB.
        first_face: Index of the first of the synthetic faces to train on.
        remedy: What to do where no such column is there.
    """

    columns: tuple[str, ...] = ()
    label: tuple[str, str] | None = None
    side: str = ""
    first_face: int = 0
    remedy: str = ""


class LocalImages:
    """The images of a local dataset.

    Args:
        data: What is wanted of them.
        listing: The files.
    """

    def __init__(self, data: Data, listing: Listing) -> None:
        self._data = data
        self._name = str(data.train_data_dir or data.dataset_name)
        self._listing = listing

    @property
    def sides(self) -> set[str]:
        """Which of "a" and "b" have a folder trainA or trainB."""
        return self._listing.sides

    def splits(self, choice: Choice) -> tuple[Split, Split | None]:
        """The split to train on, and the set's own held-out split if it has one.

        Raises:
            UserError: If there is no such split, column or label.
        """
        data, splits = self._data, self._chosen(choice)
        train, wanted = self._wanted(splits)
        own = next(
            (name for name in ("test", "validation") if name in splits and name not in wanted), None
        )
        most = data.max_train_samples
        if most is not None and most < len(train):
            places = np.arange(len(train))
            if not data.streaming:
                places = np.random.default_rng(0).permutation(len(train))
            train = [train[place] for place in np.sort(places[:most])]
        held_out = None if own is None else self._split(own, splits[own], choice)
        of = f"{most} {data.streaming}"
        return self._split(data.split, train, choice, of), held_out

    def notes(self, choice: Choice) -> list[str]:
        """What is in the folder and not used, each kind with its number."""
        listing, metadata = self._listing, self._metadata
        splits = listing.splits(choice.side)
        folders = len({name.rpartition("/")[0] for name in listing.images})
        found = [f"{len(listing.images):,} images in {folders} folder{'s' * (folders > 1)}"]
        if {"test", "validation"} <= splits.keys() and "validation" not in self._data.split:
            found.append(f"not used: {len(splits['validation']):,} images (validation)")
        if outside := splits.get(""):
            found.append(f"outside of the splits: {_counted(outside, 'image')}")
        if listing.runs:
            found.append(f"left out: {_counted(listing.runs, 'run folder')}")
        if metadata.unlisted:
            found.append(f"without a row in the metadata: {_counted(metadata.unlisted, 'image')}")
        if metadata.missing:
            found.append(f"in the metadata, but not there: {_counted(metadata.missing, 'image')}")
        if listing.ignored:
            kinds = listing.ignored.most_common()
            found.append("ignored: " + ", ".join(f"{count:,} {kind}" for kind, count in kinds))
        return found

    def _wanted(self, splits: dict[str, list[str]]) -> tuple[list[str], set[str]]:
        """The images of --split, such as train+test or train[:50%], and the splits it names."""
        name = self._data.split
        if name in splits:
            return splits[name], {name}
        from datasets import ReadInstruction

        try:
            parts = ReadInstruction.from_spec(name).to_absolute(
                {split: len(images) for split, images in splits.items()}
            )
        except (ValueError, AssertionError) as error:
            there = ", ".join(splits) or "none"
            raise UserError(
                f"{self._name} has no split {name!r}: its splits are {there}"
            ) from error
        images = [one for part in parts for one in splits[part.splitname][part.from_ : part.to]]
        return images, {part.splitname for part in parts}

    def _split(self, name: str, images: Sequence[str], choice: Choice, of: str = "") -> Split:
        def read() -> tuple[int | None, Iterator[Item]]:
            return len(images), self._listing.read(images)

        chosen = f", {choice.label[0]} {choice.label[1]!r}" if choice.label else ""
        chosen += f", {choice.side.upper()}" if choice.side else ""
        key = f"{self._listing.version} {name} {choice} {self._data.image_column} {of}"
        return Split(f"{self._name} ({name}{chosen})", key, read)

    def _chosen(self, choice: Choice) -> dict[str, list[str]]:
        """The images of each split that the choice takes."""
        splits = self._listing.splits(choice.side)
        splits.pop("", None)
        if choice.label is not None:
            labels = self._labels(*choice.label)
            return {
                split: [name for name in images if labels.get(name) == choice.label[1]]
                for split, images in splits.items()
            }
        column = self._image_column(choice)
        if column is None:
            return splits
        rows = [row.images for row in self._metadata.rows if None not in row.images.values()]
        self._check_share(len(self._metadata.rows) - len(rows), len(self._metadata.rows), "rows")
        split_of = {name: split for split, images in splits.items() for name in images}
        found: dict[str, list[str]] = {split: [] for split in splits}
        for name in (row.get(column) for row in rows):
            if name in split_of:
                found[split_of[name]].append(name)
        return found

    def _image_column(self, choice: Choice) -> str | None:
        """The column of the metadata that is wanted; None for a set of images without pairs."""
        wish = self._data.image_column
        columns = self._metadata.image_columns
        pairs = len(columns) > 1 or columns not in ([], ["image"])
        columns = columns if pairs else ["image"]
        if wish is not None and wish not in columns:
            there = ", ".join(columns)
            raise UserError(
                f"{self._name} has no image column {wish!r}: its image columns are {there}"
            )
        usual = choice.columns or ("image",)
        found = wish or next((name for name in usual if name in columns), None)
        if found is None:
            remedy = choice.remedy or "name --image-column"
            there = ", ".join(columns)
            raise UserError(f"{self._name}: its image columns are {there}; {remedy}")
        return found if pairs else None

    def _labels(self, column: str, wish: str) -> dict[str, str]:
        """The label of each image: from the metadata, or the folder that it is in."""
        images, rows = self._listing.images, self._metadata.rows
        labels = {
            image: row.values[column]
            for row in rows
            if (image := row.images.get("image")) and column in row.values
        }
        if labels:
            self._check_share(len(images) - len(labels), len(images), "images")
        elif column == "label":
            labels = {name: self._listing.label(name) for name in images}
        else:
            columns = dict.fromkeys(
                ["image", "label", *(key for row in rows for key in row.values)]
            )
            raise UserError(
                f"{self._name} has no column {column!r}: its columns are {', '.join(columns)}"
            )
        there = sorted({*labels.values()} - {""})
        if wish not in there:
            raise UserError(
                f"{column} of {self._name} has no {wish!r}: it has {', '.join(there) or 'none'}"
            )
        return labels

    def _check_share(self, count: int, total: int, what: str) -> None:
        if count > BAD_SHARE * total:
            raise UserError(
                f"{count:,} of {total:,} {what} of {self._name} have no counterpart: complete the "
                "images, or metadata.csv or metadata.jsonl; more than 1 % is too many"
            )

    @cached_property
    def _metadata(self) -> Metadata:
        return read_metadata(self._listing.read(self._listing.metadata), self._listing.images)


def _counted(names: Sequence[str], what: str) -> str:
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names):,} {what}{'s' if len(names) != 1 else ''} ({shown})"

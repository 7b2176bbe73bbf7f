"""Images of a local folder or archive as splits that can be decoded, with labels and pairs."""

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from hf_gen.config import Data
from hf_gen.data.folders import Listing
from hf_gen.data.metadata import Metadata, read_metadata
from hf_gen.data.selection import Choice, Item, Selection, Split, no_split, own_splits
from hf_gen.data.shards import BAD_SHARE
from hf_gen.errors import UserError


class LocalImages:
    """The images of a local dataset.

    Args:
        data: What is wanted of them.
        listing: The files.
    """

    def __init__(self, data: Data, listing: Listing) -> None:
        self._data = data
        self._name = data.source
        self._listing = listing
        self.sides = listing.sides

    def splits(self, side: str = "") -> list[str]:
        """The splits that have images; of one side, where there are two."""
        return [split for split in self._listing.splits(side) if split]

    def select(self, choice: Choice, split: str | None = None) -> Selection:
        """The images of a domain, and what of the folder is not used.

        Args:
            choice: Which images are the domain's.
            split: What to train on. Default: --split.

        Raises:
            UserError: If there is no such split, column or label.
        """
        data, splits = self._data, self._chosen(choice)
        split = split or data.split
        own, unused = own_splits(self._name, split, splits)
        train, most = self._wanted(split, splits), data.max_train_samples
        if most is not None and most < len(train):
            places = np.arange(len(train))
            if not data.streaming:
                places = np.random.default_rng(0).permutation(len(train))
            train = [train[place] for place in np.sort(places[:most])]
        of = f"{most} {data.streaming}"
        return Selection(
            self._split(split, train, choice, of),
            {kind: self._split(name, splits[name], choice) for kind, name in own.items()},
            tuple(self._notes(choice, unused)),
        )

    def _notes(self, choice: Choice, unused: Sequence[str]) -> Iterator[str]:
        """What is in the folder and not used, each kind with its number."""
        listing, metadata = self._listing, self._metadata
        splits = listing.splits(choice.side)
        folders = len({name.rpartition("/")[0] for name in listing.images})
        yield f"{len(listing.images):,} images in {folders} folder{'s' * (folders > 1)}"
        for split in unused:
            yield f"not used: {len(splits[split]):,} images ({split})"
        for said, names, what in (
            ("outside of the splits", splits.get("", ()), "image"),
            ("of neither domain", listing.without_side if choice.side else (), "image"),
            ("left out", listing.runs, "run folder"),
            ("damaged, or without a file_name", metadata.unused, "metadata file"),
            ("without a row in the metadata", metadata.unlisted, "image"),
            ("in the metadata, but not there", metadata.missing, "image"),
        ):
            if names:
                shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
                yield f"{said}: {len(names):,} {what}{'s' if len(names) != 1 else ''} ({shown})"
        if listing.ignored:
            kinds = listing.ignored.most_common()
            yield "ignored: " + ", ".join(f"{count:,} {kind}" for kind, count in kinds)

    def _wanted(self, split: str, splits: dict[str, list[str]]) -> list[str]:
        """The images of a split, such as train+test or train[:50%]."""
        from datasets import ReadInstruction

        sizes = {split: len(images) for split, images in splits.items()}
        try:
            parts = ReadInstruction.from_spec(split).to_absolute(sizes)
        except (ValueError, AssertionError) as error:
            raise no_split(self._name, split, splits) from error
        return [one for part in parts for one in splits[part.splitname][part.from_ : part.to]]

    def _split(self, name: str, images: Sequence[str], choice: Choice, of: str = "") -> Split:
        def read() -> tuple[int | None, Iterator[Item]]:
            return len(images), self._listing.read(images)

        key = f"{self._listing.version} {name} {choice} {of}"
        return Split(self._name, choice.part(name), key, read)

    def _chosen(self, choice: Choice) -> dict[str, list[str]]:
        """The images of each split that the choice takes."""
        splits = self._listing.splits(choice.side)
        splits.pop("", None)
        if choice.label is not None:
            labels, wanted = self._labels(*choice.label), choice.label[1]
            return {
                split: [name for name in images if labels.get(name) == wanted]
                for split, images in splits.items()
            }
        columns = self._metadata.image_columns or ["image"]
        column = choice.image_column(self._name, columns)
        if columns == ["image"]:
            return splits  # without pairs, the metadata does not choose
        rows = [row.images for row in self._metadata.rows if None not in row.images.values()]
        self._check_share(len(self._metadata.rows) - len(rows), len(self._metadata.rows), "rows")
        split_of = {name: split for split, images in splits.items() for name in images}
        found: dict[str, list[str]] = {split: [] for split in splits}
        for name in (row.get(column) for row in rows):
            if name in split_of:
                found[split_of[name]].append(name)
        return found

    def _labels(self, column: str, wanted: str) -> dict[str, str]:
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
        present = sorted({*labels.values()} - {""})
        if wanted not in present:
            raise UserError(
                f"{column} of {self._name} has no {wanted!r}: it has {', '.join(present) or 'none'}"
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

"""Which images of a dataset are one domain's, and in which splits."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hf_gen.errors import UserError

# How the splits of a dataset are named, in any case.
SPLITS = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
Stored = bytes | Path | None
Item = tuple[str, Stored | Callable[[], Stored]]


@dataclass(frozen=True)
class Split:
    """One split of a dataset, not read yet.

    `read` opens it: the number of images where it is known, and an iterator over each image's name
    and encoded bytes, or the file that holds them, or None where there is no image, or what gives
    one of these.
    """

    dataset: str  # what a message calls it
    part: str  # which of its images, for people
    key: str  # changes whenever its images may have changed
    read: Callable[[], tuple[int | None, Iterator[Item]]]

    @property
    def name(self) -> str:
        """What a message calls these images."""
        return f"{self.dataset} ({self.part})"


@dataclass(frozen=True)
class Selection:
    """The images of one domain."""

    train: Split
    own: dict[str, Split]  # the dataset's own "validation" and "test", those that it has
    notes: tuple[str, ...] = ()  # what was found, and what is not used, for people


@dataclass(frozen=True)
class Choice:
    """Which images of a dataset belong to a domain; by default all."""

    column: str | None = None  # the image column that the user names
    usual: tuple[str, ...] = ()  # names of the column if none is named; none takes the only one
    label: tuple[str, str] | None = None  # a column, and the label that an image must have in it
    side: str = ""  # "a" or "b" of a folder with trainA, trainB, testA and testB
    is_second: bool = False  # synthetic faces: other people than those of the first domain
    remedy: str = field(default="name --image-column", repr=False)  # if there is no such column

    def part(self, split: str) -> str:
        """What a message calls these images of a split."""
        labelled = f", {self.label[0]} {self.label[1]!r}" if self.label else ""
        return f"{split}{labelled}{self.side and f', {self.side.upper()}'}"

    def image_column(
        self, dataset: str, columns: Collection[str], others: Iterable[str] = ()
    ) -> str:
        """The one of a dataset's image columns that is wanted.

        Raises:
            UserError: If there is no such column; `others` are columns to name too.
        """
        if self.column is not None and self.column in columns:
            return self.column
        present = "it has no image column"
        if columns:
            present = f"its image columns are {', '.join(columns)}"
        if others:
            present += f" (of {', '.join(others)})"
        if self.column is not None:
            raise UserError(f"{dataset} has no image column {self.column!r}: {present}")
        usual = self.usual or (tuple(columns) if len(columns) == 1 else ("image",))
        found = next((name for name in usual if name in columns), None)
        if found is None:
            raise UserError(f"{dataset}: {present}; {self.remedy}")
        return found


def find_split(available: Collection[str], split: str) -> str:
    """What a dataset calls a split: "Val" for validation; the same name if it has none such."""
    by_name = {name.lower(): name for name in available}
    of_kind = (name for word, name in by_name.items() if SPLITS.get(word) == split.lower())
    return by_name.get(split.lower()) or next(of_kind, split)


def own_splits(
    dataset: str, split: str, available: Collection[str]
) -> tuple[dict[str, str], list[str]]:
    """Which of a dataset's own splits validate and test a training on `split`.

    Returns:
        The dataset's name of "validation" and of "test", where it has one that is not trained on,
        not even in part; and the splits that are not used.

    Raises:
        UserError: If `split`, such as train+test or train[:50%], names a split that is missing.
    """
    wanted = {part.partition("[")[0].strip() for part in split.split("+")}
    if available and not wanted <= {*available}:
        raise no_split(dataset, split, available)
    left = [name for name in available if name not in wanted]
    own: dict[str, str] = {}
    for word, kind in SPLITS.items():
        for name in left:
            if name.lower() == word != "train":
                own.setdefault(kind, name)
    return own, [name for name in left if name not in own.values()]


def no_split(dataset: str, split: str, available: Collection[str]) -> UserError:
    """The error of a split that a dataset does not have."""
    present = ", ".join(available) or "none"
    return UserError(f"{dataset} has no split {split!r}: its splits are {present}")

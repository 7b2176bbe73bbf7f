"""Which images of a dataset are one domain's, and in which splits."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hf_gen.errors import UserError

Stored = bytes | Path | None
Item = tuple[str, Stored | Callable[[], Stored]]


@dataclass(frozen=True)
class Split:
    """One split of a dataset, not read yet.

    `read` opens it: the number of images where it is known, and an iterator over each image's name
    and encoded bytes, or the file that holds them, or None where there is no image, or what gives
    one of these.
    """

    name: str  # what a message calls it
    key: str  # changes whenever its images may have changed
    read: Callable[[], tuple[int | None, Iterator[Item]]]


@dataclass(frozen=True)
class Selection:
    """The images of one domain."""

    train: Split
    held_out: Split | None  # the dataset's own test or validation split, if it has one
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

    def name(self, dataset: str, split: str) -> str:
        """What a message calls these images of a split."""
        labelled = f", {self.label[0]} {self.label[1]!r}" if self.label else ""
        return f"{dataset} ({split}{labelled}{self.side and f', {self.side.upper()}'})"

    def image_column(
        self, dataset: str, columns: Collection[str], others: Iterable[str] = ()
    ) -> str:
        """The one of a dataset's image columns that is wanted.

        Raises:
            UserError: If there is no such column; `others` are columns to name beside.
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


def held_out_split(dataset: str, split: str, available: Collection[str]) -> str | None:
    """The name of a dataset's own test or validation split, if `split` does not train on it.

    Raises:
        UserError: If `split`, such as train+test or train[:50%], names a split that is missing.
    """
    wanted = {part.partition("[")[0].strip() for part in split.split("+")}
    if available and not wanted <= {*available}:
        raise no_split(dataset, split, available)
    own = ("test", "validation")
    return next((name for name in own if name in available and name not in wanted), None)


def no_split(dataset: str, split: str, available: Collection[str]) -> UserError:
    """The error of a split that a dataset does not have."""
    present = ", ".join(available) or "none"
    return UserError(f"{dataset} has no split {split!r}: its splits are {present}")

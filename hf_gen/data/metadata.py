"""metadata.csv and metadata.jsonl: labels and pairs of the images of a folder."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hf_gen.data.selection import Item

NAMES = ("metadata.csv", "metadata.jsonl")


@dataclass(frozen=True)
class Row:
    """A row of a metadata file."""

    values: dict[str, str]  # what is written about the images, by column
    images: dict[str, str | None]  # the image of each image column; None if the dataset lacks it


@dataclass(frozen=True)
class Metadata:
    """All rows of a dataset."""

    rows: list[Row] = field(default_factory=list)  # those that name files, in order
    missing: list[str] = field(default_factory=list)  # names in them that are no image
    unlisted: list[str] = field(default_factory=list)  # images that no row names, if there are rows
    unused: list[str] = field(default_factory=list)  # metadata files that name no images

    @property
    def image_columns(self) -> list[str]:
        """Image columns: "image" for `file_name`, "left" for `left_file_name`."""
        return list(dict.fromkeys(column for row in self.rows for column in row.images))


def read_metadata(files: Iterable[Item], images: Sequence[str]) -> Metadata:
    """Reads metadata files; one that is damaged or names no files has no rows.

    Args:
        files: The path of each file in the dataset, and the file or its content.
        images: The images of the dataset by their paths. Rows name them from the folder of their
            metadata file or, as some are written, from the dataset's; nothing else can be named.
    """
    found, known = Metadata(), set(images)
    for name, source in files:
        stored = source() if callable(source) else source
        content = stored.read_bytes() if isinstance(stored, Path) else stored or b""
        folder, before = "".join(name.rpartition("/")[:2]), len(found.rows)
        for values in _parsed(name, content):
            row: dict[str, str | None] = {}
            for column in [key for key in values if f"_{key}".endswith("_file_name")]:
                file = values.pop(column).replace("\\", "/").removeprefix("./")
                image = next((place for place in (folder + file, file) if place in known), None)
                row[column.removesuffix("file_name").removesuffix("_") or "image"] = image
                if image is None:
                    found.missing.append(file)
            if row:
                found.rows.append(Row(values, row))
        if len(found.rows) == before:
            found.unused.append(name)
    if found.rows:
        listed = {image for row in found.rows for image in row.images.values()}
        found.unlisted.extend(image for image in images if image not in listed)
    return found


def _parsed(name: str, content: bytes) -> list[dict[str, str]]:
    try:
        text = content.decode("utf-8-sig")
        if name.endswith(".csv"):
            rows = list(csv.DictReader(io.StringIO(text, newline="")))
        else:
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, csv.Error, RecursionError):
        return []
    return [
        {key: str(one) for key, one in row.items() if isinstance(key, str) and one is not None}
        for row in rows
        if isinstance(row, dict)
    ]

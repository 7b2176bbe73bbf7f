"""metadata.csv and metadata.jsonl: labels and pairs of the images of a folder."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hf_gen.data.selection import Item

NAMES = ("metadata.csv", "metadata.jsonl")


@dataclass(frozen=True)
class Row:
    """A row of a metadata file.

    Attributes:
        values: What is written about the images, by column.
        images: The image of each image column, or None where it is not in the dataset.
    """

    values: dict[str, str]
    images: dict[str, str | None]


@dataclass(frozen=True)
class Metadata:
    """All rows of a dataset.

    Attributes:
        rows: Those that name files, in order.
        missing: The names in them that are no image of the dataset.
        unlisted: The images that no row names; empty if there are no rows.
    """

    rows: list[Row] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)

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
        content = source if isinstance(source, bytes) else source.read_bytes() if source else b""
        folder = name.rpartition("/")[0]
        folder += "/" if folder else ""
        for values in _parsed(name, content):
            row: dict[str, str | None] = {}
            for column in [key for key in values if _is_file_column(key)]:
                file = str(values.pop(column)).replace("\\", "/").removeprefix("./")
                places = (folder + file, file)
                image = next((place for place in places if place in known), None)
                row["image" if column == "file_name" else column[: -len("_file_name")]] = image
                if image is None:
                    found.missing.append(file)
            if row:
                found.rows.append(Row(values, row))
    if found.rows:
        listed = {image for row in found.rows for image in row.images.values()}
        found.unlisted.extend(image for image in images if image not in listed)
    return found


def _is_file_column(name: str) -> bool:
    return name == "file_name" or name.endswith("_file_name")


def _parsed(name: str, content: bytes) -> list[dict[str, Any]]:
    try:
        text = content.decode("utf-8-sig")
        rows: list[Any]
        if name.endswith(".csv"):
            rows = list(csv.DictReader(io.StringIO(text, newline="")))
        else:
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, csv.Error, RecursionError):
        return []
    return [
        {
            key: str(value)
            for key, value in row.items()
            if isinstance(key, str) and value is not None
        }
        for row in rows
        if isinstance(row, dict)
    ]

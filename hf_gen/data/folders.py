"""What is in a local folder or archive: which files are images, and of which split.

`docs/data.md` says the rules in words.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path

from hf_gen.data import archives, metadata
from hf_gen.data.selection import SPLITS, Item
from hf_gen.errors import UserError
from hf_gen.images import EXTENSIONS, HEIC, formats, has_image_signature

TABLES = (".parquet", ".arrow")
NAMED_TABLES = (".csv", ".tsv", ".json", ".jsonl")
# Thumbnails and bins that operating systems and network disks leave in folders.
_SYSTEM = frozenset(
    {"__macosx", "@eadir", "#recycle", "$recycle.bin", "lost+found", "system volume information"}
)
_SPLIT = re.compile(rf"({'|'.join(SPLITS)})([ab]?)", re.IGNORECASE)
_EXTENSION = re.compile(r"\.[a-z][a-z0-9]*")


@dataclass
class Listing:
    """The files of a local dataset by their paths from its folder, in sorted order.

    A file in an archive has the path of the archive before its own, as if it were a folder.
    """

    folder: Path
    images: list[str] = field(default_factory=list)  # by their extension, or their first bytes
    tables: list[str] = field(default_factory=list)  # parquet and Arrow; others where named
    archives: list[str] = field(default_factory=list)  # zip and tar files
    metadata: list[str] = field(default_factory=list)  # metadata.csv and metadata.jsonl
    runs: list[str] = field(default_factory=list)  # run folders, which are not entered
    ignored: Counter[str] = field(default_factory=Counter)  # how many others, by extension
    version: str = ""  # a hash of the names, sizes and times of change

    @cached_property
    def _places(self) -> dict[str, tuple[str, str | None, str]]:
        """Split, side and label of the images of each folder; a side of None belongs to both.

        Folders are splits if one of them is train, or all are some.
        """
        folders = {
            folder: folder.split("/") if folder else [] for folder in map(_folder, self.images)
        }
        # Around everything else, such as the one that a downloaded archive holds.
        around = os.path.commonprefix([*folders.values()])  # noqa: RUF071, of lists
        depth = next((at for at, name in enumerate(around) if split_and_side(name)), len(around))
        first = {parts[depth] for parts in folders.values() if len(parts) > depth}
        named = {name: found for name in first if (found := split_and_side(name))}
        has_train = any(split == "train" for split, _ in named.values())
        places: dict[str, tuple[str, str | None, str]] = {}
        for folder, parts in folders.items():
            name, inner = [*parts[depth:], "", ""][:2]
            if name in named and (has_train or len(named) == len(first)):
                places[folder] = *named[name], inner
            else:
                places[folder] = "" if has_train else "train", None, name
        return places

    def splits(self, side: str = "") -> dict[str, list[str]]:
        """The images of each split; those that are outside of all have an empty string as split.

        Args:
            side: "a" or "b" for trainA, testA and so on; empty for both sides together.
        """
        splits: dict[str, list[str]] = {"train": [], "validation": [], "test": [], "": []}
        for image in self.images:
            split, of_side, _ = self._places[_folder(image)]
            if not side or of_side in (side, None):
                splits[split].append(image)
        return {split: images for split, images in splits.items() if images}

    @property
    def sides(self) -> set[str]:
        """Which of "a" and "b" have a folder such as trainA or testB."""
        return {side for _, side, _ in self._places.values() if side}

    @property
    def without_side(self) -> list[str]:
        """The images of splits that belong to neither side, such as those of test."""
        return [image for image in self.images if self._places[_folder(image)][1] == ""]

    def label(self, image: str) -> str:
        """The first folder of an image below its split; empty if there is none."""
        return self._places[_folder(image)][2]

    def web_dataset(self) -> list[str]:
        """The extensions of the images of a sample in WebDataset tars; empty if it has only one."""
        if not all(name.endswith(".tar") for name in self.archives):
            return []
        split = [image.partition(".tar/")[2].rpartition("/") for image in self.images]
        parts = [(folder, *name.partition(".")[::2]) for folder, _, name in split]
        extensions = sorted({extension for _, _, extension in parts})
        samples = {(folder, key) for folder, key, _ in parts}
        several = len(extensions) > 1 and len(samples) * len(extensions) == len(parts)
        return extensions if self.archives and several else []

    def read(self, images: Sequence[str]) -> Iterator[Item]:
        """The name of each image or metadata file, and the file itself or its content."""
        roots = tuple(f"{archive}/" for archive in self.archives)

        def root_of(name: str) -> str:
            return next((root for root in roots if name.startswith(root)), "")

        for root, names in groupby(images, root_of):
            if not root:
                yield from ((name, self.folder / name) for name in names)
            else:
                members = [name.removeprefix(root) for name in names]
                for member, content in archives.read_members(self.folder / root[:-1], members):
                    yield root + member, content


def _folder(image: str) -> str:
    return image.rpartition("/")[0]


def split_and_side(folder: str) -> tuple[str, str] | None:
    """What the name of a folder or archive says: ("train", "a") for trainA; None if nothing."""
    extension = archives.archive_extension(folder)
    match = _SPLIT.fullmatch(folder[: len(folder) - len(extension)])
    if match is None:
        return None
    return SPLITS[match[1].lower()], match[2].lower()


def list_folder(folder: Path, data_files: Sequence[str] = ()) -> Listing:
    """Walks a folder: links are followed, loops, hidden files and run folders are not.

    Archives are opened only if the folder has no other image or table.

    Args:
        folder: Where.
        data_files: Only these files and folders in it, as names or globs; by default all.

    Raises:
        UserError: If `data_files` names nothing, a folder cannot be read, or an archive is damaged.
    """
    if (folder / "run.json").is_file():
        raise UserError(f"{folder} is a run folder (it has a run.json), and no folder of images")
    listing, version = Listing(folder), hashlib.blake2b(digest_size=16)
    version.update(os.fsencode(folder.resolve()))
    is_wanted = _named_by(folder, data_files)
    for name, entry in _walk(listing):
        if is_wanted(name) and _add(listing, name, entry.path, bool(data_files)):
            state = entry.stat()
            version.update(os.fsencode(f"{name} {state.st_size} {state.st_mtime_ns}/"))
    if data_files and not (listing.images or listing.tables or listing.archives):
        raise UserError(
            f"--data-files {' '.join(data_files)}: there is no such image, table or archive in "
            f"{folder}: name files in it, or globs such as '*.zip'"
        )
    if not listing.images and not listing.tables:
        for archive in listing.archives:
            for member in archives.member_names(folder / archive):
                if not any(map(_is_passed_over, member.split("/"))):
                    _add(listing, f"{archive}/{member}", "", False)
    else:
        listing.ignored.update(archives.archive_extension(name) for name in listing.archives)
        listing.archives.clear()
    listing.version = version.hexdigest()
    return listing


def _walk(listing: Listing) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """Every visible file in sorted order; what is left out is noted in `listing`."""
    state = listing.folder.stat()
    seen = {(state.st_dev, state.st_ino)}
    waiting = [("", entry) for entry in _entries(str(listing.folder))]
    while waiting:
        parent, entry = waiting.pop()
        name = parent + entry.name
        if _is_passed_over(entry.name):
            continue
        if entry.is_dir():
            state = entry.stat()
            if (state.st_dev, state.st_ino) in seen:
                continue
            seen.add((state.st_dev, state.st_ino))
            inside = _entries(entry.path)
            if any(one.name == "run.json" for one in inside):
                listing.runs.append(name)
            else:
                waiting += ((f"{name}/", one) for one in inside)
        elif entry.is_file():
            yield name, entry
        elif entry.is_symlink():
            listing.ignored["broken links"] += 1


def _entries(folder: str) -> list["os.DirEntry[str]"]:
    """What is in a folder, last name first."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name, reverse=True)
    except PermissionError as error:
        raise UserError(f"{folder} cannot be read by this user: change its rights") from error


def _is_passed_over(name: str) -> bool:
    """Whether a file or folder is hidden or the system's."""
    return (name.startswith(".") and name not in (".", "..")) or name.lower() in _SYSTEM


def _named_by(folder: Path, data_files: Sequence[str]) -> Callable[[str], bool]:
    """Whether a file is one of those of `data_files`, is in one of them, or matches a glob."""
    if not data_files:
        return lambda name: True
    from fsspec.utils import glob_translate  # type: ignore[import-untyped]

    names = (file.removeprefix("./").rstrip("/") for file in data_files)
    exact = tuple(f"{name}/" for name in names if (folder / name).exists())
    patterns = [re.compile(glob_translate(file)) for file in data_files]
    return lambda name: f"{name}/".startswith(exact) or any(one.match(name) for one in patterns)


def _add(listing: Listing, name: str, path: str, is_named: bool) -> bool:
    """Puts a file where it belongs; returns whether another one would make another dataset."""
    file = name.rpartition("/")[2]
    stem, dot, extension = file.rpartition(".")
    extension = dot + extension.lower() if stem else ""
    if extension in HEIC and "HEIF" not in formats():
        listing.ignored[f"{extension} (pip install pillow-heif to read them)"] += 1
        return False
    if extension in EXTENSIONS or (
        path and not _EXTENSION.fullmatch(extension) and has_image_signature(path)
    ):
        listing.images.append(name)
    elif file in metadata.NAMES:
        listing.metadata.append(name)
    elif extension == ".arrow" and file.startswith("cache-"):
        return False  # files that `datasets.save_to_disk` adds
    elif extension in TABLES or (is_named and extension in NAMED_TABLES):
        listing.tables.append(name)
    elif path and archives.archive_extension(file):
        listing.archives.append(name)
    else:
        listing.ignored[extension or "without an extension"] += 1
        return False
    return True

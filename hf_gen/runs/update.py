"""Files written into a folder that may also hold files of others, which are kept.

`.hf_gen.json` in the folder lists the files that hf_gen wrote, with their hashes: a file that is
not listed, or that has changed since, belongs to somebody else.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hf_gen.errors import UserError, translate_os_errors
from hf_gen.runs.atomic import atomic_write

MANIFEST = ".hf_gen.json"
Hashes = dict[str, list[str]]


@contextmanager
def update_dir(target: Path, names: Iterable[str] = ()) -> Iterator[Path]:
    """Yields an empty folder whose files are moved to `target` if the block ends well.

    What an earlier call wrote is replaced, or deleted where the new files lack it. A process killed
    at any moment leaves each file old or new.

    Args:
        target: Where to; created if missing.
        names: Files that will be written, to be refused before the block.

    Raises:
        UserError: If a file would replace one that hf_gen did not write or that has changed since,
            or the disk is full, read-only or not writable.
    """
    _own(target, names)
    with tempfile.TemporaryDirectory() as place:
        staged = Path(place)
        yield staged
        files = {
            path.relative_to(staged).as_posix(): path
            for path in sorted(staged.rglob("*"))
            if path.is_file()
        }
        with translate_os_errors(target):
            own = _own(target, files)
            new = {name: [_hash(path)] for name, path in files.items()}
            target.mkdir(parents=True, exist_ok=True)
            # Until all is written, each file may be the old or the new one.
            either = {name: own.get(name, []) + new.get(name, []) for name in {*own, *new}}
            _write_manifest(target, either)
            for name, path in files.items():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                atomic_write(target / name, path.read_bytes())
            for name in own.keys() - new.keys():
                (target / name).unlink()
            _write_manifest(target, new)


def read_manifest(file: Path, shown: str) -> Hashes:
    """The hashes that each file of a manifest may have.

    Raises:
        UserError: If it is damaged; `shown` names it.
    """
    try:
        listed = json.loads(file.read_text("utf-8"))["files"]
        return {str(name): [str(one) for one in hashes] for name, hashes in listed.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{shown} is damaged ({error}): delete it and choose another name"
        ) from error


def _own(target: Path, names: Iterable[str]) -> Hashes:
    """The listed files that are as hf_gen wrote them; `names` may be among them or missing."""
    manifest = target / MANIFEST
    listed = read_manifest(manifest, str(manifest)) if manifest.is_file() else {}
    own = {name: hashes for name, hashes in listed.items() if _is_as_written(target, name, hashes)}
    for name in names:
        if name not in own and os.path.lexists(target / name):
            raise UserError(
                f"{target / name} was not written by hf_gen, or has changed since: move it away, "
                "or choose another folder"
            )
    return own


def _is_as_written(target: Path, name: str, hashes: list[str]) -> bool:
    file = target / name
    inside = file.resolve().is_relative_to(target.resolve())
    return inside and file.is_file() and not file.is_symlink() and _hash(file) in hashes


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _write_manifest(target: Path, files: Hashes) -> None:
    content = {"files": dict(sorted(files.items()))}
    atomic_write(target / MANIFEST, (json.dumps(content, indent=1) + "\n").encode())

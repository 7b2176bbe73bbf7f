"""Files and folders that appear complete or not at all.

Everything is written under another name, flushed to the disk and renamed: a process killed at any
moment leaves nothing half written, only a hidden ``.NAME.hf_gen-partial`` that nobody reads.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hf_gen.errors import UserError, translate_os_errors

LOCK = ".hf_gen.lock"
_PARTIAL, _REPLACED, _REMOVED = ".hf_gen-partial", ".hf_gen-replaced", ".hf_gen-removed"


@contextmanager
def atomic_dir(target: Path, marker: str | None = None) -> Iterator[Path]:
    """Yields an empty folder that becomes `target` if, and only if, the block ends well.

    A folder that is already at `target` is replaced by two renames, between which there is none.

    Args:
        target: Where.
        marker: A file that shows that hf_gen made the folder which is already there. Without it
            nothing is replaced.

    Raises:
        UserError: If there is something else at `target`, or the disk is full, read-only or not
            writable.
    """
    target = target.absolute()
    partial, replaced = _hidden(target, _PARTIAL), _hidden(target, _REPLACED)
    _check_replaceable(target, marker)
    with translate_os_errors(target):
        _remove(partial)
        partial.mkdir(parents=True)
        try:
            yield partial
            _flush(partial)
            _check_replaceable(target, marker)
            if target.exists():
                _remove(replaced)
                target.rename(replaced)
            partial.rename(target)
            _flush_entry(target.parent)
        except BaseException:
            _remove(partial)
            raise
        _remove(replaced)


def atomic_rmtree(target: Path) -> None:
    """Removes a folder so that it is never seen half removed."""
    doomed = _hidden(target, _REMOVED)
    _remove(doomed)
    target.rename(doomed)
    _remove(doomed)


def tidy(folder: Path) -> None:
    """Removes what killed writers left in `folder`, where nobody may be writing now.

    What was to be replaced, and was not, takes its place again.
    """
    for path in folder.glob(".*"):
        target = path.with_name(path.stem.removeprefix("."))
        if path.suffix == _REPLACED and not target.exists():
            path.rename(target)
        elif is_leftover(path):
            _remove(path) if path.is_dir() else path.unlink()


def is_leftover(path: Path) -> bool:
    """Whether a file or folder is what a killed writer left."""
    return path.name.startswith(".") and path.suffix in (_PARTIAL, _REPLACED, _REMOVED)


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Refuses a second process that wants to write to `folder`, which is created.

    A killed process lets go of it. A folder that was created and is empty in the end is removed.

    Raises:
        UserError: If another process is in such a block, or the folder cannot be locked.
    """
    from filelock import FileLock, Timeout

    lock, created = FileLock(folder / LOCK), not folder.exists()
    with translate_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise UserError(
                f"another process is writing to {folder}: wait for it, or choose another folder"
            ) from error
    try:
        yield
    finally:
        # Where a lock that is held cannot be removed, it stays.
        with suppress(OSError):
            Path(lock.lock_file).unlink()
        lock.release()
        if created:
            with suppress(OSError):
                folder.rmdir()


def atomic_write_text(target: Path, text: str) -> None:
    """Writes `text` to `target`; see `atomic_write`."""
    atomic_write(target, text.encode())


def atomic_write(target: Path, content: bytes) -> None:
    """Writes `content` to `target`, which holds the old or the new content at every moment.

    Raises:
        UserError: If the disk is full, read-only or not writable.
    """
    # Several processes may write the same file; each writes its own copy first.
    partial = _hidden(target, f".{os.getpid()}{_PARTIAL}")
    with translate_os_errors(target):
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        _flush_entry(target.parent)


def _hidden(target: Path, ending: str) -> Path:
    return target.with_name(f".{target.name}{ending}")


def _check_replaceable(target: Path, marker: str | None) -> None:
    if os.path.lexists(target) and (marker is None or not (target / marker).is_file()):
        why = (
            "exists already" if marker is None else f"holds no {marker}, so hf_gen did not make it"
        )
        raise UserError(f"{target} {why}: move it away, or choose another folder")


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _flush(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        _flush_entry(path)
    _flush_entry(folder)


def _flush_entry(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Files and folders that appear whole or not at all.

Everything is written under another name, flushed to the disk and renamed: a process killed at any
moment leaves nothing half written, only a hidden ``.NAME.partial`` that nobody reads.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hf_gen.errors import UserError, translate_os_errors


@contextmanager
def atomic_dir(target: Path, resumable: bool = False) -> Iterator[Path]:
    """Yields an empty folder that becomes `target` if, and only if, the block ends well.

    A folder that is already at `target` is replaced by two renames, between which there is none.

    Args:
        target: Where.
        resumable: Yield what an earlier block left in place of an empty folder, and leave what this
            one has written if it does not end well. The caller knows how much of it is whole.

    Raises:
        UserError: If the disk is full, read-only or not writable.
    """
    partial = target.with_name(f".{target.name}.partial")
    replaced = target.with_name(f".{target.name}.replaced")
    with translate_os_errors(target):
        if not resumable:
            _remove(partial)
        partial.mkdir(parents=True, exist_ok=resumable)
        try:
            yield partial
            _flush(partial)
            if target.exists():
                _remove(replaced)
                target.rename(replaced)
            partial.rename(target)
            _flush_entry(target.parent)
        except BaseException:
            if not resumable:
                _remove(partial)
            raise
        _remove(replaced)


def atomic_rmtree(target: Path) -> None:
    """Removes a folder so that it is never seen half removed."""
    doomed = target.with_name(f".{target.name}.removed")
    _remove(doomed)
    target.rename(doomed)
    _remove(doomed)


def tidy(folder: Path) -> None:
    """Removes what killed writers left in `folder`, where nobody may be writing now.

    What was to be replaced, and was not, takes its place again.
    """
    for path in folder.glob(".*"):
        target = path.with_name(path.stem.removeprefix("."))
        if path.suffix == ".replaced" and not target.exists():
            path.rename(target)
        elif path.suffix in (".partial", ".replaced", ".removed"):
            _remove(path) if path.is_dir() else path.unlink()


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Refuses a second process that wants to write to `folder`, which is created.

    A killed process lets go of it. A folder that is empty in the end is removed.

    Raises:
        UserError: If another process is in such a block, or the folder cannot be locked.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock")
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
        with suppress(OSError):
            folder.rmdir()


def atomic_write_text(target: Path, text: str) -> None:
    """Writes `text` to `target`, which holds the old or the new text at every moment.

    Raises:
        UserError: If the disk is full, read-only or not writable.
    """
    # Several processes may write the same text; each writes its own copy first.
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    with translate_os_errors(target):
        try:
            with partial.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        _flush_entry(target.parent)


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

"""Files and folders that appear whole or not at all.

Everything is written under another name, flushed to the disk and renamed: a process killed at any
moment leaves nothing half written, only a hidden ``.NAME.partial`` that nobody reads.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hf_gen.errors import UserError

_SENTENCES = {
    errno.ENOSPC: "no space is left on the disk of {path}: free some, then run the same command",
    errno.EDQUOT: "the disk quota for {path} is used up: free some space and run the same command",
    errno.EROFS: "{path} is on a read-only file system: choose another folder",
    errno.EACCES: "{path} is not writable for this user: name another folder or change its rights",
    errno.EPERM: "{path} is not writable for this user: name another folder or change its rights",
    errno.ENOTDIR: "a part of {path} is a file where a folder is needed: choose another folder",
    errno.EIO: "the disk of {path} reports an error: look after it, then run the same command",
    errno.ENOLCK: "{path} is on a disk without locks: choose a folder on a disk of this machine",
    errno.ENOTSUP: "{path} is on a disk without locks: choose a folder on a disk of this machine",
    errno.EFBIG: "a file of {path} may not grow further: raise the limit (ulimit -f) and try again",
    errno.EEXIST: "{path} is a file where a folder is needed: choose another folder",
}


@contextmanager
def disk_errors_as_sentences(path: Path | None = None) -> Iterator[None]:
    """Turns the operating system's errors about `path` into a sentence.

    Args:
        path: What the sentence names; by default the file that the error names.

    Raises:
        UserError: If the disk is full, read-only or not writable; other errors pass through.
    """
    try:
        yield
    except OSError as error:
        sentence = _SENTENCES.get(error.errno or 0)
        if sentence is None:
            raise
        named = path or error.filename or "what the run writes to"
        raise UserError(sentence.format(path=named)) from error
    except Exception as error:
        # safetensors reports a full disk by its own class, which keeps only the system's words.
        number = re.search(r"os error (\d+)", str(error))
        sentence = _SENTENCES.get(int(number[1])) if number else None
        if sentence is None:
            raise
        named = path or "what the run writes to"
        raise UserError(sentence.format(path=named)) from error


@contextmanager
def whole_folder(target: Path, goes_on: bool = False) -> Iterator[Path]:
    """Yields an empty folder that becomes `target` if, and only if, the block ends well.

    A folder that is already at `target` is replaced by two renames, between which there is none.

    Args:
        target: Where.
        goes_on: Yield what an earlier block left in place of an empty folder, and leave what this
            one has written if it does not end well. The caller knows how much of it is whole.

    Raises:
        UserError: If the disk is full, read-only or not writable.
    """
    partial = target.with_name(f".{target.name}.partial")
    replaced = target.with_name(f".{target.name}.replaced")
    with disk_errors_as_sentences(target):
        if not goes_on:
            _remove(partial)
        partial.mkdir(parents=True, exist_ok=goes_on)
        try:
            yield partial
            _flush(partial)
            if target.exists():
                _remove(replaced)
                target.rename(replaced)
            partial.rename(target)
            _flush_entry(target.parent)
        except BaseException:
            if not goes_on:
                _remove(partial)
            raise
        _remove(replaced)


def remove_folder(target: Path) -> None:
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
def one_writer(folder: Path) -> Iterator[None]:
    """Refuses a second process that wants to write to `folder`, which is created.

    A killed process lets go of it. A folder that is empty in the end is removed.

    Raises:
        UserError: If another process is in such a block, or the folder cannot be locked.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock")
    with disk_errors_as_sentences(folder):
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


def write_whole_text(target: Path, text: str) -> None:
    """Writes `text` to `target`, which holds the old or the new text at every moment.

    Raises:
        UserError: If the disk is full, read-only or not writable.
    """
    # Several processes may write the same text; each writes its own copy first.
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    with disk_errors_as_sentences(target):
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

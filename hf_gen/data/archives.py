"""Zip and tar archives of images, read where they are: nothing is extracted to the disk."""

import bz2
import errno
import gzip
import lzma
import stat
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

from hf_gen.errors import UserError

# Of an index, a checksum, a compressed stream, or a password.
BROKEN_ARCHIVE = (
    *(BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError),
    *(RuntimeError, NotImplementedError),
)
MOST_BYTES = 400_000_000  # of one image: 50 megapixels of 16 bits are 300 MB
_OPENERS: dict[str, Callable[..., Any]] = {
    **{".tar": open, ".tar.gz": gzip.open, ".tgz": gzip.open},
    **{".tar.bz2": bz2.open, ".tar.xz": lzma.open},
}
EXTENSIONS = (".zip", *_OPENERS)


def archive_extension(name: str) -> str:
    """The extension of an archive's name, or an empty string if it is no archive."""
    return next((ext for ext in EXTENSIONS if name.lower().endswith(ext)), "")


def member_names(archive: Path) -> list[str]:
    """The names of the files in an archive: of a zip sorted, of a tar in the order of the archive.

    Raises:
        UserError: If the archive is damaged.
    """
    with _errors_of(archive):
        if archive.suffix.lower() == ".zip":
            with ZipFile(archive) as file:
                return sorted({info.filename for info in file.infolist() if not info.is_dir()})
        with _open_tar(archive) as tar:
            return list(dict.fromkeys(member.name for member in tar if member.isfile()))


def read_members(archive: Path, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """The content of the named files, each up to `MOST_BYTES`; empty where it is damaged.

    Raises:
        UserError: If the archive itself is damaged.
    """
    with _errors_of(archive):
        if archive.suffix.lower() == ".zip":
            with ZipFile(archive) as file:
                for name in names:
                    yield name, _content(file, name)
            return
        wanted = set(names)
        with _open_tar(archive) as tar:
            for member in tar:
                if member.isfile() and member.name in wanted:
                    wanted.remove(member.name)
                    content = tar.extractfile(member)
                    yield member.name, b"" if content is None else content.read(MOST_BYTES)


def _content(archive: ZipFile, name: str) -> bytes:
    if stat.S_ISLNK(archive.getinfo(name).external_attr >> 16):
        return b""
    try:
        with archive.open(name) as file:
            return file.read(MOST_BYTES)
    except BROKEN_ARCHIVE:
        return b""


class _Bounded:
    """A file that gives no more than `MOST_BYTES` at once: headers of a tar may ask for more."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MOST_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._file.read(size)


@contextmanager
def _open_tar(archive: Path) -> Iterator[tarfile.TarFile]:
    with (
        _OPENERS[archive_extension(archive.name)](archive, "rb") as file,
        tarfile.open(fileobj=_Bounded(file), mode="r:") as tar,  # type: ignore[call-overload]
    ):
        yield tar


@contextmanager
def _errors_of(archive: Path) -> Iterator[None]:
    try:
        yield
    except (*BROKEN_ARCHIVE, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None and error.errno != errno.EINVAL:
            raise  # of the disk
        reason = str(error).strip() or type(error).__name__
        raise UserError(f"{archive} cannot be read ({reason}): the archive is damaged") from error

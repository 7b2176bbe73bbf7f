"""A split decoded into shards, by every process that asks for it at the same time.

A shard is the pixels of 1,024 images in order, `3.bin`, their hashes, `3.hashes`, and `3.json`,
which is written when these are complete. Whoever finds a shard that is neither complete nor locked
decodes it, so processes share the work, on one machine or on several with a common disk, and a
killed build continues.
"""

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from PIL import Image
from tqdm.auto import tqdm

from hf_gen.data.selection import Item, Split
from hf_gen.errors import UserError
from hf_gen.images import ImageError, open_image, square
from hf_gen.runs.atomic import atomic_write, atomic_write_text

BAD_SHARE = 0.01
_SHARD = 1024
_CHUNK = 128


@dataclass(frozen=True)
class Shard:
    """A complete shard.

    Attributes:
        seen: Images read.
        first: Name of the first of them, by which a dataset that has changed is noticed.
        last: Name of the last.
        skipped: Names of those that cannot be used, and why.
    """

    seen: int
    first: str
    last: str
    skipped: list[str]


class _Changed(Exception):
    """A shard on the disk is of other images."""


def decode_shards(
    split: Split, resolution: int, folder: Path, is_finished: Callable[[], bool]
) -> list[Shard]:
    """Decodes what no other process decodes, and waits for the others.

    Args:
        split: What to decode.
        resolution: Height and width in pixels.
        folder: Where the shards are.
        is_finished: Whether another process has put them together, and removed them.

    Returns:
        All shards in order; none if another process has put them together.

    Raises:
        UserError: If there is no image, or more than 1 % cannot be used.
    """
    while not is_finished():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            shards = _decode_free(split, resolution, folder, is_finished)
            if None in shards:
                with FileLock(folder / f"{shards.index(None)}.lock"):
                    continue  # when another process has decoded it, or has ended
        except _Changed:
            continue
        except FileNotFoundError:
            if folder.exists():
                raise
            continue  # another process removed the folder: all is joined, or cannot be used
        complete = [shard for shard in shards if shard is not None]
        if not is_finished():
            seen = sum(shard.seen for shard in complete)
            skipped = [reason for shard in complete for reason in shard.skipped]
            _check(split.name, seen, skipped, seen, folder)
            return complete
    return []


def join_shards(shards: list[Shard], folder: Path, target: Path) -> bytes:
    """Writes the pixels of all shards to one file; returns the 8 bytes of each image's hash."""
    hashes = bytearray()
    with target.open("wb") as file:
        for place in range(len(shards)):
            with (folder / f"{place}.bin").open("rb") as shard:
                shutil.copyfileobj(shard, file, 1 << 20)
            hashes += (folder / f"{place}.hashes").read_bytes()
    return bytes(hashes)


def _decode_free(
    split: Split, resolution: int, folder: Path, is_finished: Callable[[], bool]
) -> list[Shard | None]:
    """Reads the split once; None for each shard that another process is decoding."""
    expected, items = split.read()
    shards: list[Shard | None] = []
    seen, skipped = 0, list[str]()
    threads = max((os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")), 1)
    with (
        ThreadPoolExecutor(threads) as pool,
        tqdm(total=expected, desc=f"decoding {split.name}", unit=" images") as bar,
        warnings.catch_warnings(),
    ):
        # Images near the limit of our own check: Pillow's warning would say the same less clearly.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        while first := next(items, None):
            shard, place = None, len(shards)
            block = _Block(chain([first], islice(items, _SHARD - 1)), bar)
            with suppress(Timeout), FileLock(folder / f"{place}.lock").acquire(timeout=0):
                if is_finished():
                    return []
                shard = _read(folder, place, resolution)
                if shard is None:
                    shard = _decode(block, first[0], folder / f"{place}", resolution, pool)
            for _ in block.items:
                pass
            if shard and (shard.seen, shard.first, shard.last) != (
                block.seen,
                first[0],
                block.last,
            ):
                (folder / f"{place}.json").unlink(missing_ok=True)
                raise _Changed
            shards.append(shard)
            seen += block.seen
            if shard and shard.skipped and expected:
                skipped += shard.skipped
                _check(split.name, seen, skipped, expected, folder)
    return shards


class _Block:
    """The images of a shard, counted as they are read."""

    def __init__(self, items: Iterable[Item], bar: Any) -> None:
        self.seen, self.last = 0, ""
        self.items = self._counted(items, bar)

    def _counted(self, items: Iterable[Item], bar: Any) -> Iterator[Item]:
        for item in items:
            self.seen += 1
            self.last = item[0]
            bar.update()
            yield item


def _decode(
    block: _Block, first: str, stem: Path, resolution: int, pool: ThreadPoolExecutor
) -> Shard:
    def decode(item: Item) -> tuple[bytes, bytes] | str:
        name, source = item
        try:
            content = source() if callable(source) else source
            if content is None:
                raise ImageError("there is no image")
            pixels = square(open_image(content), resolution).tobytes()
            return pixels, hashlib.blake2b(pixels, digest_size=8).digest()
        except ImageError as error:
            return f"{name}: {error}"

    skipped, hashes = [], bytearray()
    with stem.with_suffix(".bin").open("wb") as file:
        while chunk := list(islice(block.items, _CHUNK)):
            for row in pool.map(decode, chunk):
                if isinstance(row, str):
                    skipped.append(row)
                else:
                    file.write(row[0])
                    hashes += row[1]
        file.flush()
        os.fsync(file.fileno())
    atomic_write(stem.with_suffix(".hashes"), bytes(hashes))
    shard = Shard(block.seen, first, block.last, skipped)
    atomic_write_text(stem.with_suffix(".json"), json.dumps(asdict(shard)))
    return shard


def _read(folder: Path, place: int, resolution: int) -> Shard | None:
    """A shard, if it is complete."""
    try:
        shard = Shard(**json.loads((folder / f"{place}.json").read_text(encoding="utf-8")))
        size = (folder / f"{place}.bin").stat().st_size
    except (OSError, ValueError, TypeError):
        return None
    return shard if size == (shard.seen - len(shard.skipped)) * resolution**2 * 3 else None


def _check(name: str, seen: int, skipped: list[str], expected: int, folder: Path) -> None:
    """Raises UserError, and removes the shards, if there are no images or too many bad ones."""
    if expected and len(skipped) <= BAD_SHARE * expected:
        return
    shutil.rmtree(folder, ignore_errors=True)
    if not expected:
        raise UserError(f"{name} holds no images: name a dataset or a folder that has some")
    raise UserError(
        f"{len(skipped)} of {seen:,} images of {name} cannot be used: "
        f"{'; '.join(skipped[:10])}. More than 1 % is too many: repair or remove them"
    )

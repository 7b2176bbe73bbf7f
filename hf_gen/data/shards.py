"""A split decoded into shards, by all processes that request it at the same time.

A shard is the pixels of 256 images in order, or of fewer large ones, `3.bin`, and `3.json`, which
is written when these are complete. Whoever finds a shard that is neither complete nor locked
decodes it, so processes share the work, on one machine or on several with a common disk, and a
killed build continues.
"""

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from PIL import Image
from tqdm.auto import tqdm

from hf_gen.data.selection import Item, Split, Stored
from hf_gen.errors import UserError
from hf_gen.images import ImageError, open_image, square

BAD_SHARE = 0.01
_SHARD = 256
_MOST_BYTES = 256 << 20  # of the encoded images of a shard, which are in memory together


@dataclass(frozen=True)
class Shard:
    """A complete shard.

    Attributes:
        seen: Images read.
        names: A hash of their names, by which a dataset that has changed is noticed.
        hashes: Of the pixels of those that can be used, 16 hexadecimal digits each.
        skipped: Those that cannot be used: the place of each, its name, and why.
    """

    seen: int
    names: str
    hashes: str
    skipped: list[tuple[int, str]]


class NoImages(UserError):
    """A split without images."""


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
        NoImages: If there is no image.
        UserError: If more than 1 % cannot be used.
    """
    while not is_finished():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            shards = _decode_free(split, resolution, folder, is_finished)
            if None in shards:
                with FileLock(folder / f"{shards.index(None)}.lock"):
                    continue  # when another process has decoded it, or has ended
        except FileNotFoundError:
            if folder.exists():
                raise
            continue  # another process removed the folder: all is joined, or cannot be used
        complete = [shard for shard in shards if shard is not None]
        if not is_finished():
            seen = sum(shard.seen for shard in complete)
            skipped = [reason for shard in complete for _, reason in shard.skipped]
            _check(split.name, seen, skipped, seen, folder)
            return complete
    return []


def join_shards(shards: list[Shard], folder: Path, target: Path) -> bytes:
    """Writes the pixels of all shards to one file; returns the 8 bytes of each image's hash."""
    with target.open("wb") as file:
        for place in range(len(shards)):
            with (folder / f"{place}.bin").open("rb") as shard:
                shutil.copyfileobj(shard, file, 1 << 20)
    return b"".join(bytes.fromhex(shard.hashes) for shard in shards)


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
        for batch in _batches(items):
            shard, stem = None, folder / f"{len(shards)}"
            with suppress(Timeout), FileLock(f"{stem}.lock").acquire(timeout=0):
                if is_finished():
                    return []
                shard = _complete(stem, batch, resolution) or _decode(stem, batch, resolution, pool)
            shards.append(shard)
            seen += len(batch)
            bar.update(len(batch))
            batch.clear()  # before the next images are read
            if shard and shard.skipped and expected:
                skipped += (reason for _, reason in shard.skipped)
                _check(split.name, seen, skipped, expected, folder)
    return shards


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    """The images of each shard, the same in all processes."""
    batch, size = list[Item](), 0
    for item in items:
        batch.append(item)
        size += len(item[1]) if isinstance(item[1], bytes) else 0
        if len(batch) == _SHARD or size >= _MOST_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def open_item(source: Stored | Callable[[], Stored]) -> Image.Image:
    """Opens an image of a split as RGB; see `open_image` for the errors."""
    content = source() if callable(source) else source
    if content is None:
        raise ImageError("there is no image")
    return open_image(content)


def _complete(stem: Path, batch: list[Item], resolution: int) -> Shard | None:
    """The shard of these images, if it is complete."""
    try:
        shard = Shard(**json.loads(stem.with_suffix(".json").read_text(encoding="utf-8")))
        size = stem.with_suffix(".bin").stat().st_size
    except (OSError, ValueError, TypeError):
        return None
    is_complete = size == (shard.seen - len(shard.skipped)) * resolution**2 * 3
    return shard if is_complete and shard.names == _hash_of_names(batch) else None


def _decode(stem: Path, batch: list[Item], resolution: int, pool: ThreadPoolExecutor) -> Shard:
    def decode(item: Item) -> tuple[bytes, str]:
        """The pixels, and their hash; without pixels, why there are none."""
        name, source = item
        try:
            pixels = square(open_item(source), resolution).tobytes()
            return pixels, hashlib.blake2b(pixels, digest_size=8).hexdigest()
        except ImageError as error:
            return b"", f"{name}: {error}"

    hashes, skipped = list[str](), list[tuple[int, str]]()
    with stem.with_suffix(".bin").open("wb") as file:
        for place, (pixels, words) in enumerate(pool.map(decode, batch)):
            file.write(pixels)
            if pixels:
                hashes.append(words)
            else:
                skipped.append((place, words))
        file.flush()
        os.fsync(file.fileno())
    shard = Shard(len(batch), _hash_of_names(batch), "".join(hashes), skipped)
    # Half a note is no note, and nobody reads it without the lock.
    stem.with_suffix(".json").write_text(json.dumps(asdict(shard)), encoding="utf-8")
    return shard


def _hash_of_names(batch: list[Item]) -> str:
    return hashlib.sha256(repr([name for name, _ in batch]).encode()).hexdigest()


def _check(name: str, seen: int, skipped: list[str], expected: int, folder: Path) -> None:
    """Raises UserError, and removes the shards, if there are no images or too many bad ones."""
    if expected and len(skipped) <= BAD_SHARE * expected:
        return
    shutil.rmtree(folder, ignore_errors=True)
    if not expected:
        raise NoImages(f"{name} holds no images: name a dataset or a folder that has some")
    raise UserError(
        f"{len(skipped)} of {seen:,} images of {name} cannot be used: "
        f"{'; '.join(skipped[:10])}. More than 1 % is too many: repair or remove them"
    )

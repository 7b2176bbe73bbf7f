"""Images decoded once into a memory-mapped array.

The cache of a split is a folder: `pixels.bin` (count x resolution x resolution x 3 bytes),
`held_out.npy` (count booleans) and `cache.json`. While it is made, `progress.json` says how much of
`pixels.bin` is complete: a build that was killed continues from there.
"""

import hashlib
import json
import os
import shutil
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
import torch
from filelock import FileLock
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from hf_gen.data.selection import Item, Split
from hf_gen.errors import UserError, translate_os_errors
from hf_gen.images import ImageError, from_pixels, open_image, square
from hf_gen.runs.atomic import atomic_dir, atomic_write_text

FORMAT = 2
HELD_OUT_SHARE = 0.05
# Of a small set, at most half of it: distances between sets need as many.
FEWEST_HELD_OUT = 8
BAD_SHARE = 0.01
_CHUNK = 128
_ROWS_AT_ONCE = 4096
_CHUNKS_BETWEEN_SAVES = 32
_PROGRESS = "progress.json"


@dataclass(frozen=True)
class Pixels:
    """Square RGB images of one size, in memory that the disk backs.

    Attributes:
        rows: (count, resolution x resolution x 3), bytes.
        selection: Which rows belong to this set, (size,), int64.
        resolution: Height and width.
        digest: A hash of all rows.
        unreadable: How many images cannot be used, the first ten by name; empty if there are none.
    """

    rows: Tensor
    selection: Tensor
    resolution: int
    digest: str = ""
    unreadable: str = ""

    def __len__(self) -> int:
        return len(self.selection)

    @property
    def size(self) -> int:
        """How many bytes the images take."""
        return len(self) * self.rows.shape[1]

    def copy_to(self, device: torch.device) -> Self:
        """The same images in the memory of a device."""
        rows = torch.empty(len(self), self.rows.shape[1], dtype=torch.uint8, device=device)
        for place, part in zip(
            rows.split(_ROWS_AT_ONCE), self.selection.split(_ROWS_AT_ONCE), strict=True
        ):
            place.copy_(self.rows.index_select(0, part))
        return replace(self, rows=rows, selection=torch.arange(len(self), device=device))

    def bytes(self, indices: Tensor, pinned: bool = False) -> Tensor:
        """The pixels at `indices`, (batch, resolution, resolution, 3), where the rows are.

        Args:
            indices: On the CPU.
            pinned: In memory from which a GPU copies while it computes, unless they are there.
        """
        indices = indices.to(self.rows.device, non_blocking=True)
        rows = self.rows.index_select(0, self.selection[indices])
        if pinned and rows.device.type == "cpu":
            rows = rows.pin_memory()
        return rows.view(len(rows), self.resolution, self.resolution, 3)

    def images(self, indices: Tensor) -> Tensor:
        """The images at `indices`, in [-1, 1], (batch, 3, resolution, resolution)."""
        return from_pixels(self.bytes(indices))


def cached_pixels(
    split: Split, resolution: int, cache_dir: Path, split_by_hash: bool
) -> tuple[Pixels, Pixels | None]:
    """The pixels of a split, decoded by the first process that comes while the others wait.

    Each image becomes RGB (see `hf_gen.images.open_image`), its centre square, and `resolution`
    pixels high and wide.

    Args:
        split: What to decode.
        resolution: Height and width in pixels.
        cache_dir: Folder of the cache.
        split_by_hash: Hold out the 5 % of the images whose hash says so, or of a small set the 8
            images (at most half) with the lowest hashes. Equal images have equal hashes, so no copy
            of a training image is held out.

    Returns:
        The images, and those held out, if any are.

    Raises:
        UserError: If there is no image, if more than 1 % cannot be used, or if the disk cannot be
            written.
    """
    identity = json.dumps([FORMAT, split.key, resolution])
    folder = cache_dir / f"pixels-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    if not folder.exists():
        with translate_os_errors(cache_dir):
            cache_dir.mkdir(parents=True, exist_ok=True)
            with FileLock(cache_dir / f"{folder.name}.lock"):
                if not folder.exists():
                    with atomic_dir(folder, resumable=True) as partial:
                        try:
                            _decode(split, resolution, partial)
                        except UserError:
                            if not (partial / _PROGRESS).exists():  # nothing to continue from
                                shutil.rmtree(partial, ignore_errors=True)
                            raise
                    (folder / _PROGRESS).unlink()
    size = resolution * resolution * 3
    described = json.loads((folder / "cache.json").read_text(encoding="utf-8"))
    count, digest, unreadable = (described[key] for key in ("count", "digest", "unreadable"))
    rows = _mapped(folder / "pixels.bin", count * size).view(count, size)
    if not split_by_hash:
        return Pixels(rows, torch.arange(count), resolution, digest, unreadable), None
    held_out = torch.from_numpy(np.load(folder / "held_out.npy"))
    selections = ((~held_out).nonzero().flatten(), held_out.nonzero().flatten())
    return (
        Pixels(rows, selections[0], resolution, digest, unreadable),
        Pixels(rows, selections[1], resolution, digest),
    )


def _mapped(file: Path, size: int) -> Tensor:
    """Its bytes: pages are read as they are used, and never written to."""
    try:
        return torch.from_file(str(file), shared=False, size=size, dtype=torch.uint8)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{file} cannot be mapped into memory ({reason}): choose another --cache-dir, on a "
            f"disk of this machine, or remove {file.parent} if it is damaged"
        ) from error


@dataclass
class _Progress:
    """How much of a split is in `pixels.bin`."""

    seen: int = 0  # images read
    last: str = ""  # name of the last of them, by which another dataset is noticed
    skipped: int = 0  # how many of them cannot be used
    first_skipped: list[str] = field(default_factory=list)  # ten of those, and why

    @property
    def count(self) -> int:
        """Rows of `pixels.bin`."""
        return self.seen - self.skipped


def _decode(split: Split, resolution: int, folder: Path) -> None:
    size = resolution * resolution * 3
    done, expected, items = _resume(split, folder, size)

    def decode(item: Item) -> bytes | str:
        name, source = item
        try:
            if source is None:
                raise ImageError("there is no image")
            return square(open_image(source), resolution).tobytes()
        except ImageError as error:
            return f"{name}: {error}"

    desc = f"decoding {split.name}"
    with (
        (folder / "pixels.bin").open("ab") as file,
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=expected, initial=done.seen, desc=desc, unit=" images") as bar,
        warnings.catch_warnings(),
    ):
        # Images near the limit of our own check: Pillow's warning would say the same less clearly.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        file.truncate(done.count * size)
        chunks = 0
        while chunk := list(islice(items, _CHUNK)):
            for row in pool.map(decode, chunk):
                if isinstance(row, bytes):
                    file.write(row)
                else:
                    done.skipped += 1
                    done.first_skipped = [*done.first_skipped, row][:10]
            done.seen += len(chunk)
            done.last = chunk[-1][0]
            chunks += 1
            if chunks % _CHUNKS_BETWEEN_SAVES == 0:
                _save(done, file, folder)
            bar.update(len(chunk))
            if expected is not None and done.skipped > BAD_SHARE * expected:
                break
        _save(done, file, folder)
    if not done.seen:
        (folder / _PROGRESS).unlink()
        raise UserError(f"{split.name} holds no images: name a dataset or a folder that has some")
    if done.skipped > BAD_SHARE * done.seen:
        (folder / _PROGRESS).unlink()
        raise UserError(
            f"{done.skipped} of {done.seen:,} images of {split.name} cannot be used: "
            f"{'; '.join(done.first_skipped)}. More than 1 % is too many: repair or remove them"
        )
    more = "; ..." if done.skipped > len(done.first_skipped) else ""
    unreadable = f"{done.skipped:,} ({'; '.join(done.first_skipped)}{more})" if done.skipped else ""
    held_out, digest = _hashes(folder / "pixels.bin", done.count, size)
    np.save(folder / "held_out.npy", held_out)
    described = {"key": split.key, "count": done.count, "unreadable": unreadable, "digest": digest}
    (folder / "cache.json").write_text(json.dumps(described, indent=2))


def _save(done: _Progress, file: BinaryIO, folder: Path) -> None:
    """Notes that all of `file` is complete, once it is on the disk."""
    file.flush()
    os.fsync(file.fileno())
    atomic_write_text(folder / _PROGRESS, json.dumps(asdict(done)))


def _resume(split: Split, folder: Path, size: int) -> tuple[_Progress, int | None, Iterator[Item]]:
    """What a killed build has done, and the images after that; all of them if there is none."""
    expected, items = split.read()
    try:
        done = _Progress(**json.loads((folder / _PROGRESS).read_text(encoding="utf-8")))
        if (folder / "pixels.bin").stat().st_size < done.count * size:
            done = _Progress()
    except (OSError, ValueError, TypeError):
        done = _Progress()
    passed = deque(islice(items, done.seen), maxlen=1)
    if done.seen and [name for name, _ in passed] != [done.last]:
        return _Progress(), *split.read()
    return done, expected, items


def _hashes(pixels: Path, count: int, size: int) -> tuple[np.ndarray, str]:
    """Which images are held out, and a hash of all of them, by the hash of each."""
    hashes = np.zeros(count, dtype=np.uint64)
    of_all = hashlib.blake2b(digest_size=16)
    with pixels.open("rb") as file:
        for row in range(count):
            digest = hashlib.blake2b(file.read(size), digest_size=8).digest()
            hashes[row] = int.from_bytes(digest, "little")
            of_all.update(digest)
    held_out = hashes < HELD_OUT_SHARE * 2**64
    fewest = min(FEWEST_HELD_OUT, count // 2)
    if held_out.sum() < fewest:
        held_out = hashes <= np.sort(hashes)[fewest - 1]
    return held_out, of_all.hexdigest()

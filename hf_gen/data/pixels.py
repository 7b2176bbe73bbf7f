"""Images decoded once into a memory-mapped array.

The cache of a split is a folder: `pixels.bin` (count x resolution x resolution x 3 bytes),
`hashes.npy` (count 64-bit integers) and `cache.json`. It is joined from shards when all are
decoded.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Self

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from hf_gen.data.selection import Split
from hf_gen.data.shards import decode_shards, join_shards
from hf_gen.errors import UserError, translate_os_errors
from hf_gen.images import from_pixels
from hf_gen.runs.atomic import atomic_dir

FORMAT = 4
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Pixels:
    """Square RGB images of one size, in memory that the disk backs.

    Attributes:
        rows: (count, resolution x resolution x 3), bytes.
        selection: Which rows belong to this set, (size,), int64.
        resolution: Height and width.
        digest: A hash of all rows.
        unreadable: How many images cannot be used, the first ten by name; empty if there are none.
        skipped: Their places among all images of the split.
    """

    rows: Tensor
    selection: Tensor
    resolution: int
    digest: str = ""
    unreadable: str = ""
    skipped: tuple[int, ...] = ()

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


def cached_pixels(split: Split, resolution: int, cache_dir: Path) -> tuple[Pixels, np.ndarray]:
    """The pixels of a split, decoded once, by all processes that request them at the same time.

    Each image becomes RGB (see `hf_gen.images.open_image`), its centre square, and `resolution`
    pixels high and wide.

    Args:
        split: What to decode.
        resolution: Height and width in pixels.
        cache_dir: Folder of the cache.

    Returns:
        The images, and the hash of each, (count,), uint64: equal images have equal hashes.

    Raises:
        NoImages: If there is no image.
        UserError: If more than 1 % cannot be used, or if the disk cannot be written.
    """
    identity = json.dumps([FORMAT, split.key, resolution])
    folder = cache_dir / f"pixels-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    if not folder.exists():
        with translate_os_errors(cache_dir):
            cache_dir.mkdir(parents=True, exist_ok=True)
            _build(split, resolution, folder)
    size = resolution * resolution * 3
    described = json.loads((folder / "cache.json").read_text(encoding="utf-8"))
    count, skipped = described["count"], tuple(described["skipped"])
    rows = _mapped(folder / "pixels.bin", count * size).view(count, size)
    texts = described["digest"], described["unreadable"]
    pixels = Pixels(rows, torch.arange(count), resolution, *texts, skipped)
    return pixels, np.load(folder / "hashes.npy")


def join_pixels(parts: Sequence[Pixels], cache_dir: Path) -> Pixels:
    """The images of several sets as one, copied to the cache once.

    Args:
        parts: Of one resolution.
        cache_dir: Folder of the cache.

    Raises:
        UserError: If the disk cannot be written.
    """
    identity = hashlib.blake2b(digest_size=16)
    for part in parts:
        identity.update(f"{FORMAT} {part.digest} {part.resolution}".encode())
        identity.update(part.selection.numpy().tobytes())
    digest, count = identity.hexdigest(), sum(map(len, parts))
    folder = cache_dir / f"joined-{digest[:16]}"
    with translate_os_errors(cache_dir), FileLock(cache_dir / f"{folder.name}.lock"):
        if not folder.exists():
            with atomic_dir(folder) as partial, (partial / "pixels.bin").open("wb") as file:
                for part in parts:
                    for places in part.selection.split(_ROWS_AT_ONCE):
                        file.write(part.rows.index_select(0, places).numpy().tobytes())
    resolution = parts[0].resolution
    size = resolution * resolution * 3
    rows = _mapped(folder / "pixels.bin", count * size).view(count, size)
    unreadable = ", ".join(part.unreadable for part in parts if part.unreadable)
    return Pixels(rows, torch.arange(count), resolution, digest, unreadable)


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


def _build(split: Split, resolution: int, folder: Path) -> None:
    """Builds the cache, together with all other processes that build it."""
    parts = folder.with_name(f".{folder.name}.shards")
    shards = decode_shards(split, resolution, parts, folder.exists)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not folder.exists():
            skipped = [reason for shard in shards for _, reason in shard.skipped]
            starts = accumulate((shard.seen for shard in shards), initial=0)
            places = [
                start + place
                for start, shard in zip(starts, shards, strict=False)
                for place, _ in shard.skipped
            ]
            count = sum(shard.seen for shard in shards) - len(skipped)
            more = "; ..." if len(skipped) > 10 else ""
            unreadable = f"{len(skipped):,} ({'; '.join(skipped[:10])}{more})" if skipped else ""
            with atomic_dir(folder) as partial:
                hashes = join_shards(shards, parts, partial / "pixels.bin")
                np.save(partial / "hashes.npy", np.frombuffer(hashes, "<u8"))
                digest = hashlib.blake2b(hashes, digest_size=16).hexdigest()
                described = {"key": split.key, "count": count}
                described |= {"unreadable": unreadable, "skipped": places, "digest": digest}
                (partial / "cache.json").write_text(json.dumps(described, indent=2))
    shutil.rmtree(parts, ignore_errors=True)

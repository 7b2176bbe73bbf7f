"""Images decoded once into a memory-mapped array.

The cache of a split is a folder: `pixels.bin` (count x resolution x resolution x 3 bytes),
`held_out.npy` (count booleans) and `cache.json`.
"""

import hashlib
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from hf_gen.atomic import disk_errors_as_sentences, whole_folder
from hf_gen.errors import UserError
from hf_gen.images import ImageError, from_pixels, open_image, square

FORMAT = 1
HELD_OUT_SHARE = 0.05
BAD_SHARE = 0.01
_CHUNK = 128
Item = tuple[str, bytes | Path | None]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Split:
    """One split of a dataset, not read yet.

    Attributes:
        name: What a message calls it.
        key: Changes whenever its images may have changed.
        read: Opens it: the number of images where it is known, and an iterator over each image's
            name and encoded bytes, or the file that holds them, or None where there is no image.
    """

    name: str
    key: str
    read: Callable[[], tuple[int | None, Iterator[Item]]]


@dataclass(frozen=True)
class Pixels:
    """Square RGB images of one size, in memory that the disk backs.

    Attributes:
        rows: (count, resolution x resolution x 3), bytes.
        selection: Which rows belong to this set, (size,), int64.
        resolution: Height and width.
    """

    rows: Tensor
    selection: Tensor
    resolution: int

    def __len__(self) -> int:
        return len(self.selection)

    def images(self, indices: Tensor) -> Tensor:
        """The images at `indices`, in [-1, 1], (batch, 3, resolution, resolution)."""
        rows = self.rows.index_select(0, self.selection[indices])
        return from_pixels(rows.view(len(rows), self.resolution, self.resolution, 3))


def cached_pixels(
    split: Split, resolution: int, cache_dir: Path, split_by_hash: bool
) -> tuple[Pixels, Pixels | None]:
    """The pixels of a split, decoded by the first process that comes while the others wait.

    Each image becomes RGB (see `hf_gen.images.open_image`), its centre square, and `resolution`
    pixels high and wide.

    Args:
        split: What to decode.
        resolution: Height and width in pixels.
        cache_dir: Where the cache lies.
        split_by_hash: Hold out the 5 % of the images whose hash says so. Equal images have equal
            hashes, so no copy of a training image is held out.

    Returns:
        The images, and those held out, if any are.

    Raises:
        UserError: If there is no image, if more than 1 % cannot be used, or if the disk cannot be
            written.
    """
    identity = json.dumps([FORMAT, split.key, resolution])
    folder = cache_dir / f"pixels-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    if not folder.exists():
        with disk_errors_as_sentences(cache_dir):
            cache_dir.mkdir(parents=True, exist_ok=True)
            with FileLock(cache_dir / f"{folder.name}.lock"):
                if not folder.exists():
                    with whole_folder(folder) as partial:
                        _decode(split, resolution, partial)
    count = json.loads((folder / "cache.json").read_text())["count"]
    size = resolution * resolution * 3
    # A private mapping: the file is never written through it, and pages are read as they are used.
    rows = torch.from_file(
        str(folder / "pixels.bin"), shared=False, size=count * size, dtype=torch.uint8
    ).view(count, size)
    if not split_by_hash:
        return Pixels(rows, torch.arange(count), resolution), None
    held_out = torch.from_numpy(np.load(folder / "held_out.npy"))
    return (
        Pixels(rows, (~held_out).nonzero().flatten(), resolution),
        Pixels(rows, held_out.nonzero().flatten(), resolution),
    )


def _decode(split: Split, resolution: int, folder: Path) -> None:
    held_out: list[bool] = []
    bad: list[str] = []

    def decode(item: Item) -> bytes | str:
        name, source = item
        try:
            if source is None:
                raise ImageError("there is no image")
            return square(open_image(source), resolution).tobytes()
        except ImageError as error:
            return f"{name}: {error}"

    expected, items = split.read()
    with (
        (folder / "pixels.bin").open("wb") as file,
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=expected, desc=f"decoding {split.name}", unit=" images") as bar,
        warnings.catch_warnings(),
    ):
        # Images near the limit of our own check: Pillow's warning would say the same less clearly.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        while chunk := list(islice(items, _CHUNK)):
            for row in pool.map(decode, chunk):
                if isinstance(row, bytes):
                    file.write(row)
                    held_out.append(_is_held_out(row))
                else:
                    bad.append(row)
            bar.update(len(chunk))
            if expected is not None and len(bad) > BAD_SHARE * expected:
                break
    seen = len(held_out) + len(bad)
    if not seen:
        raise UserError(f"{split.name} holds no images: name a dataset or a folder that has some")
    if bad:
        report = f"{len(bad)} of {seen:,} images of {split.name} cannot be used: " + "; ".join(
            bad[:10]
        )
        if len(bad) > BAD_SHARE * seen:
            raise UserError(f"{report}. More than 1 % is too many: repair or remove them")
        _log.warning("%s. They are left out.", report)
    np.save(folder / "held_out.npy", np.array(held_out))
    (folder / "cache.json").write_text(
        json.dumps(
            {
                "format": FORMAT,
                "split": split.name,
                "key": split.key,
                "resolution": resolution,
                "count": len(held_out),
                "skipped": len(bad),
                "first_skipped": bad[:10],
            },
            indent=2,
        )
    )


def _is_held_out(row: bytes) -> bool:
    digest = hashlib.blake2b(row, digest_size=8).digest()
    return int.from_bytes(digest, "little") < HELD_OUT_SHARE * 2**64

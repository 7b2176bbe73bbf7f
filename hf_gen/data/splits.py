"""Training, validation and test images: a dataset's own splits, and what it lacks by hash."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hf_gen.data.batches import Domain
from hf_gen.data.pixels import Pixels, cached_pixels, join_pixels
from hf_gen.data.selection import Item, Selection, Split
from hf_gen.data.shards import NoImages
from hf_gen.errors import UserError

# With fewer training images, validation and test are one set.
FEW = 400
SHARE = 0.05
# Distances between sets need as many.
FEWEST = 8


def decode(selection: Selection, resolution: int, cache_dir: Path) -> Domain:
    """The pixels of a selection, in three splits.

    The dataset's own validation and test split are used, without the images that are in an earlier
    split too. What it lacks is split off its training images by the hash of their pixels. Fewer
    than 400 training images are split once at most, and not if the dataset has one of the two:
    validation and test are then the same images.

    Args:
        selection: What to decode.
        resolution: Height and width in pixels.
        cache_dir: Folder of the cache.

    Raises:
        UserError: If a split cannot be read, or there are too few different images.
    """
    pixels, hashes = cached_pixels(selection.train, resolution, cache_dir)
    found, notes, seen = dict[str, Pixels](), [*selection.notes], hashes
    for name in ("validation", "test"):
        if (split := selection.own.get(name)) is None:
            continue
        try:
            own, own_hashes = cached_pixels(split, resolution, cache_dir)
        except NoImages:
            notes.append(f"without images: {split.part}")
            continue
        fresh = torch.from_numpy((~np.isin(own_hashes, seen)).nonzero()[0])
        if len(fresh) < len(own):
            again = f"{len(own) - len(fresh):,}" if len(fresh) else "all"
            notes.append(f"{again} of {split.part} left out, equal to images of another split")
        if len(fresh):
            found[name] = replace(own, selection=fresh)
        seen = np.concatenate((seen, own_hashes))
    origins = {name: selection.own[name].part for name in found}
    unreadable = [one.unreadable for one in (pixels, *found.values()) if one.unreadable]
    missing = {"validation", "test"} - found.keys()
    if len(pixels) < FEW:
        missing = set() if found else {"test"}
    for name, places in split_by_hash(hashes, missing).items():
        found[name] = replace(pixels, selection=places)
        if not len(places):
            raise UserError(
                f"{selection.train.name} has too few different images to split some off for "
                f"validation and test, got {len(pixels)}: give it more or splits of its own"
            )
    train = found.pop("train")
    (one, *_) = found.values()
    domain = Domain(train, found.get("validation", one), found.get("test", one))
    parts = [_counts(domain, selection.train.part, origins), *notes]
    if unreadable:
        parts.append(f"unreadable: {', '.join(unreadable)}")
    summary = f"{selection.train.dataset}: {'; '.join(parts)}"
    # The bytes of a file's name need not be text.
    return replace(domain, summary=summary.encode("utf-8", "replace").decode())


def decode_all(
    selections: Sequence[Selection], shares: Sequence[float], resolution: int, cache_dir: Path
) -> Domain:
    """The pixels of several datasets as those of one domain, each dataset split by itself.

    Args:
        selections: What to decode, one for each dataset.
        shares: Of each dataset in an epoch; by default as much as it has. So that none of its
            images is left out, images of datasets with less than their share come several times.
        resolution: Height and width in pixels.
        cache_dir: Folder of the cache.

    Raises:
        UserError: As of `decode`.
    """
    found = [decode(selection, resolution, cache_dir) for selection in selections]
    if len(found) == 1:
        return found[0]
    train = join_pixels([one.train for one in found], cache_dir)
    if shares:
        places = shared_places([len(one.train) for one in found], shares)
        train = replace(train, selection=places)
    test = join_pixels([one.test for one in found], cache_dir)
    # A dataset whose test images validate too would make a choice on them.
    choosing = [one.validation for one in found if one.can_choose]
    validation = join_pixels(choosing, cache_dir) if choosing else test
    counts = " + ".join(f"{len(one.train):,}" for one in found)
    summary = f"together: train {len(train):,} ({counts}); test {len(test):,}"
    return Domain(train, validation, test, "\n".join([*(one.summary for one in found), summary]))


def shared_places(counts: Sequence[int], shares: Sequence[float]) -> Tensor:
    """The places of an epoch, int64, of images that stand dataset after dataset.

    Every image has a place. The dataset that is largest for its share has each image once; of the
    others some come once more than the rest.

    Args:
        counts: Images of each dataset.
        shares: Of each dataset, in any unit.
    """
    total = max(count / share for count, share in zip(counts, shares, strict=True))
    generator, places, first = np.random.default_rng(0), [], 0
    for count, share in zip(counts, shares, strict=True):
        times, more = divmod(round(total * share), count)
        again = np.sort(generator.permutation(count)[:more])
        places.append(first + np.concatenate([np.tile(np.arange(count), times), again]))
        first += count
    return torch.from_numpy(np.concatenate(places))


def named_split(selection: Selection, name: str, resolution: int, cache_dir: Path) -> Split:
    """The images that a training uses as "train", "validation" or "test".

    What is left out or split off is known when all are decoded, and depends on the resolution.

    Args:
        selection: Of which dataset.
        name: Which split.
        resolution: Height and width in pixels, of the training.
        cache_dir: Folder of the cache.

    Raises:
        UserError: As of `decode`.
    """
    own, train = selection.own, selection.train
    domain = decode(selection, resolution, cache_dir)
    pixels = getattr(domain, name)
    source = train
    for one in own.values():  # of few images validation and test are one set
        with suppress(NoImages):
            if cached_pixels(one, resolution, cache_dir)[0].digest == pixels.digest:
                source = one
    count = len(pixels.rows) + len(pixels.skipped)
    places = np.delete(np.arange(count), pixels.skipped)[pixels.selection.numpy()]

    def read() -> tuple[int, Iterator[Item]]:
        wanted, (_, items) = set(places.tolist()), source.read()
        return len(places), (item for place, item in enumerate(items) if place in wanted)

    return Split(train.dataset, name, f"{source.key} {name} {resolution}", read)


def split_by_hash(hashes: np.ndarray, names: Collection[str]) -> dict[str, Tensor]:
    """Splits images by the hash of each, so that equal images are in the same split.

    Test takes the lowest 5 % of all hashes that there can be and validation the next 5 %, wherever
    an image is and whatever else there is. Where these are fewer than 8 of the images, it takes
    those with the lowest hashes that are left: 8, or half of fewer than 16.

    Args:
        hashes: (images,), uint64.
        names: Which of "validation" and "test" to split off.

    Returns:
        The places of the images of each split, int64: of those in `names`, and of "train".
    """
    left, fewest = np.ones(len(hashes), dtype=bool), min(FEWEST, (len(hashes) + 1) // 2)
    splits: dict[str, Tensor] = {}
    for name, end in (("test", SHARE), ("validation", 2 * SHARE)):
        if name in names:
            chosen = (hashes >= (end - SHARE) * 2**64) & (hashes < end * 2**64) & left
            if chosen.sum() < fewest:
                chosen = (hashes <= np.sort(hashes[left])[:fewest].max(initial=0)) & left
            splits[name] = torch.from_numpy(chosen.nonzero()[0])
            left &= ~chosen
    return splits | {"train": torch.from_numpy(left.nonzero()[0])}


def _counts(domain: Domain, part: str, origins: dict[str, str]) -> str:
    """How many images each split has, and where they are from."""
    counts = f"train {len(domain.train):,}" + (f" ({part})" if part != "train" else "")
    if not domain.can_choose:
        (part,) = origins.values() or ("by hash",)
        return f"{counts}; validation and test {len(domain.test):,} ({part}), one set of few images"
    for name, pixels in (("validation", domain.validation), ("test", domain.test)):
        counts += f"; {name} {len(pixels):,} ({origins.get(name, 'by hash')})"
    return counts

"""Batches, flips and noise as pure functions of (seed, step): nothing of them needs saving."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from hf_gen.data.pixels import Pixels


@dataclass(frozen=True)
class Domain:
    """The images of one domain: those to train on and those held out."""

    train: Pixels
    held_out: Pixels


@dataclass(frozen=True)
class Batch:
    """One process's share of the images and of the randomness of a step.

    The randomness belongs to the place of an image in the batch of all processes, so that two
    processes with half a batch each compute what one computes with the whole.

    Attributes:
        images: For each domain (rows, 3, resolution, resolution), in [-1, 1].
        key: What the random numbers are a function of, such as (seed, "train", step).
        rows: This share's place in the whole batch.
        total: Size of the whole batch.
    """

    images: tuple[Tensor, ...]
    key: tuple[int | str, ...]
    rows: slice
    total: int

    def normal(self, stream: str, shape: tuple[int, ...]) -> Tensor:
        """Standard normal numbers, (rows, *shape), the same for the same (key, stream)."""
        device = self.images[0].device
        generator = _generator((*self.key, stream), device)
        return torch.randn((self.total, *shape), generator=generator, device=device)[self.rows]


def training_batch(
    domains: tuple[Domain, ...],
    seed: int,
    step: int,
    rows: slice,
    total: int,
    random_flip: bool,
    device: torch.device,
) -> Batch:
    """The images of optimiser step `step` (from 0): a pure function of its arguments.

    Each domain is an endless row of shuffled epochs, of which a step takes the next `total`; so
    every image is seen once an epoch, and no batch is smaller than the others.
    """
    images = []
    for place, domain in enumerate(domains):
        indices = _shuffled_indices(len(domain.train), seed, place, step * total, rows)
        pixels = domain.train.images(torch.from_numpy(indices)).to(device)
        if random_flip:
            generator = _generator((seed, "flip", place, step), torch.device("cpu"))
            mirrored = (torch.rand(total, generator=generator) < 0.5)[rows].to(device)
            pixels = torch.where(mirrored[:, None, None, None], pixels.flip(3), pixels)
        images.append(pixels)
    return Batch(tuple(images), (seed, "train", step), rows, total)


def held_out_batches(
    domains: tuple[Domain, ...],
    seed: int,
    rank: int,
    processes: int,
    batch_size: int,
    device: torch.device,
) -> Iterator[Batch]:
    """This process's share of the held-out images in order, with the same noise every time."""
    total = batch_size * processes
    count = min(len(domain.held_out) for domain in domains)
    for number, start in enumerate(range(0, count, total)):
        first = start + rank * batch_size
        indices = torch.arange(count)[first : first + batch_size]
        if len(indices):
            images = tuple(domain.held_out.images(indices).to(device) for domain in domains)
            rows = slice(rank * batch_size, rank * batch_size + len(indices))
            yield Batch(images, (seed, "held out", number), rows, total)


def _shuffled_indices(count: int, seed: int, domain: int, first: int, rows: slice) -> np.ndarray:
    positions = np.arange(first + rows.start, first + rows.stop)
    epochs = positions // count
    indices = np.empty(len(positions), dtype=np.int64)
    for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
        now = epochs == epoch
        indices[now] = _permutation(count, seed, domain, epoch)[positions[now] % count]
    return indices


@lru_cache(maxsize=8)
def _permutation(count: int, seed: int, domain: int, epoch: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox([seed, domain, epoch])).permutation(count)


def _generator(key: tuple[int | str, ...], device: torch.device) -> torch.Generator:
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)

"""Batches, flips and noise as pure functions of (seed, step): nothing of them needs saving."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from hf_gen.data.pixels import Pixels
from hf_gen.errors import UserError


@dataclass(frozen=True)
class Domain:
    """The images of one domain: those to train on and those held out.

    Attributes:
        train: Trained on.
        held_out: Not trained on.
        summary: What was taken as what, and what was left out, for people.
    """

    train: Pixels
    held_out: Pixels
    summary: str = ""

    def fingerprint(self) -> dict[str, int | str]:
        """How many images there are, and a hash of their pixels: what a resumed run must equal."""
        return {
            "number of training images": len(self.train),
            "number of held-out images": len(self.held_out),
            "hash of the training pixels": self.train.digest,
            "hash of the held-out pixels": self.held_out.digest,
        }


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

    @property
    def is_training(self) -> bool:
        """Whether the images are to be trained on, not held out."""
        return self.key[1] == "train"

    def normal(self, stream: str, shape: tuple[int, ...]) -> Tensor:
        """Standard normal numbers, (rows, *shape), the same for the same (key, stream)."""
        device = self.images[0].device
        generator = _generator((*self.key, stream), device)
        return torch.randn((self.total, *shape), generator=generator, device=device)[self.rows]

    def uniform(self, stream: str, shape: tuple[int, ...]) -> Tensor:
        """Numbers from 0 to 1, (rows, *shape), the same for the same (key, stream)."""
        device = self.images[0].device
        generator = _generator((*self.key, stream), device)
        return torch.rand((self.total, *shape), generator=generator, device=device)[self.rows]

    def host_generator(self, stream: str) -> torch.Generator:
        """Randomness of this share alone, on the CPU: what indices are drawn with."""
        return _generator((*self.key, stream, self.rows.start), torch.device("cpu"))


@dataclass(frozen=True)
class Loader:
    """The batches of one process.

    Attributes:
        domains: One or two.
        seed: Of the order, the flips and the noise.
        batch_size: Images of one process and forward pass.
        accumulation: Forward passes of one step.
        random_flip: Whether training images are mirrored at random.
        rank: Of this process.
        processes: How many there are.
        device: Where the images go.

    Raises:
        UserError: If a domain has fewer images than a step takes.
    """

    domains: tuple[Domain, ...]
    seed: int
    batch_size: int
    accumulation: int
    random_flip: bool
    rank: int
    processes: int
    device: torch.device

    def __post_init__(self) -> None:
        for domain in self.domains:
            if len(domain.train) < self.total:
                raise UserError(
                    f"{len(domain.train):,} images are fewer than a batch of {self.total:,}: "
                    "lower --train-batch-size or give more images"
                )

    @property
    def total(self) -> int:
        """Images of one step, of all processes."""
        return self.batch_size * self.accumulation * self.processes

    @property
    def images_per_epoch(self) -> int:
        """Images of the largest domain."""
        return max(len(domain.train) for domain in self.domains)

    def training_batches(self, step: int) -> Iterator[Batch]:
        """What this process takes of optimiser step `step`, from 0, a forward pass each."""
        for part in range(self.accumulation):
            start = (part * self.processes + self.rank) * self.batch_size
            rows = slice(start, start + self.batch_size)
            yield training_batch(
                self.domains, self.seed, step, rows, self.total, self.random_flip, self.device
            )

    def held_out_batches(self) -> Iterator[Batch]:
        """This process's share of the held-out images."""
        return held_out_batches(
            self.domains, self.seed, self.rank, self.processes, self.batch_size, self.device
        )

    def first_held_out(self, count: int) -> Batch:
        """The first `count` held-out images, the same in every process."""
        return next(held_out_batches(self.domains, self.seed, 0, 1, count, self.device))


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

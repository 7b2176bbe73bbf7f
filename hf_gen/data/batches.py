"""Batches, flips and noise as pure functions of (seed, step): nothing of them needs saving."""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Self

import numpy as np
import torch
from torch import Tensor

from hf_gen.data.pixels import Pixels
from hf_gen.errors import UserError
from hf_gen.images import from_pixels

ONE_SET = "validation and test are one set"
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Domain:
    """The images of one domain.

    Attributes:
        train: Trained on.
        validation: Measured during training, and chosen on: a checkpoint, for example. The same
            object as `test` where there are too few images for both.
        test: Measured after training, and reported.
        summary: What was taken as what, and what was left out, for people.
    """

    train: Pixels
    validation: Pixels
    test: Pixels
    summary: str = ""

    @property
    def can_choose(self) -> bool:
        """Whether a choice on the validation images leaves the test images unseen."""
        return self.validation is not self.test

    def fingerprint(self) -> dict[str, int | str]:
        """How many images there are, and a hash of their pixels: what a resumed run must equal."""
        splits = {"training": self.train, "validation": self.validation, "test": self.test}
        return {
            **{f"number of {name} images": len(one) for name, one in splits.items()},
            **{f"hash of the {name} pixels": one.digest for name, one in splits.items()},
            ONE_SET: not self.can_choose,
        }


@dataclass(frozen=True)
class Batch:
    """One process's share of the images and of the randomness of a step.

    The randomness belongs to the place of an image in the batch of all processes, so that two
    processes with half a batch each compute what one computes with all of it.

    Attributes:
        images: For each domain (rows, 3, resolution, resolution), in [-1, 1].
        key: What the random numbers are a function of, such as (seed, "train", step).
        rows: This share's place in the batch of all processes.
        total: Size of that batch.
        pairs: The pairs of a step beside its unpaired images: an image of each domain in a row.
    """

    images: tuple[Tensor, ...]
    key: tuple[int | str, ...]
    rows: slice
    total: int
    pairs: "Batch | None" = None

    @property
    def is_training(self) -> bool:
        """Whether the images are to be trained on."""
        return self.key[1] in ("train", "pairs")

    @property
    def step(self) -> float:
        """The step that trains on the images; infinity for validation images."""
        return float(self.key[2]) if self.is_training else math.inf

    def normal(self, stream: str, shape: tuple[int, ...]) -> Tensor:
        """Standard normal numbers, (rows, *shape), the same for the same (key, stream)."""
        return self._draw(torch.randn, stream, shape)

    def uniform(self, stream: str, shape: tuple[int, ...]) -> Tensor:
        """Numbers from 0 to 1, (rows, *shape), the same for the same (key, stream)."""
        return self._draw(torch.rand, stream, shape)

    def host_generator(self, stream: str) -> torch.Generator:
        """Randomness of this share alone, on the CPU: what indices are drawn with."""
        return _generator((*self.key, stream, self.rows.start), _CPU)

    def _draw(self, draw: Callable[..., Tensor], stream: str, shape: tuple[int, ...]) -> Tensor:
        device = self.images[0].device
        generator = _generator((*self.key, stream), device)
        return draw((self.total, *shape), generator=generator, device=device)[self.rows]


@dataclass(frozen=True)
class Loader:
    """The batches of one process, pure functions of the seed and the step.

    Attributes:
        domains: One or two.
        seed: Of the order, the flips and the noise.
        batch_size: Images of one process and forward pass.
        accumulation: Forward passes of one step.
        random_flip: Whether training images are mirrored at random.
        rank: Of this process.
        processes: How many there are.
        device: Where the images go. One that is no CPU gets bytes, which become floats there.
        pairs: Two domains that hold, at the same place, an image and its counterpart.
        num_pairs: Pairs of one process and forward pass, beside the `batch_size` images.
    """

    domains: tuple[Domain, ...]
    seed: int
    batch_size: int
    accumulation: int
    random_flip: bool
    rank: int
    processes: int
    device: torch.device
    pairs: tuple[Domain, ...] = ()
    num_pairs: int = 0
    _next: dict[int, "Future[list[list[Tensor]]]"] = field(default_factory=dict, repr=False)

    @property
    def _streams(self) -> list[tuple[Domain, int, int]]:
        """Each domain, the number that its order and flips are drawn by, and its batch size.

        Both images of a pair have the same number, and so the same place and flip.
        """
        unpaired = [(one, number, self.batch_size) for number, one in enumerate(self.domains)]
        return unpaired + [(one, len(unpaired), self.num_pairs) for one in self.pairs]

    @property
    def total(self) -> int:
        """Images of one step, of all processes; pairs are not counted."""
        return self._total(self.batch_size)

    def _total(self, rows: int) -> int:
        return rows * self.accumulation * self.processes

    @property
    def images_per_epoch(self) -> int:
        """Images of the largest domain."""
        return max(len(domain.train) for domain in self.domains)

    def epochs(self, steps: int) -> dict[str, float]:
        """Passes over the largest domain after some steps; and over the smaller one of two."""
        sizes = [len(domain.train) for domain in self.domains]
        smaller = {"epoch_of_smaller_domain": min(sizes)} if len(sizes) > 1 else {}
        images = {"epoch": max(sizes)} | smaller
        return {name: steps * self.total / count for name, count in images.items()}

    def on_device(self, free_bytes: int) -> Self:
        """The same loader with the training pixels in its device's memory, where they fit.

        Args:
            free_bytes: What they may take there.
        """
        if sum(domain.train.size for domain in (*self.domains, *self.pairs)) > free_bytes:
            return self
        domains, pairs = (
            tuple(replace(one, train=one.train.copy_to(self.device)) for one in group)
            for group in (self.domains, self.pairs)
        )
        return replace(self, domains=domains, pairs=pairs)

    def training_batches(self, step: int) -> Iterator[Batch]:
        """What this process takes of optimiser step `step`, from 0, a forward pass each.

        Each domain is an endless row of shuffled epochs, of which a step takes the next `total`; so
        every image is seen once an epoch, and no batch is smaller than the others.
        """
        streams, split = self._streams, len(self.domains)
        for part, gathered in enumerate(self._gathered(step)):
            images = [
                self._images(bytes_, number, step, self._start(part, rows))
                for bytes_, (_, number, rows) in zip(gathered, streams, strict=True)
            ]
            pairs = None
            if self.pairs:
                pairs = self._batch(images[split:], "pairs", step, part, self.num_pairs)
            yield replace(
                self._batch(images[:split], "train", step, part, self.batch_size), pairs=pairs
            )

    def _images(self, bytes_: Tensor, number: int, step: int, start: int) -> Tensor:
        """Floats on the device, some of them flipped."""
        pixels = from_pixels(bytes_.to(self.device, non_blocking=True))
        if not self.random_flip:
            return pixels
        rows = len(pixels)
        generator = _generator((self.seed, "flip", number, step), _CPU)
        total = self._total(rows)
        flipped = (torch.rand(total, generator=generator) < 0.5)[start : start + rows]
        flipped = flipped.to(self.device, non_blocking=True)[:, None, None, None]
        return torch.where(flipped, pixels.flip(3), pixels)

    def _batch(self, images: list[Tensor], name: str, step: int, part: int, rows: int) -> Batch:
        start = self._start(part, rows)
        place = slice(start, start + rows)
        return Batch(tuple(images), (self.seed, name, step), place, self._total(rows))

    def validation_batches(self) -> Iterator[Batch]:
        """This process's share of the validation images, in order and always with equal noise."""
        return self._validation(self.rank, self.processes, self.batch_size)

    def first_validation(self, count: int) -> Batch:
        """The first `count` validation images, the same in every process."""
        return next(self._validation(0, 1, count))

    def _validation(self, rank: int, processes: int, batch_size: int) -> Iterator[Batch]:
        total = batch_size * processes
        count = min(len(domain.validation) for domain in self.domains)
        for number, start in enumerate(range(0, count, total)):
            indices = torch.arange(count)[start + rank * batch_size :][:batch_size]
            if len(indices):
                images = tuple(
                    one.validation.images(indices).to(self.device) for one in self.domains
                )
                rows = slice(rank * batch_size, rank * batch_size + len(indices))
                key = (self.seed, "validation", number)
                pairs = self._validation_pairs(number, rank, processes)
                yield Batch(images, key, rows, total, pairs)

    def _validation_pairs(self, number: int, rank: int, processes: int) -> Batch | None:
        """Pairs for a batch of validation images; after the last come the first again."""
        if not self.pairs:
            return None
        rows = slice(rank * self.num_pairs, (rank + 1) * self.num_pairs)
        total = processes * self.num_pairs
        indices = torch.arange(rows.start, rows.stop) + number * total
        images = tuple(
            one.validation.images(indices % len(one.validation)).to(self.device)
            for one in self.pairs
        )
        return Batch(images, (self.seed, "validation pairs", number), rows, total)

    def _start(self, part: int, rows: int) -> int:
        """The place in the batch of all where this process's share of a forward pass begins."""
        return (part * self.processes + self.rank) * rows

    def _gathered(self, step: int) -> list[list[Tensor]]:
        """The bytes of a step, a forward pass each; those of the next are read by a thread."""
        is_elsewhere = any(
            one.train.rows.device.type != self.device.type for one, _, _ in self._streams
        )
        if not is_elsewhere:
            return self._gather(step)
        found = self._next.pop(step, None) or _thread().submit(self._gather, step)
        self._next.clear()
        self._next[step + 1] = _thread().submit(self._gather, step + 1)
        return found.result()

    def _gather(self, step: int) -> list[list[Tensor]]:
        return [
            [
                domain.train.bytes(
                    self._indices(domain, number, rows, step, part),
                    pinned=self.device.type == "cuda",
                )
                for domain, number, rows in self._streams
            ]
            for part in range(self.accumulation)
        ]

    def _indices(self, domain: Domain, number: int, rows: int, step: int, part: int) -> Tensor:
        """The images of one forward pass, of a domain's endless row of shuffled epochs."""
        count, first = len(domain.train), step * self._total(rows) + self._start(part, rows)
        places = np.arange(first, first + rows)
        epochs = places // count
        indices = np.empty(len(places), dtype=np.int64)
        for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
            now = epochs == epoch
            indices[now] = _permutation(count, self.seed, number, epoch)[places[now] % count]
        return torch.from_numpy(indices)


def limited_batch_size(
    domains: Sequence[Domain], batch_size: int, accumulation: int, processes: int
) -> int:
    """The batch size with which a step takes as many images as there are, at most.

    Args:
        domains: One or two, and pairs beside them, of which the smallest one decides.
        batch_size: Of one process and forward pass, where there are images enough.
        accumulation: Forward passes of one step.
        processes: How many there are.

    Raises:
        UserError: If there is not an image for each forward pass of each process.
    """
    images, passes = min(len(domain.train) for domain in domains), accumulation * processes
    if images < passes:
        raise UserError(
            f"{images:,} training images are fewer than the {passes:,} forward passes of a step "
            f"({accumulation:,} in each of {processes:,} processes): launch fewer processes, lower "
            "--gradient-accumulation-steps, or give more images"
        )
    return min(batch_size, images // passes)


@lru_cache(maxsize=1)
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


@lru_cache(maxsize=8)
def _permutation(count: int, seed: int, domain: int, epoch: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox([seed, domain, epoch])).permutation(count)


def _generator(key: tuple[int | str, ...], device: torch.device) -> torch.Generator:
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)

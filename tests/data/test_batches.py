"""Batches are functions of (seed, step), and the shares of several processes are one batch."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hf_gen.data.batches import Batch, Domain, Loader, limited_batch_size
from hf_gen.data.pixels import Pixels
from hf_gen.errors import UserError

CPU = torch.device("cpu")


def marked(count: int, offset: int = 0) -> Pixels:
    """Images of noise whose first pixel row is their number, also when mirrored."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 256, (count, 4, 4, 3), generator=generator).to(torch.uint8)
    rows[:, 0] = torch.arange(offset, offset + count, dtype=torch.uint8)[:, None, None]
    return Pixels(rows.flatten(1), torch.arange(count), 4)


def domain(train: int = 10, validation: int = 10) -> Domain:
    return Domain(marked(train), marked(validation, offset=100), marked(3, offset=200))


def loader(
    domains: tuple[Domain, ...],
    batch_size: int,
    rank: int = 0,
    processes: int = 1,
    seed: int = 0,
    flip: bool = False,
) -> Loader:
    return Loader(domains, seed, batch_size, 1, flip, rank, processes, CPU)


def batch(step: int, rows: slice, total: int, seed: int = 0, flip: bool = True) -> Batch:
    size = rows.stop - rows.start
    share = loader((domain(),), size, rows.start // size, total // size, seed, flip)
    (found,) = share.training_batches(step)
    return found


def numbers(images: Tensor) -> list[int]:
    return ((images[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def seen(batches: Iterable[Batch]) -> list[int]:
    return [number for one in batches for number in numbers(one.images[0])]


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    first = batch(3, slice(0, 8), 8)
    for step in (7, 0, 2):
        batch(step, slice(0, 8), 8)
    again = batch(3, slice(0, 8), 8)
    assert torch.equal(first.images[0], again.images[0])
    assert torch.equal(first.normal("posterior", (5, 1, 1)), again.normal("posterior", (5, 1, 1)))
    for other in (batch(4, slice(0, 8), 8), batch(3, slice(0, 8), 8, seed=1)):
        assert not torch.equal(first.images[0], other.images[0])
        assert not torch.equal(first.normal("posterior", (5,)), other.normal("posterior", (5,)))


@pytest.mark.parametrize(("total", "steps"), [(5, 6), (4, 15), (10, 3), (1, 30), (7, 30)])
def test_every_image_is_seen_once_in_an_epoch(total: int, steps: int) -> None:
    order = seen(batch(step, slice(0, total), total) for step in range(steps))
    epochs = [order[start : start + 10] for start in range(0, total * steps // 10 * 10, 10)]
    assert len(epochs) >= 3
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_the_shares_of_two_processes_are_the_batch_of_one() -> None:
    for step in range(5):
        complete = batch(step, slice(0, 8), 8)
        shares = [batch(step, rows, 8) for rows in (slice(0, 4), slice(4, 8))]
        images = torch.cat([share.images[0] for share in shares])
        noise = torch.cat([share.normal("posterior", (3, 1, 1)) for share in shares])
        assert torch.equal(images, complete.images[0])
        assert torch.equal(noise, complete.normal("posterior", (3, 1, 1)))
        assert noise.shape == (8, 3, 1, 1)


def test_noise_is_standard_normal_and_differs_by_stream_and_place() -> None:
    one = batch(0, slice(0, 8), 8)
    noise = one.normal("posterior", (4000,))
    assert abs(noise.mean()) < 5 / 32_000**0.5
    assert abs(noise.square().mean() - 1) < 5 * (2 / 32_000) ** 0.5
    assert len({tuple(row[:3].tolist()) for row in noise}) == 8
    assert not torch.equal(noise, one.normal("prior", (4000,)))


def test_flips_mirror_about_half_of_the_images() -> None:
    mirrored = 0
    for step in range(50):
        flipped = batch(step, slice(0, 8), 8).images[0]
        plain = batch(step, slice(0, 8), 8, flip=False).images[0]
        for one, other in zip(flipped, plain, strict=True):
            assert torch.equal(one, other) or torch.equal(one, other.flip(2))
            mirrored += not torch.equal(one, other)
    # Five standard deviations of 400 coins.
    assert abs(mirrored - 200) < 50


def test_domains_are_shuffled_apart_and_a_smaller_one_is_repeated() -> None:
    domains = (domain(10), Domain(marked(6, offset=50), marked(3), marked(3)))
    batches = [one for step in range(6) for one in loader(domains, 5).training_batches(step)]
    first, second = ([n for one in batches for n in numbers(one.images[i])] for i in (0, 1))
    assert sorted(first) == sorted([*range(10)] * 3)
    assert sorted(second) == sorted([*range(50, 56)] * 5)
    assert [number + 50 for number in first if number < 6] != second[: len(first)]


@pytest.mark.parametrize(
    ("counts", "batch_size", "accumulation", "processes", "limited"),
    [
        ((10,), 10, 1, 1, 10),
        ((10,), 11, 1, 1, 10),
        ((10,), 3, 3, 1, 3),
        ((10,), 4, 3, 1, 3),
        ((10,), 128, 1, 2, 5),
        ((10,), 128, 2, 2, 2),
        ((10,), 128, 2, 5, 1),
        ((10, 7), 100, 1, 1, 7),
        ((4, 10), 100, 1, 4, 1),
    ],
)
def test_a_step_takes_as_many_images_as_there_are_at_most(
    counts: tuple[int, ...], batch_size: int, accumulation: int, processes: int, limited: int
) -> None:
    domains = [domain(count) for count in counts]
    assert limited_batch_size(domains, batch_size, accumulation, processes) == limited


@pytest.mark.parametrize(("accumulation", "processes"), [(1, 8), (8, 1), (2, 4)])
def test_fewer_images_than_forward_passes_are_a_clear_error(
    accumulation: int, processes: int
) -> None:
    with pytest.raises(UserError, match="7 training images are fewer than the 8 forward passes"):
        limited_batch_size([domain(7), domain(9)], 16, accumulation, processes)


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 8, 10])
def test_the_validation_images_are_covered_once(processes: int, count: int) -> None:
    shares = [
        list(loader((domain(validation=count),), 3, rank, processes).validation_batches())
        for rank in range(processes)
    ]
    assert sorted(seen(one for share in shares for one in share)) == list(range(100, 100 + count))
    for share in shares:
        for one in share:
            assert len(one.images[0])  # a process with nothing left gets no batch
            assert one.normal("posterior", (2,)).shape == (len(one.images[0]), 2)


def test_validation_noise_belongs_to_the_image_not_to_the_process() -> None:
    domains = (domain(validation=10),)

    def noise_by_image(processes: int, batch_size: int) -> dict[int, list[float]]:
        return {
            number: row.tolist()
            for rank in range(processes)
            for one in loader(domains, batch_size, rank, processes).validation_batches()
            for number, row in zip(
                numbers(one.images[0]), one.normal("posterior", (3,)), strict=True
            )
        }

    alone = noise_by_image(1, 4)
    assert len(alone) == 10
    assert noise_by_image(1, 4) == alone
    assert noise_by_image(2, 2) == alone


def test_validation_images_are_never_mirrored() -> None:
    (one,) = loader((domain(validation=5),), 5, flip=True).validation_batches()
    assert torch.equal(one.images[0], marked(5, offset=100).images(torch.arange(5)))


@pytest.mark.parametrize("accumulation", [1, 2])
def test_batches_on_a_device_equal_those_of_the_cpu(accumulation: int) -> None:
    """The pixels are on the device, or their bytes are read ahead by a thread."""
    selected = replace(marked(10), selection=torch.tensor([7, 2, 3, 9, 5, 1, 0, 8]))
    domains = (Domain(selected, marked(3), marked(3)), domain())
    on_cpu = Loader(domains, 0, 2, accumulation, True, 1, 2, CPU)
    resident = on_cpu.on_device(free_bytes=10**6)
    assert on_cpu.on_device(free_bytes=700) is on_cpu
    assert [len(one.train.rows) for one in resident.domains] == [8, 10]
    elsewhere = replace(on_cpu, device=torch.device("meta"))
    for step in (0, 1, 5, 6, 2):
        expected = [*on_cpu.training_batches(step)]
        for one, same in zip(expected, resident.training_batches(step), strict=True):
            assert all(map(torch.equal, one.images, same.images))
            assert (one.key, one.rows, one.total) == (same.key, same.rows, same.total)
        ahead, here = elsewhere._gathered(step), on_cpu._gather(step)
        assert [*elsewhere._next] == [step + 1]
        for one, same in zip(here, ahead, strict=True):
            assert all(map(torch.equal, one, same))
            assert all(pixels.dtype == torch.uint8 for pixels in same)


def guided(rank: int = 0, processes: int = 1, flip: bool = False) -> Loader:
    """Four images and two pairs of each step, of all processes."""
    pairs = (
        Domain(marked(7), marked(3), marked(3)),
        Domain(marked(7, 50), marked(3, 60), marked(3)),
    )
    batch_size, num_pairs = 4 // processes, 2 // processes
    domains = (domain(10), domain(9))
    return Loader(domains, 0, batch_size, 1, flip, rank, processes, CPU, pairs, num_pairs)


def paired(batches: Iterable[Batch]) -> list[Batch]:
    return [one.pairs for one in batches if one.pairs is not None]


def test_both_images_of_a_pair_come_together_and_are_flipped_together() -> None:
    order, flipped = [], 0
    for step in range(35):
        (plain,) = paired(guided().training_batches(step))
        (one,) = paired(guided(flip=True).training_batches(step))
        a, b = plain.images
        assert [number + 50 for number in numbers(a)] == numbers(b)
        order += numbers(a)
        is_flipped = [
            [not torch.equal(image, other) for image, other in zip(images, others, strict=True)]
            for images, others in zip(plain.images, one.images, strict=True)
        ]
        assert is_flipped[0] == is_flipped[1]
        flipped += sum(is_flipped[0])
    assert all(sorted(order[start : start + 7]) == list(range(7)) for start in range(0, 70, 7))
    assert 15 < flipped < 55


def test_pairs_change_nothing_of_the_unpaired_images() -> None:
    plain = replace(guided(flip=True), pairs=(), num_pairs=0)
    assert guided().total == plain.total == 4
    for step in range(6):
        (with_pairs,), (without,) = (
            [*one.training_batches(step)] for one in (guided(flip=True), plain)
        )
        assert without.pairs is None
        assert all(map(torch.equal, with_pairs.images, without.images))
        assert torch.equal(with_pairs.uniform("x", (3,)), without.uniform("x", (3,)))


def test_the_pairs_of_two_processes_are_those_of_one() -> None:
    for step in range(5):
        (complete,) = paired(guided(flip=True).training_batches(step))
        shares = [
            one
            for rank in range(2)
            for one in paired(guided(rank, 2, flip=True).training_batches(step))
        ]
        for number in range(2):
            images = torch.cat([share.images[number] for share in shares])
            assert torch.equal(images, complete.images[number])
        noise = torch.cat([share.uniform("shown a", (7,)) for share in shares])
        assert torch.equal(noise, complete.uniform("shown a", (7,)))
        assert complete.is_training


def test_pairs_are_validated_in_order_and_never_flipped() -> None:
    found = paired(guided(flip=True).validation_batches())
    assert [numbers(one.images[0]) for one in found] == [[0, 1], [2, 0], [1, 2]]
    assert [numbers(one.images[1]) for one in found] == [[60, 61], [62, 60], [61, 62]]
    assert not any(one.is_training for one in found)
    assert torch.equal(found[0].images[0], marked(3).images(torch.arange(2)))

"""The pool gives back what it was given, and nothing else."""

import copy
from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from hf_gen.tasks.pool import ImagePool

CPU = torch.device("cpu")
SIZE = 2


def numbered(first: int, count: int) -> Tensor:
    """Images that are one number all over, (count, 3, SIZE, SIZE)."""
    values = torch.arange(first, first + count, dtype=torch.float32)
    return values[:, None, None, None].expand(-1, 3, SIZE, SIZE).clone()


def as_numbers(images: Tensor) -> list[int]:
    """The numbers of `numbered`; fails where an image is no longer whole."""
    values = images[:, 0, 0, 0]
    assert torch.equal(images, values[:, None, None, None].expand_as(images))
    return [int(value) for value in values]


def kept(pool: ImagePool) -> list[int]:
    state = pool.state_dict()
    return as_numbers(state["images"][: int(state["filled"])])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def filled(size: int) -> ImagePool:
    """A pool that holds the images 1 to `size`."""
    pool = ImagePool(size, SIZE, CPU)
    pool.exchange(numbered(1, size), generator())
    return pool


def test_while_there_is_room_every_image_comes_back_and_is_kept() -> None:
    pool = ImagePool(10, SIZE, CPU)
    for seed, first in enumerate((1, 5)):
        images = numbered(first, 4)
        assert torch.equal(pool.exchange(images, generator(seed)), images)
    assert kept(pool) == list(range(1, 9))


def test_the_rest_of_the_batch_that_fills_the_pool_may_be_swapped() -> None:
    swaps = 0
    for seed in range(20):
        pool = ImagePool(5, SIZE, CPU)
        pool.exchange(numbered(1, 3), generator())
        given = as_numbers(pool.exchange(numbered(4, 6), generator(seed)))
        assert given[:2] == [4, 5]  # for which there was room
        assert len(kept(pool)) == 5
        swaps += sum(number < 4 for number in given)
    assert swaps > 0


def test_a_swap_is_an_exchange() -> None:
    pool, seen = filled(20), Counter(range(1, 21))
    for step in range(30):
        before, images = kept(pool), numbered(100 + 8 * step, 8)
        untouched = images.clone()
        given, after = as_numbers(pool.exchange(images, generator(step))), kept(pool)
        assert torch.equal(images, untouched)
        for place, number in enumerate(as_numbers(images)):
            if given[place] == number:
                assert number not in after
            else:
                assert given[place] in before
                assert given[place] not in after
                assert number in after
        # Nothing is invented, nothing is lost: what went in is there or came out.
        assert Counter(before) + Counter(as_numbers(images)) == Counter(after) + Counter(given)
        seen.update(given)
    assert max(seen.values()) <= 2  # once as one of the first, once on its way out


def test_about_half_are_swapped_and_no_place_is_preferred() -> None:
    pool, rounds, batch = filled(50), 400, 10
    swapped, left = torch.zeros(batch), torch.zeros(50)
    for step in range(rounds):
        before = torch.tensor(kept(pool))
        images = numbered(100 + batch * step, batch)
        given = pool.exchange(images, generator(step))
        swapped += (given != images).all(dim=3).all(dim=2).all(dim=1)
        left += before != torch.tensor(kept(pool))
    share = swapped.sum().item() / (rounds * batch)
    assert share == pytest.approx(0.5, abs=4 * 0.5 / (rounds * batch) ** 0.5)
    for counts, chance in ((swapped, 0.5), (left, batch * 0.5 / 50)):
        deviation = (rounds * chance * (1 - chance)) ** 0.5
        assert (counts - rounds * chance).abs().max() < 5 * deviation


def test_a_pool_of_nothing_passes_images_through() -> None:
    pool, images = ImagePool(0, SIZE, CPU), numbered(1, 4)
    for seed in range(5):
        assert torch.equal(pool.exchange(images, generator(seed)), images)
    assert kept(pool) == []


@pytest.mark.parametrize("size", [1, 3])
def test_a_batch_may_be_larger_than_the_pool(size: int) -> None:
    pool = ImagePool(size, SIZE, CPU)
    inside: Counter[int] = Counter()
    for step in range(10):
        images = numbered(1 + 8 * step, 8)
        given, after = as_numbers(pool.exchange(images, generator(step))), kept(pool)
        assert len(after) == size
        if step:
            assert inside + Counter(as_numbers(images)) == Counter(after) + Counter(given)
        else:
            assert given[:size] == list(range(1, size + 1))
            assert set(after) | set(given) == set(range(1, 9))
        inside = Counter(after)


def test_what_is_given_is_a_copy() -> None:
    pool = filled(8)
    given = pool.exchange(numbered(100, 8), generator(1))
    before = kept(pool)
    given.zero_()
    assert kept(pool) == before


@pytest.mark.parametrize("steps_before", [1, 4, 9])
def test_a_restored_pool_continues_identically(tmp_path: Path, steps_before: int) -> None:
    def run(pool: ImagePool, steps: range) -> list[Tensor]:
        return [pool.exchange(numbered(5 * step, 5), generator(step)) for step in steps]

    pool = ImagePool(16, SIZE, CPU)
    run(pool, range(steps_before))
    save_file(pool.state_dict(), tmp_path / "pool.safetensors")
    restored = ImagePool(16, SIZE, CPU)
    restored.load_state_dict(load_file(tmp_path / "pool.safetensors"))
    copied = copy.deepcopy(pool)
    rest = range(steps_before, steps_before + 10)
    expected = run(pool, rest)
    for other in (restored, copied):
        for one, two in zip(run(other, rest), expected, strict=True):
            assert torch.equal(one, two)
        assert kept(other) == kept(pool)
    assert int(restored.state_dict()["filled"]) == 16

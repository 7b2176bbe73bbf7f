"""Each of the augmentations alone, at numbers whose result is known."""

import math

import pytest
import torch
from torch import Tensor

from hf_gen.config import Augmentation
from hf_gen.tasks import augment
from hf_gen.tasks.augment import RANDOM_NUMBERS

ALL: tuple[Augmentation, ...] = ("color", "translation", "cutout")
SIZE = 16
MOST = 2  # an eighth of 16 pixels
NEUTRAL = {
    "brightness": 0.5,
    "saturation": 0.5,
    "contrast": 0.5,
    "down": 0.5,
    "right": 0.5,
    # Around a corner, between two pixels, so that a quarter of the square is inside.
    "top": 0.01,
    "left": 0.01,
}


def differentiable_augment(
    images: Tensor, numbers: Tensor, kinds: tuple[Augmentation, ...] = ALL
) -> Tensor:
    return augment.differentiable_augment(images, numbers, kinds)


def images(batch: int = 2, height: int = SIZE, width: int = SIZE) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, 3, height, width, generator=generator) * 2 - 1


def numbers(batch: int = 2, **changed: float) -> Tensor:
    assert len(NEUTRAL) == RANDOM_NUMBERS
    return torch.tensor([list((NEUTRAL | changed).values())]).repeat(batch, 1)


def kept(made: Tensor) -> Tensor:
    """What the cut-out around the upper left corner leaves, of the lower half."""
    return made[:, :, SIZE // 2 :]


def is_cut(made: Tensor) -> Tensor:
    """Which positions are 0 in every channel of the first image, (height, width)."""
    return (made[0] == 0).all(0)


def test_neutral_numbers_give_the_images_back_outside_the_window() -> None:
    made = differentiable_augment(images(), numbers())
    outside = ~is_cut(made)
    torch.testing.assert_close(made[:, :, outside], images()[:, :, outside], atol=1e-6, rtol=0)
    assert outside.float().mean() > 0.9


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_colours_change_by_the_policy(value: float) -> None:
    bright = images() * torch.tensor([0.5, 1.0])[:, None, None, None] + 0.2
    grey, mean = bright.mean(1, keepdim=True), bright.mean((1, 2, 3), keepdim=True)
    for name, expected in (
        ("brightness", bright + value - 0.5),
        ("saturation", grey + 2 * value * (bright - grey)),
        ("contrast", mean + (value + 0.5) * (bright - mean)),
    ):
        made = differentiable_augment(bright, numbers(**{name: value}))
        torch.testing.assert_close(kept(made), kept(expected), msg=name)


def shifted(image: Tensor, rows: int, columns: int) -> Tensor:
    """By the book: moved down and right, 0 comes in."""
    height, width = image.shape[1:]
    made = torch.zeros_like(image)
    for row in range(height):
        for column in range(width):
            if 0 <= row - rows < height and 0 <= column - columns < width:
                made[:, row, column] = image[:, row - rows, column - columns]
    return made


@pytest.mark.parametrize(
    ("down", "right"), [(0.5, 0.5), (0.0, 0.5), (0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (0.0, 1.0)]
)
def test_a_shift_moves_by_up_to_an_eighth_and_grey_comes_in(down: float, right: float) -> None:
    # 0 and 1 are the two ends, whichever of them is which; 0.5 is the middle.
    ends = {0.0: MOST, 0.5: 0, 1.0: -MOST}
    made = differentiable_augment(images(), numbers(down=down, right=right))
    for before, after in zip(images(), made, strict=True):
        expected = shifted(before, ends[down], ends[right])
        outside = ~is_cut(after[None]) | (expected == 0).all(0)
        torch.testing.assert_close(after[:, outside], expected[:, outside], atol=1e-6, rtol=0)


def test_every_shift_is_equally_likely() -> None:
    count, side = 500, 2 * MOST + 1
    many = numbers(count, top=-9.0)
    many[:, 3] = torch.linspace(0, 1, count)
    white = torch.ones(count, 3, SIZE, SIZE)
    made = differentiable_augment(white, many)
    first_row = made[:, 0, :, SIZE // 2].argmax(1)
    last_row = SIZE - 1 - made[:, 0, :, SIZE // 2].flip(1).argmax(1)
    found = (first_row + last_row - SIZE + 1).unique(return_counts=True)
    assert found[0].tolist() == list(range(-MOST, MOST + 1))
    assert ((found[1] - count / side).abs() <= 1).all()


@pytest.mark.parametrize(("height", "width"), [(16, 16), (64, 64), (16, 48), (48, 16)])
@pytest.mark.parametrize(("top", "left"), [(0.52, 0.52), (0.3, 0.72)])
def test_the_cut_out_is_grey_and_half_as_high_and_wide(
    height: int, width: int, top: float, left: float
) -> None:
    made = differentiable_augment(images(1, height, width), numbers(1, top=top, left=left))
    cut = is_cut(made)
    rows, columns = cut.any(1).nonzero().flatten(), cut.any(0).nonzero().flatten()
    assert (len(rows), len(columns)) == (height // 2, width // 2)
    assert (rows.diff() == 1).all()
    assert (columns.diff() == 1).all()
    assert cut.sum() == height * width // 4
    assert rows.float().mean().item() == pytest.approx(top * height, abs=1)
    assert columns.float().mean().item() == pytest.approx(left * width, abs=1)


def test_sides_that_differ_and_are_no_multiple_of_eight() -> None:
    wide = images(1, 12, 20)
    made = differentiable_augment(wide, numbers(1, down=0.0, right=0.0, top=-9.0))
    torch.testing.assert_close(made[0], shifted(wide[0], 2, 3), atol=1e-6, rtol=0)


def test_gradients_are_the_slopes() -> None:
    small = images(1, 8, 8).double().requires_grad_()
    changed = numbers(1, brightness=0.9, saturation=0.8, contrast=0.1, down=0.0, right=1.0)
    torch.autograd.gradcheck(
        lambda seen: differentiable_augment(seen, changed.double()), small, fast_mode=True
    )


def test_each_image_has_its_own_numbers_and_the_same_ones_give_the_same() -> None:
    generator = torch.Generator().manual_seed(3)
    random = torch.rand(6, RANDOM_NUMBERS, generator=generator)
    six = images(1).expand(6, -1, -1, -1)
    made = differentiable_augment(six, random)
    assert torch.equal(differentiable_augment(six, random), made)
    for index in range(6):
        alone = differentiable_augment(six[index : index + 1], random[index : index + 1])
        torch.testing.assert_close(made[index], alone[0])
    differing = [(a - b).abs().max() > 0.1 for a in made for b in made if a is not b]
    assert sum(differing) >= math.perm(6, 2)


def test_only_the_kinds_that_are_named_change_an_image() -> None:
    changing = numbers(brightness=0.9, contrast=0.8, down=1.0, top=0.5, left=0.5)
    assert torch.equal(differentiable_augment(images(), changing, ()), images())
    coloured = differentiable_augment(images(), changing, ("color",))
    assert not is_cut(coloured).any()
    moved = differentiable_augment(images(), changing, ("translation",))
    assert torch.equal(moved[:, :, :-MOST], images()[:, :, MOST:])
    cut = differentiable_augment(images(), changing, ("cutout",))
    assert torch.equal(cut[:, :, ~is_cut(cut)], images()[:, :, ~is_cut(cut)])
    in_turn = differentiable_augment(coloured, changing, ("translation",))
    in_turn = differentiable_augment(in_turn, changing, ("cutout",))
    assert torch.equal(in_turn, differentiable_augment(images(), changing))

"""The generator on patches: its size, its cost, and that its patches cannot be seen."""

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from hf_gen.models.patch_generator import PatchGenerator


def images(count: int, height: int = 16, width: int = 24) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, height, width, generator=generator) * 2 - 1


@pytest.fixture
def network() -> PatchGenerator:
    torch.manual_seed(0)
    return PatchGenerator(16, 8, 16, 4, 1).eval()


def test_a_translation_has_the_size_of_the_image(network: PatchGenerator) -> None:
    made = network(images(2)).sample
    assert made.shape == (2, 3, 16, 24)
    assert made.abs().max() <= 1
    assert torch.equal(made, network(images(2), return_dict=False)[0])
    torch.testing.assert_close(made[1:], network(images(2)[1:]).sample)


def test_the_default_costs_less_than_half_of_the_reports_generator() -> None:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        PatchGenerator().eval()(images(1, 64, 64))
    multiplications = counter.get_total_flops() / 2
    assert 0.15e9 < multiplications < 0.2e9


@pytest.mark.parametrize("row", [24, 27])
def test_patches_overlap(network: PatchGenerator, row: int) -> None:
    """Every pixel is made of patches on all sides of it, the first and the last of a patch too."""
    pixels = images(1, 56, 56).requires_grad_()
    network(pixels).sample[0, 0, row, row].backward()
    assert pixels.grad is not None
    seen = pixels.grad[0].ne(0).any(0).any(1).nonzero().flatten()
    assert seen.min() <= row - 8
    assert seen.max() >= row + 8


def test_images_and_arguments_that_it_cannot_take_are_refused(network: PatchGenerator) -> None:
    refused = [
        (lambda: network(images(1, 20)), "the height of an image must be a multiple of 8 .*got 20"),
        (lambda: network(images(1, 16, 4)), "the width of an image must be .*got 4: try 8"),
        (lambda: network(images(1)[0]), r"\(batch, 3, height, width\), got \(3, 16, 24\)"),
        (lambda: PatchGenerator(20), "sample_size must be a multiple of 8 .*try 16 or 24"),
        (lambda: PatchGenerator(16, 12), "channels must be a multiple of 8 .*got 12: try 8 or 16"),
        (lambda: PatchGenerator(16, 8, 4), "bottleneck_channels must be a multiple of 8"),
    ]
    for call, sentence in refused:
        with pytest.raises(ValueError, match=sentence):
            call()

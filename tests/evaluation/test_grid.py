"""The grid that a decoder draws is measured, and blur is none."""

import pytest
import torch

from hf_gen.evaluation.grid import GridEnergy

SIZE = 64


def grid_of(change: str, size: int = SIZE) -> float:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(200, 3, size // 4, size // 4, generator=generator)
    real = torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic") * 2 - 1
    real += 0.02 * torch.randn(real.shape, generator=generator)
    made = real.clone()
    if change == "blurred":
        made = torch.nn.functional.avg_pool2d(real, 3, stride=1, padding=1)
    elif change == "dots":
        made[..., ::4, ::4] += 0.05
    elif change == "stripes":
        made[..., ::2] += 0.05
    energy = GridEnergy(size)
    for some in torch.arange(len(real)).split(64):
        energy.update(real[some], made[some])
    return energy.compute()


@pytest.mark.parametrize(
    ("change", "low", "high"),
    [("none", 1, 1), ("blurred", 0.3, 1.5), ("dots", 5, 1e4), ("stripes", 5, 1e4)],
)
def test_a_grid_is_told_from_blur(change: str, low: float, high: float) -> None:
    assert low - 1e-6 <= grid_of(change) <= high + 1e-6


@pytest.mark.parametrize(
    ("size", "is_measurable"), [(64, True), (16, True), (18, False), (8, False)]
)
def test_only_whole_periods_are_measured(size: int, is_measurable: bool) -> None:
    assert GridEnergy.is_measurable(size) == is_measurable

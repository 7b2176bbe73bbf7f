"""A flow fits densities that no Gaussian does, the same from the same seed."""

import math

import pytest
import torch
from torch import Tensor

from hf_gen.evaluation.flow import fit_flow
from hf_gen.models.flow import Flow


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ring(count: int, seed: int) -> Tensor:
    generator = seeded(seed)
    angles = 2 * math.pi * torch.rand(count, generator=generator)
    radii = 1 + 0.05 * torch.randn(count, generator=generator)
    return torch.stack((radii * angles.cos(), radii * angles.sin()), 1)


def energy_distance(one: Tensor, other: Tensor) -> float:
    """2 E|x - y| - E|x - x'| - E|y - y'|: 0 in expectation for samples of one density."""

    def within(rows: Tensor) -> Tensor:
        return torch.cdist(rows, rows).sum() / (len(rows) * (len(rows) - 1))

    return float(2 * torch.cdist(one, other).mean() - within(one) - within(other))


def test_a_flow_fits_a_ring_which_is_no_gaussian() -> None:
    train, held_out = ring(4_000, 0), ring(2_000, 1)
    mean, deviation = train.mean(0), train.std(0)
    flow = fit_flow((train - mean) / deviation, 800, num_layers=2, width=64)
    noise = torch.randn(2_000, 2, generator=seeded(2))
    with torch.no_grad():
        made = mean + deviation * flow.carry(noise)
    gaussian = mean + noise @ torch.linalg.cholesky(train.T.cov()).T
    assert energy_distance(made, held_out) < energy_distance(gaussian, held_out) / 10
    shares = [
        (torch.cdist(samples, held_out).min(1).values < 0.1).double().mean().item()
        for samples in (made, gaussian)
    ]
    assert shares[0] > 0.95
    assert shares[1] < 0.4


def test_the_same_codes_and_seed_give_the_same_flow_and_leave_other_randomness_alone() -> None:
    codes, before = ring(300, 0), torch.random.get_rng_state()
    one, same, other = (fit_flow(codes, 3, seed, num_layers=1, width=8) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(map(torch.equal, one.parameters(), same.parameters()))
    assert not all(map(torch.equal, one.parameters(), other.parameters()))


def test_the_average_of_the_weights_is_returned() -> None:
    """It lags behind: a step of a new network moves it by less than the network."""
    torch.manual_seed(0)
    new = Flow(2, 1, 8)
    after = fit_flow(ring(300, 0), 1, num_layers=1, width=8)
    moved = (after.leave.bias - new.leave.bias).abs().max().item()
    # Adam's first step has the length of the learning rate, 1e-3 / 100 in the warm-up; 9/10 of it
    # are kept of the average, whose decay is 1/10 then.
    assert moved == pytest.approx(0.9e-5, rel=0.01)

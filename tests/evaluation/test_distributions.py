"""Distances between sets of features against closed forms and other implementations."""

import pytest
import torch
from prdc import compute_prdc
from torch import Tensor
from torchmetrics.image.kid import poly_mmd

from hf_gen.evaluation.distributions import compare_sets, manifold_scores

NAMES = {"precision", "recall", "density", "coverage", "kernel_distance", "frechet_distance"}


def normal(count: int, features: int, seed: int) -> Tensor:
    return torch.randn(count, features, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize(("count", "made"), [(60, 60), (300, 150), (40, 200), (10, 7)])
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("nearest_k", [3, 5])
def test_precision_recall_density_and_coverage_are_those_of_prdc(
    count: int, made: int, scale: float, nearest_k: int
) -> None:
    sets = normal(count, 12, 0), scale * normal(made, 12, 1) + 0.3
    expected = compute_prdc(*(features.numpy() for features in sets), nearest_k)
    assert manifold_scores(*sets, nearest_k) == pytest.approx(expected, abs=1e-12)
    assert expected["precision"] + expected["recall"] > 0


def test_kernel_distance_is_that_of_torchmetrics_where_every_subset_is_the_full_set() -> None:
    real, made = normal(50, 20, 0), normal(50, 20, 1) + 0.2
    distance = compare_sets(real, made)["kernel_distance"]
    assert distance == pytest.approx(poly_mmd(real, made).item(), rel=1e-9)


@pytest.mark.parametrize(
    ("real", "made", "absolute"),
    [
        (normal(300, 12, 0), normal(200, 12, 1) @ normal(12, 12, 2) + 0.5, 1e-6),
        (normal(30, 100, 0), 1.5 * normal(40, 100, 1), 1e-4),  # fewer images than features
    ],
)
def test_the_frechet_distance_is_that_of_the_singular_values(
    real: Tensor, made: Tensor, absolute: float
) -> None:
    centred = [(rows - rows.mean(0)) / (len(rows) - 1) ** 0.5 for rows in (real, made)]
    root = torch.linalg.svdvals(centred[0] @ centred[1].T).sum()
    between = (real.mean(0) - made.mean(0)).square().sum()
    expected = between + sum(rows.square().sum() for rows in centred) - 2 * root
    distance = compare_sets(real, made)["frechet_distance"]
    assert distance == pytest.approx(expected.item(), abs=absolute)


def test_a_shift_moves_the_frechet_distance_by_its_square() -> None:
    real = normal(100, 16, 0)
    distance = compare_sets(real, real + 0.3)["frechet_distance"]
    assert distance == pytest.approx(16 * 0.3**2, abs=1e-6)


def test_a_set_is_as_good_as_itself() -> None:
    real = normal(100, 30, 0)
    scores = compare_sets(real, real)
    assert scores.keys() == NAMES
    assert all(type(value) is float for value in scores.values())
    assert scores["frechet_distance"] == pytest.approx(0, abs=1e-5)
    assert scores["precision"] == scores["recall"] == scores["coverage"] == 1


def test_single_precision_costs_nothing_but_its_rounding() -> None:
    real, made = normal(80, 20, 0), normal(80, 20, 1) + 0.2
    exact, rounded = compare_sets(real, made), compare_sets(real.float(), made.float())
    assert rounded == pytest.approx(exact, rel=1e-4, abs=1e-5)


def test_scores_are_deterministic_and_leave_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    scores = compare_sets(normal(300, 8, 0), normal(150, 8, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert compare_sets(normal(300, 8, 0), normal(150, 8, 1)) == scores
    assert abs(scores["kernel_distance"]) < 0.1

"""Distances between sets of features against closed forms and other implementations."""

import pytest
import torch
from prdc import compute_prdc
from torch import Tensor
from torch.nn.functional import normalize
from torchmetrics.image.kid import poly_mmd

from hf_gen.evaluation.distributions import compare_sets, manifold_scores, set_distances

NAMES = {"precision", "recall", "density", "coverage", "kernel_distance", "frechet_distance"}


def normal(count: int, features: int, seed: int) -> Tensor:
    return torch.randn(count, features, generator=torch.Generator().manual_seed(seed)).double()


def unit(count: int, features: int, seed: int, offset: float = 0.0) -> Tensor:
    """Rows of length 1."""
    return normalize(normal(count, features, seed) + offset)


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
    real, made = unit(50, 20, 0), unit(50, 20, 1, offset=0.2)
    distance = compare_sets(real, made)["kernel_distance"]
    expected = poly_mmd(real, made, degree=3, gamma=1.0, coef=0.0).item()
    assert distance == pytest.approx(expected, rel=1e-9)


def test_samples_of_one_distribution_have_a_kernel_distance_of_0_in_expectation() -> None:
    distances = torch.tensor(
        [
            set_distances(unit(20, 6, 2 * seed), unit(30, 6, 2 * seed + 1))["kernel_distance"]
            for seed in range(300)
        ]
    )
    standard_error = distances.std() / len(distances) ** 0.5
    assert distances.mean().abs() < 3 * standard_error < 0.02
    assert (distances < 0).any()


def test_sets_of_equal_means_that_spread_otherwise_have_a_kernel_distance() -> None:
    """On two cones around one axis: u . v is 1 - s + s t, and E t^2 within a cone is 1/2."""
    s, count = 0.3, 400
    cones = []
    for first in (1, 3):
        rows = torch.zeros(count, 5, dtype=torch.float64)
        rows[:, 0] = (1 - s) ** 0.5
        turns = torch.arange(count) % 4
        rows[torch.arange(count), first + turns % 2] = s**0.5 * (1.0 - turns // 2 * 2).double()
        cones.append(rows)
    assert torch.allclose(cones[0].mean(0), cones[1].mean(0))
    distance = set_distances(*cones)["kernel_distance"]
    assert distance == pytest.approx(3 * (1 - s) * s**2, rel=0.05)


def test_distances_of_features_of_length_1_are_at_most_4() -> None:
    ends = torch.eye(5, dtype=torch.float64)[:1].expand(10, -1)
    distances = set_distances(ends, -ends)
    assert distances == pytest.approx({"kernel_distance": 4, "frechet_distance": 4})


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


def test_a_set_compared_with_itself_has_the_best_scores() -> None:
    real = normal(100, 30, 0)
    scores = compare_sets(real, real)
    assert scores.keys() == NAMES
    assert all(type(value) is float for value in scores.values())
    assert scores["frechet_distance"] == pytest.approx(0, abs=1e-5)
    assert scores["precision"] == scores["recall"] == scores["coverage"] == 1


def test_single_precision_differs_by_rounding_only() -> None:
    real, made = unit(80, 20, 0), unit(80, 20, 1, offset=0.2)
    exact, rounded = compare_sets(real, made), compare_sets(real.float(), made.float())
    assert rounded == pytest.approx(exact, rel=1e-4, abs=1e-5)


def test_scores_are_deterministic_and_leave_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    scores = compare_sets(unit(300, 8, 0), unit(150, 8, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert compare_sets(unit(300, 8, 0), unit(150, 8, 1)) == scores
    assert abs(scores["kernel_distance"]) < 0.01

"""Distances between sets of features against closed forms and other people's implementations."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from hf_gen.evaluation.distributions import compare_sets

NAMES = {"precision", "recall", "density", "coverage", "kid", "frechet_distance"}


def normal(count: int, features: int, seed: int) -> Tensor:
    return torch.randn(count, features, generator=torch.Generator().manual_seed(seed)).double()


def frechet_by_scipy(real: Tensor, made: Tensor) -> float:
    first, second = np.cov(real.numpy().T), np.cov(made.numpy().T)
    root = scipy.linalg.sqrtm(first @ second).real
    between = (real.mean(0) - made.mean(0)).square().sum().item()
    return between + float(np.trace(first + second - 2 * root))


def test_frechet_distance_is_that_of_scipys_matrix_root() -> None:
    mixing = normal(12, 12, 2)
    real, made = normal(300, 12, 0), normal(200, 12, 1) @ mixing + 0.5
    distance = compare_sets(real, made)["frechet_distance"]
    assert distance == pytest.approx(frechet_by_scipy(real, made), rel=1e-9)


def test_frechet_distance_of_fewer_images_than_features_is_that_of_the_eigenvalues() -> None:
    real, made = normal(30, 100, 0), 1.5 * normal(40, 100, 1)
    covariances = [features.T.cov() for features in (real, made)]
    values, vectors = torch.linalg.eigh(covariances[0])
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    common = torch.linalg.eigvalsh(root @ covariances[1] @ root).clamp(min=0).sqrt().sum()
    between = (real.mean(0) - made.mean(0)).square().sum()
    expected = between + covariances[0].trace() + covariances[1].trace() - 2 * common
    distance = compare_sets(real, made)["frechet_distance"]
    assert distance == pytest.approx(expected.item(), abs=1e-4)


def test_a_shift_moves_the_frechet_distance_by_its_square() -> None:
    real = normal(100, 16, 0)
    distance = compare_sets(real, real + 0.3)["frechet_distance"]
    assert distance == pytest.approx(16 * 0.3**2, abs=1e-6)


def test_two_sets_of_one_distribution_are_farther_apart_the_fewer_there_are() -> None:
    few, many = (
        compare_sets(normal(count, 16, 0), normal(count, 16, 1))["frechet_distance"]
        for count in (50, 2_000)
    )
    assert few > 10 * many > 0


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
    for name in NAMES:
        assert rounded[name] == pytest.approx(exact[name], rel=1e-4, abs=1e-5), name


def test_the_sets_may_differ_in_number_and_the_random_numbers_go_on() -> None:
    before = torch.random.get_rng_state()
    scores = compare_sets(normal(300, 8, 0), normal(150, 8, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert compare_sets(normal(300, 8, 0), normal(150, 8, 1)) == scores
    assert min(scores["precision"], scores["recall"], scores["coverage"]) > 0.7
    assert abs(scores["kid"]) < 0.1

"""What codes hold, where it is known: closed forms of normal distributions, and an integral."""

import math

import pytest
import torch
from torch import Tensor

from hf_gen.evaluation.latents import evaluate_latents


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def test_posteriors_equal_to_the_prior_hold_no_information() -> None:
    results = evaluate_latents(torch.zeros(50, 4, 1, 1), torch.zeros(50, 4, 1, 1))
    assert results.keys() == {
        "latents",
        "kl_per_dimension",
        "active_units",
        "mutual_information",
        "marginal_kl",
        "total_correlation",
    }
    assert results["latents"] == 4
    assert results["active_units"] == 0
    assert results["kl_per_dimension"] == [0, 0, 0, 0]
    for name in ("mutual_information", "marginal_kl", "total_correlation"):
        assert results[name] == pytest.approx(0, abs=1e-12)


def test_the_mutual_information_of_distant_posteriors_is_log_of_the_images() -> None:
    mean = 100 * torch.arange(60.0)[:, None] * torch.ones(1, 3)
    results = evaluate_latents(mean, torch.zeros_like(mean))
    assert results["mutual_information"] == pytest.approx(math.log(60), abs=1e-9)
    # Each of the three latents alone tells them apart: two of them repeat the first.
    assert results["total_correlation"] == pytest.approx(2 * math.log(60), abs=1e-9)


@pytest.mark.parametrize("logvar", [-30.0, -5.0, 0.0, 2.0])
def test_the_kl_term_is_mutual_information_plus_marginal_kl(logvar: float) -> None:
    mean, spread = normal(200, 5), logvar + 0.1 * normal(200, 5, seed=1)
    results = evaluate_latents(mean, spread)
    kl = 0.5 * (mean.square() + spread.exp() - 1 - spread)
    assert results["kl_per_dimension"] == pytest.approx(kl.mean(0).tolist(), rel=1e-9)
    parts = results["mutual_information"] + results["marginal_kl"]
    assert parts == pytest.approx(kl.sum(1).mean().item(), rel=1e-9)
    assert 0 <= results["mutual_information"] <= math.log(200) + 1e-9


def test_one_latent_against_a_numerical_integral() -> None:
    mean, logvar = 1.5 * normal(40, 1), -1 + 0.5 * normal(40, 1, seed=1)
    places = torch.linspace(-15, 15, 200_001, dtype=torch.float64)
    log_each = torch.distributions.Normal(mean, (0.5 * logvar).exp()).log_prob(places)
    log_mixture = log_each.logsumexp(0) - math.log(40)
    log_prior = torch.distributions.Normal(0.0, 1.0).log_prob(places)
    step = places[1] - places[0]
    density = log_mixture.exp() * step
    gap = (density * (log_mixture - log_prior)).sum().item()
    information = (log_each.exp() * step * (log_each - log_mixture)).sum().item() / 40
    estimates = [evaluate_latents(mean, logvar, seed) for seed in range(400)]
    for name, exact in (("mutual_information", information), ("marginal_kl", gap)):
        average = sum(results[name] for results in estimates) / len(estimates)
        assert average == pytest.approx(exact, abs=0.01), name
    assert estimates[0]["total_correlation"] == pytest.approx(0, abs=1e-9)


def test_total_correlation_is_that_of_two_correlated_normals_and_nearly_none_without() -> None:
    independent, logvar = normal(2_000, 2), torch.full((2_000, 2), math.log(0.5)).double()
    assert evaluate_latents(independent, logvar)["total_correlation"] == pytest.approx(0, abs=0.05)
    second = 0.9 * independent[:, 0] + math.sqrt(1 - 0.9**2) * independent[:, 1]
    correlated = torch.stack((independent[:, 0], second), 1)
    correlation = 0.9 / 1.5  # of the draws, whose variance is 1.5
    expected = -0.5 * math.log(1 - correlation**2)
    results = evaluate_latents(correlated, logvar)
    assert results["total_correlation"] == pytest.approx(expected, abs=0.05)


def test_active_units_are_those_whose_mean_varies_by_more_than_a_hundredth() -> None:
    mean = torch.zeros(100, 4)
    mean[:50, 0], mean[50:, 0] = 1, -1
    mean[:50, 1], mean[50:, 1] = 0.11, -0.11
    mean[:50, 2], mean[50:, 2] = 0.09, -0.09
    mean[:, 3] = 5
    assert evaluate_latents(mean, torch.zeros_like(mean))["active_units"] == 2


def test_the_same_seed_gives_the_same_numbers_and_chunks_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mean, logvar = normal(150, 3), normal(150, 3, seed=1)
    before = torch.random.get_rng_state()
    first = evaluate_latents(mean, logvar, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert evaluate_latents(mean, logvar, seed=3) == first
    assert evaluate_latents(mean, logvar, seed=4) != first
    monkeypatch.setattr("hf_gen.evaluation.latents._BATCH_SIZE", 7)
    chunked = evaluate_latents(mean, logvar, seed=3)
    assert chunked.pop("kl_per_dimension") == first.pop("kl_per_dimension")
    assert chunked == pytest.approx(first, rel=1e-9)


def test_of_many_latents_only_the_first_thousand_images_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hf_gen.evaluation.latents._MAX_IMAGES_OF_MANY_LATENTS", 10)
    mean = normal(30, 257)
    results = evaluate_latents(mean.view(30, 257, 1, 1), torch.full((30, 257, 1, 1), -9.0))
    assert results["mutual_information"] == pytest.approx(math.log(10))
    assert results["active_units"] == 257
    kl = 0.5 * (mean[:10].square() + math.exp(-9) - 1 + 9).sum(1).mean().item()
    assert results["marginal_kl"] == pytest.approx(kl - math.log(10))

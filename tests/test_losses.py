"""The terms of the objectives against torch's own densities and divergences."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Laplace, Normal, kl_divergence

from hf_gen.config import Likelihood
from hf_gen.losses import kl_to_standard_normal, reconstruction_nll

SHAPE = (4, 3, 5, 6)


def noise(shape: tuple[int, ...], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def images() -> Tensor:
    return noise(SHAPE, 0).tanh()


def test_bernoulli_is_the_cross_entropy_of_the_pixel_as_a_probability() -> None:
    logits = noise(SHAPE, 1)
    probability, predicted = (images() + 1) / 2, logits.sigmoid()
    by_hand = -(probability * predicted.log() + (1 - probability) * (1 - predicted).log())
    nll = reconstruction_nll(images(), logits, "bernoulli", scale=0.2)
    torch.testing.assert_close(nll, by_hand.sum(dim=(1, 2, 3)))
    by_torch = nn.BCELoss(reduction="sum")
    for index in range(len(nll)):
        torch.testing.assert_close(nll[index], by_torch(predicted[index], probability[index]))


def test_bernoulli_of_a_sure_and_right_decoder_is_zero_and_of_a_wrong_one_is_finite() -> None:
    black = -torch.ones(1, 3, 2, 2)
    assert reconstruction_nll(black, torch.full_like(black, -200), "bernoulli", 1.0).item() == 0
    assert reconstruction_nll(black, torch.full_like(black, 200), "bernoulli", 1.0).item() == 2400


@pytest.mark.parametrize("scale", [0.1, 0.2, 1.5])
@pytest.mark.parametrize(("likelihood", "density"), [("gaussian", Normal), ("laplace", Laplace)])
def test_gaussian_and_laplace_are_the_densities_of_torch(
    likelihood: Likelihood, density: type[Normal | Laplace], scale: float
) -> None:
    predicted = noise(SHAPE, 2).tanh()
    expected = -density(predicted, scale).log_prob(images()).sum(dim=(1, 2, 3))
    nll = reconstruction_nll(images(), predicted, likelihood, scale)
    torch.testing.assert_close(nll, expected)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "laplace"])
def test_a_term_is_a_sum_over_the_pixels_of_each_image(likelihood: Likelihood) -> None:
    one = images()[:1, :, :1, :1]
    predicted = noise((1, 3, 1, 1), 3)
    single = reconstruction_nll(one, predicted, likelihood, 0.3)
    tiled = reconstruction_nll(
        one.repeat(2, 1, 4, 5), predicted.repeat(2, 1, 4, 5), likelihood, 0.3
    )
    assert tiled.shape == (2,)
    torch.testing.assert_close(tiled, single.repeat(2) * 20)


def test_kl_is_the_divergence_of_torch() -> None:
    mean, logvar = noise(SHAPE, 4), noise(SHAPE, 5)
    exact = kl_divergence(Normal(mean, (logvar / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_to_standard_normal(mean, logvar), exact.sum(dim=(1, 2, 3)))


def test_kl_of_the_prior_itself_is_zero() -> None:
    nothing = torch.zeros(2, 5, 1, 1)
    assert kl_to_standard_normal(nothing, nothing).tolist() == [0, 0]
    assert kl_to_standard_normal(nothing + 2, nothing).tolist() == [10, 10]


def test_kl_is_what_samples_estimate() -> None:
    mean, logvar = noise((1, 5, 1, 1), 6), noise((1, 5, 1, 1), 7)
    posterior = Normal(mean, (logvar / 2).exp())
    codes = mean + posterior.stddev * noise((20_000, 5, 1, 1), 8)
    ratios = (posterior.log_prob(codes) - Normal(0.0, 1.0).log_prob(codes)).sum(dim=(1, 2, 3))
    standard_error = ratios.std() / math.sqrt(len(ratios))
    assert abs(ratios.mean() - kl_to_standard_normal(mean, logvar).item()) < 4 * standard_error
    assert standard_error < 0.05


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "laplace"])
def test_gradients_of_the_likelihoods(likelihood: Likelihood) -> None:
    predicted = noise(SHAPE, 9).requires_grad_()
    torch.autograd.gradcheck(
        lambda guess: reconstruction_nll(images(), guess, likelihood, 0.5), predicted
    )


def test_gradients_of_the_kl() -> None:
    mean, logvar = noise(SHAPE, 10).requires_grad_(), noise(SHAPE, 11).requires_grad_()
    torch.autograd.gradcheck(kl_to_standard_normal, (mean, logvar))

"""The terms of the objectives against torch's own densities and divergences."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Laplace, Normal, kl_divergence

from hf_gen.config import AdversarialLoss, Likelihood
from hf_gen.losses import (
    discriminator_loss,
    generator_loss,
    kl_to_standard_normal,
    reconstruction_nll,
    squared_gradient,
)

SHAPE = (4, 3, 5, 6)
GAMES: tuple[AdversarialLoss, ...] = ("least_squares", "hinge", "non_saturating")


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


def test_kl_is_the_divergence_of_torch() -> None:
    mean, logvar = noise(SHAPE, 4), noise(SHAPE, 5)
    exact = kl_divergence(Normal(mean, (logvar / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_to_standard_normal(mean, logvar), exact.sum(dim=(1, 2, 3)))


@pytest.mark.parametrize(
    ("game", "distance"),
    [("least_squares", nn.MSELoss()), ("non_saturating", nn.BCEWithLogitsLoss())],
)
def test_least_squares_and_non_saturating_are_distances_from_the_labels(
    game: AdversarialLoss, distance: nn.Module
) -> None:
    real, fake = noise((4, 1, 2, 2), 12), noise((4, 1, 3, 3), 13)
    of_real, of_fake = (
        distance(real, torch.ones_like(real)),
        distance(fake, torch.zeros_like(fake)),
    )
    torch.testing.assert_close(generator_loss(fake, game), distance(fake, torch.ones_like(fake)))
    torch.testing.assert_close(discriminator_loss(real, fake, game), (of_real + of_fake) / 2)


def test_hinge_is_the_margin_by_hand() -> None:
    real, fake = torch.tensor([-2.0, 0.0, 1.0, 3.0]), torch.tensor([-3.0, -1.0, 0.0, 2.0])
    assert generator_loss(fake, "hinge").item() == 0.5  # the mean of 3, 1, 0, -2
    # (3 + 1 + 0 + 0) / 4 on the real ones, (0 + 0 + 1 + 3) / 4 on the others
    assert discriminator_loss(real, fake, "hinge").item() == 1.0


def test_relativistic_compares_each_translation_with_a_real_image() -> None:
    real, fake = noise((5, 1), 14), noise((5, 1), 15)
    by_hand = [math.log(1 + math.exp(r - f)) for r, f in zip(real, fake, strict=True)]
    expected = torch.tensor(sum(by_hand) / 5, dtype=torch.float64)
    torch.testing.assert_close(generator_loss(fake, "relativistic", real), expected)
    torch.testing.assert_close(discriminator_loss(fake, real, "relativistic"), expected)


def test_the_squared_gradient_is_that_of_autograd_on_average() -> None:
    weights, points = noise((6,), 16), noise((20_000, 6), 17)
    moved = points + 0.05 * noise(points.shape, 18)
    logits, of_moved = ((some @ weights).sin() for some in (points, moved))
    exact = ((points @ weights).cos().square() * weights.square().sum()).mean()
    assert squared_gradient(logits, of_moved, 0.05).item() == pytest.approx(exact.item(), rel=0.05)


@pytest.mark.parametrize("game", GAMES)
def test_large_logits_stay_finite_and_a_perfect_discriminator_has_zero_loss(
    game: AdversarialLoss,
) -> None:
    label = 1.0 if game == "least_squares" else 500.0
    real, fake = torch.full((2, 1), label), torch.full((2, 1), 0.0 if label == 1 else -label)
    assert discriminator_loss(real, fake, game).item() == 0
    assert discriminator_loss(fake, real, game).isfinite()
    assert generator_loss(fake, game).isfinite()

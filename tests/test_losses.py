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


def test_least_squares_is_the_squared_distance_from_the_labels() -> None:
    real, fake = noise((4, 1, 2, 2), 12), noise((4, 1, 3, 3), 13)
    squares, ones, zeros = nn.MSELoss(), torch.ones_like, torch.zeros_like
    torch.testing.assert_close(generator_loss(fake, "least_squares"), squares(fake, ones(fake)))
    torch.testing.assert_close(
        discriminator_loss(real, fake, "least_squares"),
        (squares(real, ones(real)) + squares(fake, zeros(fake))) / 2,
    )


def test_non_saturating_is_the_cross_entropy_with_the_labels() -> None:
    real, fake = noise((4, 1, 2, 2), 14), noise((4, 1, 3, 3), 15)
    entropy, ones, zeros = nn.BCEWithLogitsLoss(), torch.ones_like, torch.zeros_like
    torch.testing.assert_close(generator_loss(fake, "non_saturating"), entropy(fake, ones(fake)))
    torch.testing.assert_close(
        discriminator_loss(real, fake, "non_saturating"),
        (entropy(real, ones(real)) + entropy(fake, zeros(fake))) / 2,
    )


def test_hinge_is_the_margin_by_hand() -> None:
    real, fake = torch.tensor([-2.0, 0.0, 1.0, 3.0]), torch.tensor([-3.0, -1.0, 0.0, 2.0])
    assert generator_loss(fake, "hinge").item() == 0.5  # the mean of 3, 1, 0, -2
    # (3 + 1 + 0 + 0) / 4 on the real ones, (0 + 0 + 1 + 3) / 4 on the others
    assert discriminator_loss(real, fake, "hinge").item() == 1.0


@pytest.mark.parametrize(
    ("game", "generator", "discriminator"),
    [
        ("least_squares", 1.0, 0.5),
        ("hinge", 0.0, 1.0),
        ("non_saturating", math.log(2), math.log(2)),
    ],
)
def test_an_undecided_discriminator_costs_a_known_amount(
    game: AdversarialLoss, generator: float, discriminator: float
) -> None:
    nothing = torch.zeros(3, 1, 2, 2)
    assert generator_loss(nothing, game).item() == pytest.approx(generator)
    assert discriminator_loss(nothing, nothing, game).item() == pytest.approx(discriminator)


@pytest.mark.parametrize("game", GAMES)
def test_the_two_sides_pull_in_opposite_directions(game: AdversarialLoss) -> None:
    logits = torch.full((2, 1, 3, 3), 0.25).requires_grad_()
    (generator,) = torch.autograd.grad(generator_loss(logits, game), logits)
    (on_fake,) = torch.autograd.grad(discriminator_loss(logits.detach(), logits, game), logits)
    (on_real,) = torch.autograd.grad(discriminator_loss(logits, logits.detach(), game), logits)
    assert (generator < 0).all()
    assert (on_real < 0).all()
    assert (on_fake > 0).all()


@pytest.mark.parametrize("game", GAMES)
def test_sure_logits_stay_finite_and_a_perfect_discriminator_costs_nothing(
    game: AdversarialLoss,
) -> None:
    label = 1.0 if game == "least_squares" else 500.0
    real, fake = torch.full((2, 1), label), torch.full((2, 1), 0.0 if label == 1 else -label)
    assert discriminator_loss(real, fake, game).item() == 0
    assert discriminator_loss(fake, real, game).isfinite()
    assert generator_loss(fake, game).isfinite()


@pytest.mark.parametrize("game", GAMES)
def test_gradients_of_the_adversarial_losses(game: AdversarialLoss) -> None:
    real, fake = noise((3, 1, 2, 2), 16).requires_grad_(), noise((3, 1, 2, 2), 17).requires_grad_()
    torch.autograd.gradcheck(lambda logits: generator_loss(logits, game), fake)
    torch.autograd.gradcheck(lambda one, two: discriminator_loss(one, two, game), (real, fake))

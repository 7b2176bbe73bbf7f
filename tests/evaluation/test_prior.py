"""A prior is fitted to the codes that the decoder was trained on, and finds what is in them."""

import math
import warnings
from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.vae import DecoderOutput
from sklearn.mixture import GaussianMixture
from torch import Tensor

from hf_gen.data.pixels import Pixels
from hf_gen.evaluation.flow import fit_flow
from hf_gen.evaluation.prior import choose_prior, fit_prior, training_codes
from hf_gen.images import to_pixels
from hf_gen.models.prior import LatentPrior
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import VAEPipeline
from tests.evaluation.small import autoencoder_tiny, noise_pixels

SIZE = 16


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def two_clusters(count: int) -> Tensor:
    """Codes (count, 2, 1, 1), three tenths around (8, -8), correlated, the others around (0, 4)."""
    generator = seeded(4)
    left = torch.randn(count * 3 // 10, 2, generator=generator)
    right = torch.randn(count - len(left), 2, generator=generator)
    factor = torch.tensor([[1.0, 0.0], [0.9, 0.3]])
    codes = torch.cat((left @ factor.T + torch.tensor([8.0, -8.0]), right / 2))
    codes[len(left) :, 1] += 4
    return codes[torch.randperm(count, generator=generator), :, None, None]


def pipeline() -> VAEPipeline:
    torch.manual_seed(0)
    return VAEPipeline(ConvVAE(SIZE, filters=(6, 4), latent_channels=5).eval(), resolution=SIZE)


def test_the_gaussian_has_the_mean_and_the_deviation_of_each_latent() -> None:
    codes = torch.randn(500, 2, 3, 1, generator=seeded()) * 5 + torch.arange(6.0).view(2, 3, 1)
    prior = fit_prior(codes, 0)
    assert prior.kinds == ("standard", "gaussian")
    assert tuple(prior.config.latent_shape) == (2, 3, 1)
    flat = codes.flatten(1).double()
    assert torch.equal(prior.mean, flat.mean(0).float())
    squares = (flat - flat.mean(0)).square().mean(0)
    torch.testing.assert_close(prior.deviation, squares.sqrt().float())
    made = prior.sample(50_000, "gaussian", seeded())
    error = (made.mean(0) - codes.mean(0)) / codes.std(0) * math.sqrt(50_000)
    assert error.abs().max() < 4.5  # standard errors


def test_the_mixture_recovers_two_clusters_and_their_weights() -> None:
    codes = two_clusters(2_000)
    prior = fit_prior(codes, 2)
    assert prior.kinds == ("standard", "gaussian", "mixture")
    order = prior.weights.argsort()
    torch.testing.assert_close(prior.weights[order], torch.tensor([0.3, 0.7]), rtol=0, atol=1e-4)
    centres = torch.tensor([[8.0, -8.0], [0.0, 4.0]])
    torch.testing.assert_close(prior.means[order], centres, rtol=0, atol=0.15)
    covariances = prior.cholesky @ prior.cholesky.mT
    expected = torch.tensor([[[1.0, 0.9], [0.9, 0.9]], [[0.25, 0.0], [0.0, 0.25]]])
    torch.testing.assert_close(covariances[order], expected, rtol=0, atol=0.1)
    made = prior.sample(10_000, "mixture", seeded()).flatten(1)
    distances = torch.cdist(made, centres)
    share = (distances.argmin(1) == 0).double().mean().item()
    assert abs(share - 0.3) < 4.5 * math.sqrt(0.21 / 10_000)
    near = distances.min(1).values < 5
    assert near.double().mean() > 0.998  # few between the clusters, unlike a Gaussian
    gaussian = prior.sample(10_000, "gaussian", seeded()).flatten(1)
    assert (torch.cdist(gaussian, centres).min(1).values > 5).double().mean() > 0.2


def test_the_density_is_that_of_the_mixture_of_scikit_learn() -> None:
    codes = torch.randn(400, 3, 1, 1, generator=seeded()) ** 3
    prior = fit_prior(codes, 3, seed=5)
    flat = codes.flatten(1).double()
    mean, deviation = flat.mean(0), flat.std(0, correction=0)
    whitened = ((flat - mean) / deviation).numpy()
    mixture = GaussianMixture(3, reg_covar=1e-3, tol=1e-2, random_state=5).fit(whitened)
    expected = torch.from_numpy(mixture.score_samples(whitened)) - deviation.log().sum()
    nats = prior.log_prob(codes, "mixture").double()
    torch.testing.assert_close(nats, expected, rtol=1e-4, atol=1e-3)


def test_the_scale_of_the_codes_does_not_matter() -> None:
    codes = two_clusters(1_000)
    scale = torch.tensor([1e-4, 1e4]).view(2, 1, 1)
    one, other = fit_prior(codes, 2), fit_prior(codes * scale, 2)
    torch.testing.assert_close(other.weights, one.weights)
    torch.testing.assert_close(other.means, one.means * scale.flatten(), rtol=1e-3, atol=1e-6)


def test_the_flow_is_fitted_to_standardised_codes() -> None:
    codes = two_clusters(1_000)
    prior = fit_prior(codes, 2, seed=3, flow_steps=2)
    assert prior.kinds == ("standard", "gaussian", "mixture", "flow")
    flat = codes.flatten(1).double()
    expected = fit_flow((flat - flat.mean(0)) / flat.std(0, correction=0), 2, seed=3)
    assert all(map(torch.equal, prior.flow.parameters(), expected.parameters()))


def test_the_same_codes_and_seed_give_the_same_prior() -> None:
    codes = torch.randn(600, 4, 1, 1, generator=seeded())
    one, same, other = (fit_prior(codes, 5, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["means"], other["means"])
    assert torch.equal(one["mean"], other["mean"])


def test_too_few_codes_or_too_many_latents_give_no_mixture() -> None:
    enough = 2 * (4 + 1) * 3
    codes = torch.randn(enough, 4, 1, 1, generator=seeded())
    assert fit_prior(codes, 3).config.num_components == 3
    assert fit_prior(codes[1:], 3).config.num_components == 0
    assert fit_prior(codes[:1], 3).config.num_components == 0
    assert fit_prior(torch.randn(600, 1, 16, 16), 1).config.num_components == 1
    assert fit_prior(torch.randn(600, 257, 1, 1), 1).config.num_components == 0


def test_awkward_codes_are_fitted_without_a_warning(capfd: pytest.CaptureFixture[str]) -> None:
    awkward = {
        "one point": torch.ones(100, 3, 1, 1),
        "a dead latent": torch.randn(200, 3, 1, 1) * torch.tensor([1.0, 0.0, 1.0]).view(3, 1, 1),
        "one code": torch.ones(1, 3, 1, 1),
        "copies": torch.randn(2, 3, 1, 1).repeat(100, 1, 1, 1),
        "half precision": torch.randn(200, 3, 1, 1).half(),
        "slow to converge": torch.rand(3_000, 3, 1, 1),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, codes in awkward.items():
            prior = fit_prior(codes, 8)
            for kind in prior.kinds:
                assert prior.sample(20, kind).isfinite().all(), (name, kind)
                assert prior.log_prob(codes, kind).isfinite().all(), (name, kind)
    assert capfd.readouterr() == ("", "")


def test_codes_that_are_not_finite_are_an_error() -> None:
    broken = torch.ones(20, 3, 1, 1)
    broken[3, 1] = math.nan
    with pytest.raises(ValueError, match=r"finite numbers.*has the training diverged"):
        fit_prior(broken)


def test_codes_are_samples_of_the_posteriors_of_the_first_images() -> None:
    made, images = pipeline(), noise_pixels(300, SIZE)
    codes = training_codes(made, images, 270, seed=3)
    assert len(training_codes(made, noise_pixels(7, SIZE), 100, seed=0)) == 7
    assert codes.shape == (270, 5, 1, 1)
    assert torch.equal(codes, training_codes(made, images, 270, seed=3))
    assert not torch.equal(codes, training_codes(made, images, 270, seed=4))
    first = images.images(torch.arange(270))
    with torch.no_grad():
        posterior = made.vae.encode(first).latent_dist
    noise = (codes - posterior.mean) / posterior.std
    assert abs(noise.mean()) < 4.5 / math.sqrt(noise.numel())
    assert abs(noise.std() - 1) < 0.1
    assert abs(torch.corrcoef(torch.stack((noise[:-1, 0], noise[1:, 0])).flatten(1))[0, 1]) < 0.3


def test_an_autoencoder_without_a_posterior_gives_its_codes() -> None:
    tiny = autoencoder_tiny()
    made, images = VAEPipeline(tiny, resolution=SIZE), noise_pixels(9, SIZE)
    codes = training_codes(made, images, 9, seed=0)
    assert torch.equal(codes, made.encode(images.images(torch.arange(9))))
    prior = fit_prior(codes)
    assert isinstance(prior, LatentPrior)
    assert VAEPipeline(tiny, prior, SIZE).priors == ("standard", "gaussian")


class Cells(ConvVAE):
    """Decodes each latent to the brightness of a column of its own: what is sampled is seen."""

    def decode(self, z: Tensor) -> DecoderOutput:
        columns = torch.tanh(z.flatten(1).repeat_interleave(SIZE // 2, 1))
        return DecoderOutput(sample=columns[:, None, None, :].expand(-1, 3, SIZE, -1))


def striped(prior: str, temperature: float, count: int) -> tuple[VAEPipeline, Pixels]:
    """A pipeline with a fitted prior, and images that are its samples from one of its priors."""
    fitted = fit_prior(two_clusters(400) / 8, num_components=2)
    made = VAEPipeline(Cells(SIZE, filters=(6, 4), latent_channels=2), fitted, SIZE)
    images = made.sample(count, seeded(9), "pt", prior, temperature)
    rows = torch.from_numpy(to_pixels(images)).reshape(count, -1)
    return made, Pixels(rows, torch.arange(count), SIZE)


# The prior and the temperature of the images, and which of the candidates is closest.
CHOSEN = [
    (("standard", 1.0), ("standard", 1.0)),
    (("gaussian", 1.0), ("gaussian", 1.0)),
    (("gaussian", 0.4), ("gaussian", 0.7)),
    (("mixture", 0.2), ("mixture", 0.7)),
]


@pytest.mark.parametrize(("images", "expected"), CHOSEN)
def test_the_prior_is_chosen_whose_samples_are_closest_to_the_validation_images(
    images: tuple[Any, float], expected: tuple[str, float]
) -> None:
    made, validation = striped(*images, 60)
    assert choose_prior(made, validation, seed=1) == expected


def test_few_images_choose_nothing() -> None:
    made, validation = striped("standard", 1.0, 7)
    assert choose_prior(made, validation) == ("mixture", 1.0)

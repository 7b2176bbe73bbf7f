"""The bounds against a model whose likelihood is known exactly, and against the training's own."""

import math
from dataclasses import replace

import pytest
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from torch import Tensor, nn

from hf_gen.config import Data, DenseVAEConfig, Objective, VAERecipe
from hf_gen.data.batches import Batch
from hf_gen.data.pixels import Pixels
from hf_gen.evaluation.likelihood import evaluate_likelihood
from hf_gen.losses import reconstruction_nll
from hf_gen.models.vae import DenseVAE
from hf_gen.pipelines import VAEPipeline
from hf_gen.tasks.vae import VAETask
from tests.evaluation.small import all_of, autoencoder_kl, autoencoder_tiny, noise_pixels

SIZE, LATENTS, SCALE = 4, 3, 0.3
GAUSSIAN = Objective(likelihood="gaussian", likelihood_scale=SCALE)


class LinearGaussian(ModelMixin, ConfigMixin):
    """Probabilistic PCA with orthogonal loadings, whose true posterior has a diagonal covariance.

    `wrong` moves the means of the posterior by standard deviations and widens it: 0 is the true
    one.
    """

    @register_to_config
    def __init__(self, wrong: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        directions, _ = torch.linalg.qr(torch.randn(3 * SIZE**2, LATENTS, generator=generator))
        self.loadings = nn.Parameter(directions * torch.tensor([2.0, 1.0, 0.5]))

    def encode(self, x: Tensor) -> AutoencoderKLOutput:
        precision = 1 + self.loadings.square().sum(0) / SCALE**2
        mean = x.flatten(1) @ self.loadings / SCALE**2 / precision
        mean = mean + self.config.wrong * precision.rsqrt()
        logvar = (self.config.wrong - precision.log()).expand_as(mean)
        moments = torch.cat((mean, logvar), 1)[:, :, None, None]
        return AutoencoderKLOutput(latent_dist=DiagonalGaussianDistribution(moments))

    def decode(self, z: Tensor) -> DecoderOutput:
        return DecoderOutput(sample=(z.flatten(1) @ self.loadings.T).view(-1, 3, SIZE, SIZE))

    def true_nll(self, images: Tensor) -> Tensor:
        covariance = self.loadings @ self.loadings.T + SCALE**2 * torch.eye(3 * SIZE**2)
        mean = torch.zeros(3 * SIZE**2)
        normal = torch.distributions.MultivariateNormal(mean, covariance.detach())
        return -normal.log_prob(images.flatten(1))


def results_of(vae: ModelMixin, images: Pixels, samples: int) -> dict[str, float]:
    return evaluate_likelihood(VAEPipeline(vae, resolution=SIZE), GAUSSIAN, images, samples)


def test_with_the_true_posterior_the_importance_weighted_bound_is_the_likelihood() -> None:
    vae, images = LinearGaussian(), noise_pixels(20, SIZE)
    exact = vae.true_nll(all_of(images)).mean().item()
    for samples in (1, 5):
        results = results_of(vae, images, samples)
        assert results["importance_weighted_nll"] == pytest.approx(exact, abs=1e-3)
    results = results_of(vae, images, 2_000)
    assert results["negative_elbo"] == pytest.approx(exact, abs=0.05)


def test_with_another_posterior_the_bound_goes_to_the_likelihood_and_the_elbo_does_not() -> None:
    vae, images = LinearGaussian(wrong=0.8), noise_pixels(20, SIZE)
    exact = vae.true_nll(all_of(images)).mean().item()
    gaps = {}
    for samples in (1, 10, 2_000):
        results = results_of(vae, images, samples)
        gaps[samples] = results["importance_weighted_nll"] - exact
    assert gaps[1] > gaps[10] > gaps[2_000] > -0.02
    assert gaps[2_000] == pytest.approx(0, abs=0.05)
    # The distance of the ELBO is the divergence of the two normal posteriors, in closed form.
    divergence = LATENTS * 0.5 * (math.exp(0.8) - 1 - 0.8 + 0.8**2)
    assert results["negative_elbo"] - exact == pytest.approx(divergence, rel=0.03)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "laplace"])
def test_the_terms_are_those_of_the_training(likelihood: str) -> None:
    recipe = VAERecipe(
        model=DenseVAEConfig(hidden=(8,), latent_channels=3),
        objective=Objective(likelihood=likelihood),
        data=Data(resolution=8),
    )
    torch.manual_seed(0)
    task = VAETask(recipe)
    vae = task.networks["vae"].vae
    final = vae.encoder[-2]
    with torch.no_grad():  # posteriors so narrow that every draw is the mean
        final.weight[3:] = 0
        final.bias[3:] = -30
    images = noise_pixels(10, 8)
    batch = Batch((all_of(images),), (0, "validation", 0), slice(0, 10), 10)
    ((_, terms),) = task.losses(task.networks, batch)
    results = evaluate_likelihood(task.pipeline(task.networks), recipe.objective, images, 2)
    for name in ("reconstruction", "kl", "negative_elbo"):
        assert results[name] == pytest.approx(terms[name].item(), rel=1e-5), name


def test_bits_are_those_of_eight_bit_pixels() -> None:
    images = noise_pixels(10, SIZE)
    pipeline = VAEPipeline(LinearGaussian(), resolution=SIZE)
    nats = evaluate_likelihood(pipeline, GAUSSIAN, images, 3)
    # The probability of a byte is the density times the distance of two bytes in [-1, 1].
    expected = (nats["negative_elbo"] - 3 * SIZE**2 * math.log(2 / 255)) / (3 * SIZE**2)
    assert nats["bits_per_dimension"] == pytest.approx(expected / math.log(2))
    vae = DenseVAE(SIZE, hidden=(4,), latent_channels=2)
    nats = evaluate_likelihood(VAEPipeline(vae, resolution=SIZE), Objective(), images, 3)
    expected = nats["negative_elbo"] / (3 * SIZE**2 * math.log(2))
    assert nats["bits_per_dimension"] == pytest.approx(expected)


def test_the_kl_of_the_prior_is_zero() -> None:
    vae = DenseVAE(SIZE, hidden=(4,), latent_channels=2)
    for parameter in vae.parameters():
        parameter.data.zero_()
    results = evaluate_likelihood(
        VAEPipeline(vae, resolution=SIZE), Objective(), noise_pixels(5, SIZE), 4
    )
    assert results["kl"] == 0
    # Every image is grey, whatever the code: one bit for each number.
    for name in ("reconstruction", "negative_elbo", "importance_weighted_nll"):
        assert results[name] == pytest.approx(3 * SIZE**2 * math.log(2), rel=1e-6)
    assert results["bits_per_dimension"] == pytest.approx(1, rel=1e-6)


def test_without_a_posterior_there_is_the_reconstruction_only() -> None:
    vae = autoencoder_tiny()
    images = noise_pixels(3, 8)
    results = evaluate_likelihood(VAEPipeline(vae, resolution=8), GAUSSIAN, images)
    assert results.keys() == {"reconstruction"}
    real = all_of(images)
    made = vae.decode(vae.encode(real).latents).sample
    expected = reconstruction_nll(real, made, "gaussian", SCALE).mean().item()
    assert results["reconstruction"] == pytest.approx(expected, rel=1e-5)


def test_codes_may_be_maps_and_chunks_do_not_change_what_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline = VAEPipeline(autoencoder_kl(8), resolution=8)
    images = noise_pixels(7, 8)
    laplace = replace(GAUSSIAN, likelihood="laplace")
    full = evaluate_likelihood(pipeline, laplace, images, samples=3, seed=5)
    assert full == evaluate_likelihood(pipeline, laplace, images, samples=3, seed=5)
    assert full != evaluate_likelihood(pipeline, laplace, images, samples=3, seed=6)
    monkeypatch.setattr("hf_gen.evaluation.likelihood._PIXELS_OF_A_BATCH", 2 * 8**2)
    parts = evaluate_likelihood(pipeline, laplace, images, samples=3, seed=5)
    assert parts["kl"] == pytest.approx(full["kl"], rel=1e-6)
    assert parts["reconstruction"] == pytest.approx(full["reconstruction"], rel=0.05)

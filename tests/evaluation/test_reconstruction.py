"""Quality numbers against their formulas."""

import math

import pytest
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTinyOutput
from diffusers.models.autoencoders.vae import DecoderOutput
from torch import Tensor

from hf_gen.data.pixels import Pixels
from hf_gen.evaluation.reconstruction import evaluate_reconstruction
from hf_gen.features import feature_extractor
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import VAEPipeline


class Offset(ModelMixin, ConfigMixin):
    """An autoencoder whose code is the image, and whose decoder adds a constant to it."""

    @register_to_config
    def __init__(self, offset: float = 0.0) -> None:
        super().__init__()
        self.added = torch.nn.Parameter(torch.tensor(offset))

    def encode(self, x: Tensor) -> AutoencoderTinyOutput:
        return AutoencoderTinyOutput(latents=x)

    def decode(self, z: Tensor) -> DecoderOutput:
        return DecoderOutput(sample=z + self.added)


def pixels(count: int, size: int = 16, high: int = 128) -> Pixels:
    """Noise in the darker half, so that a constant can be added to it."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, high, (count, size * size * 3), generator=generator).to(torch.uint8)
    return Pixels(rows, torch.arange(count), size)


@pytest.mark.parametrize("offset", [0.5, 0.02])
def test_psnr_is_the_formula(offset: float) -> None:
    results = evaluate_reconstruction(VAEPipeline(Offset(offset), resolution=16), pixels(7))
    # An error of `offset` on [-1, 1] is half as much on [0, 1], whose peak is 1.
    assert results["psnr"] == pytest.approx(-20 * math.log10(offset / 2), abs=1e-3)
    assert results["images"] == 7


def test_psnr_and_perceptual_distance_are_means_over_the_images_of_a_network() -> None:
    torch.manual_seed(0)
    pipeline = VAEPipeline(ConvVAE(16, filters=(6, 4), latent_channels=5), resolution=16)
    held_out = pixels(270, high=256)
    real = held_out.images(torch.arange(270))
    made = pipeline.reconstruct(real, output_type="pt")
    error = (made - real).div(2).square().mean((1, 2, 3))
    distance = feature_extractor().perceptual_distance(real, made).mean().item()
    results = evaluate_reconstruction(pipeline, held_out)
    assert results["psnr"] == pytest.approx((-10 * error.log10()).mean().item(), abs=1e-3)
    assert results["perceptual"] == pytest.approx(distance, rel=1e-5)
    assert 0 < distance < 4
    assert results["images"] == 270


def test_ssim_of_the_same_images_is_one_and_of_others_less() -> None:
    same = evaluate_reconstruction(VAEPipeline(Offset(0.0), resolution=16), pixels(5))
    assert same["ssim"] == pytest.approx(1, abs=1e-5)
    assert same["psnr"] == math.inf
    assert same["mae"] == 0
    assert same["perceptual"] == pytest.approx(0, abs=1e-6)
    other = evaluate_reconstruction(VAEPipeline(Offset(0.5), resolution=16), pixels(5))
    assert 0 < other["ssim"] < 0.999


@pytest.mark.parametrize("size", [8, 10, 11])
def test_the_smallest_images_have_numbers_too(size: int) -> None:
    results = evaluate_reconstruction(VAEPipeline(Offset(0.5), resolution=size), pixels(3, size))
    assert all(math.isfinite(value) for value in results.values())


def test_the_mean_absolute_error_is_that_of_the_pixels() -> None:
    results = evaluate_reconstruction(VAEPipeline(Offset(0.3), resolution=16), pixels(7))
    assert results["mae"] == pytest.approx(0.3, abs=1e-6)

"""Reconstruction metrics against their formulas."""

import math
from pathlib import Path

import pytest
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTinyOutput
from diffusers.models.autoencoders.vae import DecoderOutput
from torch import Tensor

from hf_gen.evaluation.distributions import set_distances
from hf_gen.evaluation.reconstruction import evaluate_reconstruction
from hf_gen.evaluation.samples import reference
from hf_gen.features import feature_extractor
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import VAEPipeline
from tests.evaluation.small import all_of, noise_pixels


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


def results_of(offset: float, count: int = 7, size: int = 16) -> dict[str, float]:
    """Of noise in the darker half, so that the offset can be added without clipping."""
    pixels = noise_pixels(count, size, high=128)
    return evaluate_reconstruction(VAEPipeline(Offset(offset), resolution=size), pixels)


@pytest.mark.parametrize("offset", [0.5, 0.3, 0.02])
def test_a_constant_error_has_the_psnr_and_mae_of_the_formulas(offset: float) -> None:
    results = results_of(offset)
    # An error of `offset` on [-1, 1] is half as much on [0, 1], whose peak is 1.
    assert results["psnr"] == pytest.approx(-20 * math.log10(offset / 2), abs=1e-3)
    assert results["mae"] == pytest.approx(offset, abs=1e-6)
    assert 0 < results["ssim"] < 1
    assert results["images"] == 7


def test_equal_images_have_the_best_values() -> None:
    results = results_of(0.0)
    assert results["psnr"] == math.inf
    assert results["mae"] == 0
    assert results["ssim"] == pytest.approx(1, abs=1e-5)
    assert results["perceptual"] == pytest.approx(0, abs=1e-6)


def test_psnr_and_perceptual_distance_are_means_over_the_images_of_every_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hf_gen.evaluation.reconstruction._BATCH_SIZE", 5)
    torch.manual_seed(0)
    pipeline = VAEPipeline(ConvVAE(16, filters=(6, 4), latent_channels=5), resolution=16)
    pixels = noise_pixels(12, 16)
    real = all_of(pixels)
    made = pipeline.reconstruct(real, output_type="pt")
    error = (made - real).div(2).square().mean((1, 2, 3))
    distance = feature_extractor().perceptual_distance(real, made).mean().item()
    results = evaluate_reconstruction(pipeline, pixels)
    assert results["psnr"] == pytest.approx((-10 * error.log10()).mean().item(), abs=1e-3)
    assert results["perceptual"] == pytest.approx(distance, rel=1e-5)
    assert 0 < distance < 4


@pytest.mark.parametrize("size", [8, 10, 11])
def test_the_smallest_images_have_finite_results(size: int) -> None:
    assert all(math.isfinite(value) for value in results_of(0.5, 3, size).values())


def test_the_statistics_of_the_compared_images_are_kept_for_other_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hf_gen.evaluation.reconstruction._BATCH_SIZE", 5)
    monkeypatch.setattr("hf_gen.evaluation.reconstruction.MAX_SAMPLES", 9)
    pixels, extractor = noise_pixels(12, 16, high=128), feature_extractor()
    pipeline = VAEPipeline(Offset(0.5), resolution=16)
    results = evaluate_reconstruction(pipeline, pixels, tmp_path)
    assert len(list(tmp_path.glob("reference-*/"))) == 1
    compared = all_of(pixels)[:9]
    kept, computed = (reference(compared, extractor, place) for place in (tmp_path, None))
    assert len(list(tmp_path.glob("reference-*/"))) == 1
    assert torch.allclose(kept.features, computed.features, atol=1e-6)
    assert kept.diversity == pytest.approx(computed.diversity, rel=1e-6)
    made = extractor(pipeline.reconstruct(compared, output_type="pt")).features
    expected = set_distances(computed.features, made)
    assert expected == pytest.approx(
        {name: results[f"reconstructions/{name}"] for name in expected}, rel=1e-5, abs=1e-5
    )

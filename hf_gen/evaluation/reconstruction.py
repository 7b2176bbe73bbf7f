"""Reconstruction quality of an autoencoder."""

from pathlib import Path

import torch
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

from hf_gen.data.pixels import Pixels
from hf_gen.evaluation.distributions import set_distances
from hf_gen.evaluation.grid import GridEnergy
from hf_gen.evaluation.samples import MAX_SAMPLES, MIN_IMAGES, RunningStatistics, reference
from hf_gen.features import feature_extractor
from hf_gen.pipelines import VAEPipeline

_BATCH_SIZE = 256


@torch.no_grad()
def evaluate_reconstruction(
    pipeline: VAEPipeline, pixels: Pixels, cache_dir: Path | None = None
) -> dict[str, float]:
    """Compares test images with their reconstructions from the posterior means.

    Args:
        pipeline: What reconstructs.
        pixels: At least one image.
        cache_dir: Where the `reference` statistics of the first 2,000 images are kept.

    Returns:
        "psnr" in decibels; "ssim", at most 1; "mae", mean absolute error of images in [-1, 1];
        "perceptual", perceptual distance in [0, 4]. Each is averaged over the images, whose number
        is "images". "grid" is that of `GridEnergy`, where it can be measured. With 8 images or more
        "reconstructions/NAME", the distances of `set_distances` between the first 2,000 images and
        their reconstructions: as many as samples are compared.

    Source: Wang, Bovik, Sheikh and Simoncelli, Image quality assessment: from error visibility to
        structural similarity, 2004 (an 11x11 Gaussian window).
    """
    # A single process evaluates, so there is nothing to synchronise.
    psnr = PeakSignalNoiseRatio(
        data_range=1.0, dim=(1, 2, 3), reduction="elementwise_mean", sync_on_compute=False
    )
    ssim = StructuralSimilarityIndexMeasure(data_range=1.0, sync_on_compute=False)
    extractor = feature_extractor()
    grid = GridEnergy(pixels.resolution)
    errors, distances, features, of_real = [], [], [], RunningStatistics()
    for indices in torch.arange(len(pixels)).split(_BATCH_SIZE):
        images = pixels.images(indices)
        reconstructions = pipeline.reconstruct(images, output_type="pt").cpu()
        for metric in (psnr, ssim):
            metric.update((reconstructions + 1) / 2, (images + 1) / 2)
        grid.update(images, reconstructions)
        errors.append((reconstructions - images).abs().mean((1, 2, 3)))
        real, reconstructed = extractor(images), extractor(reconstructions)
        distances.append((real.embeddings - reconstructed.embeddings).square().sum(1))
        compared = max(MAX_SAMPLES - int(indices[0]), 0)
        of_real.update(real.features[:compared], real.embeddings[:compared])
        features.append(reconstructed.features[:compared])
    results = {
        "images": len(pixels),
        "psnr": psnr.compute().item(),
        "ssim": ssim.compute().item(),
        "mae": torch.cat(errors).mean().item(),
        "perceptual": torch.cat(distances).mean().item(),
    }
    if grid.is_measurable(pixels.resolution):
        results["grid"] = grid.compute()
    if len(pixels) >= MIN_IMAGES:
        first = pixels.images(torch.arange(min(len(pixels), MAX_SAMPLES)))
        statistics = reference(first, extractor, cache_dir, of_real)
        of_sets = set_distances(statistics.features, torch.cat(features))
        results |= {f"reconstructions/{name}": value for name, value in of_sets.items()}
    return results

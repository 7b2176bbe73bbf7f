"""How close a reconstruction comes to its image."""

import torch
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

from hf_gen.data.pixels import Pixels
from hf_gen.features import feature_extractor
from hf_gen.pipelines import VAEPipeline

_AT_ONCE = 256


@torch.no_grad()
def evaluate_reconstruction(pipeline: VAEPipeline, held_out: Pixels) -> dict[str, float]:
    """Quality of the reconstructions from the mean codes of all held-out images.

    Returns:
        "psnr", decibels; "ssim", at most 1; "mae", the absolute error of a pixel in units of
        [-1, 1]; "perceptual", the perceptual distance in [0, 4], in the features of `FEATURES`.
        Each is the mean over the images ("images") of its value for one.

    Source: Wang, Bovik, Sheikh and Simoncelli, Image quality assessment: from error visibility to
        structural similarity, 2004 (an 11x11 Gaussian window).
    """
    # One process evaluates everything, so nothing is gathered from the others.
    psnr = PeakSignalNoiseRatio(
        data_range=1.0, dim=(1, 2, 3), reduction="elementwise_mean", sync_on_compute=False
    )
    ssim = StructuralSimilarityIndexMeasure(data_range=1.0, sync_on_compute=False)
    extractor = feature_extractor()
    errors, distances = [], []
    for indices in torch.arange(len(held_out)).split(_AT_ONCE):
        images = held_out.images(indices)
        reconstructions = pipeline.reconstruct(images, output_type="pt").cpu()
        for metric in (psnr, ssim):
            metric.update((reconstructions + 1) / 2, (images + 1) / 2)
        errors.append((reconstructions - images).abs().mean((1, 2, 3)))
        distances.append(extractor.perceptual_distance(images, reconstructions))
    return {
        "images": len(held_out),
        "psnr": psnr.compute().item(),
        "ssim": ssim.compute().item(),
        "mae": torch.cat(errors).mean().item(),
        "perceptual": torch.cat(distances).mean().item(),
    }

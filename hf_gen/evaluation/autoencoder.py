"""All metrics of an autoencoder: reconstructions, likelihood bounds, latents and samples."""

from pathlib import Path

import torch
from torch import Tensor

from hf_gen.config import Objective
from hf_gen.data.pixels import Pixels
from hf_gen.evaluation.disentanglement import MIN_IMAGES as MIN_IMAGES_OF_DISENTANGLEMENT
from hf_gen.evaluation.disentanglement import evaluate_disentanglement
from hf_gen.evaluation.latents import evaluate_latents
from hf_gen.evaluation.likelihood import evaluate_likelihood
from hf_gen.evaluation.reconstruction import evaluate_reconstruction
from hf_gen.evaluation.samples import (
    MAX_SAMPLES,
    MIN_IMAGES,
    evaluate_samples,
    reference,
    second_opinion,
)
from hf_gen.features import feature_extractor
from hf_gen.metrics import SECOND_OPINION
from hf_gen.models.prior import PriorName
from hf_gen.pipelines import VAEPipeline

_BATCH_SIZE = 256


@torch.no_grad()
def evaluate_autoencoder(
    pipeline: VAEPipeline,
    objective: Objective,
    pixels: Pixels,
    factors: dict[str, Tensor] | None,
    seed: int = 0,
    cache_dir: Path | None = None,
) -> dict[str, float | str | list[float]]:
    """Evaluates an autoencoder on test images.

    Args:
        pipeline: On any device; features are computed on the CPU, so that results compare.
        objective: Holds the likelihood.
        pixels: At least one image.
        factors: Of synthetic faces, from `factor_values`; else None.
        seed: Of the samples of posteriors and priors, and of the probes.
        cache_dir: Where the statistics of the test images are kept for other runs.

    Returns:
        Those of `evaluate_reconstruction` and `evaluate_likelihood`;
        with a posterior and 2 images or more those of `evaluate_latents`;
        "default_prior" and "default_temperature" of the pipeline;
        with 8 images or more those of `evaluate_samples`, of as many samples as there are test
            images, at most 2,000: "samples/NAME" for the default prior at its temperature, with
            `second_opinion`, and "samples/PRIOR/NAME" for each prior at temperature 1;
        with factors and 40 images or more those of `evaluate_disentanglement`, for one sample of
            the posterior of each image. Posterior means would flatter a collapsed posterior: they
            still hold traces of the factors, which no decoder sees under the noise.
    """
    results: dict[str, float | str | list[float]] = {}
    results |= evaluate_reconstruction(pipeline, pixels, cache_dir)
    results |= evaluate_likelihood(pipeline, objective, pixels, seed=seed)
    mean, logvar = _posteriors(pipeline, pixels)
    if logvar is not None and len(mean) > 1:
        results |= evaluate_latents(mean, logvar, seed)
    prior, temperature = pipeline.resolve_prior()
    results |= {"default_prior": prior, "default_temperature": temperature}
    if len(pixels) >= MIN_IMAGES:
        results |= _evaluate_priors(pipeline, pixels, seed, cache_dir)
    if factors is not None and len(mean) >= MIN_IMAGES_OF_DISENTANGLEMENT:
        results |= evaluate_disentanglement(_sample(mean, logvar, seed), factors, seed)
    return results


def _posteriors(pipeline: VAEPipeline, pixels: Pixels) -> tuple[Tensor, Tensor | None]:
    """Means and log variances, (images, latents), float32; without a posterior latents and None."""
    vae = pipeline.vae
    means, logvars = [], []
    for indices in torch.arange(len(pixels)).split(_BATCH_SIZE):
        encoded = vae.encode(pixels.images(indices).to(vae.device, vae.dtype))
        if not hasattr(encoded, "latent_dist"):
            means.append(encoded.latents.flatten(1).float().cpu())
            continue
        means.append(encoded.latent_dist.mean.flatten(1).float().cpu())
        logvars.append(encoded.latent_dist.logvar.flatten(1).float().cpu())
    return torch.cat(means), torch.cat(logvars) if logvars else None


def _sample(mean: Tensor, logvar: Tensor | None, seed: int) -> Tensor:
    if logvar is None:
        return mean
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed))
    return mean + (0.5 * logvar).exp() * noise


def _evaluate_priors(
    pipeline: VAEPipeline, pixels: Pixels, seed: int, cache_dir: Path | None
) -> dict[str, float]:
    count, extractor = min(len(pixels), MAX_SAMPLES), feature_extractor()
    images = pixels.images(torch.arange(count))
    real, real_again = (
        reference(images, one, cache_dir)
        for one in (extractor, feature_extractor(name=SECOND_OPINION))
    )

    def draw(prior: PriorName, temperature: float) -> Tensor:
        # Not the seed with which the default was chosen.
        generator = torch.Generator().manual_seed(seed + 1)
        return pipeline.sample(count, generator, "pt", prior, temperature).cpu()

    default = pipeline.resolve_prior()
    generated = draw(*default)
    of_default = evaluate_samples(generated, real, extractor)
    groups = {"samples": of_default | second_opinion(generated, real_again)}
    for prior in pipeline.priors:
        is_default = (prior, 1.0) == default
        groups[f"samples/{prior}"] = (
            of_default if is_default else evaluate_samples(draw(prior, 1.0), real, extractor)
        )
    return {f"{group}/{name}": value for group, of in groups.items() for name, value in of.items()}

"""Every number of one autoencoder: its reconstructions, its bounds, its codes and its samples."""

from pathlib import Path

import torch
from torch import Tensor

from hf_gen.config import Objective
from hf_gen.data.pixels import Pixels
from hf_gen.evaluation.disentanglement import FEWEST as FEWEST_TO_READ
from hf_gen.evaluation.disentanglement import evaluate_disentanglement
from hf_gen.evaluation.inception import inception_frechet_distance
from hf_gen.evaluation.latents import evaluate_latents
from hf_gen.evaluation.likelihood import evaluate_likelihood
from hf_gen.evaluation.reconstruction import evaluate_reconstruction
from hf_gen.evaluation.samples import FEWEST, evaluate_samples, reference
from hf_gen.features import feature_extractor
from hf_gen.pipelines import VAEPipeline

MOST_SAMPLES = 2_000
_AT_ONCE = 256


@torch.no_grad()
def evaluate_autoencoder(
    pipeline: VAEPipeline,
    objective: Objective,
    held_out: Pixels,
    factors: dict[str, Tensor] | None,
    seed: int = 0,
    inception: bool = False,
    cache_dir: Path | None = None,
) -> dict[str, float | list[float]]:
    """Measures an autoencoder on the held-out images.

    Args:
        pipeline: On any device; features are seen on the CPU, so that numbers compare.
        objective: Which likelihood its images have.
        held_out: Images that it has not been trained on, at least one.
        factors: What they were drawn from, where they are synthetic faces; see `true_factors`.
        seed: Of the draws from posteriors and priors, and of what is learned from the codes.
        inception: Also "samples/PRIOR/inception_frechet_distance".
        cache_dir: Where what is known of the held-out images is kept for other runs on them.

    Returns:
        The numbers of `evaluate_reconstruction` and `evaluate_likelihood`;
        with a posterior those of `evaluate_latents`, of 2 images or more;
        as "samples/PRIOR/NAME" those of `evaluate_samples`, for each prior of the pipeline, of as
            many samples as there are held-out images, from 8 to 2,000;
        with factors those of `evaluate_disentanglement`, of 40 images or more. It reads one draw
            from the posterior of each image. The means would flatter a collapsed posterior: they
            still differ by traces of the factors, which no decoder sees under the noise.
    """
    results: dict[str, float | list[float]] = {}
    results |= evaluate_reconstruction(pipeline, held_out)
    results |= evaluate_likelihood(pipeline, objective, held_out, seed=seed)
    mean, logvar = _posteriors(pipeline, held_out)
    if logvar is not None and len(mean) > 1:
        results |= evaluate_latents(mean, logvar, seed)
    if len(held_out) >= FEWEST:
        results |= _evaluate_priors(pipeline, held_out, seed, inception, cache_dir)
    if factors is not None and len(mean) >= FEWEST_TO_READ:
        results |= evaluate_disentanglement(_draw(mean, logvar, seed), factors, seed)
    return results


def _posteriors(pipeline: VAEPipeline, held_out: Pixels) -> tuple[Tensor, Tensor | None]:
    """Means and log variances, (images, numbers), float32; or codes, and None for the others."""
    vae = pipeline.vae
    means, logvars = [], []
    for indices in torch.arange(len(held_out)).split(_AT_ONCE):
        encoded = vae.encode(held_out.images(indices).to(vae.device, vae.dtype))
        if not hasattr(encoded, "latent_dist"):
            means.append(encoded.latents.flatten(1).float().cpu())
            continue
        means.append(encoded.latent_dist.mean.flatten(1).float().cpu())
        logvars.append(encoded.latent_dist.logvar.flatten(1).float().cpu())
    return torch.cat(means), torch.cat(logvars) if logvars else None


def _draw(mean: Tensor, logvar: Tensor | None, seed: int) -> Tensor:
    if logvar is None:
        return mean
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed))
    return mean + (0.5 * logvar).exp() * noise


def _evaluate_priors(
    pipeline: VAEPipeline, held_out: Pixels, seed: int, inception: bool, cache_dir: Path | None
) -> dict[str, float]:
    real_images = held_out.images(torch.arange(min(len(held_out), MOST_SAMPLES)))
    extractor = feature_extractor()
    real = reference(real_images, extractor, cache_dir)
    numbers: dict[str, float] = {}
    for prior in pipeline.priors:
        generator = torch.Generator().manual_seed(seed)
        images = pipeline.sample(len(real_images), generator, "pt", prior).cpu()
        for name, value in evaluate_samples(images, real, extractor).items():
            numbers[f"samples/{prior}/{name}"] = value
        if inception:
            distance = inception_frechet_distance(real_images, images)
            numbers[f"samples/{prior}/inception_frechet_distance"] = distance
    return numbers

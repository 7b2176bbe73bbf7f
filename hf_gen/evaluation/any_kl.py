"""An `AnyKLVAE` after training: its prior at five KL weights, and its numbers along them.

Source: Alemi et al., Fixing a Broken ELBO, 2018, for the curve of rate and distortion.
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from hf_gen.config import Objective
from hf_gen.data.pixels import Pixels
from hf_gen.evaluation.latents import active_units
from hf_gen.evaluation.likelihood import evaluate_likelihood
from hf_gen.evaluation.prior import fit_prior, training_codes
from hf_gen.evaluation.samples import MAX_SAMPLES, MIN_IMAGES, evaluate_samples, reference
from hf_gen.features import feature_extractor
from hf_gen.metrics import PER_KL_WEIGHT
from hf_gen.models.fixed_kl import at_kl_weight
from hf_gen.models.prior import AnyKLPrior, LatentPrior
from hf_gen.pipelines import VAEPipeline

_STEPS = 8
_SAMPLES_OF_A_POSTERIOR = 8
_MIN_STD = 1e-6
_ADDED_VARIANCE = 1e-3
_BATCH_SIZE = 256


def fixed_pipeline(pipeline: VAEPipeline, kl_weight: float) -> VAEPipeline:
    """The pipeline that one of an `AnyKLVAE` is at one KL weight, with the prior of that weight.

    Raises:
        ValueError: If the weight is out of the range of the network.
    """
    prior, config = pipeline.prior, pipeline.config
    if isinstance(prior, AnyKLPrior):
        prior = prior.at(kl_weight)
    return VAEPipeline(
        at_kl_weight(pipeline.vae, kl_weight),
        prior,
        config.resolution,
        config.default_prior,
        config.default_temperature,
    )


def fit_any_kl_prior(
    pipeline: VAEPipeline, pixels: Pixels, count: int, seed: int = 0, num_components: int = 10
) -> AnyKLPrior:
    """Fits a prior to the codes of the same training images at each of five KL weights.

    The mixture is fitted at weight 1, by `fit_prior`. The images keep their shares in its
    components at the other weights, so that a component is one crowd of images at every weight and
    may be interpolated.

    Args:
        pipeline: Of an `AnyKLVAE`.
        pixels: The training images.
        count: Maximum number of images.
        seed: Of the samples of the posteriors and of the initial components.
        num_components: Of the mixture; `fit_prior` says when there is none.
    """
    config = pipeline.vae.config

    def codes_at(kl_weight: float) -> Tensor:
        return training_codes(fixed_pipeline(plain, kl_weight), pixels, count, seed)

    plain = VAEPipeline(pipeline.vae, resolution=pipeline.config.resolution)
    codes = codes_at(1.0)
    first = fit_prior(codes, num_components, seed)
    num_components = first.config.num_components
    prior = AnyKLPrior(
        (codes.shape[1], codes.shape[2], codes.shape[3]),
        num_components,
        min_kl_weight=config.min_kl_weight,
        max_kl_weight=config.max_kl_weight,
    )
    shares = _shares(first, codes) if num_components else codes.new_zeros(len(codes), 0)
    fitted = [_moments(codes_at(weight), shares) for weight in prior.kl_weights]
    prior.load_state_dict({name: torch.stack([one[name] for one in fitted]) for name in fitted[0]})
    return prior


def evaluate_kl_weights(
    pipeline: VAEPipeline,
    objective: Objective,
    pixels: Pixels,
    seed: int = 0,
    cache_dir: Path | None = None,
) -> dict[str, list[float]]:
    """Measures an `AnyKLVAE` on test images at nine KL weights from the lowest to the highest.

    Args:
        pipeline: With or without a prior.
        objective: Holds the likelihood.
        pixels: Two images or more.
        seed: Of the samples of posteriors and prior.
        cache_dir: Where the statistics of the test images are kept.

    Returns:
        "kl_weights", and for each of them, with `PER_KL_WEIGHT` behind their names, "kl",
        "reconstruction" (over 8 samples of each posterior), "psnr", "active_units", and with 8
        images or more "frechet_distance" of as many samples of the default prior as there are
        images, at most 2,000.
    """
    config = pipeline.vae.config
    low, high = config.min_kl_weight, config.max_kl_weight
    inner = [low * (high / low) ** (step / _STEPS) for step in range(1, _STEPS)]
    weights = [low, *inner, high]
    results: dict[str, list[float]] = {"kl_weights": weights}
    real, extractor = None, feature_extractor()
    count = min(len(pixels), MAX_SAMPLES)
    if count >= MIN_IMAGES:
        real = reference(pixels.images(torch.arange(count)), extractor, cache_dir)
    for weight in weights:
        fixed = fixed_pipeline(pipeline, weight).to(pipeline.device)
        terms = evaluate_likelihood(fixed, objective, pixels, _SAMPLES_OF_A_POSTERIOR, seed)
        found = {name: terms[name] for name in ("kl", "reconstruction")} | _of_means(fixed, pixels)
        if real is not None:
            generator = torch.Generator().manual_seed(seed + 1)
            made = fixed.sample(count, generator, "pt").cpu()
            found["frechet_distance"] = evaluate_samples(made, real, extractor)["frechet_distance"]
        for name, value in found.items():
            results.setdefault(f"{name}{PER_KL_WEIGHT}", []).append(value)
    return results


def _of_means(fixed: VAEPipeline, pixels: Pixels) -> dict[str, float]:
    """PSNR of the reconstructions from posterior means, and how many latents are active."""
    codes, decibels = [], []
    for indices in torch.arange(len(pixels)).split(_BATCH_SIZE):
        images = pixels.images(indices)
        codes.append(fixed.encode(images))
        errors = (fixed.decode(codes[-1], "pt").cpu() - images).div(2).square().mean((1, 2, 3))
        decibels.append(-10 * errors.log10())
    psnr = torch.cat(decibels).mean().item()
    return {"psnr": psnr, "active_units": active_units(torch.cat(codes).flatten(1))}


def _shares(prior: LatentPrior, codes: Tensor) -> Tensor:
    """How likely each code is of each component of a mixture, (codes, components)."""
    density = MultivariateNormal(prior.means.double(), scale_tril=prior.cholesky.double())
    logits = density.log_prob(codes.flatten(1).double()[:, None]) + prior.weights.double().log()
    return logits.softmax(1)


def _moments(codes: Tensor, shares: Tensor) -> dict[str, Tensor]:
    """The buffers of a `LatentPrior` for codes whose shares in the components are known."""
    flat = codes.flatten(1).double()
    std = flat.std(0, correction=0).clamp_min(_MIN_STD)
    found = {"mean": flat.mean(0), "deviation": std}
    if not shares.shape[1]:
        return found
    counts, means, factors = shares.sum(0), [], []
    for share, count in zip(shares.T, counts, strict=True):
        mean = share @ flat / count
        around = flat - mean
        covariance = (share[:, None] * around).T @ around / count
        means.append(mean)
        factors.append(torch.linalg.cholesky(covariance + torch.diag(_ADDED_VARIANCE * std**2)))
    return found | {
        "weights": counts / counts.sum(),
        "means": torch.stack(means),
        "cholesky": torch.stack(factors),
    }

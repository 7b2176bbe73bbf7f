"""Fits a latent prior to the codes of the training images, once the autoencoder is trained."""

import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from hf_gen.data.pixels import Pixels
from hf_gen.models.prior import LatentPrior
from hf_gen.pipelines import VAEPipeline

MOST_MIXED_LATENTS = 256
_LEAST_DEVIATION = 1e-6
_REGULARISATION = 1e-3
_LEAST_GAIN = 0.01
_MOST_ITERATIONS = 100
_AT_ONCE = 256


def training_codes(pipeline: VAEPipeline, pixels: Pixels, count: int, seed: int) -> Tensor:
    """Codes of the first images of a training set: what a prior is fitted to.

    They are samples of the posteriors, not their means, since samples are what the decoder was
    trained on; an autoencoder without a posterior gives its codes.

    Args:
        pipeline: The trained autoencoder.
        pixels: The training images.
        count: How many to take at most.
        seed: Of the samples: the same seed gives the same codes.

    Returns:
        (images, channels, height, width), float32, on the CPU.

    Raises:
        ValueError: If `count` is less than 1.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}: try 20000")
    generator = torch.Generator().manual_seed(seed)
    codes = [
        pipeline.encode(pixels.images(indices), sample_posterior=True, generator=generator)
        for indices in torch.arange(min(count, len(pixels))).split(_AT_ONCE)
    ]
    return torch.cat(codes).float().cpu()


def fit_prior(codes: Tensor, num_components: int = 10, seed: int = 0) -> LatentPrior:
    """The mean and standard deviation of each latent, and a mixture of full-covariance Gaussians.

    The mixture is fitted by expectation maximisation, in units of each latent's standard deviation,
    so that the scale of the codes does not matter; 0.001 is added to the variances. It ends when an
    iteration gains less than 0.01 nats a code (further ones gain little on new codes), or after
    100, from one start only: the mixture need not have converged, and that is not warned of.

    There is no mixture (`num_components` of the prior is 0)
    - for codes of more than 256 numbers: covariances of their square would be large files, slow to
      fit, and need tens of thousands of images;
    - for fewer than 2 (latents + 1) codes a component: a covariance of that many latents has an
      inverse only from latents + 1 codes on, and components do not have equal shares.

    Args:
        codes: (images, channels, height, width), such as `training_codes` gives.
        num_components: Gaussians of the mixture; 0 for none.
        seed: Of the start of the fit: the same codes and seed give the same prior.

    Raises:
        ValueError: If there is no code, one is not finite, or `num_components` is out of range.
    """
    if codes.ndim != 4 or not codes.numel():
        raise ValueError(
            "codes must be (images, channels, height, width) with at least one image, "
            f"got {tuple(codes.shape)}"
        )
    flat = codes.detach().cpu().flatten(1).double()
    if not flat.isfinite().all():
        raise ValueError("codes must be finite numbers, got others: has the training diverged?")
    images, latents = flat.shape
    if latents > MOST_MIXED_LATENTS or images < 2 * (latents + 1) * num_components:
        num_components = 0
    prior = LatentPrior((codes.shape[1], codes.shape[2], codes.shape[3]), num_components)
    mean = flat.mean(0)
    deviation = flat.std(0, correction=0).clamp_min(_LEAST_DEVIATION)
    fitted = {"mean": mean, "deviation": deviation}
    if num_components:
        weights, means, cholesky = _fit_mixture((flat - mean) / deviation, num_components, seed)
        fitted["weights"] = weights
        fitted["means"] = mean + deviation * means
        fitted["cholesky"] = deviation[:, None] * cholesky
    prior.load_state_dict(fitted)
    return prior


def _fit_mixture(whitened: Tensor, num_components: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, means and lower Cholesky factors, of codes with unit variances."""
    mixture = GaussianMixture(
        num_components,
        covariance_type="full",
        tol=_LEAST_GAIN,
        reg_covar=_REGULARISATION,
        max_iter=_MOST_ITERATIONS,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(whitened.numpy())
    covariances = torch.from_numpy(mixture.covariances_)
    return (
        torch.from_numpy(mixture.weights_),
        torch.from_numpy(mixture.means_),
        torch.linalg.cholesky(covariances),
    )

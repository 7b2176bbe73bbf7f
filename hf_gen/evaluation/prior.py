"""Fits a latent prior after the autoencoder is trained, and chooses the default one.

It is fitted to latents of training images and chosen by distances to validation images.
"""

import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from hf_gen.data.pixels import Pixels
from hf_gen.evaluation.distributions import kernel_distance
from hf_gen.evaluation.flow import fit_flow
from hf_gen.evaluation.samples import MIN_IMAGES
from hf_gen.features import feature_extractor
from hf_gen.models.flow import NUM_LAYERS
from hf_gen.models.prior import LatentPrior, PriorName
from hf_gen.pipelines import VAEPipeline

_MAX_MIXTURE_LATENTS = 256
_MIN_STD = 1e-6
_BATCH_SIZE = 256
_TEMPERATURES = (0.7, 0.85, 1.0)


def training_codes(pipeline: VAEPipeline, pixels: Pixels, count: int, seed: int) -> Tensor:
    """Encodes the first images of a training set.

    Codes are samples of the posteriors, not their means: samples are what the decoder was trained
    on. An autoencoder without a posterior is deterministic.

    Args:
        pipeline: Of the trained autoencoder.
        pixels: The training images.
        count: Maximum number of images, at least 1.
        seed: Of the samples.

    Returns:
        (images, channels, height, width), float32, on the CPU.
    """
    generator = torch.Generator().manual_seed(seed)
    codes = [
        pipeline.encode(pixels.images(indices), sample_posterior=True, generator=generator)
        for indices in torch.arange(min(count, len(pixels))).split(_BATCH_SIZE)
    ]
    return torch.cat(codes).float().cpu()


def fit_prior(
    codes: Tensor,
    num_components: int = 10,
    seed: int = 0,
    flow_steps: int = 0,
    device: torch.device | None = None,
) -> LatentPrior:
    """Fits a Gaussian with diagonal covariance, a mixture of full-covariance Gaussians, and a flow.

    The mixture is fitted to standardised codes by expectation maximisation, from one start, with
    0.001 added to the variances, until an iteration gains less than 0.01 nats a code or 100 are
    done: further ones gain little on new codes.

    There is no mixture (`num_components` of the prior is 0)
    - for more than 256 latents: covariances would be large files, slow to fit, and need tens of
      thousands of images;
    - for fewer than 2 (latents + 1) codes a component: a covariance is invertible only from
      latents + 1 codes on, and components do not have equal shares.

    Args:
        codes: (images, channels, height, width), from `training_codes`.
        num_components: Of the mixture; 0 for none.
        seed: Of the initial components, and of the flow.
        flow_steps: That the flow is trained for, see `fit_flow`; 0 for none.
        device: Where it is trained. Default: the CPU.

    Raises:
        ValueError: A code is not finite, or `num_components` is out of range.
    """
    flat = codes.detach().cpu().flatten(1).double()
    if not flat.isfinite().all():
        raise ValueError("codes must be finite numbers, got others: has the training diverged?")
    images, latents = flat.shape
    if latents > _MAX_MIXTURE_LATENTS or images < 2 * (latents + 1) * num_components:
        num_components = 0
    shape = (codes.shape[1], codes.shape[2], codes.shape[3])
    prior = LatentPrior(shape, num_components, NUM_LAYERS if flow_steps else 0)
    mean = flat.mean(0)
    std = flat.std(0, correction=0).clamp_min(_MIN_STD)
    standardised = (flat - mean) / std
    fitted = {"mean": mean, "deviation": std}
    if num_components:
        mixture = GaussianMixture(num_components, tol=0.01, reg_covar=1e-3, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(standardised.numpy())
        cholesky = torch.linalg.cholesky(torch.from_numpy(mixture.covariances_))
        fitted["weights"] = torch.from_numpy(mixture.weights_)
        fitted["means"] = mean + std * torch.from_numpy(mixture.means_)
        fitted["cholesky"] = std[:, None] * cholesky
    if flow_steps:
        flow = fit_flow(standardised, flow_steps, seed, device)
        fitted |= {f"flow.{name}": weight for name, weight in flow.state_dict().items()}
    prior.load_state_dict(fitted)
    return prior


@torch.no_grad()
def choose_prior(
    pipeline: VAEPipeline, validation: Pixels, seed: int = 0, count: int = 128
) -> tuple[PriorName, float]:
    """Chooses the prior and the temperature whose samples are closest to validation images.

    The candidates are the standard normal at temperature 1, and each fitted prior at 0.7, 0.85 and
    1. They start from the same noise. The distance is the kernel distance of as many samples as
    images: unlike the Frechet distance it has no bias that depends on their number.

    Args:
        pipeline: Of the autoencoder, with its prior.
        validation: The images; those of the test split must not choose.
        seed: Of the samples.
        count: Maximum number of images. The time is that of the features of 8 times as many, for a
            mixture prior: 8 s on one core for 128. With a flow they are 11.

    Returns:
        One of the pipeline's priors, and its temperature. Of fewer than 8 images, which do not
        suffice for a distance, its present defaults.
    """
    count, extractor = min(len(validation), count), feature_extractor()
    if count < MIN_IMAGES:
        return pipeline.resolve_prior()

    def features(images: Tensor) -> Tensor:
        return torch.cat([extractor(part).features for part in images.split(_BATCH_SIZE)])

    real = features(validation.images(torch.arange(count)))
    distances: dict[tuple[PriorName, float], float] = {}
    for prior in pipeline.priors:
        for temperature in (1.0,) if prior == "standard" else _TEMPERATURES:
            generator = torch.Generator().manual_seed(seed)
            generated = features(pipeline.sample(count, generator, "pt", prior, temperature).cpu())
            distances[prior, temperature] = kernel_distance(real, generated)
    return min(distances, key=lambda candidate: distances[candidate])

"""Bounds on the log likelihood of test images.

Source: Kingma and Welling, Auto-Encoding Variational Bayes, 2013 (the evidence lower bound); Burda,
Grosse and Salakhutdinov, Importance weighted autoencoders, 2015, equation 8.
"""

import math

import torch
from torch import Tensor

from hf_gen.config import Objective
from hf_gen.data.pixels import Pixels
from hf_gen.losses import bits_per_dimension, kl_to_standard_normal, reconstruction_nll
from hf_gen.pipelines import VAEPipeline

# 256 images of 32x32.
_PIXELS_OF_A_BATCH = 2**18


@torch.no_grad()
def evaluate_likelihood(
    pipeline: VAEPipeline, objective: Objective, pixels: Pixels, samples: int = 64, seed: int = 0
) -> dict[str, float]:
    """Estimates the negative ELBO and the importance-weighted bound, averaged over images.

    A model without a posterior (`AutoencoderTiny`) has no bound, and gets "reconstruction" alone.

    Args:
        pipeline: Of the autoencoder.
        objective: Holds the likelihood.
        pixels: The images.
        samples: Of the posterior of each image.
        seed: Of the samples.

    Returns:
        In nats per image "reconstruction", the negative log likelihood averaged over the samples;
        "kl", in closed form; "negative_elbo", their sum; and "importance_weighted_nll", which is
        tighter, and the negative log likelihood itself for an exact posterior.
        "bits_per_dimension" is the negative ELBO by `losses.bits_per_dimension`.
    """
    generator = torch.Generator().manual_seed(seed)
    batch_size = max(1, _PIXELS_OF_A_BATCH // pixels.resolution**2)
    terms = [
        _terms(pipeline, objective, pixels.images(indices), samples, generator)
        for indices in torch.arange(len(pixels)).split(batch_size)
    ]
    means = {name: torch.cat([part[name] for part in terms]).mean().item() for name in terms[0]}
    if "kl" in means:
        nats = means["reconstruction"] + means["kl"]
        bits = bits_per_dimension(nats, pixels.resolution, objective.likelihood)
        means |= {"negative_elbo": nats, "bits_per_dimension": bits}
    return means


def _terms(
    pipeline: VAEPipeline,
    objective: Objective,
    images: Tensor,
    samples: int,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Terms of the bounds in nats, (batch,), float64."""
    vae = pipeline.vae
    images = images.to(vae.device, vae.dtype)
    encoded = vae.encode(images)
    if not hasattr(encoded, "latent_dist"):
        return {"reconstruction": _reconstruction(pipeline, objective, images, encoded.latents)}
    posterior = encoded.latent_dist
    nlls, log_weights = [], []
    for _ in range(samples):
        noise = torch.randn(posterior.mean.shape, generator=generator).to(posterior.mean)
        codes = posterior.mean + posterior.std * noise
        nll = _reconstruction(pipeline, objective, images, codes)
        # log p(z) - log q(z | x); the constants cancel
        ratio = 0.5 * (noise.double().square() + posterior.logvar - codes.double().square())
        nlls.append(nll)
        log_weights.append(ratio.sum((1, 2, 3)).cpu() - nll)
    weights = torch.stack(log_weights)  # (samples, batch)
    kl = kl_to_standard_normal(posterior.mean.double(), posterior.logvar.double())
    return {
        "reconstruction": torch.stack(nlls).mean(0),
        "kl": kl.cpu(),
        "importance_weighted_nll": math.log(samples) - weights.logsumexp(0),
    }


def _reconstruction(
    pipeline: VAEPipeline, objective: Objective, images: Tensor, codes: Tensor
) -> Tensor:
    decoded = pipeline.vae.decode(codes)
    predicted = decoded.logits if objective.likelihood == "bernoulli" else decoded.sample
    nll = reconstruction_nll(
        images.float(), predicted.float(), objective.likelihood, objective.likelihood_scale
    )
    return nll.double().cpu()

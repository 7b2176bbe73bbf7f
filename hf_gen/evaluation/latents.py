"""Information in the latents, active units, and how far the aggregate posterior is from the prior.

Source: Hoffman and Johnson, ELBO surgery, 2016 (mutual information and marginal KL); Burda, Grosse
and Salakhutdinov, Importance weighted autoencoders, 2015, section 5 (active units); Chen, Li,
Grosse and Duvenaud, Isolating sources of disentanglement in VAEs, 2018 (total correlation).
"""

import math

import torch
from torch import Tensor

from hf_gen.losses import kl_to_standard_normal

MAX_IMAGES = 2_000
_MIN_VARIANCE = 0.01
_SAMPLES = 4
_BATCH_SIZE = 128
_MANY_LATENTS = 256
_MAX_IMAGES_OF_MANY_LATENTS = 1_000


@torch.no_grad()
def evaluate_latents(mean: Tensor, logvar: Tensor, seed: int = 0) -> dict[str, float | list[float]]:
    """Evaluates the posteriors of test images.

    The aggregate posterior q(z) is the mixture of these posteriors, one an image. Expectations are
    over 4 samples of each posterior, of the first 2,000 images, or of the first 1,000 for more than
    256 latents.

    Args:
        mean: Of the posteriors, (images, ...), of at least 2 images.
        logvar: Log variances, likewise.
        seed: Of the samples.

    Returns:
        "latents": number of latent dimensions;
        "kl_per_dimension": mean KL divergence from the prior in nats, a list;
        "active_units": number of latents whose posterior mean has a variance above 0.01;
        "mutual_information": of latent and image, in nats. Its maximum is the logarithm of the
            number of images: near that it only says that latents identify the images;
        "marginal_kl": KL divergence of q(z) from the prior, in nats. It is the KL term of these
            images less the mutual information, the estimate of least variance;
        "total_correlation": KL divergence of q(z) from the product of its marginals, in nats, 0 for
            independent latents. That of a mixture of few posteriors in many latents is never 0:
            compare at equal numbers of images, and where the mutual information is not maximal.
    """
    mean, logvar = (part.flatten(1).double().cpu() for part in (mean, logvar))
    latents = mean.shape[1]
    kl = kl_to_standard_normal(*(part.reshape(-1, 1, 1, 1) for part in (mean, logvar)))
    kl = kl.reshape(mean.shape)
    count = MAX_IMAGES if latents <= _MANY_LATENTS else _MAX_IMAGES_OF_MANY_LATENTS
    joint, marginals = _mutual_information(mean[:count], logvar[:count], seed)
    return {
        "latents": latents,
        "kl_per_dimension": kl.mean(0).tolist(),
        "active_units": active_units(mean),
        "mutual_information": joint,
        "marginal_kl": kl[:count].sum(1).mean().item() - joint,
        # E[log q(z) - sum_d log q(z_d)]: the latents of one posterior are independent.
        "total_correlation": marginals - joint,
    }


def active_units(mean: Tensor) -> int:
    """The number of latents whose posterior mean, (images, latents), has a variance above 0.01."""
    return int((mean.var(0) > _MIN_VARIANCE).sum())


def _mutual_information(mean: Tensor, logvar: Tensor, seed: int) -> tuple[float, float]:
    """Mutual information of latent and image in nats, and the sum of that of each latent alone."""
    count, latents = mean.shape
    generator = torch.Generator().manual_seed(seed)
    std = (0.5 * logvar).exp()
    columns = mean.T.contiguous(), std.T.reciprocal().contiguous(), logvar.T.contiguous()
    together = separately = 0.0
    for _ in range(_SAMPLES):
        codes = mean + std * torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
        for start, rows in zip(range(0, count, _BATCH_SIZE), codes.split(_BATCH_SIZE), strict=True):
            joint = torch.zeros(len(rows), count, dtype=mean.dtype)
            for values, centre, precision, log_variance in zip(rows.T, *columns, strict=True):
                scaled = (values[:, None] - centre) * precision
                log_density = scaled.square_().add_(log_variance).mul_(-0.5)  # (rows, images)
                separately += _own_share(log_density, start)
                joint += log_density
            together += _own_share(joint, start)
    samples = _SAMPLES * count
    return (
        together / samples + math.log(count),
        separately / samples + latents * math.log(count),
    )


def _own_share(log_density: Tensor, start: int) -> float:
    """Sum over samples of log q(z | own image) - log sum_images q(z | image)."""
    own = log_density.diagonal(start)
    return (own - log_density.logsumexp(1)).sum().item()

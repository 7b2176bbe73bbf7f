"""What the codes of images hold: how much, in which latents, and how far it is from the prior.

Source: Hoffman and Johnson, ELBO surgery, 2016 (the two parts of the KL term); Burda, Grosse and
Salakhutdinov, Importance weighted autoencoders, 2015, section 5 (active units); Chen, Li, Grosse
and Duvenaud, Isolating sources of disentanglement in VAEs, 2018 (total correlation).
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hf_gen.losses import kl_to_standard_normal

ACTIVE = 0.01
_DRAWS = 4
_AT_ONCE = 128
MOST_IMAGES = 2_000
_LARGE_CODE = 256
_MOST_IMAGES_OF_LARGE_CODES = 1_000


@torch.no_grad()
def evaluate_latents(mean: Tensor, logvar: Tensor, seed: int = 0) -> dict[str, float | list[float]]:
    """Describes the latent space by the posteriors of held-out images.

    The aggregate posterior q(z) is the mixture of exactly these posteriors, one for each image. Its
    numbers are expectations over 4 draws from each posterior, of the first 2,000 images, or of the
    first 1,000 where a code has more than 256 numbers.

    Args:
        mean: Of the posteriors, (images, ...).
        logvar: Their log variances, likewise.
        seed: Of the draws.

    Returns:
        "latents": numbers in a code;
        "kl_per_dimension": mean KL divergence from the prior, nats, one for each of them;
        "active_units": how many have a posterior mean whose variance over the images exceeds 0.01;
        "mutual_information": nats that a code holds about which of the images it is of. It cannot
            exceed the logarithm of the number of images: near that, it only says that codes tell
            all images apart;
        "aggregate_posterior_gap": KL divergence of q(z) from the prior, nats: what samples of the
            prior lack. The KL term of these images less the mutual information, which is the
            estimate with the least noise; so the two add up to it exactly;
        "total_correlation": KL divergence of q(z) from the product of its marginals, nats: 0 where
            latents are independent. A mixture of n posteriors in many latents is never so: compare
            at equal numbers of images, and not where the mutual information is at its limit.

    Raises:
        ValueError: There are fewer than 2 images.
    """
    if len(mean) < 2:
        raise ValueError(f"at least 2 images are needed to compare their codes, got {len(mean)}")
    mean, logvar = (part.flatten(1).double().cpu() for part in (mean, logvar))
    latents = mean.shape[1]
    each = kl_to_standard_normal(mean.reshape(-1, 1, 1, 1), logvar.reshape(-1, 1, 1, 1))
    kl = each.reshape(mean.shape)
    most = MOST_IMAGES if latents <= _LARGE_CODE else _MOST_IMAGES_OF_LARGE_CODES
    information, of_each = _information(mean[:most], logvar[:most], seed)
    return {
        "latents": latents,
        "kl_per_dimension": kl.mean(0).tolist(),
        "active_units": int((mean.var(0) > ACTIVE).sum()),
        "mutual_information": information,
        "aggregate_posterior_gap": kl[:most].sum(1).mean().item() - information,
        # E[log q(z) - sum log q(z_d)], for the latents are independent in each posterior
        "total_correlation": of_each - information,
    }


def posterior_verdict(results: Mapping[str, Any]) -> str:
    """Whether the posterior has collapsed, in one sentence.

    Args:
        results: From `evaluate_latents`, with whatever else.
    """
    latents, active = results["latents"], results["active_units"]
    holds = f"a code holds {results['mutual_information']:.2f} nats about which image it is of."
    if active == 0:
        return f"no latent is active: the posterior has collapsed, and {holds}"
    if active == latents:
        which = "the only latent is" if latents == 1 else f"all {latents} latents are"
        return f"{which} active: the posterior has not collapsed, and {holds}"
    others = "of the other" if latents - active == 1 else f"of the other {latents - active}"
    return (
        f"{active} of {latents} latents {'is' if active == 1 else 'are'} active, the mean {others} "
        f"hardly changes from image to image, and {holds}"
    )


def _information(mean: Tensor, logvar: Tensor, seed: int) -> tuple[float, float]:
    """The information, in nats, that a code has about its image, and the sum of each latent's.

    Args:
        mean: (images, latents).
        logvar: Likewise.
        seed: Of the draws.
    """
    count, latents = mean.shape
    generator = torch.Generator().manual_seed(seed)
    deviation = (0.5 * logvar).exp()
    columns = mean.T.contiguous(), deviation.T.reciprocal().contiguous(), logvar.T.contiguous()
    together = separately = 0.0
    for _ in range(_DRAWS):
        codes = mean + deviation * torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
        for start, rows in zip(range(0, count, _AT_ONCE), codes.split(_AT_ONCE), strict=True):
            joint = torch.zeros(len(rows), count, dtype=mean.dtype)
            for numbers, centre, precision, spread in zip(rows.T, *columns, strict=True):
                scaled = (numbers[:, None] - centre) * precision
                log_density = scaled.square_().add_(spread).mul_(-0.5)  # (rows, images)
                separately += _own_share(log_density, start)
                joint += log_density
            together += _own_share(joint, start)
    draws = _DRAWS * count
    return (
        together / draws + math.log(count),
        separately / draws + latents * math.log(count),
    )


def _own_share(log_density: Tensor, start: int) -> float:
    """The sum over draws of log q(z | own image) less log of the sum of q(z | any image)."""
    own = log_density.diagonal(start)
    return (own - log_density.logsumexp(1)).sum().item()

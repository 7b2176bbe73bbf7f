"""An `AnyKLVAE` at one KL weight is a `ConvVAE`: its gates become part of its weights."""

import torch
from torch import Tensor, nn

from hf_gen.models.any_kl_vae import AnyKLVAE, CodeGate, Gate
from hf_gen.models.vae import ConvVAE

_SHARED = ("sample_size", "filters", "kernel_sizes", "strides", "latent_channels")
_LIKELIHOOD = ("likelihood", "likelihood_scale", "scaling_factor")


@torch.no_grad()
def at_kl_weight(vae: AnyKLVAE, kl_weight: float) -> ConvVAE:
    """The network that `vae` is at one weight of the KL term, in evaluation mode.

    Everything that takes a `ConvVAE` takes it: `encode` and `decode` return what those of `vae` do
    with `kl_weight`, to rounding.

    Args:
        vae: The network.
        kl_weight: In its range.

    Raises:
        ValueError: If the weight is out of the range.
    """
    fixed = ConvVAE(**{name: vae.config[name] for name in (*_SHARED, *_LIKELIHOOD)})
    fixed = nn.Module.to(fixed, vae.device, vae.dtype)
    log_weight = vae.log_weight(kl_weight, next(vae.parameters()))
    scaled = [*_scaled(vae.encoder, log_weight), *_scaled(vae.decoder, log_weight)]
    weights = zip(fixed.state_dict(), scaled, strict=True)
    fixed.load_state_dict({name: weight.contiguous() for name, weight in weights})
    return fixed.eval()


def _scaled(layers: nn.Sequential, log_weight: Tensor) -> list[Tensor]:
    """Weight and bias of each layer, times the gates before and behind it."""
    found: list[Tensor] = []
    of_codes, outputs = torch.ones(()), 0
    for layer in layers:
        if isinstance(layer, Gate) and not found:
            of_codes = layer.scale(log_weight).flatten()  # the columns of the first, linear layer
        elif isinstance(layer, Gate):
            weight, bias = found[-2:]
            gate = layer.scale(log_weight).flatten()
            gate = gate.repeat_interleave(len(bias) // len(gate))  # a channel is a part of a vector
            shape = [-1 if axis == outputs else 1 for axis in range(weight.ndim)]
            added = layer.added(log_weight).flatten() if isinstance(layer, CodeGate) else 0
            found[-2:] = [weight * gate.view(shape), bias * gate + added]
        elif weights := [*layer.parameters()]:
            outputs = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
            found += weights if found else [weights[0] * of_codes, weights[1]]
    return found

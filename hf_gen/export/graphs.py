"""What of a model becomes an ONNX file: networks from tensors to tensors, with examples."""

import copy
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hf_gen.models.any_kl_vae import AnyKLVAE
from hf_gen.models.prior import AnyKLPrior
from hf_gen.pipelines import TranslationPipeline, VAEPipeline
from hf_gen.pipelines.kernels import use_pytorch_layers

EXAMPLES = 2
"""Size of the example's batch: an exporter takes a size of 1 as fixed."""


class Graph(NamedTuple):
    """A network that becomes an ONNX file.

    Attributes:
        network: Takes the inputs in order; returns a tensor, or several.
        inputs: An example of each by name; the first axis is the batch.
        outputs: The names of what it returns.
        size_multiple: Heights and widths may be any multiple of it. Default: as in the example.
    """

    network: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    size_multiple: int | None = None


def graphs_of(pipeline: VAEPipeline | TranslationPipeline) -> dict[str, Graph]:
    """What is exported of a pipeline, by the name of its file."""
    generator, size = torch.Generator().manual_seed(0), pipeline.config.resolution
    if isinstance(pipeline, TranslationPipeline):
        coarse = torch.rand(EXAMPLES, 3, 4, 4, generator=generator) * 2 - 1
        images = {"images": nn.functional.interpolate(coarse, (size, size), mode="bilinear")}
        return {
            name: Graph(_Generator(network), images, ("translations",), network.size_multiple)
            for name, network in pipeline.components.items()
        }
    weights = kl_weights_of(pipeline)
    given = {} if weights is None else {"kl_weight": torch.tensor(weights)}
    noise = torch.randn(EXAMPLES, math.prod(pipeline.latent_shape), generator=generator)
    draws = {"noise": noise, "uniform": torch.rand(EXAMPLES, generator=generator)} | given
    prior = _Prior(pipeline.prior, pipeline.config.default_prior, pipeline.latent_shape)
    encoder, decoder = _Encoder(pipeline.vae), _Decoder(pipeline.vae)
    latents = {"latents": prior(**draws)} | given
    images = {"images": decoder(**latents)} | given
    return {
        "encoder": Graph(encoder, images, ("latents", "logvar")[: len(encoder(**images))]),
        "decoder": Graph(decoder, latents, ("images",)),
        "prior": Graph(prior, draws, ("latents",)),
    }


def kl_weights_of(pipeline: VAEPipeline) -> tuple[float, float] | None:
    """The lowest and the highest KL weight that an `AnyKLVAE` and its prior take, or None."""
    if not isinstance(pipeline.vae, AnyKLVAE):
        return None
    parts = (pipeline.vae, pipeline.prior)
    known = [part.config for part in parts if isinstance(part, AnyKLVAE | AnyKLPrior)]
    return max(one.min_kl_weight for one in known), min(one.max_kl_weight for one in known)


class _Exported(nn.Module):
    """A copy of a network with PyTorch's own layers."""

    def __init__(self, network: nn.Module | None) -> None:
        super().__init__()
        self.network: Any = copy.deepcopy(network)
        use_pytorch_layers(self)
        self.eval()


class _Encoder(_Exported):
    def forward(self, images: Tensor, kl_weight: Tensor | None = None) -> tuple[Tensor, ...]:
        encoded = self.network.encode(images, **_given(kl_weight))
        if not hasattr(encoded, "latent_dist"):
            return (encoded.latents,)
        return encoded.latent_dist.mean, encoded.latent_dist.logvar


class _Decoder(_Exported):
    def forward(self, latents: Tensor, kl_weight: Tensor | None = None) -> Tensor:
        return self.network.decode(latents, **_given(kl_weight)).sample.clamp(-1, 1)


class _Generator(_Exported):
    def forward(self, images: Tensor) -> Tensor:
        return self.network(images).sample.clamp(-1, 1)


def _given(kl_weight: Tensor | None) -> dict[str, Tensor]:
    return {} if kl_weight is None else {"kl_weight": kl_weight}


class _Prior(_Exported):
    """Noise, (batch, latents), and uniform numbers, (batch,), to latents of one kind of prior."""

    def __init__(self, prior: nn.Module | None, kind: str, shape: tuple[int, ...]) -> None:
        super().__init__(prior)
        self.codes, self.shape = _PRIORS[kind], shape

    def forward(self, noise: Tensor, uniform: Tensor, kl_weight: Tensor | None = None) -> Tensor:
        prior = self.network
        if isinstance(prior, AnyKLPrior) and kl_weight is not None:
            prior = _interpolated(prior, kl_weight)
        return self.codes(prior, noise, uniform).unflatten(1, self.shape)


def _interpolated(prior: AnyKLPrior, kl_weight: Tensor) -> SimpleNamespace:
    """Its buffers at one weight for each image, (batch, ...), as `AnyKLPrior.at` has them."""
    low, high = prior.config.min_kl_weight, prior.config.max_kl_weight
    steps = prior.config.num_kl_weights - 1
    place = (kl_weight / low).log() / math.log(high / low) * steps
    first = place.floor().clamp(0, steps - 1)
    index, share = first.long(), place - first
    return SimpleNamespace(
        **{
            name: buffer[index].lerp(buffer[index + 1], share.view(-1, *[1] * (buffer.ndim - 1)))
            for name, buffer in prior.named_buffers()
        }
    )


# The buffers of a prior may have the batch as an axis in front.


def _standard(prior: Any, noise: Tensor, uniform: Tensor) -> Tensor:
    return noise.clone()


def _gaussian(prior: Any, noise: Tensor, uniform: Tensor) -> Tensor:
    return prior.mean + prior.deviation * noise


def _mixture(prior: Any, noise: Tensor, uniform: Tensor) -> Tensor:
    """The component as `torch.multinomial` finds it: the first whose cumulative share is enough."""
    shares = prior.weights.cumsum(-1) / prior.weights.sum(-1, keepdim=True)
    chosen = (uniform[:, None] > shares[..., :-1]).sum(1)  # (batch,)
    scaled = prior.cholesky @ noise[:, None, :, None]  # (batch, components, latents, 1)
    codes = prior.means + scaled.squeeze(3)
    return codes.gather(1, chosen[:, None, None].expand(-1, 1, noise.shape[1])).squeeze(1)


def _flow(prior: Any, noise: Tensor, uniform: Tensor) -> Tensor:
    return prior.mean + prior.deviation * prior.flow.carry(noise)


_PRIORS: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "standard": _standard,
    "gaussian": _gaussian,
    "mixture": _mixture,
    "flow": _flow,
}

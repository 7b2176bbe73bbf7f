"""What of a model becomes an ONNX file: networks from tensors to tensors, with examples."""

import copy
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hf_gen.models.prior import AnyKLPrior, LatentPrior
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
    shape = pipeline.latent_shape
    prior = _Prior(pipeline.prior, pipeline.config.default_prior, shape)
    noise = torch.randn(EXAMPLES, math.prod(shape), generator=generator)
    draws = {"noise": noise, "uniform": torch.rand(EXAMPLES, generator=generator)}
    latents = prior(**draws)
    images = {"images": pipeline.decode(latents, "pt")}
    encoder = _Encoder(pipeline.vae)
    return {
        "encoder": Graph(encoder, images, ("latents", "logvar")[: len(encoder(**images))]),
        "decoder": Graph(_Decoder(pipeline.vae), {"latents": latents}, ("images",)),
        "prior": Graph(prior, draws, ("latents",)),
    }


class _Exported(nn.Module):
    """A copy of a network with PyTorch's own layers."""

    def __init__(self, network: nn.Module | None) -> None:
        super().__init__()
        self.network: Any = copy.deepcopy(network)
        use_pytorch_layers(self)
        self.eval()


class _Encoder(_Exported):
    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        encoded = self.network.encode(images)
        if not hasattr(encoded, "latent_dist"):
            return (encoded.latents,)
        return encoded.latent_dist.mean, encoded.latent_dist.logvar


class _Decoder(_Exported):
    def forward(self, latents: Tensor) -> Tensor:
        return self.network.decode(latents).sample.clamp(-1, 1)


class _Generator(_Exported):
    def forward(self, images: Tensor) -> Tensor:
        return self.network(images).sample.clamp(-1, 1)


class _Prior(_Exported):
    """Noise, (batch, latents), and uniform numbers, (batch,), to latents of one kind of prior.

    An `AnyKLPrior` is exported at KL weight 1, the default of its autoencoder.
    """

    def __init__(self, prior: LatentPrior | None, kind: str, shape: tuple[int, ...]) -> None:
        super().__init__(prior.at(1.0) if isinstance(prior, AnyKLPrior) else prior)
        self.codes, self.shape = _PRIORS[kind], shape

    def forward(self, noise: Tensor, uniform: Tensor) -> Tensor:
        return self.codes(self.network, noise, uniform).unflatten(1, self.shape)


def _standard(prior: LatentPrior, noise: Tensor, uniform: Tensor) -> Tensor:
    return noise.clone()


def _gaussian(prior: LatentPrior, noise: Tensor, uniform: Tensor) -> Tensor:
    return prior.mean + prior.deviation * noise


def _mixture(prior: LatentPrior, noise: Tensor, uniform: Tensor) -> Tensor:
    """The component as `torch.multinomial` finds it: the first whose cumulative share is enough."""
    shares = prior.weights.cumsum(0) / prior.weights.sum()
    chosen = (uniform[:, None] > shares[:-1]).sum(1)  # (batch,)
    scaled = noise @ prior.cholesky.mT  # (components, batch, latents)
    codes = prior.means[:, None] + scaled
    index = chosen[None, :, None].expand(1, -1, noise.shape[1])
    return codes.gather(0, index)[0]


def _flow(prior: LatentPrior, noise: Tensor, uniform: Tensor) -> Tensor:
    return prior.mean + prior.deviation * prior.flow.carry(noise)


_PRIORS: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "standard": _standard,
    "gaussian": _gaussian,
    "mixture": _mixture,
    "flow": _flow,
}

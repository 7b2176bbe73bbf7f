"""What the variational autoencoders whose code is one vector share.

This file imports torch, diffusers and safetensors only: its text becomes part of the remote code of
a repository on the Hub.
"""

from dataclasses import dataclass

import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.utils.outputs import BaseOutput
from torch import Tensor, nn

from hf_gen.models.pretrained import StrictModel


@dataclass
class VAEDecoderOutput(BaseOutput):
    """What `decode` returns.

    Attributes:
        sample: The mean image, in [-1, 1], (batch, 3, height, width).
        logits: `sample = 2 sigmoid(logits) - 1`: what a Bernoulli likelihood is computed from.
    """

    sample: Tensor
    logits: Tensor


class VectorVAE(StrictModel):
    """A variational autoencoder whose code is one vector: diffusers' autoencoder protocol.

    A subclass builds `encoder`, images to (batch, 2 latent_channels, 1, 1) with the means first and
    the log variances after, and `decoder`, codes to logits of images.

    Args:
        sample_size: Height and width of an image.
        latent_channels: Number of latents.
        likelihood: How images are scored given `decode`'s output: "bernoulli" on the logits,
            "gaussian" or "laplace" around the sample.
        likelihood_scale: Standard deviation or scale of a pixel, in units of [-1, 1].
        scaling_factor: What code written for `AutoencoderKL` multiplies the codes by before it
            trains a diffusion model on them. Not used here.

    Raises:
        ValueError: If the arguments do not make a network.
    """

    encoder: nn.Module
    decoder: nn.Module

    def encode(
        self, x: Tensor, return_dict: bool = True
    ) -> AutoencoderKLOutput | tuple[DiagonalGaussianDistribution]:
        """Images in [-1, 1], (batch, 3, sample_size, sample_size), to the posterior of their codes.

        Raises:
            ValueError: If the images are of another shape, here and in `forward`.
        """
        posterior = self._posterior(x)
        return AutoencoderKLOutput(latent_dist=posterior) if return_dict else (posterior,)

    def decode(
        self, z: Tensor, return_dict: bool = True, generator: torch.Generator | None = None
    ) -> VAEDecoderOutput | tuple[Tensor]:
        """Codes, (batch, latent_channels, 1, 1), to images in [-1, 1]; `generator` is not used.

        Raises:
            ValueError: If the codes are of another shape.
        """
        return self._images(z, return_dict)

    def forward(
        self,
        sample: Tensor,
        sample_posterior: bool = False,
        return_dict: bool = True,
        generator: torch.Generator | None = None,
    ) -> VAEDecoderOutput | tuple[Tensor]:
        """Images to their reconstructions, from the mean code or from a sampled one."""
        posterior = self._posterior(sample)
        code = posterior.sample(generator) if sample_posterior else posterior.mode()
        return self.decode(code, return_dict=return_dict)

    def _posterior(self, images: Tensor, *conditions: Tensor) -> DiagonalGaussianDistribution:
        size = self.config.sample_size
        if images.shape[1:] != (3, size, size):
            raise ValueError(
                f"images must be (batch, 3, {size}, {size}), got {tuple(images.shape)}: resize them"
            )
        return DiagonalGaussianDistribution(self.encoder(images, *conditions))

    def _images(
        self, codes: Tensor, return_dict: bool, *conditions: Tensor
    ) -> VAEDecoderOutput | tuple[Tensor]:
        latents = self.config.latent_channels
        if codes.shape[1:] != (latents, 1, 1):
            raise ValueError(f"codes must be (batch, {latents}, 1, 1), got {tuple(codes.shape)}")
        logits = self.decoder(codes, *conditions)
        sample = (logits / 2).tanh_()
        return VAEDecoderOutput(sample=sample, logits=logits) if return_dict else (sample,)


class Map(nn.Unflatten):
    """To a map with its channels last: convolutions are faster with those, and keep them so."""

    def forward(self, input: Tensor) -> Tensor:
        """(batch, numbers) -> (batch, channels, height, width)."""
        # `contiguous(memory_format=...)` is unknown to `torch.func.vmap`.
        return super().forward(input).permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)

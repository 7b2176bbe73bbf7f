"""One convolutional variational autoencoder for every weight of the KL term.

Source: Bae et al., Multi-Rate VAE: Train Once, Get the Full Rate-Distortion Curve, 2022,
https://arxiv.org/abs/2212.03905.

This file imports torch, diffusers and safetensors only: it is also the remote code of a repository
on the Hub. Images are floats in [-1, 1], (batch, 3, sample_size, sample_size). A code is a 1x1 map
of latents, (batch, latent_channels, 1, 1).
"""

import math
import numbers
from typing import Literal

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from torch import Tensor, nn

from hf_gen.models.pretrained import check_divides
from hf_gen.models.vector_vae import Map, VAEDecoderOutput, VectorVAE

# Slopes and rates are this many times their weights: Adam moves all weights at about one speed, and
# these have to go farthest.
_SPEED = 16
_LOWEST_SQUARE = 1e-4  # where a gate of the decoder is closed: at 0 a root has an infinite slope


class AnyKLVAE(VectorVAE):
    """The layers of `ConvVAE`, whose channels are scaled by gates that depend on the KL weight.

    A gate has two numbers for each channel, a slope and an offset. With x = slope log(kl_weight) +
    offset it is sigmoid(x) in the encoder and sqrt(relu(1 - exp(x))) in the decoder, as the best
    linear autoencoder of each weight has it; log-variances of codes also rise with the weight, see
    `CodeGate`. At any one weight the network is a `ConvVAE`:
    `hf_gen.models.fixed_kl.at_kl_weight` makes it.

    The default is the network of the recipe `conv-vae-any-kl`.

    Args:
        sample_size: Height and width of an image, a multiple of the product of the strides.
        filters: Filters of each convolution, outermost first.
        kernel_sizes: Kernel size of each convolution, odd.
        strides: Factor by which each convolution shrinks the image.
        min_kl_weight: Lowest weight of the KL term that the network was trained with.
        max_kl_weight: Highest.
    """

    source_name = "modeling_hf_gen_any_kl_vae"
    encoder: nn.Sequential
    decoder: nn.Sequential

    @register_to_config
    def __init__(
        self,
        sample_size: int = 32,
        filters: tuple[int, ...] = (64, 32),
        kernel_sizes: tuple[int, ...] = (5, 3),
        strides: tuple[int, ...] = (2, 2),
        latent_channels: int = 50,
        min_kl_weight: float = 0.01,
        max_kl_weight: float = 100.0,
        likelihood: Literal["bernoulli", "gaussian", "laplace"] = "bernoulli",
        likelihood_scale: float = 0.2,
        scaling_factor: float = 1.0,
    ) -> None:
        super().__init__()
        if not len(filters) == len(kernel_sizes) == len(strides):
            raise ValueError(
                "filters, kernel_sizes and strides must have the same length, got "
                f"{len(filters)}, {len(kernel_sizes)} and {len(strides)}"
            )
        for size in kernel_sizes:
            if size % 2 == 0:
                raise ValueError(f"kernel_sizes must be odd, got {size}: try {size + 1}")
        if not min_kl_weight <= 1 <= max_kl_weight or min_kl_weight == max_kl_weight:
            raise ValueError(
                "min_kl_weight and max_kl_weight must have 1, the default weight, between them, "
                f"got {min_kl_weight:g} and {max_kl_weight:g}: try 0.01 and 100"
            )
        factor = math.prod(strides)
        check_divides("sample_size", sample_size, factor, f"strides {list(strides)}")
        narrowest = (filters[-1], sample_size // factor, sample_size // factor)
        layers = [*zip((3, *filters[:-1]), filters, kernel_sizes, strides, strict=True)]
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for outer, inner, kernel_size, stride in layers:
            padding = kernel_size // 2
            smaller = nn.Conv2d(outer, inner, kernel_size, stride, padding)
            larger = nn.ConvTranspose2d(inner, outer, kernel_size, stride, padding, stride - 1)
            down += [smaller, Gate(inner, offset=2.0), nn.ReLU(inplace=True)]
            # The last comes first, since all of `up` is reversed below.
            up += [larger, nn.ReLU(inplace=True), Gate(inner, offset=-2.0, in_decoder=True)]
        self.encoder = _Gated(
            *down,
            nn.Flatten(),
            nn.Linear(math.prod(narrowest), 2 * latent_channels),
            nn.Unflatten(1, (2 * latent_channels, 1, 1)),
            CodeGate(latent_channels),
        )
        self.decoder = _Gated(
            Gate(latent_channels, offset=-2.0, in_decoder=True),
            nn.Flatten(),
            nn.Linear(latent_channels, math.prod(narrowest)),
            Map(1, narrowest),
            *reversed(up),
        )

    def encode(
        self, x: Tensor, return_dict: bool = True, kl_weight: float | Tensor = 1.0
    ) -> AutoencoderKLOutput | tuple[DiagonalGaussianDistribution]:
        """Images in [-1, 1], (batch, 3, sample_size, sample_size), to the posterior of their codes.

        Args:
            x: The images.
            return_dict: Return an output class, not a tuple.
            kl_weight: From `min_kl_weight` to `max_kl_weight`, or one for each image, (batch,).

        Raises:
            ValueError: If the images are of another shape, or the weight is out of its range.
        """
        posterior = self._posterior(x, self.log_weight(kl_weight, x))
        return AutoencoderKLOutput(latent_dist=posterior) if return_dict else (posterior,)

    def decode(
        self,
        z: Tensor,
        return_dict: bool = True,
        generator: torch.Generator | None = None,
        kl_weight: float | Tensor = 1.0,
    ) -> VAEDecoderOutput | tuple[Tensor]:
        """Codes, (batch, latent_channels, 1, 1), to images in [-1, 1]; `generator` is not used.

        Args:
            z: The codes.
            return_dict: Return an output class, not a tuple.
            generator: Not used.
            kl_weight: What they were encoded with, as for `encode`.

        Raises:
            ValueError: If the codes are of another shape, or the weight is out of its range.
        """
        return self._images(z, return_dict, self.log_weight(kl_weight, z))

    def forward(
        self,
        sample: Tensor,
        sample_posterior: bool = False,
        return_dict: bool = True,
        generator: torch.Generator | None = None,
        kl_weight: float | Tensor = 1.0,
    ) -> VAEDecoderOutput | tuple[Tensor]:
        """Images to their reconstructions, from the mean code or from a sampled one."""
        posterior = self._posterior(sample, self.log_weight(kl_weight, sample))
        code = posterior.sample(generator) if sample_posterior else posterior.mode()
        return self.decode(code, return_dict=return_dict, kl_weight=kl_weight)

    def log_weight(self, kl_weight: float | Tensor, batch: Tensor) -> Tensor:
        """Its logarithm, (batch, 1, 1, 1), or (1, 1, 1, 1) for one number, as `Gate` takes it."""
        if isinstance(kl_weight, Tensor):
            if kl_weight.shape != batch.shape[:1]:
                raise ValueError(
                    f"a tensor of KL weights must be ({len(batch)},), one for each image, got "
                    f"{tuple(kl_weight.shape)}"
                )
            # Their range is not checked: reading them would wait for the device at every step.
            return kl_weight.log().view(-1, 1, 1, 1)
        low, high = self.config.min_kl_weight, self.config.max_kl_weight
        if not isinstance(kl_weight, numbers.Real) or not low <= kl_weight <= high:
            raise ValueError(
                f"kl_weight must be from {low:g} to {high:g}, which this network was trained with, "
                f"got {kl_weight!r}: try 1"
            )
        return torch.full((1, 1, 1, 1), math.log(kl_weight), device=batch.device)


class _Gated(nn.Sequential):
    """Layers in a row, of which the gates are given the logarithm of the KL weight too."""

    def forward(self, features: Tensor, log_weight: Tensor) -> Tensor:  # type: ignore[override]
        for layer in self:
            is_gate = isinstance(layer, Gate)
            features = layer(features, log_weight) if is_gate else layer(features)
        return features


class Gate(nn.Module):
    """Scales each channel of a map by a number that depends on the KL weight.

    Args:
        channels: Of the map.
        slope: What that of each channel is at first.
        offset: Likewise. A gate of the encoder with 2 is open to 0.88, one of the decoder with -2
            to 0.93.
        in_decoder: From 0.01 to 1, and closed from some weight on: sqrt(relu(1 - exp(x))). Else
            from 0 to 1, sigmoid(x).
    """

    def __init__(
        self, channels: int, slope: float = 0.0, offset: float = 0.0, in_decoder: bool = False
    ) -> None:
        super().__init__()
        self.in_decoder = in_decoder
        self.slope = nn.Parameter(torch.full((channels, 1, 1), slope / _SPEED))
        self.offset = nn.Parameter(torch.full((channels, 1, 1), offset))

    def scale(self, log_weight: Tensor) -> Tensor:
        """(batch, 1, 1, 1) -> (batch, channels, 1, 1)."""
        place = _SPEED * self.slope * log_weight + self.offset
        if not self.in_decoder:
            return place.sigmoid()
        return (-place.expm1()).clamp_min(_LOWEST_SQUARE).sqrt()

    def forward(self, features: Tensor, log_weight: Tensor) -> Tensor:
        """Maps, (batch, channels, height, width), times their scales."""
        return features * self.scale(log_weight).to(features.dtype)


class CodeGate(Gate):
    """The gate of means and log-variances, which also adds to the log-variances.

    It adds -softplus(shift - rate log(kl_weight)): in the best linear autoencoder the variance of a
    latent is 1 / (1 + s / kl_weight), with s the larger, the more the latent tells.

    Args:
        latent_channels: Number of latents.
    """

    def __init__(self, latent_channels: int) -> None:
        super().__init__(2 * latent_channels, slope=-0.5)  # a new code tells less at high weights
        self.rate = nn.Parameter(torch.full((latent_channels, 1, 1), 1 / _SPEED))
        self.shift = nn.Parameter(torch.zeros(latent_channels, 1, 1))

    def added(self, log_weight: Tensor) -> Tensor:
        """(batch, 1, 1, 1) -> (batch, 2 * latent_channels, 1, 1), 0 for the means."""
        place = _SPEED * (self.shift - self.rate * log_weight)
        of_variances = -nn.functional.softplus(place)
        return torch.cat((torch.zeros_like(of_variances), of_variances), dim=1)

    def forward(self, features: Tensor, log_weight: Tensor) -> Tensor:
        """Means and log-variances, (batch, 2 * latent_channels, 1, 1), at the weight."""
        return super().forward(features, log_weight) + self.added(log_weight).to(features.dtype)

"""Variational autoencoders of small images, convolutional and fully connected.

Source: Kingma and Welling, Auto-Encoding Variational Bayes, 2013, https://arxiv.org/abs/1312.6114.

This file imports torch, diffusers and safetensors only: it is also the remote code of a repository
on the Hub. Images are floats in [-1, 1], (batch, 3, sample_size, sample_size). A code is a 1x1 map
of latents, (batch, latent_channels, 1, 1), so that what takes an `AutoencoderKL` takes these too.
"""

import itertools
import math
from typing import Literal

from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from hf_gen.models.pretrained import check_divides
from hf_gen.models.vector_vae import Map, VectorVAE


class ConvVAE(VectorVAE):
    """Convolutions that shrink the image, a linear layer to the code, and the mirror image of both.

    The default is the network of the recipe `conv-vae`, which is the report's.

    Args:
        sample_size: A multiple of the product of the strides.
        filters: Filters of each convolution, outermost first.
        kernel_sizes: Kernel size of each convolution, odd.
        strides: Factor by which each convolution shrinks the image.
        downsample: "stride" shrinks in the convolution, "max_pool" after it; the decoder is the
            same for both.
    """

    source_name = "modeling_hf_gen_vae"

    @register_to_config
    def __init__(
        self,
        sample_size: int = 32,
        filters: tuple[int, ...] = (64, 32),
        kernel_sizes: tuple[int, ...] = (5, 3),
        strides: tuple[int, ...] = (2, 2),
        downsample: Literal["stride", "max_pool"] = "stride",
        latent_channels: int = 50,
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
        factor = math.prod(strides)
        check_divides("sample_size", sample_size, factor, f"strides {list(strides)}")
        layers = [*zip((3, *filters[:-1]), filters, kernel_sizes, strides, strict=True)]
        down = [_shrink(*layer, downsample) for layer in layers]
        up = [_grow(*layer) for layer in layers]
        narrowest = (filters[-1], sample_size // factor, sample_size // factor)
        self.encoder = nn.Sequential(*down, *_to_code(narrowest, latent_channels))
        self.decoder = nn.Sequential(*_from_code(latent_channels, narrowest), *reversed(up))


class DenseVAE(VectorVAE):
    """Fully connected layers from pixels to a few latents, and back.

    The default is the network of the recipe `dense-vae-z10`, which is the report's.

    Args:
        hidden: Widths of the encoder's hidden layers; the decoder has them in reverse.
    """

    source_name = "modeling_hf_gen_vae"

    @register_to_config
    def __init__(
        self,
        sample_size: int = 32,
        hidden: tuple[int, ...] = (512, 256),
        latent_channels: int = 10,
        likelihood: Literal["bernoulli", "gaussian", "laplace"] = "bernoulli",
        likelihood_scale: float = 0.2,
        scaling_factor: float = 1.0,
    ) -> None:
        super().__init__()
        widths = (3 * sample_size**2, *hidden)
        self.encoder = nn.Sequential(
            nn.Flatten(),
            *[nn.Sequential(nn.Linear(*pair), nn.ReLU()) for pair in itertools.pairwise(widths)],
            nn.Linear(hidden[-1], 2 * latent_channels),
            nn.Unflatten(1, (2 * latent_channels, 1, 1)),
        )
        outward = itertools.pairwise(widths[::-1])
        self.decoder = nn.Sequential(
            nn.Flatten(),
            nn.Linear(latent_channels, hidden[-1]),
            *[nn.Sequential(nn.ReLU(), nn.Linear(*pair)) for pair in outward],
            nn.Unflatten(1, (3, sample_size, sample_size)),
        )


class PatchVAE(VectorVAE):
    """Residual blocks on patches, a linear layer to the code, and the mirror image of both.

    An image becomes a map of its patches, so that every convolution is small in space and wide in
    channels, which is what processors are fast at; each further level halves the map. The last
    layer gives the pixels of each patch. The default is the network of the recipe `face-vae`.

    Source: He et al., Identity Mappings in Deep Residual Networks, 2016, for the blocks; Shi et
    al., Real-Time Single Image and Video Super-Resolution, 2016, for pixels as channels.

    Args:
        sample_size: A multiple of `patch_size` and of a factor 2 for each level after the first.
        patch_size: Height and width of a patch.
        filters: Channels of each level, outermost first.
        num_blocks: Residual blocks of each level, 0 or more.
        bottleneck_channels: Channels of the smallest map on its way to and from the code.
        num_head_channels: Channels, at half of the size, of last layers that overlap: patches then
            join without a seam. 0 gives each patch its pixels by itself.
    """

    source_name = "modeling_hf_gen_vae"

    @register_to_config
    def __init__(
        self,
        sample_size: int = 64,
        patch_size: int = 4,
        filters: tuple[int, ...] = (64, 192),
        num_blocks: tuple[int, ...] = (0, 0),
        bottleneck_channels: int = 32,
        latent_channels: int = 192,
        num_head_channels: int = 0,
        likelihood: Literal["bernoulli", "gaussian", "laplace"] = "laplace",
        likelihood_scale: float = 0.1,
        scaling_factor: float = 1.0,
    ) -> None:
        super().__init__()
        if num_head_channels and patch_size % 2:
            raise ValueError(f"patch_size must be even with num_head_channels, got {patch_size}")
        if len(num_blocks) != len(filters):
            raise ValueError(
                f"num_blocks must have a number for each of the {len(filters)} filters, got "
                f"{num_blocks!r}"
            )
        factor = patch_size * 2 ** (len(filters) - 1)
        because = f"patch_size {patch_size} and {len(filters)} levels"
        check_divides("sample_size", sample_size, factor, because)
        narrowest = (bottleneck_channels, sample_size // factor, sample_size // factor)
        patch = 3 * patch_size**2
        down, up = [], []
        for level, (width, blocks) in enumerate(zip(filters, num_blocks, strict=True)):
            if level:
                wider = _convolution(width, 4 * filters[level - 1], 1)
                halving = _convolution(filters[level - 1], width, 3, stride=2)
                down += [nn.ReLU(inplace=True), halving]
                # The last comes first, since all of `up` is reversed below.
                up += [nn.PixelShuffle(2), wider, nn.ReLU(inplace=True)]
            down += [_residual_block(width) for _ in range(blocks)]
            up += [_residual_block(width) for _ in range(blocks)]
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(patch_size),  # (batch, patch, sample_size / patch_size, the same)
            _convolution(patch, filters[0], 3),
            *down,  # (batch, filters[-1], sample_size / factor, the same)
            nn.ReLU(inplace=True),
            _convolution(filters[-1], bottleneck_channels, 1),
            *_to_code(narrowest, latent_channels),
        )
        self.decoder = nn.Sequential(
            *_from_code(latent_channels, narrowest),
            _convolution(bottleneck_channels, filters[-1], 1),
            *reversed(up),  # (batch, filters[0], sample_size / patch_size, the same)
            nn.ReLU(inplace=True),
            *_to_pixels(filters[0], patch_size, num_head_channels),
        )


def _to_pixels(channels: int, patch_size: int, head: int) -> list[nn.Module]:
    """(batch, channels, height, width) -> (batch, 3, height x patch_size, width x patch_size)."""
    if not head:
        return [_convolution(channels, 3 * patch_size**2, 3), nn.PixelShuffle(patch_size)]
    half = patch_size // 2
    return [
        _convolution(channels, head * half**2, 3),
        _Shuffle(half),  # (batch, head, half of the height, half of the width)
        nn.ReLU(inplace=True),
        _convolution(head, head, 3),
        nn.ReLU(inplace=True),
        _convolution(head, 12 * 4, 3),
        _Shuffle(2),
        nn.ReLU(inplace=True),
        _convolution(12, 3, 3),
    ]


class _Shuffle(nn.PixelShuffle):
    """Pixels from channels, with channels last: convolutions are faster with those."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


class _Residual(nn.Sequential):
    """Layers whose result is added to what they were given."""

    def forward(self, features: Tensor) -> Tensor:
        change: Tensor = super().forward(features)
        return features + change


def _to_code(shape: tuple[int, int, int], latents: int) -> list[nn.Module]:
    """(batch, *shape) -> (batch, 2 latents, 1, 1)."""
    linear = nn.Linear(math.prod(shape), 2 * latents)
    return [nn.Flatten(), linear, nn.Unflatten(1, (2 * latents, 1, 1))]


def _from_code(latents: int, shape: tuple[int, int, int]) -> list[nn.Module]:
    """(batch, latents, 1, 1) -> (batch, *shape)."""
    return [nn.Flatten(), nn.Linear(latents, math.prod(shape)), Map(1, shape)]


def _shrink(outer: int, inner: int, kernel_size: int, stride: int, downsample: str) -> nn.Module:
    """(batch, outer, height, width) -> (batch, inner, height / stride, width / stride)."""
    if downsample == "stride":
        return nn.Sequential(_convolution(outer, inner, kernel_size, stride), nn.ReLU(inplace=True))
    convolution = _convolution(outer, inner, kernel_size)
    return nn.Sequential(convolution, nn.ReLU(inplace=True), nn.MaxPool2d(stride))


def _grow(outer: int, inner: int, kernel_size: int, stride: int) -> nn.Module:
    """(batch, inner, height, width) -> (batch, outer, height x stride, width x stride)."""
    padding, missing = kernel_size // 2, stride - 1
    larger = nn.ConvTranspose2d(inner, outer, kernel_size, stride, padding, output_padding=missing)
    return nn.Sequential(nn.ReLU(inplace=True), larger)


def _residual_block(channels: int) -> nn.Module:
    """(batch, channels, height, width) -> the same shape."""
    return _Residual(
        nn.ReLU(),  # not in place: what comes in is added in the end
        _convolution(channels, channels, 3),
        nn.ReLU(inplace=True),
        _convolution(channels, channels, 3),
    )


def _convolution(incoming: int, outgoing: int, kernel_size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(incoming, outgoing, kernel_size, stride=stride, padding=kernel_size // 2)

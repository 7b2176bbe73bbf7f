"""A generator on patches of an image, with skip connections, that paints at full resolution.

This file imports torch, diffusers and safetensors only: it is also the remote code of a repository
on the Hub. Images are floats in [-1, 1], (batch, 3, height, width).
"""

from dataclasses import dataclass

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.utils.outputs import BaseOutput
from torch import Tensor, nn
from torch.nn import functional

from hf_gen.models.pretrained import StrictModel, check_divides

_GROUPS = 8
_PATCHES = "patches of 4x4, halved once"


@dataclass
class PatchGeneratorOutput(BaseOutput):
    """What a generator returns.

    Attributes:
        sample: The translated image, in [-1, 1], of the size of the one given.
    """

    sample: Tensor


class PatchGenerator(StrictModel):
    """Residual blocks at an eighth of the size, between patches of 4x4 pixels and shuffles up.

    Most of the work is done on small maps, for speed; the patches of the input and of half its size
    are skip connections. The last convolutions overlap, so that no grid of patches is to be seen.

    The default is the generator of the recipe `cyclegan`.

    Source: Ronneberger et al., U-Net, 2015, for the skip connections; Shi et al., Real-Time Single
    Image and Video Super-Resolution, 2016, for the shuffles.

    Args:
        sample_size: Height and width of an image, a multiple of 8. Other sizes that are such
            multiples are taken too.
        channels: At a quarter of the size, a multiple of 8.
        bottleneck_channels: At an eighth of the size, a multiple of 8.
        head_channels: At half of the size.
        num_residual_blocks: Blocks at an eighth of the size.

    Attributes:
        size_multiple: Heights and widths of images must be multiples of it.

    Raises:
        ValueError: If the arguments do not make a network.
    """

    source_name = "modeling_hf_gen_patch_generator"
    size_multiple = 8

    @register_to_config
    def __init__(
        self,
        sample_size: int = 64,
        channels: int = 64,
        bottleneck_channels: int = 128,
        head_channels: int = 32,
        num_residual_blocks: int = 4,
    ) -> None:
        super().__init__()
        check_divides("sample_size", sample_size, self.size_multiple, _PATCHES)
        for name, width in (("channels", channels), ("bottleneck_channels", bottleneck_channels)):
            check_divides(name, width, _GROUPS, f"{_GROUPS} groups of channels")
        self.stem = nn.Conv2d(3 * 16, channels, 3, padding=1)
        self.down = nn.Conv2d(channels, bottleneck_channels, 3, stride=2, padding=1)
        blocks = [_ResidualBlock(bottleneck_channels) for _ in range(num_residual_blocks)]
        self.residual = nn.Sequential(*blocks)
        self.up = nn.Conv2d(bottleneck_channels, 4 * channels, 1)
        self.joined = _ResidualBlock(channels)
        self.enlarge = nn.Conv2d(channels, 4 * head_channels, 3, padding=1)
        self.head = nn.ModuleList(
            [
                nn.Conv2d(head_channels + 3 * 4, head_channels, 3, padding=1),
                nn.Conv2d(head_channels, 4 * 12, 3, padding=1),
                nn.Conv2d(12, 3, 3, padding=1),
            ]
        )

    def forward(
        self, sample: Tensor, return_dict: bool = True
    ) -> PatchGeneratorOutput | tuple[Tensor]:
        """Images of one domain, (batch, 3, height, width), to images of the other.

        Raises:
            ValueError: If the images are of another shape, or the height or the width is no
                multiple of 8.
        """
        if sample.ndim != 4 or sample.shape[1] != 3:
            raise ValueError(f"images must be (batch, 3, height, width), got {tuple(sample.shape)}")
        for name, side in zip(("height", "width"), sample.shape[2:], strict=True):
            check_divides(
                f"the {name} of an image",
                side,
                self.size_multiple,
                _PATCHES,
            )
        quarter = self.stem(_unshuffle(sample, 4))  # (batch, channels, height / 4, width / 4)
        eighth = self.residual(self.down(functional.silu(quarter)))
        quarter = self.joined(quarter + _shuffle(self.up(eighth)))
        half = _shuffle(self.enlarge(functional.silu(quarter)))  # (batch, head_channels, …)
        half = torch.cat((functional.silu(half), _unshuffle(sample, 2)), dim=1)
        first, second, last = self.head
        full = _shuffle(second(functional.silu(first(half))))  # (batch, 12, height, width)
        image = torch.tanh(last(functional.silu(full)))
        return PatchGeneratorOutput(sample=image) if return_dict else (image,)


class _ResidualBlock(nn.Module):
    """Two convolutions whose result is added to what they were given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(_GROUPS, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(_GROUPS, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = features + self.layers(features)
        return changed


def _shuffle(features: Tensor) -> Tensor:
    return _channels_last(functional.pixel_shuffle(features, 2))


def _unshuffle(images: Tensor, factor: int) -> Tensor:
    return _channels_last(functional.pixel_unshuffle(images, factor))


def _channels_last(features: Tensor) -> Tensor:
    """Shuffles return channels first; convolutions are faster with them last."""
    # `contiguous(memory_format=...)` is unknown to `torch.func.vmap`.
    return features.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)

"""The two networks of a CycleGAN: a generator from images to images, a discriminator of patches.

Source: Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks,
2017, appendix 7.2, https://arxiv.org/abs/1703.10593.

This file imports torch, diffusers and safetensors only: it is also the remote code of a repository
on the Hub. Images are floats in [-1, 1], (batch, 3, height, width).
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.utils.outputs import BaseOutput
from torch import Tensor, nn

from hf_gen.models.pretrained import StrictModel, check_divides

_SOURCE_NAME = "modeling_hf_gen_cyclegan"


@dataclass
class ResnetGeneratorOutput(BaseOutput):
    """What a generator returns.

    Attributes:
        sample: The translated image, in [-1, 1], of the size of the one given.
    """

    sample: Tensor


class ResnetGenerator(StrictModel):
    """Convolutions that shrink the image, residual blocks, and convolutions that enlarge it.

    The default is the report's generator, of the recipe `cyclegan-lambda10`.

    Source: Johnson et al., Perceptual Losses for Real-Time Style Transfer, 2016, for the network;
    Odena et al., Deconvolution and Checkerboard Artifacts, 2016, for resizing before convolving.

    Args:
        sample_size: Height and width of an image, a multiple of 2^num_downsamples. Other sizes that
            are such multiples are taken too.
        channels: Filters at full size; each halving of the size doubles them.
        num_downsamples: How often the size is halved.
        num_residual_blocks: Blocks at the narrowest size.
        normalization: "instance", with no weights of its own, or "none".
        upsample: "resize" doubles the size by nearest neighbours, then convolves; "transposed" does
            both in one transposed convolution, as the paper does.

    Raises:
        ValueError: If the arguments do not make a network.
    """

    source_name = _SOURCE_NAME

    @register_to_config
    def __init__(
        self,
        sample_size: int = 64,
        channels: int = 32,
        num_downsamples: int = 2,
        num_residual_blocks: int = 2,
        normalization: Literal["instance", "none"] = "instance",
        upsample: Literal["resize", "transposed"] = "transposed",
    ) -> None:
        super().__init__()
        _check_side("sample_size", sample_size, num_downsamples)
        widths = [channels * 2**halvings for halvings in range(num_downsamples + 1)]
        narrowest, norm, bias = widths[-1], _NORMS[normalization], normalization == "none"
        conv = partial(_convolution, bias=bias, padding_mode="reflect")

        def doubling(incoming: int, outgoing: int) -> list[nn.Module]:
            if upsample == "resize":
                return [nn.Upsample(scale_factor=2.0), conv(incoming, outgoing, 3)]
            return [nn.ConvTranspose2d(incoming, outgoing, 3, 2, 1, output_padding=1, bias=bias)]

        self.stem = nn.Sequential(conv(3, channels, 7), norm(), nn.ReLU())
        self.down = nn.Sequential(
            *[
                nn.Sequential(conv(*pair, 3, stride=2), norm(), nn.ReLU())
                for pair in itertools.pairwise(widths)
            ]
        )
        self.residual = nn.Sequential(
            *[_residual(narrowest, conv, norm, nn.ReLU()) for _ in range(num_residual_blocks)]
        )
        self.up = nn.Sequential(
            *[
                nn.Sequential(*doubling(*pair), norm(), nn.ReLU())
                for pair in itertools.pairwise(widths[::-1])
            ]
        )
        self.head = conv(channels, 3, 7, bias=True)
        self.apply(_initialise)

    @property
    def size_multiple(self) -> int:
        """Heights and widths of images must be multiples of it."""
        return int(2**self.config.num_downsamples)

    def forward(
        self, sample: Tensor, return_dict: bool = True
    ) -> ResnetGeneratorOutput | tuple[Tensor]:
        """Images of one domain, (batch, 3, height, width), to images of the other.

        Raises:
            ValueError: If the images are of another shape, or the height or the width is no
                multiple of 2^num_downsamples.
        """
        _check_images(sample)
        for name, side in zip(("height", "width"), sample.shape[2:], strict=True):
            _check_side(f"the {name} of an image", side, self.config.num_downsamples)
        features = self.stem(sample)  # (batch, channels, height, width)
        features = self.down(features)  # halved in size and doubled in width, num_downsamples times
        features = self.residual(features)
        features = self.up(features)  # (batch, channels, height, width)
        image = torch.tanh(self.head(features))
        return ResnetGeneratorOutput(sample=image) if return_dict else (image,)


class PatchDiscriminator(StrictModel):
    """Real or generated: one logit for each of the overlapping patches of an image.

    The default is the discriminator of the recipe `cyclegan`; the paper's has 64 channels, instance
    normalisation and no spectral normalisation. A patch is 9 * 2^num_layers - 2 pixels wide, 70 by
    default; a residual block adds 4 * 2^num_layers.

    Args:
        channels: Filters of the first layer; each further layer has twice as many, up to eight
            times.
        num_layers: How often the size is halved.
        num_residual_blocks: Blocks at the narrowest size, before the last convolution.
        normalization: "instance", with no weights of its own, or "none"; never after the first
            layer.
        spectral_norm: Divide each weight by its largest singular value
            (https://arxiv.org/abs/1802.05957).
        statistics: Add a second head, on the mean, the maximum and the standard deviation of each
            channel of the last map: one logit for the image, from the shares of what is in it and
            not from its places (SPatchGAN, https://arxiv.org/abs/2103.16219).

    Raises:
        ValueError: If the arguments do not make a network.
    """

    source_name = _SOURCE_NAME

    @register_to_config
    def __init__(
        self,
        channels: int = 32,
        num_layers: int = 3,
        num_residual_blocks: int = 0,
        normalization: Literal["instance", "none"] = "none",
        spectral_norm: bool = True,
        statistics: bool = True,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers must be at least 1, got {num_layers}")
        widths = [channels * min(2**layer, 8) for layer in range(num_layers + 1)]
        strides = (*[2] * (num_layers - 1), 1)
        norm = _NORMS[normalization]
        conv = partial(_convolution, bias=normalization == "none", padding_mode="zeros")
        self.stem = nn.Sequential(conv(3, channels, 4, stride=2, bias=True), nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(
            *[
                nn.Sequential(conv(*pair, 4, stride=stride), norm(), nn.LeakyReLU(0.2))
                for pair, stride in zip(itertools.pairwise(widths), strides, strict=True)
            ]
        )
        blocks = [
            _residual(widths[-1], conv, norm, nn.LeakyReLU(0.2)) for _ in range(num_residual_blocks)
        ]
        self.residual = nn.Sequential(*blocks)
        self.head = conv(widths[-1], 1, 4, bias=True)
        self.image_head = nn.Sequential()
        if statistics:
            wide = widths[-1]
            layers = (nn.Linear(3 * wide, wide), nn.LeakyReLU(0.2), nn.Linear(wide, 1))
            self.image_head = nn.Sequential(*layers)
        self.apply(_initialise)
        if spectral_norm:
            for module in list(self.modules()):  # a list, since this adds modules
                if isinstance(module, nn.Conv2d | nn.Linear):
                    nn.utils.parametrizations.spectral_norm(module)

    def forward(self, sample: Tensor) -> Tensor:
        """Images, (batch, 3, height, width), to logits, positive for real.

        Returns:
            (batch, 1, height // 2^num_layers - 2, width // 2^num_layers - 2). With statistics
            (batch, 2, …): the second is the logit of the whole image, at each place, so that each
            head has half of a mean over the logits.

        Raises:
            ValueError: If the images are of another shape, or too small for the layers.
        """
        _check_images(sample)
        num_layers = self.config.num_layers
        smallest, (height, width) = 3 * 2**num_layers, sample.shape[2:]
        if min(height, width) < smallest:
            raise ValueError(
                f"images must be at least {smallest}x{smallest} with num_layers={num_layers}, got "
                f"{height}x{width}: try larger images or fewer layers"
            )
        features = self.stem(sample)  # (batch, channels, height // 2, width // 2)
        features = self.layers(features)  # (batch, …, height // 2^num_layers - 1, …)
        features = self.residual(features)
        logits: Tensor = self.head(features)
        if not self.config.statistics:
            return logits
        deviation, mean = torch.std_mean(features, dim=(2, 3))
        pooled = torch.cat((mean, features.amax(dim=(2, 3)), deviation), dim=1)
        whole = self.image_head(pooled)[:, :, None, None].expand_as(logits)
        return torch.cat((logits, whole), dim=1)


class _InstanceNorm(nn.Module):
    """`nn.InstanceNorm2d` of the same numbers, in the layout of channels that come last.

    PyTorch's own turns the features around and leaves them so for all layers that follow.
    """

    def forward(self, features: Tensor) -> Tensor:
        batch, channels, height, width = features.shape
        pixels = features.permute(0, 2, 3, 1).reshape(batch, height * width, channels)
        precision = torch.promote_types(features.dtype, torch.float32)
        centred = pixels - pixels.mean(dim=1, keepdim=True, dtype=precision)
        variance = centred.square().mean(dim=1, keepdim=True)
        normalised = (centred * torch.rsqrt(variance + 1e-5)).to(features.dtype)
        return normalised.view(batch, height, width, channels).permute(0, 3, 1, 2)


class _Residual(nn.Sequential):
    """Layers whose result is added to what they were given."""

    def forward(self, features: Tensor) -> Tensor:
        change: Tensor = super().forward(features)
        return features + change


# Instance normalisation has no weights, and would take a bias away again.
_NORMS = {"instance": _InstanceNorm, "none": nn.Identity}


def _residual(
    width: int,
    conv: Callable[..., nn.Module],
    norm: Callable[[], nn.Module],
    activation: nn.Module,
) -> nn.Module:
    return _Residual(conv(width, width, 3), norm(), activation, conv(width, width, 3), norm())


def _convolution(
    incoming: int,
    outgoing: int,
    kernel_size: int,
    bias: bool,
    padding_mode: Literal["reflect", "zeros"],
    stride: int = 1,
) -> nn.Conv2d:
    padding = (kernel_size - 1) // 2
    return nn.Conv2d(
        incoming, outgoing, kernel_size, stride, padding, padding_mode=padding_mode, bias=bias
    )


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _check_images(images: Tensor) -> None:
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images must be (batch, 3, height, width), got {tuple(images.shape)}")


def _check_side(name: str, side: int, num_downsamples: int) -> None:
    factor = 2**num_downsamples
    # Reflection padding takes its pixels from inside: 3 around the image, 1 at the narrowest size.
    smallest = max(4, 2 * factor)
    check_divides(name, side, factor, f"num_downsamples={num_downsamples}", smallest)

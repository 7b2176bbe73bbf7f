"""Two convolutions in a form that a CPU computes faster, for inference: same weights, same maths.

A transposed convolution to an image is an ordinary one to the channels of stride x stride pixels,
and a 7x7 convolution to an image one to the twelve channels of 2x2 pixels. Their results differ
from PyTorch's layers by rounding alone. docs/speed.md has the measurements.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

SHIFTS = ((0, 0), (0, 1), (1, 0), (1, 1))


class FastConvTranspose2d(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d` to stride times the size; PyTorch's where gradients are recorded."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """As `nn.ConvTranspose2d`."""
        if input.device.type != "cpu" or self.bias is None or torch.is_grad_enabled():
            return super().forward(input, output_size)
        return channels_last(enlarge(input, self.weight, self.bias, self.stride[0]))


class FastConv2d(nn.Conv2d):
    """A 7x7 `nn.Conv2d` from or to images; PyTorch's where gradients are recorded."""

    def forward(self, input: Tensor) -> Tensor:
        """As `nn.Conv2d`."""
        is_odd = any(side % 2 for side in input.shape[2:])
        if input.device.type != "cpu" or is_odd or torch.is_grad_enabled():
            return super().forward(input)
        padded = nn.functional.pad(input, [3] * 4, mode="reflect")
        return channels_last(convolve(padded, self.weight, self.bias))


_FAST_FORMS: dict[type[nn.Module], type[nn.Module]] = {
    FastConvTranspose2d: nn.ConvTranspose2d,
    FastConv2d: nn.Conv2d,
}


def use_fast_layers(
    networks: Iterable[nn.Module],
    transposed: type[FastConvTranspose2d] = FastConvTranspose2d,
    of_images: type[FastConv2d] = FastConv2d,
) -> list[tuple[nn.Module, type[nn.Module]]]:
    """Changes the class of the layers that have a faster form; weights and names stay.

    Returns:
        The layers and their classes before.
    """
    changed: list[tuple[nn.Module, type[nn.Module]]] = []
    for layer in (layer for network in networks for layer in network.modules()):
        fast = transposed if _enlarges(layer) else of_images if _is_of_images(layer) else None
        if fast is not None:
            changed.append((layer, type(layer)))
            layer.__class__ = fast
    return changed


def use_pytorch_layers(network: nn.Module) -> None:
    """Changes fast layers back to PyTorch's own; weights and names stay."""
    for layer in network.modules():
        for fast, own in _FAST_FORMS.items():
            if isinstance(layer, fast):
                layer.__class__ = own


def _enlarges(layer: nn.Module) -> bool:
    if not isinstance(layer, nn.ConvTranspose2d) or layer.bias is None:
        return False
    kernel_size, stride = layer.kernel_size[0], layer.stride[0]
    return (
        kernel_size % 2 == 1
        and (layer.kernel_size, layer.stride) == ((kernel_size,) * 2, (stride,) * 2)
        and (layer.padding, layer.output_padding) == ((kernel_size // 2,) * 2, (stride - 1,) * 2)
        and (layer.dilation, layer.groups) == ((1, 1), 1)
    )


def _is_of_images(layer: nn.Module) -> bool:
    return (
        isinstance(layer, nn.Conv2d)
        and (layer.kernel_size, layer.stride, layer.padding) == ((7, 7), (1, 1), (3, 3))
        and layer.padding_mode == "reflect"
        and min(layer.in_channels, layer.out_channels) <= 3
        and (layer.dilation, layer.groups) == ((1, 1), 1)
    )


def channels_last(features: Tensor) -> Tensor:
    """`contiguous(memory_format=torch.channels_last)`, which `torch.func.vmap` does not know."""
    return features.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def enlarge(input: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """A transposed convolution; one to an image is an ordinary one, five times as fast."""
    kernel_size, outgoing = weight.shape[2], weight.shape[1]
    if outgoing > 3 or stride == 1:
        return nn.functional.conv_transpose2d(
            input, weight, bias, stride, kernel_size // 2, stride - 1
        )
    # Each position makes the stride x stride pixels over it.
    reach = (kernel_size // 2 + stride - 1) // stride  # in positions
    before = stride * reach - kernel_size // 2
    after = stride * (2 * reach + 1) - kernel_size - before
    weight = nn.functional.pad(weight, (before, after) * 2)
    weight = weight.unflatten(3, (-1, stride)).unflatten(2, (-1, stride))
    weight = weight.permute(1, 3, 5, 0, 2, 4).flatten(0, 2).flip(2, 3)
    bias = bias.repeat_interleave(stride**2)
    positions = nn.functional.conv2d(input, weight, bias, padding=reach)
    return nn.functional.pixel_shuffle(positions, stride)


def convolve(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution whose result has an even height and width."""
    if weight.shape[0] <= 3:
        return convolve_by_fours(input, weight, bias)
    return nn.functional.conv2d(input, weight, bias)


def convolve_by_fours(
    input: Tensor, weight: Tensor, bias: Tensor | None, padding: int = 0
) -> Tensor:
    """A convolution to three channels as one to twelve, those of 2x2 pixels: twice as fast."""
    bias = None if bias is None else bias.repeat_interleave(4)
    fours = nn.functional.conv2d(input, weight_of_fours(weight), bias, stride=2, padding=padding)
    return nn.functional.pixel_shuffle(fours, 2)


def weight_of_fours(weight: Tensor) -> Tensor:
    """(outgoing, …, side, side) -> (4 outgoing, …, side + 1, side + 1), a shift for each pixel."""
    shifted = [nn.functional.pad(weight, (x, 1 - x, y, 1 - y)) for y, x in SHIFTS]
    wide = torch.stack(shifted, dim=1).flatten(0, 1)
    return wide.contiguous(memory_format=torch.channels_last)

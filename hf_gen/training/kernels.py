"""Two convolutions with gradients of our own, which a CPU computes faster than PyTorch's.

They take the place of PyTorch's layers for the time of a training on a CPU, with the same weights
and, to rounding, the same results; nothing of them is saved. oneDNN is slow at the gradient of a
transposed convolution's bias and at convolutions from and to images: docs/speed.md.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hf_gen.pipelines.kernels import (
    SHIFTS,
    FastConv2d,
    FastConvTranspose2d,
    convolve,
    convolve_by_fours,
    enlarge,
    use_fast_layers,
    weight_of_fours,
)


@contextmanager
def fast_training(networks: Iterable[nn.Module]) -> Iterator[None]:
    """Within it, layers of `networks` that have a faster form on a CPU compute in that form."""
    changed = use_fast_layers(networks, TrainedConvTranspose2d, TrainedConv2d)
    try:
        yield
    finally:
        for layer, before in changed:
            layer.__class__ = before


class TrainedConvTranspose2d(FastConvTranspose2d):
    """`FastConvTranspose2d` that is fast in training mode too."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """As `nn.ConvTranspose2d`."""
        if not (self.training and torch.is_grad_enabled() and input.device.type == "cpu"):
            return super().forward(input, output_size)
        tensors = _autocast(input, self.weight, self.bias)
        enlarged: Tensor = enlarge_with_gradients(*tensors, self.stride[0])
        return enlarged


class TrainedConv2d(FastConv2d):
    """`FastConv2d` that is fast in training mode too."""

    def forward(self, input: Tensor) -> Tensor:
        """As `nn.Conv2d`."""
        is_odd = any(side % 2 for side in input.shape[2:])
        trains = self.training and torch.is_grad_enabled() and input.device.type == "cpu"
        if is_odd or not trains:
            return super().forward(input)
        padded = nn.functional.pad(input, [3] * 4, mode="reflect")
        convolved: Tensor = convolve_with_gradients(*_autocast(padded, self.weight, self.bias))
        return convolved


def _autocast(*tensors: Tensor | None) -> list[Any]:
    if not torch.is_autocast_enabled("cpu"):
        return [*tensors]
    dtype = torch.get_autocast_dtype("cpu")
    return [None if tensor is None else tensor.to(dtype) for tensor in tensors]


# Operators, or else the compiler computes what follows pixel by pixel in the order of the shuffle.
@torch.library.custom_op("hf_gen::enlarge", mutates_args=())
def enlarge_with_gradients(input: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """`enlarge`, channels last."""
    enlarged = enlarge(input, weight, bias, stride)
    return enlarged.contiguous(memory_format=torch.channels_last)


@enlarge_with_gradients.register_fake
def _enlarged_shape(input: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    batch, _, height, width = input.shape
    enlarged = input.new_empty(batch, weight.shape[1], stride * height, stride * width)
    return enlarged.contiguous(memory_format=torch.channels_last)


def _save_for_enlarge(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, int], output: Tensor) -> None:
    input, weight, _, ctx.stride = inputs
    ctx.save_for_backward(input, weight)


def _enlarge_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    input, weight = ctx.saved_tensors
    outgoing, kernel_size = weight.shape[1:3]
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    of_input, of_weight, _ = torch.ops.aten.convolution_backward(
        gradient,
        input,
        weight,
        [outgoing],
        stride=[ctx.stride] * 2,
        padding=[kernel_size // 2] * 2,
        dilation=[1, 1],
        transposed=True,
        output_padding=[ctx.stride - 1] * 2,
        groups=1,
        output_mask=[*ctx.needs_input_grad[:2], False],
    )
    return of_input, of_weight, _bias_gradient(gradient, outgoing), None


enlarge_with_gradients.register_autograd(_enlarge_backward, setup_context=_save_for_enlarge)


@torch.library.custom_op("hf_gen::convolve", mutates_args=())
def convolve_with_gradients(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`convolve`, channels last."""
    return convolve(input, weight, bias).contiguous(memory_format=torch.channels_last)


@convolve_with_gradients.register_fake
def _convolved_shape(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    batch, _, height, width = input.shape
    margin = weight.shape[2] - 1
    convolved = input.new_empty(batch, weight.shape[0], height - margin, width - margin)
    return convolved.contiguous(memory_format=torch.channels_last)


def _save_for_convolve(
    ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor
) -> None:
    input, weight, _ = inputs
    ctx.save_for_backward(input, weight)


def _convolve_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    input, weight = ctx.saved_tensors
    needs_input, needs_weight, needs_bias = ctx.needs_input_grad
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    side, of_input, of_weight = weight.shape[2], None, None
    if weight.shape[0] <= 3:
        if needs_input:
            of_input, _ = _convolution_backward(gradient, input, weight, 1, [True, False])
        if needs_weight:
            fours = nn.functional.pixel_unshuffle(gradient, 2)
            fours = fours.contiguous(memory_format=torch.channels_last)
            wide_weight = weight_of_fours(weight)
            _, wide = _convolution_backward(fours, input, wide_weight, 2, [False, True])
            wide = wide.unflatten(0, (-1, 4))
            parts = [
                wide[:, place, :, y : y + side, x : x + side] for place, (y, x) in enumerate(SHIFTS)
            ]
            of_weight = torch.stack(parts).sum(0)
    else:
        if needs_input:
            mirrored = weight.flip(2, 3).transpose(0, 1)
            of_input = convolve_by_fours(gradient, mirrored, None, padding=side - 1)
        if needs_weight:
            _, of_weight = _convolution_backward(gradient, input, weight, 1, [False, True])
    return of_input, of_weight, _bias_gradient(gradient, len(weight)) if needs_bias else None


convolve_with_gradients.register_autograd(_convolve_backward, setup_context=_save_for_convolve)


def _convolution_backward(
    gradient: Tensor, input: Tensor, weight: Tensor, stride: int, needed: list[bool]
) -> tuple[Tensor, Tensor]:
    """PyTorch's gradients of a convolution by its input and its weight, those that are needed."""
    of_input, of_weight, _ = torch.ops.aten.convolution_backward(
        gradient,
        input,
        weight,
        None,
        stride=[stride] * 2,
        padding=[0, 0],
        dilation=[1, 1],
        transposed=False,
        output_padding=[0, 0],
        groups=1,
        output_mask=[*needed, False],
    )
    return of_input, of_weight


def _bias_gradient(gradient: Tensor, outgoing: int) -> Tensor:
    """The sum over all pixels as a product with ones, which a CPU is faster at."""
    pixels = gradient.permute(0, 2, 3, 1).flatten(1)
    return (pixels.new_ones(1, len(pixels)) @ pixels).view(-1, outgoing).sum(0)

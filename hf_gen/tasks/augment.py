"""Differentiable augmentation: what discriminators see, for small datasets.

Source: Zhao, Liu, Lin, Zhu and Han, Differentiable Augmentation for Data-Efficient GAN Training,
2020, https://arxiv.org/abs/2006.10738, with its policy of colour, translation and cutout.
"""

from collections.abc import Collection

import torch
from torch import Tensor

from hf_gen.config import Augmentation

RANDOM_NUMBERS = 7
_SHIFT = 1 / 8
_CUT = 1 / 2


def differentiable_augment(
    images: Tensor, numbers: Tensor, kinds: Collection[Augmentation]
) -> Tensor:
    """Changes each image by its own random numbers; gradients pass through.

    Args:
        images: In [-1, 1], (batch, 3, height, width). The result may leave that range.
        numbers: From 0 to 1, (batch, 7).
        kinds: What is changed: "color" (brightness, saturation and contrast), "translation" by up
            to an eighth, "cutout" of a square.
    """
    brightness, saturation, contrast, down, right, top, left = numbers[:, :, None, None].unbind(1)
    if "color" in kinds:
        images = images + (brightness - 0.5)[:, None]
        grey = images.mean(dim=1, keepdim=True)
        images = (images - grey) * (2 * saturation)[:, None] + grey
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        images = (images - mean) * (contrast + 0.5)[:, None] + mean
    if "translation" in kinds:
        images = _shifted(images, down, right)
    return images * _window(images, top, left)[:, None] if "cutout" in kinds else images


def _shifted(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Moved by up to an eighth each way; what comes in is mid grey."""
    batch, _, height, width = images.shape
    most_down, most_right = int(height * _SHIFT + 0.5), int(width * _SHIFT + 0.5)
    padded = torch.nn.functional.pad(images, (most_right, most_right, most_down, most_down))
    rows = torch.arange(height, device=images.device)[None, :, None]
    columns = torch.arange(width, device=images.device)[None, None, :]
    rows = rows + (down * (2 * most_down + 1)).long().clamp(max=2 * most_down)
    columns = columns + (right * (2 * most_right + 1)).long().clamp(max=2 * most_right)
    which = torch.arange(batch, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[which, rows, columns].permute(0, 3, 1, 2)


def _window(images: Tensor, top: Tensor, left: Tensor) -> Tensor:
    """0 in a square of half the height and width around a random point, 1 elsewhere."""
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device)[None, :, None]
    columns = torch.arange(width, device=images.device)[None, None, :]
    inside = ((rows - top * height).abs() < height * _CUT / 2) & (
        (columns - left * width).abs() < width * _CUT / 2
    )
    return (~inside).to(images.dtype)

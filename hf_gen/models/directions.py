"""Named directions in a latent space: what a slider with a name moves a code along.

Source: Shen, Gu, Tang and Zhou, Interpreting the Latent Space of GANs for Semantic Face Editing,
2020, for linear edits of attributes, https://arxiv.org/abs/1907.10786.

This file imports torch, diffusers and safetensors only: it is also the remote code of a repository
on the Hub. A code is (batch, channels, height, width), a vector code (batch, channels, 1, 1).
"""

import math
from collections.abc import Mapping

import torch
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from hf_gen.models.pretrained import StrictModel


class LatentDirections(StrictModel):
    """Moves codes along directions with names; `hf_gen.evaluation.directions` finds them.

    A direction adds a vector, as often as it is told. A wheel sets a hue: two vectors span a plane
    of colours, and the code is moved from the point that a linear map reads to one of the circle.

    Args:
        latent_shape: Channels, height and width of a code.
        names: Of the directions, and after them of the wheels.
        num_wheels: How many of the names are wheels.

    Attributes:
        vectors: (directions + 2 wheels, latents): a code is flattened.
        lows: Smallest value of each name with which faces stay faces, (names,).
        highs: Largest one, (names,).
        readers: (2 wheels, latents): with the offsets, where in its plane a code is.
        offsets: (2 wheels,).

    Raises:
        ValueError: If the arguments do not make directions.
    """

    source_name = "modeling_hf_gen_directions"
    vectors: Tensor
    lows: Tensor
    highs: Tensor
    readers: Tensor
    offsets: Tensor

    @register_to_config
    def __init__(
        self,
        latent_shape: tuple[int, int, int] = (50, 1, 1),
        names: tuple[str, ...] = ("direction",),
        num_wheels: int = 0,
    ) -> None:
        super().__init__()
        if num_wheels > len(names) or len({*names}) < len(names):
            raise ValueError(
                f"names must differ and be at least as many as the wheels, got {names} and "
                f"{num_wheels} wheels"
            )
        latents = math.prod(latent_shape)
        self.register_buffer("vectors", torch.zeros(len(names) + num_wheels, latents))
        self.register_buffer("lows", torch.full((len(names),), -1.0))
        self.register_buffer("highs", torch.ones(len(names)))
        if num_wheels:
            self.register_buffer("readers", torch.zeros(2 * num_wheels, latents))
            self.register_buffer("offsets", torch.zeros(2 * num_wheels))

    def is_wheel(self, name: str) -> bool:
        """Whether the value of a name is a hue."""
        return self._place(name) >= len(self.config.names) - self.config.num_wheels

    def range_of(self, name: str) -> tuple[float, float]:
        """The smallest and the largest value of a name with which faces stay faces."""
        place = self._place(name)
        return round(self.lows[place].item(), 4), round(self.highs[place].item(), 4)

    @torch.no_grad()
    def move(self, codes: Tensor, values: Mapping[str, float]) -> Tensor:
        """Codes moved along some directions, in float32 on the way, in their shape and dtype.

        Args:
            codes: (batch, channels, height, width).
            values: By name: how far, where 1 is half of what there is of a factor in synthetic
                faces; of a wheel the hue, in turns, where 0 is red, 1/3 green and 2/3 blue.

        Raises:
            ValueError: If there is no such name, the codes are of another shape, or a value is out
                of the range of its direction.
        """
        expected = tuple(self.config.latent_shape)
        if codes.shape[1:] != expected:
            raise ValueError(
                f"codes must be (batch, {', '.join(map(str, expected))}), got {tuple(codes.shape)}:"
                " encode them with the autoencoder of these directions"
            )
        flat = codes.flatten(1).float()
        for name, value in values.items():
            place, (low, high) = self._place(name), self.range_of(name)
            if not low <= value <= high:
                raise ValueError(
                    f"{name} must be from {low:g} to {high:g}, where faces stay faces, got {value}"
                )
            if not self.is_wheel(name):
                flat = flat + value * self.vectors[place].float()
                continue
            wheel = 2 * (place - len(self.config.names) + self.config.num_wheels)
            readers = self.readers[wheel : wheel + 2].float()
            angle = 2 * math.pi * value
            target = flat.new_tensor((math.cos(angle), math.sin(angle)))
            change = target - flat @ readers.T - self.offsets[wheel : wheel + 2].float()
            first = len(self.config.names) - self.config.num_wheels + wheel
            flat = flat + change @ self.vectors[first : first + 2].float()
        return flat.to(codes.dtype).view_as(codes)

    def _place(self, name: str) -> int:
        names = self.config.names
        if name not in names:
            raise ValueError(f"there is no direction {name!r}: choose of {', '.join(names)}")
        return list(names).index(name)

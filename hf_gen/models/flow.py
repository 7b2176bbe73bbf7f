"""The flow of a learned prior: a velocity that carries noise to standardised codes.

Source: Lipman, Chen, Ben-Hamu, Nickel and Le, Flow Matching for Generative Modeling, 2023, with its
straight paths, https://arxiv.org/abs/2210.02747.

This file imports torch only: its text becomes part of the remote code of a repository on the Hub.
"""

import copy
import math
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

NUM_LAYERS = 4
WIDTH = 512
_FREQUENCIES = 32
_STEPS = 12


class Flow(nn.Module):
    """A residual MLP, whose velocity carries N(0, I) at time 0 to the data at time 1.

    Args:
        latents: Numbers of a code.
        num_layers: Residual layers.
        width: Their channels.
    """

    def __init__(self, latents: int, num_layers: int = NUM_LAYERS, width: int = WIDTH) -> None:
        super().__init__()
        self.enter = nn.Linear(latents, width)
        self.embed = nn.Linear(2 * _FREQUENCIES, 2 * _FREQUENCIES)
        self.layers = nn.ModuleList(_Layer(width) for _ in range(num_layers))
        self.leave = nn.Linear(width, latents)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, codes: Tensor, times: Tensor) -> Tensor:
        """The velocity of each code, (batch, latents).

        Args:
            codes: On their way from noise to data, standardised, (batch, latents).
            times: From 0 to 1, (batch,).
        """
        exponents = torch.linspace(0, 1, _FREQUENCIES, device=times.device, dtype=times.dtype)
        angles = times[:, None] * math.pi * 100**exponents  # of half a turn to fifty
        embedded = self.embed(torch.cat((angles.sin(), angles.cos()), dim=1))
        hidden = self.enter(codes)
        for layer in self.layers:
            hidden = layer(hidden, functional.silu(embedded))
        return self.leave(functional.silu(functional.layer_norm(hidden, hidden.shape[1:])))

    def carry(self, noise: Tensor) -> Tensor:
        """Standardised codes from noise, (batch, latents): 12 midpoint steps, in float32.

        Two codes are equal to the bit only in batches of one size, as all products of matrices.
        """
        codes, flow = noise, self.in_float32()
        for step in range(_STEPS):
            start = noise.new_full(noise.shape[:1], step / _STEPS)
            middle = codes + flow(codes, start) / (2 * _STEPS)
            codes = codes + flow(middle, start + 1 / (2 * _STEPS)) / _STEPS
        return codes

    def in_float32(self) -> Self:
        """Itself, or a copy: rounding to half precision would add up along the steps."""
        is_float32 = self.enter.weight.dtype == torch.float32
        return self if is_float32 else copy.deepcopy(self).float()

    def loss(self, codes: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Mean squared error of the velocity, on straight paths from noise to codes, a scalar.

        Args:
            codes: Standardised, (batch, latents).
            noise: Standard normal, (batch, latents).
            times: Uniform from 0 to 1, (batch,).

        Source: Lipman et al., equation 23 with a smallest deviation of 0.
        """
        between = torch.lerp(noise, codes, times[:, None])
        return functional.mse_loss(self(between, times), codes - noise)


class _Layer(nn.Module):
    """A normalised, modulated and activated linear layer, added to what it is given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.modulate = nn.Linear(2 * _FREQUENCIES, 2 * width)
        self.linear = nn.Linear(width, width)

    def forward(self, hidden: Tensor, embedded: Tensor) -> Tensor:
        scale, shift = self.modulate(embedded).chunk(2, dim=1)
        normed = functional.layer_norm(hidden, hidden.shape[1:])
        return hidden + self.linear(functional.silu(normed * (1 + scale) + shift))

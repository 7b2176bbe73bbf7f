"""A grid that a decoder draws: more energy at its period than around it."""

import torch
from torch import Tensor

PERIOD = 4
"""Of a grid in pixels: the patches of `PatchVAE`, and two upsamplings by 2."""
_MIN_PERIODS = 4
_NEAR = 2


class GridEnergy:
    """Compares the spectra of images and of others that were made of them.

    Args:
        size: Height and width.
    """

    def __init__(self, size: int) -> None:
        self._power = torch.zeros(2, size, size, dtype=torch.float64)

    @staticmethod
    def is_measurable(size: int) -> bool:
        """Whether images of a size hold whole periods, at least 4."""
        return size % PERIOD == 0 and size >= _MIN_PERIODS * PERIOD

    def update(self, real: Tensor, made: Tensor) -> None:
        """Adds images, both (batch, 3, size, size)."""
        for place, images in enumerate((real, made)):
            spectrum = torch.fft.fft2(images.mean(1))
            self._power[place] += spectrum.abs().square().sum(0)

    def compute(self) -> float:
        """The grid of the made images relative to that of the real ones: 1 where they have none.

        That of either is the mean, over the frequencies of a grid with a period of 4 pixels and
        their harmonics, of the power there relative to the mean power around it.
        """
        real, made = (_peaks(power) for power in self._power)
        return (made / real).item()


def _peaks(power: Tensor) -> Tensor:
    """Mean ratio of each harmonic to the ring around it; power is (size, size)."""
    step = len(power) // PERIOD
    places = [(y, x) for y in range(PERIOD) for x in range(PERIOD) if y or x]
    ring = [
        (y, x)
        for y in range(-_NEAR, _NEAR + 1)
        for x in range(-_NEAR, _NEAR + 1)
        if max(abs(y), abs(x)) == _NEAR
    ]
    ratios = []
    for y, x in places:
        around = [power[(step * y + down) % len(power), (step * x + right) % len(power)]
                  for down, right in ring]  # fmt: skip
        ratios.append(power[step * y, step * x] / torch.stack(around).mean().clamp_min(1e-12))
    return torch.stack(ratios).mean()

"""A pool of earlier translations for the discriminators.

Source: Shrivastava et al., Learning from Simulated and Unsupervised Images through Adversarial
Training, 2017, section 2.3; Zhu et al., CycleGAN, 2017, section 4.
"""

import torch
from torch import Tensor


class ImagePool:
    """Up to `size` earlier images.

    Args:
        size: How many are kept; 0 disables the pool.
        resolution: Height and width of an image.
        device: Where they are kept.
    """

    def __init__(self, size: int, resolution: int, device: torch.device) -> None:
        self._images = torch.zeros(size, 3, resolution, resolution, device=device)
        self._filled = 0

    def exchange(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Stores some of `images`, (batch, 3, height, width), and returns earlier ones instead.

        While the pool is filling images are stored and returned; then each is swapped for one of
        the pool with probability 0.5.
        """
        size, count = len(self._images), len(images)
        room = min(size - self._filled, count)
        self._images[self._filled : self._filled + room] = images[:room]
        self._filled += room
        swapped = (torch.rand(count, generator=generator) < 0.5).nonzero().flatten()
        swapped = swapped[swapped >= room][:size]
        slots = torch.randperm(size, generator=generator)[: len(swapped)]
        given = images.clone()
        given[swapped] = self._images[slots]
        self._images[slots] = images[swapped]
        return given

    def state_dict(self) -> dict[str, Tensor]:
        """The images and how many there are, for a checkpoint."""
        filled = torch.tensor(self._filled, device=self._images.device)
        return {"images": self._images, "filled": filled}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restores what `state_dict` gave."""
        self._images.copy_(state["images"])
        self._filled = int(state["filled"])

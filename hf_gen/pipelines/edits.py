"""Changes of faces: along directions with names, to neighbours, and of one latent at a time.

This file imports torch and diffusers only: its text becomes part of the remote code of a repository
on the Hub.
"""

import math
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from hf_gen.pipelines.base import Images, OutputType, Pictures

Generators = torch.Generator | list[torch.Generator] | None
_BATCH_SIZE = 64


class Direction(NamedTuple):
    """What `edit` can change.

    Attributes:
        name: Such as head_tilt.
        low: The smallest value with which faces stay faces.
        high: The largest one.
        is_wheel: Whether the value is a hue, in turns: 0 is red, 1/3 green, 2/3 blue.
    """

    name: str
    low: float
    high: float
    is_wheel: bool


class _Autoencoding(Protocol):
    prior: Any
    editor: Any

    @property
    def latent_shape(self) -> tuple[int, ...]: ...

    def encode(self, images: Images, *sampling: Any) -> Tensor: ...

    def decode(self, latents: Tensor, output_type: OutputType = "pil") -> Pictures: ...

    def sample_latents(self, batch_size: int, generator: Generators) -> Tensor: ...

    def neighbour_latents(
        self, image_or_code: Images, count: int, strength: float, generator: Generators
    ) -> Tensor: ...


class LatentEdits:
    """The methods of a `VAEPipeline` that change latents."""

    @property
    def directions(self: _Autoencoding) -> list[Direction]:
        """What `edit` can change, with the range of its values; none if none was found."""
        model = self.editor
        listed = []
        for name in () if model is None else model.config.names:
            low, high = model.range_of(name)
            listed.append(Direction(name, low, high, model.is_wheel(name)))
        return listed

    def edit(
        self: _Autoencoding,
        image_or_code: Images,
        output_type: OutputType = "pil",
        **values: float,
    ) -> Pictures:
        """Decodes faces with some of their properties changed.

        Args:
            image_or_code: Images, or latents, (batch, channels, height, width).
            output_type: "pil" or "pt".
            **values: By the names of `directions`, from `low` to `high`: 0 leaves a face as it is,
                and 1 is half of what there is of a factor in synthetic faces, such as 12 degrees
                clockwise of head_tilt. Of a wheel it is the hue that is set.

        Raises:
            ValueError: If there is no such direction, or a value is out of its range.
        """
        if self.editor is None:
            raise ValueError(
                "this pipeline has no directions: train with --directions, or add those that "
                "hf_gen.evaluation.directions finds"
            )
        codes = codes_of(self, image_or_code)
        return self.decode(self.editor.move(codes, values), output_type)

    def neighbours(
        self: _Autoencoding,
        image_or_code: Images,
        count: int = 8,
        strength: float = 0.5,
        generator: Generators = None,
        output_type: OutputType = "pil",
    ) -> Pictures:
        """Decodes faces like one face.

        Its code is mixed with samples of the default prior, so that the mean and the covariance of
        codes stay what they are: `mean + (1 - strength^2)^(1/2) (code - mean) + strength (sample -
        mean)`.

        Args:
            image_or_code: One image, or its latents, (1, channels, height, width).
            count: How many, at least 1.
            strength: From 0, the face itself, to 1, other faces of the prior.
            generator: Makes them deterministic: one for all, or a list with one for each image.
            output_type: "pil" or "pt".

        Raises:
            ValueError: If the count or the strength is out of its range, or not one face is given.
        """
        latents = self.neighbour_latents(image_or_code, count, strength, generator)
        return self.decode(latents, output_type)

    def neighbour_latents(
        self: _Autoencoding,
        image_or_code: Images,
        count: int = 8,
        strength: float = 0.5,
        generator: Generators = None,
    ) -> Tensor:
        """What `neighbours` decodes, (count, channels, height, width)."""
        if not 0 <= strength <= 1:
            raise ValueError(f"strength must be from 0 to 1, got {strength}: try 0.5")
        code = codes_of(self, image_or_code)
        if len(code) != 1:
            raise ValueError(f"it takes one image, or the latents of one, got {len(code)}")
        samples = self.sample_latents(count, generator).to(code)
        mean: Tensor | float = 0.0
        if self.prior is not None:
            mean = _fitted(self.prior).mean.to(code).view(code.shape[1:])
        kept = math.sqrt(1 - strength**2)
        return mean + kept * (code - mean) + strength * (samples - mean)

    @torch.no_grad()
    def influence(self: _Autoencoding) -> Tensor:
        """How much each dimension changes the image, (channels,), from 0 to 2.

        The mean absolute difference between the images at -1.5 and at +1.5 standard deviations of
        the dimension, the others at their means: of the Gaussian that was fitted to the latents, or
        of a standard normal prior.
        """
        shape = self.latent_shape
        mean, deviation = torch.zeros(shape), torch.ones(shape)
        if self.prior is not None:
            fitted = _fitted(self.prior)
            mean = fitted.mean.float().view(shape)
            deviation = fitted.deviation.float().view(shape)
        changes = []
        for part in torch.arange(shape[0], device=mean.device).split(_BATCH_SIZE):
            latents = mean.repeat(len(part), 1, 1, 1)  # a row for each dimension
            offset = torch.zeros_like(latents)
            offset[range(len(part)), part] = 1.5 * deviation[part]
            high, low = self.decode(latents + offset, "pt"), self.decode(latents - offset, "pt")
            changes.append((high - low).abs().flatten(1).mean(1))
        return torch.cat(changes)


def _fitted(prior: Any) -> Any:
    """A prior, or what one of every KL weight is at 1."""
    return prior.at(1.0) if "max_kl_weight" in prior.config else prior


def codes_of(pipeline: _Autoencoding, image_or_code: Images, *sampling: Any) -> Tensor:
    """Latents as they are, images encoded, with the further arguments of `encode`."""
    if isinstance(image_or_code, Tensor) and image_or_code.shape[1:] == pipeline.latent_shape:
        return image_or_code
    return pipeline.encode(image_or_code, *sampling)

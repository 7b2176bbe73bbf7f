"""Reconstruct, sample and interpolate faces with a variational autoencoder.

This file imports torch and diffusers only: it is also the remote code of a repository on the Hub.
Any autoencoder of diffusers' protocol will do: `ConvVAE`, `DenseVAE`, `AutoencoderKL`, or
`AutoencoderTiny`, whose latents have no posterior. `AnyKLVAE` is several in one: its methods take
the weight of the KL term.
"""

import itertools
import numbers
import reprlib
from collections.abc import Sequence
from typing import Literal

import torch
from diffusers import ImagePipelineOutput, ModelMixin
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from hf_gen.pipelines.base import (
    ImagePipeline,
    Images,
    OutputType,
    Pictures,
    postprocess,
    preprocess,
)
from hf_gen.pipelines.edits import Generators, LatentEdits, codes_of

PriorName = Literal["standard", "gaussian", "mixture", "flow"]
_BATCH_SIZE = 64


class VAEPipeline(LatentEdits, ImagePipeline):
    """Reconstruction, sampling, interpolation and edits with an autoencoder of square images.

    Images are given and returned as `ImagePipeline` says. A dimension is a channel of the latents,
    (batch, channels, height, width): in a latent vector, one number.

    Args:
        vae: The autoencoder.
        prior: A `LatentPrior` fitted to its latents, for `sample`. Give it here: what is assigned
            to a pipeline afterwards is not saved with it.
        resolution: Height and width of its images in pixels.
        default_prior: The one of `priors` that `sample` uses by default. Default: the
            last, which is the flow or the mixture where there is one.
        default_temperature: Its temperature, finite and at least 0.
        editor: The `LatentDirections` that were found in its latents, for `edit`.

    Raises:
        ValueError: If the prior or the editor is something else or is for latents of another shape,
            the prior has no mixture weights, or there is no such default prior or temperature.
    """

    source_name = "pipeline_hf_gen_vae"
    # diffusers takes every argument without a default for a component, hence that of resolution.
    model_cpu_offload_seq = "vae"
    _optional_components = ["prior", "editor"]  # noqa: RUF012, as diffusers declares it
    _exclude_from_cpu_offload = ["prior", "editor"]  # noqa: RUF012

    def __init__(
        self,
        vae: ModelMixin,
        prior: ModelMixin | None = None,
        resolution: int = 32,
        default_prior: str | None = None,  # diffusers cannot check an argument of Literal
        default_temperature: float = 1.0,
        editor: ModelMixin | None = None,
    ) -> None:
        super().__init__()
        parts = {"prior": ("a LatentPrior", prior), "editor": ("LatentDirections", editor)}
        for name, (expected, part) in parts.items():
            if part is not None and "latent_shape" not in getattr(part, "config", {}):
                raise ValueError(
                    f"{name} must be {expected}, got {part!r}: give the resolution by its name, or "
                    f"leave the {name} out"
                )
        self.register_modules(vae=vae, prior=prior, editor=editor)
        self.register_to_config(resolution=resolution)
        for name, (_, part) in parts.items():
            if part is not None and tuple(part.config.latent_shape) != self.latent_shape:
                raise ValueError(
                    f"the {name} must be for latents of this vae, {self.latent_shape}, and it is "
                    f"for {tuple(part.config.latent_shape)}: fit one to the latents of this vae, "
                    "or leave it out"
                )
        if prior is not None and "mixture" in prior.kinds:
            weights = prior.weights
            if not (weights.min() >= 0 and weights.sum() > 0):
                raise ValueError(
                    "the mixture weights of the prior must be at least 0, and not 0 in all, got "
                    f"{weights.tolist()[:8]}: fit the prior again"
                )
        if default_prior is None:
            default_prior = self.priors[-1]
        self._check_prior("default_prior", default_prior)
        _check_temperature("default_temperature", default_temperature)
        self.register_to_config(
            default_prior=default_prior, default_temperature=float(default_temperature)
        )

    @property
    def priors(self) -> tuple[PriorName, ...]:
        """What `sample` can sample from: "standard", and what was fitted to the latents."""
        return ("standard",) if self.prior is None else self.prior.kinds

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """The channels, height and width of one image's latents."""
        size = self.config.resolution
        _, channels, height, width = self.encode(torch.zeros(1, 3, size, size)).shape
        return channels, height, width

    @torch.no_grad()
    def __call__(
        self,
        batch_size: int = 1,
        generator: Generators = None,
        output_type: OutputType = "pil",
        prior: PriorName | None = None,
        temperature: float | None = None,
        kl_weight: float | None = None,
    ) -> ImagePipelineOutput:
        """As `sample`, in the output class of diffusers' pipelines."""
        images = self.sample(batch_size, generator, output_type, prior, temperature, kl_weight)
        return ImagePipelineOutput(images=images)

    @torch.no_grad()
    def encode(
        self,
        images: Images,
        sample_posterior: bool = False,
        generator: Generators = None,
        kl_weight: float | None = None,
    ) -> Tensor:
        """Images to latents, (batch, channels, height, width): posterior means, or samples.

        Args:
            images: The images.
            sample_posterior: Sample each posterior in place of taking its mean.
            generator: Makes the samples deterministic: one for all, or one for each image.
            kl_weight: Weight of the KL term, of an `AnyKLVAE` alone: the higher, the less of the
                image is in the latents. Default: 1.

        Raises:
            ValueError: If the network has no such weight, or it is out of its range.
        """
        given = self._kl_weight_of("vae", kl_weight)
        pixels = preprocess(images, self.config.resolution)
        _check_count(generator, len(pixels))
        latents = []
        for start, part in zip(
            itertools.count(0, _BATCH_SIZE), pixels.split(_BATCH_SIZE), strict=False
        ):
            own = (
                generator[start : start + _BATCH_SIZE] if isinstance(generator, list) else generator
            )
            encoded = self.vae.encode(
                # Convolutions are faster with channels last, and keep them so.
                part.to(self._execution_device, self.vae.dtype, memory_format=torch.channels_last),
                **given,
            )
            if not hasattr(encoded, "latent_dist"):
                latents.append(encoded.latents)
            elif sample_posterior:
                latents.append(encoded.latent_dist.sample(own))
            else:
                latents.append(encoded.latent_dist.mode())
        return torch.cat(latents)

    @torch.no_grad()
    def decode(
        self, latents: Tensor, output_type: OutputType = "pil", kl_weight: float | None = None
    ) -> Pictures:
        """Latents, (batch, channels, height, width), to images; `kl_weight` as for `encode`."""
        given = self._kl_weight_of("vae", kl_weight)
        latents = latents.to(self._execution_device, self.vae.dtype)
        parts = [self.vae.decode(part, **given).sample for part in latents.split(_BATCH_SIZE)]
        return postprocess(torch.cat(parts).float().clamp_(-1, 1), output_type)

    def reconstruct(
        self,
        images: Images,
        sample_posterior: bool = False,
        generator: Generators = None,
        output_type: OutputType = "pil",
        kl_weight: float | None = None,
    ) -> Pictures:
        """Encodes and decodes images.

        Args:
            images: The images.
            sample_posterior: Decode a sample of each posterior in place of its mean.
            generator: Makes that sample deterministic.
            output_type: "pil" or "pt".
            kl_weight: As for `encode`.
        """
        latents = self.encode(images, sample_posterior, generator, kl_weight)
        return self.decode(latents, output_type, kl_weight)

    def sample(
        self,
        batch_size: int = 1,
        generator: Generators = None,
        output_type: OutputType = "pil",
        prior: PriorName | None = None,
        temperature: float | None = None,
        kl_weight: float | None = None,
    ) -> Pictures:
        """Decodes samples of a prior.

        Args:
            batch_size: The number of images.
            generator: Makes them deterministic: one for all, or a list with one for each image.
            output_type: "pil" or "pt".
            prior: One of `priors`: "standard" for a standard normal distribution, "gaussian" for
                the mean and standard deviation of the training images' latents, "mixture" for a
                mixture of Gaussians fitted to them, "flow" for a network that was trained on them.
                Default: `config.default_prior`.
            temperature: Multiplies the standard deviations of the prior, of the mixture's
                components, or of the noise that the flow starts from: below 1 for more typical
                images, 0 for the means. Default: 1 for a prior that is named, else
                `config.default_temperature`.
            kl_weight: As for `encode`; a fitted prior is the one for that weight.

        Raises:
            ValueError: If `batch_size` is less than 1, the pipeline has no such prior, the
                temperature is negative or not finite, or the KL weight is not one of the network's.
        """
        latents = self.sample_latents(batch_size, generator, prior, temperature, kl_weight)
        return self.decode(latents, output_type, kl_weight)

    def sample_latents(
        self,
        batch_size: int = 1,
        generator: Generators = None,
        prior: PriorName | None = None,
        temperature: float | None = None,
        kl_weight: float | None = None,
    ) -> Tensor:
        """What `sample` decodes, (batch_size, channels, height, width)."""
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        prior, temperature = self.resolve_prior(prior, temperature)
        _check_count(generator, batch_size)
        if prior != "standard":
            given = self._kl_weight_of("prior", kl_weight)
            return self.prior.sample(batch_size, prior, generator, temperature, **given)
        latents = randn_tensor(
            (batch_size, *self.latent_shape),
            generator=generator,
            device=self._execution_device,
            dtype=self.vae.dtype,
        )
        return temperature * latents

    def resolve_prior(
        self, prior: PriorName | None = None, temperature: float | None = None
    ) -> tuple[PriorName, float]:
        """The prior and the temperature that `sample` uses for these arguments.

        Raises:
            ValueError: As `sample`.
        """
        if temperature is None:
            temperature = self.config.default_temperature if prior is None else 1.0
        if prior is None:
            prior = self.config.default_prior
        self._check_prior("prior", prior)
        _check_temperature("temperature", temperature)
        return prior, temperature

    def interpolate(
        self,
        first: Images,
        second: Images,
        steps: int = 8,
        method: Literal["linear", "spherical"] = "linear",
        sample_posterior: bool = False,
        generator: Generators = None,
        output_type: OutputType = "pil",
        frozen_dims: Sequence[int] = (),
    ) -> Pictures:
        """Decodes latents from those of one image to those of another, both included.

        Args:
            first: One image, or its latents, (1, channels, height, width).
            second: Likewise.
            steps: The number of images, at least 2.
            method: "linear" or "spherical", along a great circle, which keeps the norm that samples
                of a normal prior have (https://arxiv.org/abs/1609.04468).
            sample_posterior: Start and end at samples of the posteriors in place of their means.
            generator: Makes those samples deterministic.
            output_type: "pil" or "pt".
            frozen_dims: Dimensions that keep the value of the first image.

        Raises:
            ValueError: If there are fewer than 2 steps, the method is unknown, a dimension does not
                exist, or not one image is given.
        """
        if method not in ("linear", "spherical"):
            raise ValueError(f"method must be linear or spherical, got {method!r}")
        start = self._encode_one(first, sample_posterior, generator)
        end = self._encode_one(second, sample_posterior, generator)
        _check_dimensions(frozen_dims, start)
        free = [channel for channel in range(start.shape[1]) if channel not in frozen_dims]
        path = _lerp if method == "linear" else _slerp
        latents = start.repeat(steps, 1, 1, 1)
        latents[:, free] = path(start[:, free], end[:, free], _linspace(0.0, 1.0, steps, start))
        return self.decode(latents, output_type)

    def traverse(
        self,
        image: Images,
        dimensions: Sequence[int] | None = None,
        span: float = 3.0,
        steps: int = 8,
        sample_posterior: bool = False,
        generator: Generators = None,
        output_type: OutputType = "pil",
    ) -> Pictures:
        """A latent traversal: decodes an image's latents with one dimension changed at a time.

        Args:
            image: One image, or its latents, (1, channels, height, width).
            dimensions: The dimensions. Default: all.
            span: Each runs from -span to +span, in standard deviations of a standard normal prior.
            steps: The number of images for each dimension, at least 2.
            sample_posterior: Start from a sample of the posterior in place of its mean.
            generator: Makes that sample deterministic.
            output_type: "pil" for a list of rows, "pt" for (dimensions, steps, 3, height, width).

        Raises:
            ValueError: If a dimension does not exist, there are fewer than 2 steps, or not one
                image is given.
        """
        latents = self._encode_one(image, sample_posterior, generator)
        chosen = range(latents.shape[1]) if dimensions is None else dimensions
        _check_dimensions(chosen, latents)
        values = _linspace(-span, span, steps, latents)
        latents = latents.repeat(len(chosen), steps, 1, 1, 1)
        for row, dimension in enumerate(chosen):
            latents[row, :, dimension] = values[:, 0]
        images = self.decode(latents.flatten(0, 1), "pt").unflatten(0, (len(chosen), steps))
        return images if output_type == "pt" else [postprocess(row, output_type) for row in images]

    def _kl_weight_of(self, component: str, kl_weight: float | None) -> dict[str, float]:
        """What the methods of a component are given for a KL weight: nothing, if it has one."""
        network = getattr(self, component)
        if "max_kl_weight" in network.config:
            return {"kl_weight": 1.0 if kl_weight is None else kl_weight}
        if kl_weight is None:
            return {}
        raise ValueError(
            f"kl_weight is for networks that were trained with every weight, got "
            f"{reprlib.repr(kl_weight)} for a {type(network).__name__}: leave it out, or load a "
            "model of the recipe conv-vae-any-kl"
        )

    def _check_prior(self, argument: str, prior: str) -> None:
        if prior not in self.priors:
            raise ValueError(
                f"{argument} must be one that this pipeline has, {' or '.join(self.priors)}, got "
                f"{reprlib.repr(prior)}: choose one of them, or fit it with "
                "hf_gen.evaluation.prior.fit_prior"
            )

    def _encode_one(self, image: Images, sample_posterior: bool, generator: Generators) -> Tensor:
        latents = codes_of(self, image, sample_posterior, generator)
        if len(latents) != 1:
            raise ValueError(f"it takes one image each, got {len(latents)}")
        return latents


def _check_count(generator: Generators, count: int) -> None:
    if isinstance(generator, list) and len(generator) != count:
        raise ValueError(
            f"a list of generators must have one for each of the {count} images, got "
            f"{len(generator)}"
        )


def _check_temperature(argument: str, temperature: float) -> None:
    # A number from JSON may be finite in Python and infinite in float32.
    is_number = isinstance(temperature, numbers.Real)
    if not is_number or not 0 <= temperature <= torch.finfo(torch.float32).max:
        raise ValueError(
            f"{argument} must be a finite number of at least 0, got "
            f"{reprlib.repr(temperature)}: try 1"
        )


def _check_dimensions(dimensions: Sequence[int], latents: Tensor) -> None:
    for dimension in dimensions:
        if not 0 <= dimension < latents.shape[1]:
            raise ValueError(
                f"dimensions must be from 0 to {latents.shape[1] - 1}, got {dimension}"
            )


def _linspace(start: float, end: float, steps: int, latents: Tensor) -> Tensor:
    """(steps, 1, 1, 1), evenly from `start` to `end`."""
    if steps < 2:
        raise ValueError(f"steps must be at least 2, got {steps}")
    return torch.linspace(start, end, steps, device=latents.device, dtype=latents.dtype)[
        :, None, None, None
    ]


def _lerp(start: Tensor, end: Tensor, weights: Tensor) -> Tensor:
    return start + (end - start) * weights


def _slerp(start: Tensor, end: Tensor, weights: Tensor) -> Tensor:
    cosine = torch.cosine_similarity(start.flatten(), end.flatten(), dim=0)
    angle = torch.arccos(cosine.clamp(-1, 1))
    if angle.sin() < 1e-4:  # nearly the same or opposite directions: no great circle to follow
        return _lerp(start, end, weights)
    return (((1 - weights) * angle).sin() * start + (weights * angle).sin() * end) / angle.sin()

"""Reconstruct, sample and walk between faces with a variational autoencoder.

This file imports torch, diffusers and Pillow only: it is also the remote code of a repository on
the Hub. Any autoencoder of diffusers' protocol will do: `ConvVAE`, `DenseVAE`, `AutoencoderKL`, or
`AutoencoderTiny`, whose latents have no posterior.
"""

import importlib
import itertools
import json
import logging
import math
import reprlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput, ModelMixin
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image, ImageOps
from torch import Tensor

_SOURCE_NAME = "pipeline_hf_gen_vae"  # format: what this file is called in a folder
Picture = Image.Image | np.ndarray[Any, Any] | Tensor
Images = Picture | Sequence[Picture]
OutputType = Literal["pil", "pt"]
PriorName = Literal["standard", "gaussian", "mixture"]
Generators = torch.Generator | list[torch.Generator] | None
Pictures = Any  # a list of PIL images, or a tensor where output_type is "pt"
_AT_ONCE = 64
_ROUNDING = 1e-3


class PortablePipeline(DiffusionPipeline):
    """A pipeline that takes its source along: with hf_gen and without, it loads from its folder.

    Attributes:
        source_name: What the file that defines it is called in the folder.
    """

    source_name = _SOURCE_NAME

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        revision: str | None = None,
        variant: str | None = None,
        dtype: torch.dtype | dict[str, torch.dtype] | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        torch_dtype: torch.dtype | dict[str, torch.dtype] | None = None,
        **components: ModelMixin | None,
    ) -> Self:
        """Loads a folder or a Hub repository with the classes of the installed hf_gen.

        Nothing that lies there is executed. Without hf_gen, diffusers loads the same files:
        `DiffusionPipeline.from_pretrained(..., trust_remote_code=True)`. Takes what `hf_gen.load`
        takes and has its errors; a component that is given by its name is used in place of the
        saved one.

        Raises:
            ModuleNotFoundError: If hf_gen is not installed.
        """
        # By its name, since this file has to be importable where there is no hf_gen.
        loading = importlib.import_module("hf_gen.pipelines.loading")
        return loading.load(
            pretrained_model_name_or_path,
            revision=revision,
            variant=variant,
            dtype=dtype,
            local_files_only=local_files_only,
            token=token,
            torch_dtype=torch_dtype,
            pipeline_class=cls,
            components=components,
        )

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """As diffusers does, without its warning that no modules should be kept in float32."""
        logger = logging.getLogger("diffusers.models.modeling_utils")
        logger.addFilter(_has_a_meaning)
        try:
            return super().to(*args, **kwargs)
        finally:
            logger.removeFilter(_has_a_meaning)

    def to_json_string(self) -> str:
        """The index: each class with the file that defines it, in place of its module here."""
        index = json.loads(super().to_json_string())
        for name, entry in index.items():
            if isinstance(entry, list) and hasattr(getattr(self, name), "source_name"):
                entry[0] = getattr(self, name).source_name
        index.pop("_name_or_path", None)  # it may be a path of this machine
        index["_class_name"] = [self.source_name, type(self).__name__]
        return json.dumps(index, indent=2, sort_keys=True) + "\n"

    def save_config(
        self, save_directory: str | Path, push_to_hub: bool = False, **kwargs: Any
    ) -> None:
        """Writes the index and this file beside it, so that the folder loads without hf_gen."""
        copy = Path(save_directory, f"{self.source_name}.py")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(Path(__file__).read_bytes())
        super().save_config(save_directory, push_to_hub, **kwargs)


class VAEPipeline(PortablePipeline):
    """An autoencoder of square images and what people do with it.

    Every method takes one image or several: PIL images, or arrays (height, width, channels) of
    uint8 or of floats in [0, 1], of any size (the centre square is taken and resized, transparency
    becomes white, grey becomes RGB); or tensors (3, resolution, resolution), alone or in a batch,
    of floats in [-1, 1] or of uint8. It returns PIL images, or with `output_type="pt"` a tensor in
    [-1, 1], (batch, 3, resolution, resolution). Anything else raises a ValueError.

    A dimension is a channel of the latents: for a vector code, one number.

    Args:
        vae: The autoencoder.
        prior: A `LatentPrior` fitted to its codes, for `sample`. Give it here: what is assigned to
            a pipeline afterwards is not saved with it.
        resolution: Height and width of its images in pixels.

    Raises:
        ValueError: If the prior is something else, or is for codes of another shape.
    """

    # diffusers takes every argument without a default for a component, hence that of resolution.
    model_cpu_offload_seq = "vae"
    _optional_components = ["prior"]  # noqa: RUF012, as diffusers declares it
    _exclude_from_cpu_offload = ["prior"]  # noqa: RUF012

    def __init__(
        self, vae: ModelMixin, prior: ModelMixin | None = None, resolution: int = 32
    ) -> None:
        super().__init__()
        if prior is not None and "latent_shape" not in getattr(prior, "config", {}):
            raise ValueError(
                f"prior must be a LatentPrior, got {prior!r}: give the resolution by its name, or "
                "leave the prior out"
            )
        self.register_modules(vae=vae, prior=prior)
        self.register_to_config(resolution=resolution)
        if prior is not None:
            fitted, needed = tuple(prior.config.latent_shape), self.latent_shape
            if fitted != needed:
                raise ValueError(
                    f"the prior must be for codes of this vae, {needed}, and it is for {fitted}: "
                    "fit one to the codes of this vae, or leave it out"
                )

    @property
    def priors(self) -> tuple[PriorName, ...]:
        """What `sample` can draw codes from: "standard", and what was fitted to the codes."""
        return ("standard",) if self.prior is None else self.prior.kinds

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Of one code: channels, height, width."""
        size = self.config.resolution
        _, channels, height, width = self.encode(torch.zeros(1, 3, size, size)).shape
        return channels, height, width

    @torch.no_grad()
    def __call__(
        self,
        batch_size: int = 1,
        generator: Generators = None,
        output_type: OutputType = "pil",
        prior: PriorName = "standard",
        temperature: float = 1.0,
    ) -> ImagePipelineOutput:
        """New faces, as `sample` makes them, in the output class that diffusers' pipelines have."""
        images = self.sample(batch_size, generator, output_type, prior, temperature)
        return ImagePipelineOutput(images=images)

    @torch.no_grad()
    def encode(
        self,
        images: Images,
        sample_posterior: bool = False,
        generator: Generators = None,
    ) -> Tensor:
        """The codes of images, (batch, channels, height, width): posterior means, or samples."""
        pixels = _preprocess(images, self.config.resolution)
        _check_count(generator, len(pixels))
        codes = []
        for start, part in zip(itertools.count(0, _AT_ONCE), pixels.split(_AT_ONCE), strict=False):
            own = generator[start : start + _AT_ONCE] if isinstance(generator, list) else generator
            encoded = self.vae.encode(
                # Convolutions are faster with channels last, and keep them so.
                part.to(self._execution_device, self.vae.dtype, memory_format=torch.channels_last)
            )
            if not hasattr(encoded, "latent_dist"):
                codes.append(encoded.latents)
            elif sample_posterior:
                codes.append(encoded.latent_dist.sample(own))
            else:
                codes.append(encoded.latent_dist.mode())
        return torch.cat(codes)

    @torch.no_grad()
    def decode(self, codes: Tensor, output_type: OutputType = "pil") -> Pictures:
        """The images of codes, (batch, channels, height, width)."""
        codes = codes.to(self._execution_device, self.vae.dtype)
        parts = [self.vae.decode(part).sample for part in codes.split(_AT_ONCE)]
        return _postprocess(torch.cat(parts).float().clamp_(-1, 1), output_type)

    def reconstruct(
        self,
        images: Images,
        sample_posterior: bool = False,
        generator: Generators = None,
        output_type: OutputType = "pil",
    ) -> Pictures:
        """Images to codes and back.

        Args:
            images: What to reconstruct.
            sample_posterior: Decode a sample of each posterior in place of its mean.
            generator: Makes that sample repeatable.
            output_type: "pil" or "pt".
        """
        return self.decode(self.encode(images, sample_posterior, generator), output_type)

    def sample(
        self,
        count: int = 1,
        generator: Generators = None,
        output_type: OutputType = "pil",
        prior: PriorName = "standard",
        temperature: float = 1.0,
    ) -> Pictures:
        """New faces, from codes that a prior gives.

        Args:
            count: How many.
            generator: Makes them repeatable: one for all, or a list with one for each.
            output_type: "pil" or "pt".
            prior: One of `priors`: "standard" for standard normal codes, "gaussian" for the mean
                and standard deviation that the trained codes have, "mixture" for a mixture of
                Gaussians fitted to them.
            temperature: Multiplies the prior's standard deviations, in a mixture those of its
                components: below 1 for more usual faces, 0 for the means.

        Raises:
            ValueError: If `count` is less than 1, the pipeline has no such prior, or the
                temperature is negative or not finite.
        """
        return self.decode(self.draw_codes(count, generator, prior, temperature), output_type)

    def draw_codes(
        self,
        count: int = 1,
        generator: Generators = None,
        prior: PriorName = "standard",
        temperature: float = 1.0,
    ) -> Tensor:
        """The codes that `sample` decodes, (count, channels, height, width); see there."""
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        if prior not in self.priors:
            raise ValueError(
                f"prior must be one that this pipeline has, {' or '.join(self.priors)}, got "
                f"{prior!r}: choose one of them, or fit it with hf_gen.evaluation.prior.fit_prior"
            )
        if not 0 <= temperature < math.inf:
            raise ValueError(
                f"temperature must be a finite number of at least 0, got {temperature}: try 1"
            )
        _check_count(generator, count)
        if prior != "standard":
            return self.prior.sample(count, prior, generator, temperature)
        codes = randn_tensor(
            (count, *self.latent_shape),
            generator=generator,
            device=self._execution_device,
            dtype=self.vae.dtype,
        )
        return temperature * codes

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
        """A walk from one face to another, both ends included.

        Args:
            first: One image.
            second: One image.
            steps: How many images, at least 2.
            method: Along a straight line, or along the great circle, which keeps the length that
                codes of a normal prior have (https://arxiv.org/abs/1609.04468).
            sample_posterior: Walk between samples of the posteriors in place of their means.
            generator: Makes those samples repeatable.
            output_type: "pil" or "pt".
            frozen_dims: Dimensions that stay as the first face has them, along all of the walk.

        Raises:
            ValueError: If the steps are too few, the method is unknown, a dimension does not exist,
                or not one image is given.
        """
        if method not in ("linear", "spherical"):
            raise ValueError(f"method must be linear or spherical, got {method!r}")
        start = self._one_code(first, sample_posterior, generator)
        end = self._one_code(second, sample_posterior, generator)
        kept = self._dimensions(frozen_dims, start)
        free = [channel for channel in range(start.shape[1]) if channel not in kept]
        path = _line if method == "linear" else _arc
        walk = start.repeat(steps, 1, 1, 1)
        walk[:, free] = path(start[:, free], end[:, free], _places(0.0, 1.0, steps, start))
        return self.decode(walk, output_type)

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
        """What each dimension does: a row of images along it, the others as the face has them.

        Args:
            image: One image.
            dimensions: Which ones; all by default.
            span: From -span to +span, in standard deviations of the prior.
            steps: Images in a row, at least 2.
            sample_posterior: Start from a sample of the posterior in place of its mean.
            generator: Makes that sample repeatable.
            output_type: "pil" for a list of rows, "pt" for (dimensions, steps, 3, height, width).

        Raises:
            ValueError: If a dimension does not exist, the steps are too few, or not one image is
                given.
        """
        code = self._one_code(image, sample_posterior, generator)
        chosen = self._dimensions(range(code.shape[1]) if dimensions is None else dimensions, code)
        places = _places(-span, span, steps, code)
        codes = code.repeat(len(chosen), steps, 1, 1, 1)
        for row, dimension in enumerate(chosen):
            codes[row, :, dimension] = places[:, 0]
        images = self.decode(codes.flatten(0, 1), "pt").unflatten(0, (len(chosen), steps))
        return images if output_type == "pt" else [_postprocess(row, "pil") for row in images]

    @torch.no_grad()
    def influence(self) -> Tensor:
        """How much each dimension moves the picture, (channels,), from 0 to 2.

        The mean absolute difference between the images at -1.5 and at +1.5 standard deviations of
        the dimension, the others at their means: those of the Gaussian that was fitted to the
        codes, or of a standard normal prior.
        """
        shape = self.latent_shape
        device = self._execution_device
        mean, deviation = torch.zeros(shape, device=device), torch.ones(shape, device=device)
        if self.prior is not None:
            mean = self.prior.mean.float().to(device).view(shape)
            deviation = self.prior.deviation.float().to(device).view(shape)
        moved = []
        for part in torch.arange(shape[0], device=device).split(_AT_ONCE):
            codes = mean.repeat(len(part), 1, 1, 1)  # a row for each dimension
            reach = torch.zeros_like(codes)
            reach[range(len(part)), part] = 1.5 * deviation[part]
            ahead, behind = self.decode(codes + reach, "pt"), self.decode(codes - reach, "pt")
            moved.append((ahead - behind).abs().flatten(1).mean(1))
        return torch.cat(moved)

    def _one_code(self, image: Images, sample_posterior: bool, generator: Generators) -> Tensor:
        code = self.encode(image, sample_posterior, generator)
        if len(code) != 1:
            raise ValueError(f"a walk starts and ends at one image each, got {len(code)}")
        return code

    def _dimensions(self, dimensions: Sequence[int], code: Tensor) -> list[int]:
        for dimension in dimensions:
            if not 0 <= dimension < code.shape[1]:
                raise ValueError(
                    f"dimensions must be from 0 to {code.shape[1] - 1}, got {dimension}"
                )
        return list(dimensions)


def _check_count(generator: Generators, count: int) -> None:
    if isinstance(generator, list) and len(generator) != count:
        raise ValueError(
            f"a list of generators must have one for each of the {count} images, got "
            f"{len(generator)}"
        )


def _places(start: float, end: float, steps: int, code: Tensor) -> Tensor:
    """(steps, 1, 1, 1), evenly from `start` to `end`."""
    if steps < 2:
        raise ValueError(f"steps must be at least 2, got {steps}")
    return torch.linspace(start, end, steps, device=code.device, dtype=code.dtype)[
        :, None, None, None
    ]


def _line(start: Tensor, end: Tensor, places: Tensor) -> Tensor:
    return start + (end - start) * places


def _arc(start: Tensor, end: Tensor, places: Tensor) -> Tensor:
    cosine = torch.cosine_similarity(start.flatten(), end.flatten(), dim=0)
    angle = torch.arccos(cosine.clamp(-1, 1))
    if angle.sin() < 1e-4:  # nearly the same or opposite directions: no great circle to follow
        return _line(start, end, places)
    return (((1 - places) * angle).sin() * start + (places * angle).sin() * end) / angle.sin()


def _preprocess(images: Any, size: int) -> Tensor:
    """`Images` to floats in [-1, 1], (batch, 3, size, size)."""
    if isinstance(images, Tensor):
        return _checked(images, size)
    if isinstance(images, np.ndarray) and images.ndim < 4:
        images = _picture(images)
    if isinstance(images, Image.Image):
        pixels = torch.from_numpy(np.array(_square(images, size))[None])
        return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
    if isinstance(images, str | bytes) or not isinstance(images, Iterable):
        raise ValueError(
            f"images must be PIL images, arrays or tensors, got {reprlib.repr(images)}: open a "
            "file with PIL.Image.open"
        )
    parts = [_preprocess(image, size) for image in images]
    if not parts:
        raise ValueError("there must be at least one image, got none")
    return torch.cat(parts)


def _checked(images: Tensor, size: int) -> Tensor:
    """A tensor of one image or several, as floats."""
    batch = images[None] if images.ndim == 3 else images
    if batch.shape[1:] != (3, size, size) or not len(batch):
        raise ValueError(
            f"a tensor of images must be (batch, 3, {size}, {size}) in [-1, 1], got "
            f"{tuple(images.shape)}: resize it, or give PIL images"
        )
    if batch.dtype == torch.uint8:
        return batch.float() / 127.5 - 1
    low, high = (batch.min(), batch.max()) if batch.is_floating_point() else (-math.inf, math.inf)
    if not (low >= -1 - _ROUNDING and high <= 1 + _ROUNDING):
        raise ValueError(
            f"a tensor of images must hold floats in [-1, 1] or uint8, got {batch.dtype} from "
            f"{batch.min():.4g} to {batch.max():.4g}: scale or clamp it"
        )
    return batch


def _picture(pixels: np.ndarray[Any, Any]) -> Image.Image:
    """An array of one image: uint8, or floats in [0, 1] as `output_type="np"` of diffusers has."""
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if not pixels.size or (
        pixels.ndim != 2 and (pixels.ndim != 3 or pixels.shape[2] not in (3, 4))
    ):
        raise ValueError(
            "an array must be (height, width) or (height, width, channels) with 1, 3 or 4 "
            f"channels, or a batch of such images, got {pixels.shape}"
        )
    if pixels.dtype.kind == "f" and pixels.min() >= 0 and pixels.max() <= 1:
        pixels = (pixels * 255).round().astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise ValueError(
            f"an array of images must hold uint8 or floats in [0, 1], got {pixels.dtype} from "
            f"{pixels.min():.4g} to {pixels.max():.4g}: scale it, or give a tensor in [-1, 1]"
        )
    return Image.fromarray(pixels)


def _square(image: Image.Image, size: int) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits a pixel: keep the upper eight
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype("u1"))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return ImageOps.fit(image.convert("RGB"), (size, size), method=Image.Resampling.LANCZOS)


def _has_a_meaning(record: logging.LogRecord) -> bool:
    return "kept in float32: []" not in record.getMessage()


def _postprocess(images: Tensor, output_type: OutputType) -> Pictures:
    if output_type not in ("pil", "pt"):
        raise ValueError(f"output_type must be pil or pt, got {output_type!r}")
    if output_type == "pt":
        return images
    pixels = images.add(1).mul(127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(image) for image in pixels]

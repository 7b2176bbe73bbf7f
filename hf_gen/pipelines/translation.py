"""Translate images between two domains with the two generators of a CycleGAN.

Source: Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks,
2017, https://arxiv.org/abs/1703.10593.

This file imports torch, diffusers and Pillow only: it is also the remote code of a repository on
the Hub.
"""

import importlib
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
from PIL import Image, ImageOps
from torch import Tensor

_SOURCE_NAME = "pipeline_hf_gen_translation"  # format: what this file is called in a folder
Picture = Image.Image | np.ndarray[Any, Any] | Tensor
Images = Picture | Sequence[Picture]
OutputType = Literal["pil", "pt"]
Direction = Literal["a_to_b", "b_to_a"]
Pictures = Any  # a list of PIL images, or a tensor where output_type is "pt"
_AT_ONCE = 64
_AT_ONCE_ON_A_CPU = 16  # few enough images that their widest maps stay in its caches
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


class TranslationPipeline(PortablePipeline):
    """Two generators of square images, one for each direction between two domains.

    Every method takes one image or several: PIL images, or arrays (height, width, channels) of
    uint8 or of floats in [0, 1], of any size (the centre square is taken and resized, transparency
    becomes white, grey becomes RGB); or tensors (3, resolution, resolution), alone or in a batch,
    of floats in [-1, 1] or of uint8. It returns PIL images, or with `output_type="pt"` a tensor in
    [-1, 1], (batch, 3, resolution, resolution). Anything else raises a ValueError.

    Args:
        a_to_b: The generator of images of domain b: images to an output with a `sample`.
        b_to_a: The generator of images of domain a.
        resolution: Height and width of their images in pixels.
        domain_a: What the images of domain a are, such as "anime".
        domain_b: What the images of domain b are, such as "cartoon".

    Raises:
        ValueError: If a generator was made for another resolution, or a domain has no name.
    """

    # diffusers takes every argument without a default for a component, hence those below.
    model_cpu_offload_seq = "a_to_b->b_to_a"

    def __init__(
        self,
        a_to_b: ModelMixin,
        b_to_a: ModelMixin,
        resolution: int = 64,
        domain_a: str = "a",
        domain_b: str = "b",
    ) -> None:
        super().__init__()
        for name, generator in (("a_to_b", a_to_b), ("b_to_a", b_to_a)):
            size = generator.config.get("sample_size", resolution)
            if size != resolution:
                raise ValueError(
                    f"resolution must be that of the generators, got {resolution}, and {name} is "
                    f"for {size}: try {size}"
                )
        for name, domain in (("domain_a", domain_a), ("domain_b", domain_b)):
            if not isinstance(domain, str) or not domain.strip():
                raise ValueError(f"{name} must be a name such as 'anime', got {domain!r}")
        self.register_modules(a_to_b=a_to_b, b_to_a=b_to_a)
        self.register_to_config(resolution=resolution, domain_a=domain_a, domain_b=domain_b)

    def __call__(
        self, images: Images, direction: Direction = "a_to_b", output_type: OutputType = "pil"
    ) -> ImagePipelineOutput:
        """Translations, as `translate` makes them, in the output class of diffusers' pipelines."""
        return ImagePipelineOutput(images=self.translate(images, direction, output_type))

    def translate(
        self, images: Images, direction: Direction = "a_to_b", output_type: OutputType = "pil"
    ) -> Pictures:
        """Images of one domain as images of the other.

        Args:
            images: What to translate.
            direction: "a_to_b" or "b_to_a".
            output_type: "pil" or "pt".

        Raises:
            ValueError: If there is no such direction, or no image.
        """
        there, _ = self._there_and_back(direction)
        return _postprocess(
            self._generate(there, _preprocess(images, self.config.resolution)), output_type
        )

    def cycle(
        self, images: Images, direction: Direction = "a_to_b", output_type: OutputType = "pil"
    ) -> tuple[Pictures, Pictures]:
        """Images to the other domain and back again: the translations, then what they come back as.

        Args:
            images: What to translate.
            direction: Of the way there, "a_to_b" or "b_to_a".
            output_type: "pil" or "pt".

        Raises:
            ValueError: If there is no such direction, or no image.
        """
        there, back = self._there_and_back(direction)
        translations = self._generate(there, _preprocess(images, self.config.resolution))
        returned = self._generate(back, translations)
        return _postprocess(translations, output_type), _postprocess(returned, output_type)

    def _there_and_back(self, direction: str) -> tuple[ModelMixin, ModelMixin]:
        if direction == "a_to_b":
            return self.a_to_b, self.b_to_a
        if direction == "b_to_a":
            return self.b_to_a, self.a_to_b
        a, b = self.config.domain_a, self.config.domain_b
        raise ValueError(
            f"direction must be a_to_b ({a} to {b}) or b_to_a ({b} to {a}), got {direction!r}"
        )

    @torch.no_grad()
    def _generate(self, generator: ModelMixin, pixels: Tensor) -> Tensor:
        device = self._execution_device
        parts = pixels.split(_AT_ONCE_ON_A_CPU if device.type == "cpu" else _AT_ONCE)
        made = [
            # Convolutions are faster with channels last, and keep them so.
            generator(part.to(device, generator.dtype, memory_format=torch.channels_last)).sample
            for part in (self.progress_bar(parts) if len(pixels) > _AT_ONCE else parts)
        ]
        return torch.cat(made).float().clamp(-1, 1)


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

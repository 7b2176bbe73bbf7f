"""What the pipelines share: the images that they take and return, and saving with their source.

This file imports torch, diffusers and Pillow only: its text becomes part of the remote code of a
repository on the Hub.
"""

import importlib
import inspect
import json
import logging
import math
import re
import reprlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from diffusers import AutoencoderTiny, DiffusionPipeline, ModelMixin
from PIL import Image, ImageOps
from torch import Tensor, nn

Picture = Image.Image | np.ndarray[Any, Any] | Tensor
Images = Picture | Sequence[Picture]
OutputType = Literal["pil", "pt"]
Pictures = Any  # a list of PIL images, or a tensor where output_type is "pt"
DType = torch.dtype | dict[str, torch.dtype] | None
_ROUNDING = 1e-3
_LONGEST = 8


class ImagePipeline(DiffusionPipeline):
    """A pipeline of square images that is saved with its source, so that it loads without hf_gen.

    Every method takes one image or several: PIL images, or arrays (height, width, channels) of
    uint8 or of floats in [0, 1], of any size (the centre square is taken and resized, transparency
    becomes white, grey becomes RGB); or tensors (3, resolution, resolution), alone or in a batch,
    of floats in [-1, 1] or of uint8. It returns PIL images, or with `output_type="pt"` a tensor in
    [-1, 1], (batch, 3, resolution, resolution). Anything else raises a ValueError.

    Attributes:
        source_name: The name of the file with its source, without its ending; it is unique, since
            diffusers keeps the remote code of all repositories in one folder.
    """

    source_name: str

    @property
    def _execution_device(self) -> torch.device:
        """That of diffusers, found sooner where nothing is offloaded: a tenth of a small image."""
        network: nn.Module = getattr(self, self.model_cpu_offload_seq.split("->")[0])
        for module in network.modules():
            if hasattr(module, "_hf_hook") or hasattr(module, "_diffusers_hook"):
                hooked: torch.device = super()._execution_device
                return hooked
        return next(network.parameters()).device

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        revision: str | None = None,
        variant: str | None = None,
        dtype: DType = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        torch_dtype: DType = None,
        **components: ModelMixin | None,
    ) -> Self:
        """Loads a folder or a Hub repository, as `hf_gen.load` does and with its errors.

        No code of the folder is executed. Without hf_gen, diffusers loads the same files as remote
        code: `DiffusionPipeline.from_pretrained(..., trust_remote_code=True)`.

        Args:
            pretrained_model_name_or_path: A folder, a run folder, the name of a bundled model, or a
                Hub id.
            revision: A branch, tag or commit on the Hub.
            variant: Which weights, such as "fp16".
            dtype: What the weights become, for all networks or by their names.
            local_files_only: Use the cache of the Hub only.
            token: Of the Hub.
            torch_dtype: The older name of `dtype`.
            **components: Networks to use in place of the saved ones, by name.

        Raises:
            ModuleNotFoundError: If hf_gen is not installed.
        """
        # By its name, since this text also runs where there is no hf_gen.
        loading = importlib.import_module("hf_gen.pipelines.loading")
        pipeline: Self = loading.load(
            pretrained_model_name_or_path,
            revision,
            variant,
            dtype,
            local_files_only,
            token,
            torch_dtype,
            pipeline_class=cls,
            components=components,
        )
        return pipeline

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """As diffusers does, without its warning that no modules should be kept in float32."""
        logger = logging.getLogger("diffusers.models.modeling_utils")
        logger.addFilter(_names_modules)
        try:
            return super().to(*args, **kwargs)
        finally:
            logger.removeFilter(_names_modules)

    def to_json_string(self) -> str:
        """The index: each class with the name of its source, in place of its module here."""
        index = json.loads(super().to_json_string())
        for name, entry in index.items():
            if isinstance(entry, list) and hasattr(getattr(self, name), "source_name"):
                entry[0] = getattr(self, name).source_name
        index.pop("_name_or_path", None)  # it may be a path of this machine
        index["_class_name"] = [self.source_name, self._saved_class().__name__]
        return json.dumps(index, indent=2, sort_keys=True) + "\n"

    def save_config(
        self, save_directory: str | Path, push_to_hub: bool = False, **kwargs: Any
    ) -> None:
        """Writes the index, and one file with the source of this pipeline."""
        for name, network in self.components.items():
            clean_config(network, Path(save_directory, name))
        source = Path(inspect.getfile(self._saved_class())).read_text(encoding="utf-8")
        copy = Path(save_directory, f"{self.source_name}.py")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(_self_contained(source, set()), encoding="utf-8")
        super().save_config(save_directory, push_to_hub, **kwargs)

    @classmethod
    def _saved_class(cls) -> type:
        """The class that others can load: this one, or the one that it is a subclass of."""
        return next(parent for parent in cls.__mro__ if "source_name" in vars(parent))


def _self_contained(source: str, seen: set[str]) -> str:
    """Source text with that of the modules it imports from this folder in place, each once."""

    def text(imported: re.Match[str]) -> str:
        if imported[1] in seen:
            return ""
        seen.add(imported[1])
        file = Path(__file__).with_name(f"{imported[1]}.py")
        return _self_contained(file.read_text(encoding="utf-8"), seen)

    pattern = r"^from hf_gen\.pipelines\.(\w+) import (?:\([^)]*\)|.*)\n"
    return re.sub(pattern, text, source, flags=re.MULTILINE)


def clean_config(network: object, folder: Path) -> None:
    """Removes from a saved config what AutoencoderTiny records and, when loaded, warns of."""
    file = folder / "config.json"
    if isinstance(network, AutoencoderTiny) and file.exists():
        config = json.loads(file.read_text("utf-8"))
        config.pop("block_out_channels", None)  # no argument: its constructor sets it
        file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")


def preprocess(images: Any, size: int, factor: int | None = None) -> Tensor:
    """`Images` to floats in [-1, 1], (batch, 3, height, width).

    Args:
        images: One or several.
        size: Height and width of the centre square that is taken of each.
        factor: Do not crop: the shorter side becomes `size`, both become multiples of this, and a
            tensor is taken at any size that is.
    """
    if isinstance(images, Tensor):
        return _checked(images, size, factor)
    if isinstance(images, np.ndarray) and images.ndim < 4:
        images = _picture(images)
    if isinstance(images, Image.Image):
        shape = (size, size) if factor is None else _shape(images, size, factor)
        pixels = torch.from_numpy(np.array(_resized(images, shape))[None])
        return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
    if isinstance(images, str | bytes) or not isinstance(images, Iterable):
        raise ValueError(
            f"images must be PIL images, arrays or tensors, got {reprlib.repr(images)}: open a "
            "file with PIL.Image.open"
        )
    parts = [preprocess(image, size, factor) for image in images]
    if not parts:
        raise ValueError("there must be at least one image, got none")
    if len(shapes := {tuple(part.shape[2:]) for part in parts}) > 1:
        raise ValueError(
            f"images of one call must have one shape, got {sorted(shapes)}: give them one by one, "
            "or crop=True"
        )
    return torch.cat(parts)


def _checked(images: Tensor, size: int, factor: int | None) -> Tensor:
    """A tensor of one image or several, as floats."""
    batch = images[None] if images.ndim == 3 else images
    sides = batch.shape[2:]
    fits = sides == (size, size)
    if factor is not None:
        fits = len(sides) == 2 and not any(
            side % factor or side > _LONGEST * size for side in sides
        )
    if not fits or batch.shape[1] != 3 or not batch.numel():
        sizes = f"{size}, {size}" if factor is None else "height, width"
        multiples = "" if factor is None else f" with sides that are multiples of {factor}"
        raise ValueError(
            f"a tensor of images must be (batch, 3, {sizes}) in [-1, 1]{multiples}, got "
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
    if pixels.shape[2:] == (1,):
        pixels = pixels[:, :, 0]
    if not pixels.size or pixels.ndim < 2 or pixels.shape[2:] not in ((), (3,), (4,)):
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


def _shape(image: Image.Image, size: int, factor: int) -> tuple[int, int]:
    """Width and height with a shorter side of `size`, rounded to multiples of `factor`."""
    sides = ImageOps.exif_transpose(image).size
    if max(sides) > _LONGEST * min(sides):
        raise ValueError(
            f"an image must not be longer than {_LONGEST} times its shorter side, got "
            f"{sides[0]}x{sides[1]}: crop it, or give crop=True"
        )
    width, height = (max(round(side * size / min(sides) / factor), 1) * factor for side in sides)
    return width, height


def _resized(image: Image.Image, shape: tuple[int, int]) -> Image.Image:
    """As RGB, of this width and height; where the ratio differs, the centre is taken."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits a pixel: keep the upper eight
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype("u1"))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return ImageOps.fit(image.convert("RGB"), shape, method=Image.Resampling.LANCZOS)


def _names_modules(record: logging.LogRecord) -> bool:
    return "kept in float32: []" not in record.getMessage()


def postprocess(images: Tensor, output_type: OutputType) -> Pictures:
    """Floats in [-1, 1], (batch, 3, height, width), to a list of PIL images, or as they are."""
    if output_type not in ("pil", "pt"):
        raise ValueError(f"output_type must be pil or pt, got {output_type!r}")
    if output_type == "pt":
        return images
    pixels = images.add(1).mul(127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(image) for image in pixels]

"""`load`: a pipeline from a folder or the Hub, whose files can neither run code nor read others."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from diffusers import DiffusionPipeline, ModelMixin

from hf_gen.errors import UserError
from hf_gen.pipelines import WEIGHTS
from hf_gen.pipelines.download import MAX_BYTES, download
from hf_gen.pipelines.files import INDEX, read_json
from hf_gen.pipelines.kernels import use_fast_layers
from hf_gen.pipelines.networks import COMPONENTS, load_network
from hf_gen.pipelines.translation import TranslationPipeline
from hf_gen.pipelines.vae import VAEPipeline

DType = torch.dtype | Mapping[str, torch.dtype] | None
_CLASSES = {"VAEPipeline": VAEPipeline, "TranslationPipeline": TranslationPipeline}
_MAX_RESOLUTION = 1024
_AUTOENCODER_RESOLUTIONS = range(8, 513)
_DEFAULT_RESOLUTION = 256


def load(
    name: str | Path,
    revision: str | None = None,
    variant: str | None = None,
    dtype: DType = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    torch_dtype: DType = None,
    max_bytes: int = MAX_BYTES,
    pipeline_class: type[DiffusionPipeline] | None = None,
    components: Mapping[str, ModelMixin | None] = MappingProxyType({}),
) -> DiffusionPipeline:
    """Loads a pipeline of hf_gen, or an autoencoder as a `VAEPipeline`.

    An autoencoder is an `AutoencoderKL`, an `AutoencoderTiny` or one of hf_gen's, at the root of a
    folder or in its folder `vae`, such as that of a StableDiffusionPipeline. Only JSON and
    safetensors are downloaded and read: no code in the folder is executed.

    Args:
        name: A pipeline folder, a run folder that has one, a bundled model such as "conv-vae", or a
            Hub id such as user/name.
        revision: A branch, tag or commit on the Hub. Default: the main branch.
        variant: Which weights, such as "fp16". Default: those without a name.
        dtype: What the weights become, for all networks or by their names, with "default" for the
            others. Default: float32.
        local_files_only: Use the cache of the Hub only.
        token: Of the Hub. Default: that of the environment or the login.
        torch_dtype: The older name of `dtype` in diffusers.
        max_bytes: The limit for a download.
        pipeline_class: The class that the pipeline has to be of, or a subclass of that class, which
            it becomes. Default: any.
        components: Networks to use in place of the saved ones, by name.

    Raises:
        UserError: If there is no such model, it is of another class, its weights are missing,
            damaged or of another network, it is too large, or the Hub cannot be reached.
    """
    if dtype is not None and torch_dtype is not None:
        raise UserError("dtype and torch_dtype are two names of one argument: give dtype alone")
    dtype = torch_dtype if dtype is None else dtype
    classes: Mapping[str, type[DiffusionPipeline]] = _CLASSES
    if pipeline_class is not None:
        classes = {parent.__name__: pipeline_class for parent in pipeline_class.__mro__}
    folder = _local_folder(name)
    if folder is not None:
        return _read_pipeline(folder, classes, variant, dtype, components)
    name = str(name)
    folder = download(name, COMPONENTS, revision, variant, local_files_only, token, max_bytes)
    try:
        return _read_pipeline(folder, classes, variant, dtype, components)
    except UserError as error:  # who gave an id does not know the folder of the cache
        raise UserError(str(error).replace(str(folder), name)) from error


def _read_pipeline(
    folder: Path,
    classes: Mapping[str, type[DiffusionPipeline]],
    variant: str | None,
    dtype: DType,
    components: Mapping[str, ModelMixin | None],
) -> DiffusionPipeline:
    class_name, arguments, subfolders = _read_index(folder)
    if class_name not in classes:
        raise UserError(
            f"{folder} holds a {class_name}, not a {next(iter(classes))}: load it with "
            f"{class_name}.from_pretrained or hf_gen.load"
        )
    pipeline_class = classes[class_name]
    expected, options = pipeline_class._get_signature_keys(pipeline_class)
    for component in (*components, *subfolders):
        if component not in expected:
            raise UserError(
                f"a {class_name} has no component and no argument {component!r}: its "
                f"components are {' and '.join(sorted(expected))}"
            )
    networks = {
        component: load_network(
            folder,
            subfolder,
            COMPONENTS.get(component, ()),
            variant,
            _dtype_of(component, dtype),
            None if component in ("prior", "editor") else arguments["resolution"],
        )
        for component, subfolder in subfolders.items()
        if component not in components
    }
    use_fast_layers(networks.values())
    for network in networks.values():
        # Images are given so too; otherwise each convolution lays its weights out anew.
        network.to(memory_format=torch.channels_last)
    # A default was chosen for the saved prior, not for one that is given in its place.
    if "prior" in components:
        options = {*options} - {"default_prior", "default_temperature"}
    try:
        known = {key: value for key, value in arguments.items() if key in options}
        return pipeline_class(**networks, **components, **known)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{folder} does not hold a complete {class_name}: {error}") from error


def _local_folder(name: str | Path) -> Path | None:
    """The folder of a bundled model or of one on this disk; None for a Hub id."""
    path = Path(name)
    if path.exists() or isinstance(name, Path) or name.startswith(("/", ".", "~")):
        if not path.is_dir():
            raise UserError(
                f"{str(name)!r} is no folder: name a run folder, a pipeline or a Hub id"
            )
        in_a_run = not (path / INDEX).exists() and (path / "pipeline").is_dir()
        return path / "pipeline" if in_a_run else path
    is_bundled = re.fullmatch(r"[\w-]+", name) and (WEIGHTS / name).is_dir()
    return WEIGHTS / name if is_bundled else None


def _read_index(folder: Path) -> tuple[str, dict[str, Any], dict[str, str]]:
    """The class of a pipeline, its arguments, and the folder of each of its networks.

    In another library's pipeline, or where there is none, it is that of the autoencoder.
    """
    index = read_json(folder, INDEX) if os.path.lexists(folder / INDEX) else {}
    saved_class = index.get("_class_name")
    class_name = saved_class[-1] if isinstance(saved_class, list) and saved_class else saved_class
    if class_name not in [*_CLASSES]:
        for subfolder in ("vae", ""):
            if (folder / subfolder / "config.json").exists():
                config = read_json(folder, f"{subfolder}/config.json".lstrip("/"))
                arguments = {"resolution": _resolution_of(config)}
                return "VAEPipeline", arguments, {"vae": subfolder}
        raise UserError(
            f"{folder} holds no pipeline of hf_gen: there is no {INDEX} in it or in its folder "
            "pipeline, and no config.json of an autoencoder in it or in its folder vae; name a run "
            "folder whose training has ended"
        )
    index = {key: value for key, value in index.items() if not key.startswith("_")}
    subfolders = {
        key: key for key, value in index.items() if isinstance(value, list) and any(value)
    }
    arguments = {key: value for key, value in index.items() if key not in COMPONENTS}
    resolution = arguments.get("resolution")
    if type(resolution) is not int or not 1 <= resolution <= _MAX_RESOLUTION:
        raise UserError(
            f"the resolution in {folder / INDEX} must be an integer from 1 to "
            f"{_MAX_RESOLUTION}, got {resolution!r}: export the pipeline again"
        )
    return class_name, arguments, subfolders


def _resolution_of(config: Mapping[str, Any]) -> int:
    """The resolution of the images that an autoencoder was trained on, as far as it says."""
    size = config.get("sample_size")
    if type(size) is not int or size not in _AUTOENCODER_RESOLUTIONS:
        size = _DEFAULT_RESOLUTION
    widths = config.get("block_out_channels") or config.get("encoder_block_out_channels")
    factor = 2 ** (len(widths) - 1) if isinstance(widths, list) else 1
    return size // factor * factor or size


def _dtype_of(component: str, dtype: DType) -> torch.dtype | None:
    if isinstance(dtype, Mapping):
        dtype = dtype.get(component, dtype.get("default"))
    if dtype is not None and not isinstance(dtype, torch.dtype):
        raise UserError(f"dtype must be a torch.dtype such as torch.float16, got {dtype!r}")
    return dtype

"""`load`: the right pipeline for a folder, and nothing that its files could make us run."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, DiffusionPipeline, ModelMixin
from diffusers.utils import is_accelerate_available
from safetensors import SafetensorError

from hf_gen.errors import UserError
from hf_gen.models.vae import ConvVAE, DenseVAE, VectorVAE
from hf_gen.pipelines.vae import VAEPipeline

_LARGEST_RESOLUTION = 1024
_PIPELINES: dict[str, type[DiffusionPipeline]] = {"VAEPipeline": VAEPipeline}
_NETWORKS: dict[str, type[ModelMixin]] = {
    network.__name__: network for network in (ConvVAE, DenseVAE, AutoencoderKL, AutoencoderTiny)
}


def load(folder: str | Path) -> DiffusionPipeline:
    """Loads what a run exported, as the pipeline class that it names.

    Args:
        folder: A pipeline folder, or a run folder that holds one.

    Raises:
        UserError: If there is no pipeline, it is of a class that hf_gen does not know, or its
            weights are missing, damaged or of another network.
    """
    path = Path(folder)
    if not (path / "model_index.json").exists() and (path / "pipeline").is_dir():
        path = path / "pipeline"
    index_file = path / "model_index.json"
    if not index_file.is_file():
        raise UserError(
            f"{folder} holds no pipeline: there is no model_index.json in it or in its folder "
            "pipeline; name a run folder whose training has ended"
        )
    try:
        index = json.loads(index_file.read_text(encoding="utf-8"))
        name, resolution = index["_class_name"], index["resolution"]
        pipeline_class = _PIPELINES.get(name)
        components = {
            key: value
            for key, value in index.items()
            if isinstance(value, list) and not key.startswith("_")
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{index_file} is damaged ({error}): export the pipeline again") from error
    if pipeline_class is None:
        raise UserError(f"{path} holds a {name}, and hf_gen loads {' and '.join(_PIPELINES)}")
    if type(resolution) is not int or not 1 <= resolution <= _LARGEST_RESOLUTION:
        raise UserError(
            f"the resolution in {index_file} must be a whole number from 1 to "
            f"{_LARGEST_RESOLUTION}, got {resolution!r}: export the pipeline again"
        )
    networks = {key: _component(path, key, value) for key, value in components.items()}
    try:
        pipeline = pipeline_class(**networks, resolution=resolution)
        pipeline.reconstruct(torch.zeros(1, 3, resolution, resolution), output_type="pt")
    except TypeError as error:
        raise UserError(f"{path} does not hold the networks of a {name}: {error}") from error
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"the network in {path} does not take its resolution, {resolution}: {error}"
        ) from error
    return pipeline


def load_network(name: str, subfolder: str | None = None) -> ModelMixin:
    """Loads an autoencoder of hf_gen's or diffusers', with exactly the weights that it has.

    Args:
        name: A folder or a Hub id.
        subfolder: Where in it the network lies, such as "vae" in a pipeline.

    Raises:
        UserError: If there is none, it is of another class, or its weights are missing, damaged or
            of another network. Only safetensors are read.
    """
    where: dict[str, Any] = {} if subfolder is None else {"subfolder": subfolder}
    shown = f"{name}/{subfolder or ''}".rstrip("/")
    try:
        class_name = VectorVAE.load_config(name, **where).get("_class_name")
        if class_name not in _NETWORKS:
            raise UserError(
                f"{shown} holds a {class_name}, and hf_gen loads {', '.join(_NETWORKS)}"
            )
        network, report = _NETWORKS[class_name].from_pretrained(
            name,
            use_safetensors=True,
            output_loading_info=True,
            low_cpu_mem_usage=is_accelerate_available(),
            **where,
        )
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{shown} cannot be loaded: {error}") from error
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report[problem]:
            raise UserError(
                f"the weights of {shown} are not those of its network "
                f"({problem.replace('_', ' ')}, {min(map(str, report[problem]))} for one): export "
                "or download them again"
            )
    return network


def _component(path: Path, key: str, entry: list[Any]) -> ModelMixin:
    module, class_name = entry if len(entry) == 2 else (None, None)
    network_class = _NETWORKS.get(class_name) if isinstance(class_name, str) else None
    # diffusers' networks are named by their package, ours by their module.
    if network_class is None or module not in ("diffusers", network_class.__module__):
        raise UserError(
            f"{path} names {entry} for its {key}, which hf_gen does not load: a pipeline may only "
            f"hold {', '.join(_NETWORKS)}"
        )
    network = load_network(str(path), key)
    if type(network) is not network_class:
        raise UserError(
            f"{path} names a {class_name} for its {key}, and its folder holds a "
            f"{type(network).__name__}: export the pipeline again"
        )
    return network

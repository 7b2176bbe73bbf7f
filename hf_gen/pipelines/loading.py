"""`load`: the right pipeline for a folder, and nothing that its files could make us run."""

import json
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from safetensors import SafetensorError

from hf_gen.errors import UserError
from hf_gen.models import vae as vae_models
from hf_gen.pipelines.vae import VAEPipeline

_LARGEST_RESOLUTION = 1024
_PIPELINES: dict[str, type[DiffusionPipeline]] = {"VAEPipeline": VAEPipeline}
_COMPONENTS = {
    (vae_models.__name__, "ConvVAE"),
    (vae_models.__name__, "DenseVAE"),
    ("diffusers", "AutoencoderKL"),
    ("diffusers", "AutoencoderTiny"),
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
        name = index["_class_name"]
        components = {
            key: tuple(value)
            for key, value in index.items()
            if isinstance(value, list) and not key.startswith("_")
        }
        pipeline_class = _PIPELINES.get(name)
        foreign = [key for key, component in components.items() if component not in _COMPONENTS]
        resolution = index["resolution"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{index_file} is damaged ({error}): export the pipeline again") from error
    if pipeline_class is None:
        raise UserError(f"{path} holds a {name}, and hf_gen loads {' and '.join(_PIPELINES)}")
    for key in foreign:
        raise UserError(
            f"{path} names {'.'.join(map(str, components[key]))} for its {key}, which hf_gen does "
            "not load: a pipeline may only hold hf_gen's and diffusers' autoencoders"
        )
    if type(resolution) is not int or not 1 <= resolution <= _LARGEST_RESOLUTION:
        raise UserError(
            f"the resolution in {index_file} must be a whole number from 1 to "
            f"{_LARGEST_RESOLUTION}, got {resolution!r}: export the pipeline again"
        )
    try:
        pipeline = pipeline_class.from_pretrained(
            str(path), use_safetensors=True, local_files_only=True
        )
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{path} cannot be loaded: {error}") from error
    for key in components:
        if key not in pipeline.components:
            raise UserError(f"{path} names a {key}, which a {name} does not have")
        if any(weight.is_meta for weight in getattr(pipeline, key).parameters()):
            raise UserError(
                f"the weights of {key} in {path} are not those of its network: some are missing; "
                "export or download them again"
            )
    try:
        pipeline.reconstruct(torch.zeros(1, 3, resolution, resolution), output_type="pt")
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"the network in {path} does not take its resolution, {resolution}: {error}"
        ) from error
    return pipeline

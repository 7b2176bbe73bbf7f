"""`load`: the right pipeline for a folder, and nothing that its files could make us run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, DiffusionPipeline, ModelMixin
from diffusers.utils import is_accelerate_available
from safetensors import SafetensorError
from torch import Tensor

from hf_gen.errors import UserError
from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.prior import LatentPrior
from hf_gen.models.vae import ConvVAE, DenseVAE, StrictModel
from hf_gen.pipelines.translation import TranslationPipeline
from hf_gen.pipelines.vae import VAEPipeline

Networks = tuple[type[ModelMixin], ...]
AUTOENCODERS: Networks = (ConvVAE, DenseVAE, AutoencoderKL, AutoencoderTiny)
GENERATORS: Networks = (ResnetGenerator,)
PRIORS: Networks = (LatentPrior,)
_LARGEST_RESOLUTION = 1024


class _Kind(NamedTuple):
    """A pipeline class, what each place in it may hold, and what shows that its parts fit."""

    pipeline: type[DiffusionPipeline]
    components: dict[str, Networks]
    options: tuple[str, ...]
    try_out: Callable[[Any, Tensor], object]


_KINDS = {
    kind.pipeline.__name__: kind
    for kind in (
        _Kind(
            VAEPipeline,
            {"vae": AUTOENCODERS, "prior": PRIORS},
            (),
            lambda pipeline, image: pipeline.reconstruct(image, output_type="pt"),
        ),
        _Kind(
            TranslationPipeline,
            {"a_to_b": GENERATORS, "b_to_a": GENERATORS},
            ("domain_a", "domain_b"),
            lambda pipeline, image: pipeline.cycle(image, output_type="pt"),
        ),
    )
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
        kind = _KINDS.get(name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{index_file} is damaged ({error}): export the pipeline again") from error
    if kind is None:
        raise UserError(f"{path} holds a {name}, and hf_gen loads {' and '.join(_KINDS)}")
    if type(resolution) is not int or not 1 <= resolution <= _LARGEST_RESOLUTION:
        raise UserError(
            f"the resolution in {index_file} must be a whole number from 1 to "
            f"{_LARGEST_RESOLUTION}, got {resolution!r}: export the pipeline again"
        )
    networks = {
        key: _component(path, key, value, kind.components.get(key, ()))
        for key, value in index.items()
        if isinstance(value, list) and not key.startswith("_") and not _left_out(kind, key, value)
    }
    options = {key: index[key] for key in kind.options if key in index}
    try:
        pipeline = kind.pipeline(**networks, resolution=resolution, **options)
    except TypeError as error:
        raise UserError(f"{path} does not hold the networks of a {name}: {error}") from error
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"{index_file} does not fit its networks at resolution {resolution}: {error}"
        ) from error
    try:
        kind.try_out(pipeline, torch.zeros(1, 3, resolution, resolution))
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"the network in {path} does not take its resolution, {resolution}: {error}"
        ) from error
    return pipeline


def load_network(
    name: str, subfolder: str | None = None, allowed: Networks = AUTOENCODERS
) -> ModelMixin:
    """Loads a network of hf_gen's or diffusers', with exactly the weights that it has.

    Args:
        name: A folder or a Hub id.
        subfolder: Where in it the network lies, such as "vae" in a pipeline.
        allowed: The classes that it may have.

    Raises:
        UserError: If there is none, it is of another class, or its weights are missing, damaged or
            of another network. Only safetensors are read.
    """
    where: dict[str, Any] = {} if subfolder is None else {"subfolder": subfolder}
    shown = f"{name}/{subfolder or ''}".rstrip("/")
    try:
        class_name = StrictModel.load_config(name, **where).get("_class_name")
        network_class = _by_name(allowed).get(class_name)
        if network_class is None:
            raise UserError(
                f"{shown} holds a {class_name}, and hf_gen loads {_names(allowed)} here"
            )
        network, report = network_class.from_pretrained(
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


def _left_out(kind: _Kind, key: str, entry: list[Any]) -> bool:
    return key in kind.pipeline._optional_components and entry == [None, None]


def _component(path: Path, key: str, entry: list[Any], allowed: Networks) -> ModelMixin:
    module, class_name = entry if len(entry) == 2 else (None, None)
    network_class = _by_name(allowed).get(class_name) if isinstance(class_name, str) else None
    # diffusers' networks are named by their package, ours by their module.
    if network_class is None or module not in ("diffusers", network_class.__module__):
        raise UserError(
            f"{path} names {entry} for its {key}, which hf_gen does not load: such a pipeline may "
            f"only hold {_names(allowed) or 'other components'}"
        )
    network = load_network(str(path), key, allowed)
    if type(network) is not network_class:
        raise UserError(
            f"{path} names a {class_name} for its {key}, and its folder holds a "
            f"{type(network).__name__}: export the pipeline again"
        )
    return network


def _by_name(networks: Networks) -> dict[str, type[ModelMixin]]:
    return {network.__name__: network for network in networks}


def _names(networks: Networks) -> str:
    return ", ".join(_by_name(networks))

"""`load`: the right pipeline for a folder or a Hub id; its files cannot make us run anything."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from diffusers import DiffusionPipeline, ModelMixin
from torch import Tensor

from hf_gen.errors import UserError
from hf_gen.pipelines import WEIGHTS
from hf_gen.pipelines.blueprint import check_image
from hf_gen.pipelines.download import INDEX, MOST_BYTES, download_pipeline
from hf_gen.pipelines.inside import check_no_symlink_escape
from hf_gen.pipelines.kernels import use_fast_layers
from hf_gen.pipelines.networks import (
    AUTOENCODERS,
    GENERATORS,
    PRIORS,
    Networks,
    by_name,
    load_network,
    names,
)
from hf_gen.pipelines.translation import TranslationPipeline
from hf_gen.pipelines.vae import VAEPipeline

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


def load(
    name: str | Path,
    revision: str | None = None,
    variant: str | None = None,
    dtype: torch.dtype | Mapping[str, torch.dtype] | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    torch_dtype: torch.dtype | Mapping[str, torch.dtype] | None = None,
    pipeline_class: type[DiffusionPipeline] | None = None,
    components: Mapping[str, ModelMixin | None] = MappingProxyType({}),
    most_bytes: int = MOST_BYTES,
) -> DiffusionPipeline:
    """Loads a pipeline, as the class that it names. No code that lies with it is executed.

    Args:
        name: A pipeline folder, a run folder that holds one, a model that comes with hf_gen such as
            "conv-vae", or a Hub id such as user/name.
        revision: A branch, tag or commit on the Hub. Default: the main branch.
        variant: Which weights, such as "fp16". Default: those without a name.
        dtype: What the weights become, for all networks or by their names, with "default" for the
            others. Default: float32.
        local_files_only: Do not ask the Hub; use what was downloaded before.
        token: Of the Hub. Default: that of the environment or the login.
        torch_dtype: The older name of `dtype` in diffusers.
        pipeline_class: The class that it has to be, or a subclass of that. Default: any of hf_gen.
        components: Networks to use in place of the saved ones; None leaves an optional one out.
        most_bytes: What may be downloaded, in bytes.

    Raises:
        UserError: If there is no pipeline, it is of a class that hf_gen does not know, its weights
            are missing, damaged or of another network, or the Hub does not give it.
    """
    if dtype is not None and torch_dtype is not None:
        raise UserError("dtype and torch_dtype are two names of one argument: give dtype alone")
    path = local_folder(name)
    if path is None:
        places = {place for kind in _KINDS.values() for place in kind.components} - {*components}
        path = download_pipeline(
            str(name), places, revision, variant, local_files_only, token, most_bytes
        )
    kind, index = _read_index(path, name)
    made = pipeline_class or kind.pipeline
    class_name, resolution = kind.pipeline.__name__, index["resolution"]
    if class_name not in [parent.__name__ for parent in made.__mro__]:
        raise UserError(
            f"{name} holds a {class_name}, not a {made.__name__}: load it with "
            f"{class_name}.from_pretrained or hf_gen.load"
        )
    unknown = sorted(set(components) - set(kind.components))
    if unknown:
        raise UserError(
            f"a {class_name} has no {unknown[0]}: it takes {', '.join(kind.components)}, revision, "
            "variant, dtype, local_files_only and token"
        )
    dtypes = torch_dtype if dtype is None else dtype
    saved = {
        key: _component(path, key, value, kind.components.get(key, ()), variant, _of(dtypes, key))
        for key, value in index.items()
        if isinstance(value, list)
        and key not in components
        and not key.startswith("_")
        and not _left_out(kind, key, value)
    }
    for key, network in saved.items():
        if isinstance(network, AUTOENCODERS):
            check_image(network, resolution, f"{path}/{key}")
        if isinstance(network, PRIORS):
            _check_shares(network, f"{path}/{key}")
    use_fast_layers(saved.values())
    networks = dict(components) | saved
    options = {key: index[key] for key in kind.options if key in index}
    try:
        pipeline = made(**networks, resolution=resolution, **options)
    except TypeError as error:
        raise UserError(f"{name} does not hold the networks of a {class_name}: {error}") from error
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"{path / INDEX} does not fit its networks at resolution {resolution}: {error}"
        ) from error
    try:
        kind.try_out(pipeline, torch.zeros(1, 3, resolution, resolution))
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"the network in {path} does not take its resolution, {resolution}: {error}"
        ) from error
    return pipeline


def is_own_index(file: Path) -> bool:
    """Whether an index is of one of hf_gen's pipelines, or so damaged that `load` has to say it."""
    try:
        saved_class = json.loads(file.read_text(encoding="utf-8"))["_class_name"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return True
    return _kind(saved_class) is not None


def local_folder(name: str | Path) -> Path | None:
    """The folder of a pipeline, or that in a run's; None for what can only be on the Hub."""
    path = Path(name)
    if not path.exists() and re.fullmatch(r"[\w-]+", str(name)) and (WEIGHTS / name).is_dir():
        return WEIGHTS / name
    if isinstance(name, str) and not path.exists() and not name.startswith(("/", ".", "~")):
        return None
    if not (path / INDEX).exists() and (path / "pipeline").is_dir():
        return path / "pipeline"
    return path


def _read_index(path: Path, name: str | Path) -> tuple[_Kind, dict[str, Any]]:
    """Which pipeline lies in a folder, and what its index says, with a resolution in bounds."""
    file = path / INDEX
    if not path.is_dir():
        raise UserError(f"{str(name)!r} is no folder: name a run folder, a pipeline or a Hub id")
    if not file.is_file():
        raise UserError(
            f"{name} holds no pipeline: there is no {INDEX} in it or in its folder pipeline; name "
            "a run folder whose training has ended"
        )
    check_no_symlink_escape(path, file)
    try:
        index = json.loads(file.read_text(encoding="utf-8"))
        saved_class, resolution = index["_class_name"], index["resolution"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{file} is damaged ({error}): export the pipeline again") from error
    kind = _kind(saved_class)
    if kind is None:
        raise UserError(f"{name} holds a {saved_class}, and hf_gen loads {' and '.join(_KINDS)}")
    if type(resolution) is not int or not 1 <= resolution <= _LARGEST_RESOLUTION:
        raise UserError(
            f"the resolution in {file} must be a whole number from 1 to {_LARGEST_RESOLUTION}, "
            f"got {resolution!r}: export the pipeline again"
        )
    return kind, index


def _kind(saved_class: Any) -> _Kind | None:
    for class_name, kind in _KINDS.items():
        # At first the class stood alone; since then it stands behind the file that defines it.
        if saved_class in (class_name, [kind.pipeline.source_name, class_name]):
            return kind
    return None


def _check_shares(prior: ModelMixin, shown: str) -> None:
    """Makes sure that a component of a mixture can be drawn by its share of it."""
    if prior.config.num_components and not (prior.weights.min() >= 0 and prior.weights.sum() > 0):
        raise UserError(
            f"the shares of the mixture in {shown} must be 0 or more, and not 0 in all, got "
            f"{prior.weights.tolist()[:8]}: fit the prior again"
        )


def _of(
    dtype: torch.dtype | Mapping[str, torch.dtype] | None, component: str
) -> torch.dtype | None:
    """The data type of one component."""
    if isinstance(dtype, Mapping):
        dtype = dtype.get(component, dtype.get("default"))
    if dtype is not None and not isinstance(dtype, torch.dtype):
        raise UserError(f"dtype must be a torch.dtype such as torch.float16, got {dtype!r}")
    return dtype


def _left_out(kind: _Kind, key: str, entry: list[Any]) -> bool:
    return key in kind.pipeline._optional_components and entry == [None, None]


def _component(
    path: Path,
    key: str,
    entry: list[Any],
    allowed: Networks,
    variant: str | None,
    dtype: torch.dtype | None,
) -> ModelMixin:
    module, class_name = entry if len(entry) == 2 else (None, None)
    network_class = by_name(allowed).get(class_name) if isinstance(class_name, str) else None
    # diffusers' networks are named by their package, ours by their file, at first by their module.
    own = (getattr(network_class, "source_name", None), getattr(network_class, "__module__", None))
    if network_class is None or module is None or module not in ("diffusers", *own):
        raise UserError(
            f"{path} names {entry} for its {key}, which hf_gen does not load: such a pipeline may "
            f"only hold {names(allowed) or 'other components'}"
        )
    network = load_network(str(path), key, allowed, variant, dtype)
    if type(network) is not network_class:
        raise UserError(
            f"{path} names a {class_name} for its {key}, and its folder holds a "
            f"{type(network).__name__}: export the pipeline again"
        )
    return network

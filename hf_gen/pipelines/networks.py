"""One network from a folder or the Hub: of a class that is expected, with exactly its weights."""

import json
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, ModelMixin
from diffusers.utils import is_accelerate_available
from safetensors import SafetensorError, safe_open

from hf_gen.errors import UserError
from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.pretrained import StrictModel
from hf_gen.models.prior import LatentPrior
from hf_gen.models.vae import ConvVAE, DenseVAE, PatchVAE
from hf_gen.pipelines.blueprint import check_size
from hf_gen.pipelines.download import MOST_BYTES_OF_JSON, download_network, network_files
from hf_gen.pipelines.inside import check_no_symlink_escape

Networks = tuple[type[ModelMixin], ...]
AUTOENCODERS: Networks = (ConvVAE, DenseVAE, PatchVAE, AutoencoderKL, AutoencoderTiny)
GENERATORS: Networks = (ResnetGenerator,)
PRIORS: Networks = (LatentPrior,)
# Accelerate replaces a method of every module while a network is built without memory; of two
# threads that do so at once, one can leave the replacement behind.
_building = threading.Lock()
_OF_TINY = "The config attributes {'block_out_channels': "
_DAMAGED = (OSError, ValueError, TypeError, RuntimeError, SafetensorError)


def load_network(
    name: str,
    subfolder: str | None = None,
    allowed: Networks = AUTOENCODERS,
    variant: str | None = None,
    dtype: torch.dtype | None = None,
) -> ModelMixin:
    """Loads a network of hf_gen's or diffusers', with exactly the weights that it has.

    Args:
        name: A folder or a Hub id.
        subfolder: Where in it the network lies, such as "vae" in a pipeline.
        allowed: The classes that it may have.
        variant: Which weights, such as "fp16". Default: those without a name.
        dtype: What the weights become. Default: float32.

    Raises:
        UserError: If there is none, it is of another class, or its weights are missing, damaged,
            not finite or of another network. Only safetensors are read.
    """
    where: dict[str, Any] = {} if subfolder is None else {"subfolder": subfolder}
    shown = f"{name}/{subfolder or ''}".rstrip("/")
    network_class, config = read_config(name, subfolder, allowed)
    if not Path(name).is_dir() and variant is None:
        # diffusers would also fetch, and unpickle, whatever an index of shards names.
        name = str(download_network(name, subfolder or ""))
    if Path(name).is_dir():
        folder = Path(name, subfolder or "")
        for pattern in network_files("", variant):
            for file in folder.glob(pattern):
                check_no_symlink_escape(Path(name), file)
        _check_shards(Path(name), folder / network_files("", variant)[-1])
        weights = [file for file in network_files("", variant) if file.endswith(".safetensors")]
        sizes = (file.stat().st_size for pattern in weights for file in folder.glob(pattern))
        with _only_meaningful_warnings():
            check_size(network_class, config, sum(sizes), shown)
    try:
        with _building, _only_meaningful_warnings():
            network, report = network_class.from_pretrained(
                name,
                use_safetensors=True,
                output_loading_info=True,
                variant=variant,
                dtype=dtype,
                low_cpu_mem_usage=is_accelerate_available(),
                **where,
            )
    except _DAMAGED as error:
        raise UserError(f"{shown} cannot be loaded: {error}") from error
    if Path(name).exists():
        network.register_to_config(_name_or_path=None)  # no path of this machine in what is saved
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report[problem]:
            raise UserError(
                f"the weights of {shown} are not those of its network "
                f"({problem.replace('_', ' ')}, {min(map(str, report[problem]))} for one): export "
                "or download them again"
            )
    for key, weight in network.state_dict().items():
        # Both ends are NaN if one number is; this takes no memory, as isfinite does.
        if weight.element_size() > 1 and not torch.stack(weight.aminmax()).isfinite().all():
            raise UserError(
                f"the weights of {shown} are not all finite numbers ({key} for one): its training "
                "diverged, or they are damaged; export or download them again"
            )
    return network


@contextmanager
def _only_meaningful_warnings() -> Iterator[None]:
    """Without diffusers' warning of `block_out_channels`, which every AutoencoderTiny saves."""

    def has_a_meaning(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(_OF_TINY)

    logger = logging.getLogger("diffusers.configuration_utils")
    logger.addFilter(has_a_meaning)
    try:
        yield
    finally:
        logger.removeFilter(has_a_meaning)


def _check_shards(folder: Path, index: Path) -> None:
    """Makes sure that the shards of a network are safetensors beside their index, and all there."""
    if not index.is_file():
        return
    try:
        if index.stat().st_size > MOST_BYTES_OF_JSON:
            raise ValueError(f"it has {index.stat().st_size / 1e6:,.1f} MB")
        content = json.loads(index.read_text(encoding="utf-8"))
        names: dict[str, str] = content["weight_map"]
        if not isinstance(content["metadata"], dict) or not names:
            raise ValueError("it names no weights")
        found: set[tuple[str, str]] = set()
        for shard in {*names.values()}:
            if not re.fullmatch(r"[\w.-]+\.safetensors", shard):
                raise ValueError(f"{shard!r} is no safetensors file beside it")
            check_no_symlink_escape(folder, index.with_name(shard))
            with safe_open(index.with_name(shard), "pt") as weights:
                found |= {(key, shard) for key in weights.keys()}  # noqa: SIM118, no dict
        missing = names.items() - found
        if missing:
            raise ValueError(f"{min(missing)[0]} is not where it says")
    except (*_DAMAGED, KeyError, AttributeError) as error:
        raise UserError(f"{index} is damaged ({error}): export or download it again") from error


def read_config(
    name: str, subfolder: str | None = None, allowed: Networks = AUTOENCODERS
) -> tuple[type[ModelMixin], dict[str, Any]]:
    """The class of a network in a folder or on the Hub, and its config.

    Raises:
        UserError: If there is no config, or its class is not one of those allowed.
    """
    where: dict[str, Any] = {} if subfolder is None else {"subfolder": subfolder}
    shown = f"{name}/{subfolder or ''}".rstrip("/")
    file = Path(shown, "config.json")
    if Path(name).is_dir():
        check_no_symlink_escape(Path(name), file)
    if file.is_file() and file.stat().st_size > MOST_BYTES_OF_JSON:
        raise UserError(
            f"{file} must not be larger than {MOST_BYTES_OF_JSON / 1e6:g} MB, and has "
            f"{file.stat().st_size / 1e6:,.1f} MB: that is no description of a network"
        )
    try:
        config = StrictModel.load_config(name, **where)
        class_name = config.get("_class_name")
        network_class = by_name(allowed).get(class_name)
    except (OSError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise UserError(f"{shown} cannot be loaded: {error}") from error
    if network_class is None:
        raise UserError(f"{shown} holds a {class_name}, and hf_gen loads {names(allowed)} here")
    return network_class, config


def by_name(networks: Networks) -> dict[str, type[ModelMixin]]:
    """Each class under its name, as a config gives it."""
    return {network.__name__: network for network in networks}


def names(networks: Networks) -> str:
    """What errors say of several classes."""
    return ", ".join(by_name(networks))

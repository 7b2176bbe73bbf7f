"""What all networks share: strict loading, saving with their source, checks of their arguments.

The files of this folder import torch, diffusers and safetensors only: the text of this one becomes
part of the remote code of a repository on the Hub.
"""

import json
import logging
import math
import re
import sys
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin
from safetensors import SafetensorError, safe_open

_MAX_CHANNELS = 4096
_MAX_LAYERS = 64
_MAX_WEIGHTS = 2**27


class StrictModel(ModelMixin, ConfigMixin):
    """A network that loads exactly what was saved of it, or not at all.

    Its arguments are checked against the types of its constructor's signature, since a config.json
    is untrusted. It is saved with its source, so that it loads without hf_gen too.

    Attributes:
        source_name: The name of the file with its source, without its ending: a format, and unique,
            since diffusers keeps the remote code of all repositories in one folder.
    """

    source_name: str
    _where_to_look = ("subfolder", "revision", "cache_dir", "local_files_only", "token", "proxies")

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str, **kwargs: Any
    ) -> Self | tuple[Self, dict[str, Any]]:
        """Loads a model that `save_pretrained` or `push_to_hub` wrote, or refuses it.

        Takes what diffusers' `from_pretrained` takes. Weights are read from safetensors only.

        Raises:
            ValueError: If the config names another class, or the weights are of other shapes,
                incomplete, more than the network has, or not finite.
            OSError: If there is no config or no safetensors file, or one is damaged.
        """
        name = f"{pretrained_model_name_or_path}/{kwargs.get('subfolder') or ''}".rstrip("/")
        where = {key: kwargs[key] for key in cls._where_to_look if key in kwargs}
        try:
            config = cls.load_config(pretrained_model_name_or_path, **where)
            saved_class = config["_class_name"]
        except (KeyError, TypeError, IndexError, RecursionError) as error:
            raise ValueError(
                f"the config.json in {name} describes no network ({error!r}): download it again"
            ) from error
        if saved_class != cls.__name__:
            raise ValueError(
                f"{name} holds a {saved_class}, not a {cls.__name__}: "
                f"load it with {saved_class}.from_pretrained"
            )
        cls.check_size(config)
        wants_information = kwargs.pop("output_loading_info", False)
        try:
            model, information = super().from_pretrained(
                pretrained_model_name_or_path,
                **{**kwargs, "use_safetensors": True, "output_loading_info": True},
            )
        except (SafetensorError, RuntimeError, KeyError, AttributeError, TypeError) as error:
            raise ValueError(
                f"the weights in {name} cannot be loaded ({error}): download or export them again"
            ) from error
        for key in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if information[key]:
                raise ValueError(
                    f"the weights in {name} do not fit its config: {key.replace('_', ' ')} "
                    f"{sorted(map(str, information[key]))[:3]}: download or export them again"
                )
        for key, weight in model.state_dict().items():
            # Both ends are NaN if one number is; this takes no memory, as isfinite does.
            if weight.element_size() > 1 and not torch.stack(weight.aminmax()).isfinite().all():
                raise ValueError(
                    f"the weights in {name} are not all finite numbers, {key} for one: download or "
                    "export them again"
                )
        return (model, information) if wants_information else model

    @classmethod
    def check_size(cls, config: dict[str, Any]) -> None:
        """Raises ValueError if the network of `config` has more than 2^27 weights."""
        with torch.device("meta"):
            network = cls(**cls.extract_init_dict(config)[0])
        count = sum(weight.numel() for weight in network.state_dict().values())
        if count > _MAX_WEIGHTS:
            raise ValueError(
                f"the network must not have more than {_MAX_WEIGHTS:,} weights, got {count:,}: "
                "lower its widths"
            )

    @classmethod
    def _load_pretrained_model(
        cls, model: Any, state_dict: Any, resolved_model_file: list[str], *args: Any, **kwargs: Any
    ) -> Any:
        """As diffusers does, but for shards: an index may name pickles, or weights not in them."""
        if state_dict is None:
            found: set[str] = set()
            for file in resolved_model_file:
                if not file.endswith(".safetensors"):
                    raise ValueError(f"{file} can run code and is never read: export it again")
                with safe_open(file, "pt") as weights:
                    found.update(weights.keys())
            missing = sorted(model.state_dict().keys() - found)
            if missing:
                raise ValueError(f"{resolved_model_file} lack {missing[:3]}: export them again")
        return super()._load_pretrained_model(
            model, state_dict, resolved_model_file, *args, **kwargs
        )

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """As diffusers does, without its warning that no modules should be kept in float32."""
        logger = logging.getLogger("diffusers.models.modeling_utils")
        logger.addFilter(_names_modules)
        try:
            return super().to(*args, **kwargs)
        finally:
            logger.removeFilter(_names_modules)

    def register_to_config(self, **kwargs: Any) -> None:
        """As diffusers does, before the constructor runs; first checks each argument.

        Raises:
            ValueError: If an argument is not what the constructor's signature says: a count is from
                1, or from 0 where its name begins with `num_`; a float is positive.
        """
        types = get_type_hints(type(self).__init__)
        for name, value in kwargs.items():
            _check_argument(name, value, types.get(name))
        super().register_to_config(**kwargs)

    @classmethod
    def extract_init_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As diffusers does, but for `auto_map`, which tells others where this class is."""
        known = {key: value for key, value in config_dict.items() if key != "auto_map"}
        return super().extract_init_dict(known, **kwargs)

    def to_json_string(self) -> str:
        """The config, and where diffusers' `AutoModel` finds the class."""
        config = json.loads(super().to_json_string())
        config.pop("_name_or_path", None)  # it may be a path of this machine
        config["auto_map"] = {"AutoModel": f"{self.source_name}.{type(self).__name__}"}
        return json.dumps(config, indent=2, sort_keys=True) + "\n"

    def save_config(
        self, save_directory: str | Path, push_to_hub: bool = False, **kwargs: Any
    ) -> None:
        """Writes the config, and one file with the source of this network."""
        own = next(parent for parent in type(self).__mro__ if "source_name" in vars(parent))
        source = Path(str(sys.modules[own.__module__].__file__)).read_text("utf-8")
        copy = Path(save_directory, f"{self.source_name}.py")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(_self_contained(source, set()), encoding="utf-8")
        super().save_config(save_directory, push_to_hub, **kwargs)


def _self_contained(source: str, seen: set[str]) -> str:
    """Source text with that of the modules it imports from this folder in place, each once."""

    def text(imported: re.Match[str]) -> str:
        if imported[1] in seen:
            return ""
        seen.add(imported[1])
        module = Path(__file__).with_name(f"{imported[1]}.py")
        return _self_contained(module.read_text("utf-8"), seen)

    imports = re.compile(r"^from hf_gen\.models\.(\w+) import (?:\([^)]*\)|.*)\n", re.M)
    return imports.sub(text, source)


def _names_modules(record: logging.LogRecord) -> bool:
    return "kept in float32: []" not in record.getMessage()


def _check_argument(name: str, value: Any, expected: Any) -> None:
    low, high = (0, _MAX_LAYERS) if name.startswith("num_") else (1, _MAX_CHANNELS)
    rule, sizes = "", get_args(expected)

    def is_count(number: Any) -> bool:
        return type(number) is int and low <= number <= high

    if expected is int and not is_count(value):
        rule = f"an integer from {low} to {high}"
    elif expected is float and not (type(value) in (int, float) and 0 < value < math.inf):
        rule = "a positive number"
    elif expected is bool and type(value) is not bool:
        rule = "true or false"
    elif expected == tuple[str, ...]:
        if not _are_names(value):
            rule = f"1 to {_MAX_LAYERS} names of lower-case letters, digits and underscores"
    elif get_origin(expected) is Literal and value not in sizes:
        rule = f"one of {', '.join(sizes)}"
    elif get_origin(expected) is tuple:
        count = "one or more" if ... in sizes else str(len(sizes))
        counts = range(1, _MAX_LAYERS + 1) if ... in sizes else (len(sizes),)
        is_sequence = isinstance(value, list | tuple) and len(value) in counts
        if not is_sequence or not all(map(is_count, value)):
            rule = f"{count} integers from {low} to {high}"
    if rule:
        raise ValueError(f"{name} must be {rule}, got {value!r}")


def _are_names(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and 1 <= len(value) <= _MAX_LAYERS
        and all(isinstance(one, str) and re.fullmatch("[a-z][a-z0-9_]{0,40}", one) for one in value)
    )


def check_divides(name: str, size: int, factor: int, because: str, smallest: int = 1) -> None:
    """Raises ValueError unless a side of an image is a multiple of `factor`, with what to try."""
    if size % factor or size < smallest:
        below = size // factor * factor
        tries = f"{below} or {below + factor}" if below >= smallest else f"{max(factor, smallest)}"
        raise ValueError(
            f"{name} must be a multiple of {factor}"
            + (f" and at least {smallest}" if smallest > factor else "")
            + f" with {because}, got {size}: try {tries}"
        )

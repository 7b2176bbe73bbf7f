"""One network from a folder: of an expected class, and with exactly its weights."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, ModelMixin
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hf_gen.errors import UserError
from hf_gen.models.any_kl_vae import AnyKLVAE
from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.directions import LatentDirections
from hf_gen.models.patch_generator import PatchGenerator
from hf_gen.models.prior import AnyKLPrior, LatentPrior
from hf_gen.models.vae import ConvVAE, DenseVAE, PatchVAE
from hf_gen.pipelines.files import check_no_symlink_escape, network_files, read_json

Networks = tuple[type[ModelMixin], ...]
AUTOENCODERS: Networks = (
    ConvVAE,
    AnyKLVAE,
    DenseVAE,
    PatchVAE,
    AutoencoderKL,
    AutoencoderTiny,
)
GENERATORS: Networks = (ResnetGenerator, PatchGenerator)
PRIORS: Networks = (LatentPrior, AnyKLPrior)
EDITORS: Networks = (LatentDirections,)
COMPONENTS = {
    "vae": AUTOENCODERS,
    "prior": PRIORS,
    "editor": EDITORS,
    "a_to_b": GENERATORS,
    "b_to_a": GENERATORS,
}
"""The classes that each component of a pipeline may have."""
_MAX_OPERATIONS = 5000  # Stable Diffusion's autoencoder takes 500
_MAX_NUMBERS = 2**28  # a tensor; Stable Diffusion's autoencoder needs them for a 1024x1024 image


def load_network(
    folder: Path,
    subfolder: str = "",
    allowed: Networks = AUTOENCODERS,
    variant: str | None = None,
    dtype: torch.dtype | None = None,
    resolution: int | None = None,
) -> ModelMixin:
    """Loads a network of hf_gen's or diffusers' classes, in evaluation mode.

    Only its config.json and its safetensors are read.

    Args:
        folder: A model folder.
        subfolder: The folder of the network in it, such as "vae" in a pipeline.
        allowed: The classes that it may have.
        variant: Which weights, such as "fp16". Default: those without a name.
        dtype: What the weights become. Default: float32.
        resolution: Height and width of images that it has to return in that shape. Default: not
            checked.

    Raises:
        UserError: If there is no network, it is of another class, or its weights are missing,
            damaged, not finite or of another network.
    """
    shown = folder / subfolder
    config = read_json(folder, f"{subfolder}/config.json".lstrip("/"))
    by_name = {network.__name__: network for network in allowed}
    class_name: Any = config.get("_class_name")
    network_class = by_name.get(class_name) if isinstance(class_name, str) else None
    if network_class is None:
        raise UserError(f"{shown} holds a {class_name}, and hf_gen loads {', '.join(by_name)} here")
    try:
        network = _build_on_meta(network_class, config, resolution)
        weights = _read_weights(folder, network_files(subfolder, variant)[1:])
        network._fix_state_dict_keys_on_load(weights)  # as Stable Diffusion 1 named its attention
        _check_weights(dict([*network.named_parameters(), *network.named_buffers()]), weights)
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise UserError(
            f"{shown} cannot be loaded: {error}; export or download it again"
        ) from error
    network.to_empty(device="cpu").load_state_dict(weights)
    # Not by its own `to`, which warns that no layers are kept in float32.
    return nn.Module.to(network, dtype or torch.float32)


def _build_on_meta(
    network_class: type[ModelMixin], config: Mapping[str, Any], resolution: int | None
) -> ModelMixin:
    """A network on the meta device, where tensors take no memory, tried on an image.

    A config.json of a few lines can describe more layers, or wider ones, than any machine can hold.

    Raises:
        ValueError: If the config describes no network, one that is too large, or one that needs too
            much memory for an image of this resolution or does not return it in its own shape.
    """
    known = inspect.signature(network_class.__init__).parameters
    arguments = {key: value for key, value in config.items() if key in known}
    try:
        with _Limits(), torch.device("meta"), torch.no_grad():
            network = network_class(**arguments).eval()
    # With untrusted arguments a constructor raises anything, ZeroDivisionError for one.
    except Exception as error:
        raise ValueError(f"its config does not describe a network ({error})") from error
    if resolution is None:
        return network
    image = torch.zeros(1, 3, resolution, resolution, device="meta")
    try:
        with _Limits(), torch.no_grad():
            output = network(image).sample
        if output.shape != image.shape:
            raise ValueError(f"the output has shape {tuple(output.shape)}")
    except Exception as error:  # as above
        raise ValueError(f"it does not take images at resolution {resolution}: {error}") from error
    return network


class _Limits(TorchDispatchMode):
    """Bounds the operations of this thread and the size of their results."""

    def __init__(self) -> None:
        super().__init__()
        self._operations = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        output = function(*args, **(kwargs or {}))
        self._operations += 1
        if self._operations > _MAX_OPERATIONS:
            raise ValueError(f"it takes more than {_MAX_OPERATIONS:,} operations")
        for tensor in tree_leaves(output):
            if isinstance(tensor, Tensor) and tensor.numel() > _MAX_NUMBERS:
                raise ValueError(
                    f"it has a tensor of {tensor.numel():,} numbers, and {_MAX_NUMBERS:,} are the "
                    "limit"
                )
        return output


def _read_weights(folder: Path, patterns: list[str]) -> dict[str, Tensor]:
    """The weights in one file, or else in shards, whose index is not needed."""
    for pattern in patterns:
        weights: dict[str, Tensor] = {}
        for file in sorted(folder.glob(pattern)):
            check_no_symlink_escape(folder, file)
            weights |= load_file(file)
        if weights:
            return weights
    raise ValueError(
        f"it has no safetensors, it needs a {patterns[0]}: other weights can run code and are "
        "never read"
    )


def _check_weights(expected: dict[str, Tensor], weights: dict[str, Tensor]) -> None:
    """Checks that weights are those of a network, before any memory is taken for it."""
    different = [
        *(f"missing key {key}" for key in expected.keys() - weights.keys()),
        *(f"unexpected key {key}" for key in weights.keys() - expected.keys()),
        *(
            f"{key} has shape {tuple(weights[key].shape)}, not {tuple(expected[key].shape)}"
            for key in expected.keys() & weights.keys()
            if weights[key].shape != expected[key].shape
        ),
    ]
    if different:
        raise ValueError(f"the weights are not those of its network, {min(different)}")
    for key, weight in weights.items():
        # Both ends are NaN if one number is; this takes no memory, as isfinite does.
        if not torch.stack(weight.float().aminmax()).isfinite().all():
            raise ValueError(
                f"the weights are not all finite numbers, {key} for one: the training diverged"
            )

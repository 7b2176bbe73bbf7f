"""A stranger's network, tried on the meta device first, where tensors take no memory.

A config.json of a few lines can describe more layers or wider ones than any machine has memory for.
"""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import ModelMixin
from torch import Tensor
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hf_gen.errors import UserError

_MOST_OPERATIONS = 5000  # Stable Diffusion's autoencoder takes 500
_FREE_NUMBERS = 2**24
_LARGEST_TENSOR = 2**28  # what Stable Diffusion's autoencoder needs for an image of 1024x1024


class _Bounds(TorchDispatchMode):
    """Ends whatever this thread computes with more operations or larger tensors than it may."""

    def __init__(self, largest: int) -> None:
        super().__init__()
        self.largest = largest
        self.left = _MOST_OPERATIONS

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"it takes more than {_MOST_OPERATIONS:,} operations")
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and tensor.numel() > self.largest:
                raise ValueError(
                    f"it has a tensor of {tensor.numel():,} numbers, and {self.largest:,} are the "
                    "most here"
                )
        return made


def check_size(
    network_class: type[ModelMixin], config: Mapping[str, Any], weight_bytes: int, shown: str
) -> None:
    """Makes sure that a config describes no larger a network than the weights beside it can fill.

    Args:
        network_class: The class that the config names.
        config: What lies in config.json.
        weight_bytes: Of the safetensors. A number takes a byte at least; small networks may be
            larger than their files, and the exact comparison names what is missing.
        shown: What errors call the network.

    Raises:
        UserError: If it is larger, or the config does not describe a network at all.
    """
    most = max(weight_bytes, _FREE_NUMBERS)
    if "quantization_config" in config:  # it would choose which libraries are imported
        raise UserError(f"the network in {shown} is quantized: take the one that it was made from")
    try:
        with _Bounds(most), torch.device("meta"):
            network = network_class.from_config(dict(config))
        numbers = sum(tensor.numel() for tensor in network.state_dict().values())
        if numbers > most:
            raise ValueError(f"it has {numbers:,} numbers, and its weights take {weight_bytes:,} B")
    # With a stranger's arguments a constructor raises anything, ZeroDivisionError for one.
    except Exception as error:
        raise UserError(
            f"the config of {shown} does not describe a network that fits its weights ({error}): "
            "export or download it again"
        ) from error


def check_image(network: ModelMixin, resolution: int, shown: str) -> None:
    """Makes sure that an autoencoder gives images back, and needs no unusual memory for it.

    Args:
        network: A new one, which no other thread uses yet.
        resolution: Height and width of the images.
        shown: What errors call the network.

    Raises:
        UserError: If it does not.
    """
    expected = (1, 3, resolution, resolution)
    weights = dict([*network.named_parameters(), *network.named_buffers()])
    try:
        with _Bounds(_LARGEST_TENSOR), torch.no_grad():
            # In float32, since the `forward` of an AutoencoderTiny works in no other type.
            on_meta = {name: tensor.to("meta", torch.float32) for name, tensor in weights.items()}
            image = torch.zeros(expected, device="meta")
            made = functional_call(network, on_meta, (image,)).sample
        if made.shape != expected:
            raise ValueError(f"it makes {tuple(made.shape)} of {expected}")
    except Exception as error:  # as above
        raise UserError(
            f"the network in {shown} does not take images at resolution {resolution}: {error}"
        ) from error

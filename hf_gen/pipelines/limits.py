"""An untrusted config, tried on the meta device, where tensors take no memory.

A config.json of a few lines can describe more layers, or wider ones, than any machine can hold.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from diffusers import ModelMixin
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_MAX_OPERATIONS = 5000  # Stable Diffusion's autoencoder takes 500
_MAX_NUMBERS = 2**28  # a tensor; Stable Diffusion's autoencoder needs them for a 1024x1024 image


class _Limits(TorchDispatchMode):
    """Bounds the operations of this thread and the size of their results."""

    def __init__(self) -> None:
        super().__init__()
        self._operations = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        self._operations += 1
        if self._operations > _MAX_OPERATIONS:
            raise ValueError(f"it takes more than {_MAX_OPERATIONS:,} operations")
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and tensor.numel() > _MAX_NUMBERS:
                raise ValueError(
                    f"it has a tensor of {tensor.numel():,} numbers, and {_MAX_NUMBERS:,} are the "
                    "limit"
                )
        return made


def build_on_meta(
    network_class: type[ModelMixin], config: Mapping[str, Any], resolution: int | None = None
) -> ModelMixin:
    """A network on the meta device, in evaluation mode.

    Args:
        network_class: Its class.
        config: Its arguments; the keys that are none are ignored.
        resolution: Height and width of the images that it has to return in their own shape.
            Default: it is not tried on an image.

    Raises:
        ValueError: If the config describes no network, one that is too large, or one that needs too
            much memory for an image of this resolution or does not take it.
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
            made = network(image).sample
        if made.shape != image.shape:
            raise ValueError(f"it makes {tuple(made.shape)} of {tuple(image.shape)}")
    except Exception as error:  # as above
        raise ValueError(f"it does not take images at resolution {resolution}: {error}") from error
    return network

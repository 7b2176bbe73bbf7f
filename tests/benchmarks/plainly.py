"""The networks as most write them: what the contenders beside hf_gen compute with."""

from torch import nn
from torch.nn.functional import instance_norm

from hf_gen.models import cyclegan, vae


def as_most_write_it() -> None:
    """From here on our networks in this process are in PyTorch's layout."""
    vae._Map.forward = nn.Unflatten.forward  # type: ignore[method-assign]
    cyclegan._InstanceNorm.forward = lambda _, features: instance_norm(features)  # type: ignore[method-assign]

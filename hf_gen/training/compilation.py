"""Whether `torch.compile` pays for itself in a run, and how it is applied."""

import os
import shutil
import sys
from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

# Compiling takes half a minute to two minutes on two cores, and saves a tenth to a third of each
# step afterwards (docs/speed.md): half an hour of training pays for it.
LONG_ENOUGH = 1800.0
# About what one core can do. Too high a guess finds a run too short, and leaves it uncompiled.
_FLOPS_PER_SECOND_OF_A_THREAD = 1e11


def pays_off(forward: Callable[[], object], images: float, device: torch.device) -> bool:
    """Whether a run is long enough to be compiled, by its arithmetic alone.

    Args:
        forward: Computes the losses of one image.
        images: How many images this process trains on, forward and backward.
        device: Where. Only on CPUs is it known when compiling pays.
    """
    if device.type != "cpu" or not _has_compiler():
        return False
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        forward()
    forward_and_backward = 3 * counter.get_total_flops()
    rate = torch.get_num_threads() * _FLOPS_PER_SECOND_OF_A_THREAD
    return forward_and_backward * images / rate > LONG_ENOUGH


def compiler_error() -> str | None:
    """Why nothing can be compiled on this machine; None if a small function can be."""
    try:
        torch.compile(torch.neg, dynamic=False)(torch.ones(2))
    except Exception as error:  # of any of the compiler's many parts
        return str(error).strip().partition("\n")[0]
    return None


def compile_networks(networks: Iterable[nn.Module]) -> None:
    """Compiles each network in place, at its first call for each batch size.

    Copies that are made of a network later are not compiled.
    """
    # One kernel per network and size: if several sizes shared one, the first size would decide, and
    # a resumed run would not be bit-identical.
    torch._dynamo.config.recompile_limit = 64
    # Otherwise it keeps the signs of ReLU as booleans, which take a CPU ten times as long to write
    # as the numbers themselves.
    torch._functorch.config.ban_recompute_materialized_backward = False
    for net in networks:
        net.compile(dynamic=False)


def _has_compiler() -> bool:
    default = "clang++" if sys.platform == "darwin" else "g++"
    return shutil.which(os.environ.get("CXX", default)) is not None

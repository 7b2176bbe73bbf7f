"""Whether compiling the networks of a run pays for itself, and how it is done."""

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
# About what one core can do. Too high a guess finds a run too short, and leaves it as it is.
_FLOPS_PER_SECOND_OF_A_THREAD = 1e11


def pays_off(forward: Callable[[], object], images: float, device: torch.device) -> bool:
    """Whether a run is long enough to be compiled, by the arithmetic that it takes.

    So the answer is the same whenever a run goes on, on a machine with as many cores.

    Args:
        forward: Computes the losses of one image.
        images: How many the run takes of this process, each forward and backward.
        device: Where. Only on CPUs is it known when compiling pays.
    """
    if device.type != "cpu" or not _has_a_compiler():
        return False
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        forward()
    both_ways = 3 * counter.get_total_flops()
    rate = torch.get_num_threads() * _FLOPS_PER_SECOND_OF_A_THREAD
    return both_ways * images / rate > LONG_ENOUGH


def compile_networks(networks: Iterable[nn.Module], must: bool) -> None:
    """Compiles each network in place, at its first call for each size of batch.

    Args:
        networks: What to compile; copies made of them later are not.
        must: Whether a failure ends the run, or leaves the network as it is.
    """
    # One kernel per network and size: of several sizes in one, which came first would decide, and a
    # resumed run would not be the same to the bit.
    torch._dynamo.config.recompile_limit = 64
    torch._dynamo.config.suppress_errors = not must
    # Otherwise it keeps the signs of ReLU as booleans, which take a CPU ten times as long to write
    # as the numbers themselves.
    torch._functorch.config.ban_recompute_materialized_backward = False
    for net in networks:
        net.compile(dynamic=False)


def _has_a_compiler() -> bool:
    default = "clang++" if sys.platform == "darwin" else "g++"
    return shutil.which(os.environ.get("CXX", default)) is not None

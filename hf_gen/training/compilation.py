"""Whether `torch.compile` pays for itself in a run, and how it is applied."""

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hf_gen.config import Optimisation
from hf_gen.data.batches import Loader
from hf_gen.errors import UserError
from hf_gen.training.loop import evaluation_mode, total_steps
from hf_gen.training.task import Task

# Compiling takes half a minute to two minutes on two cores, and saves a tenth to a third of each
# step afterwards (docs/speed.md): half an hour of training pays for it.
LONG_ENOUGH = 1800.0
# About what one core can do. Too high a guess finds a run too short, and leaves it uncompiled.
_FLOPS_PER_SECOND_OF_A_THREAD = 1e11
_log = logging.getLogger(__name__)


def decide_compiling(
    task: Task, loader: Loader, optimisation: Optimisation, resumed: bool | None
) -> bool:
    """Whether the networks are compiled, decided once in a run.

    Args:
        task: Not on its device yet.
        loader: The images of this process.
        optimisation: Whose `torch_compile` is "on", "off", or "auto".
        resumed: What was decided when the run was started; None in a new run.

    Raises:
        UserError: If they must be compiled, and this machine cannot.
    """
    if resumed is False or (resumed is None and optimisation.torch_compile == "off"):
        return False
    must = resumed is True or optimisation.torch_compile == "on"
    images = total_steps(optimisation, loader) * loader.total / loader.processes

    def forward() -> None:
        # As in evaluation: nothing of the task may change.
        batch = loader.first_validation(1)
        with evaluation_mode(task.networks):
            next(task.losses(task.networks, batch))

    if not must and not pays_off(forward, images, loader.device):
        return False
    error = compiler_error()
    if error and must:
        raise UserError(
            f"torch.compile does not work here ({error}): install a C++ compiler, or train with "
            "--torch-compile off in another --output-dir"
        )
    if error:
        _log.warning("Training uncompiled, since torch.compile does not work here: %s", error)
    return error is None


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

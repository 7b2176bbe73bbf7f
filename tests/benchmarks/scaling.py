"""A training in two processes with a core each, against one process on one core.

Both take as many images a step. The two are started by `accelerate launch` and use gloo.
"""

import os
import sys
from collections.abc import Callable

from tests.benchmarks import translation, vae
from tests.benchmarks.contest import Gate
from tests.launching import ACCELERATE, free_port

PROCESSES = 2


class SharedGate(Gate):
    """A gate of several processes: the first hears when it opens, the others wait for the first."""

    def tell(self, **values: object) -> None:
        if _rank() == 0:
            super().tell(**values)

    def wait(self) -> None:
        import torch

        if _rank() == 0:
            super().wait()
        torch.distributed.barrier()


def one(steps: int, recipe: str, torch_compile: str) -> None:
    """The full batch on the first core."""
    _stay_on_one_core()
    batch, train = _RECIPES[recipe]
    train(Gate(batch, steps), batch, "no", torch_compile)


def two(steps: int, *arguments: str) -> None:
    """Half of it on each of two cores."""
    os.environ["ACCELERATE_USE_CPU"] = "true"
    launched = ["--multi_gpu", "--num_processes", str(PROCESSES)]
    launched += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    launched += ["--main_process_port", str(free_port()), "--module", "tests.benchmarks.contest"]
    contender = ["1", str(steps), f"{__name__}:half", *arguments]
    os.execv(sys.executable, [*ACCELERATE, *launched, *contender])


def half(steps: int, recipe: str, torch_compile: str) -> None:
    """What each of the two does."""
    _stay_on_one_core()
    batch, train = _RECIPES[recipe]
    train(SharedGate(batch, steps), batch // PROCESSES, "no", torch_compile)


_RECIPES: dict[str, tuple[int, Callable[[Gate, int, str, str], None]]] = {
    "conv-vae": (vae.BATCH, vae.train_gated),
    "cyclegan": (translation.BATCH, translation.train_gated),
}


def _stay_on_one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[_rank() % len(cores)]})


def _rank() -> int:
    return int(os.environ.get("RANK", "0"))

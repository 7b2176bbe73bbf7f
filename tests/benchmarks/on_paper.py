"""`python -m tests.benchmarks.on_paper`: what 1, 8 and 64 GPUs would give, calculated.

Bytes and arithmetic are counted in our own networks; what a GPU does is assumed, and stands below.
The slowest process of a step is simulated, since a step ends with it.
"""

import math
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from hf_gen.data.batches import Batch
from hf_gen.experiments import task_of
from hf_gen.recipes import RECIPES

FLOPS = 1e14  # of a GPU a second, a tenth of what its sheet says for bfloat16
LAUNCHES = 2e-3  # seconds that a step takes at the least, to start its kernels
BUCKET = 25e6  # bytes that DistributedDataParallel sends at once
SPREAD = 0.05  # standard deviation of a process's step, relatively
LINKS = {8: (3e11, 5e-6), 64: (4e10, 2e-5)}  # bytes a second of a ring, seconds a hop
BATCHES = {"conv-vae": (4096, 63_000), "cyclegan-lambda10": (100, 22_100)}  # of a GPU; images


@dataclass(frozen=True)
class Work:
    """Of one step of one process.

    Attributes:
        gradients: Bytes that all processes add up.
        flops: Forward and backward.
    """

    gradients: float
    flops: float


def work(name: str, batch: int) -> Work:
    """Counted on one image, at a batch of so many."""
    recipe = RECIPES[name][1]
    task = task_of(recipe, torch.device("cpu"))
    size = recipe.data.resolution
    domains = 1 if len(task.turns) == 1 else 2
    images = tuple(torch.zeros(2, 3, size, size) for _ in range(domains))
    with FlopCounterMode(display=False) as counter:
        for _, losses in task.losses(task.networks, Batch(images, (0, "train", 0), slice(2), 2)):
            losses["objective"].backward()
    weights = sum(one.numel() for net in task.networks.values() for one in net.parameters())
    return Work(4 * weights, counter.get_total_flops() / 2 * batch)


def all_reduce(gradients: float, processes: int) -> float:
    """Seconds of rings that add up gradients, one after the other, with nothing in parallel."""
    if processes == 1:
        return 0.0
    rate, hop = LINKS[processes]
    sent = 2 * (processes - 1) / processes * gradients
    return sent / rate + math.ceil(gradients / BUCKET) * 2 * (processes - 1) * hop


def slowest(processes: int, steps: int = 10_000) -> float:
    """How much longer than the mean the slowest of so many takes, on average."""
    noise = torch.randn(steps, processes, generator=torch.Generator().manual_seed(0))
    return (1 + SPREAD * noise).amax(1).mean().item()


def main() -> None:
    """Prints a line for each recipe and number of GPUs."""
    for name, (batch, images) in BATCHES.items():
        one = work(name, batch)
        compute = max(one.flops / FLOPS, LAUNCHES)
        print(f"{name}: {one.gradients / 1e6:.2f} MB of gradients, {one.flops / 1e9:,.0f} GFLOPs")
        for processes in (1, *LINKS):
            waits = compute * (slowest(processes) - 1 if processes > 1 else 0.0)
            sends = all_reduce(one.gradients, processes)
            step = compute + waits + sends
            computing, waiting, adding = (
                f"{1e3 * part:.2f} ms" for part in (compute, waits, sends)
            )
            print(
                f"  {processes:2} GPUs: {computing} computing, {waiting} waiting for the slowest, "
                f"{adding} adding up; efficiency {compute / step:.0%}; "
                f"{images / batch / processes:,.1f} steps an epoch"
            )


if __name__ == "__main__":
    main()

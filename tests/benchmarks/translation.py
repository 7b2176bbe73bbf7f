"""CycleGAN: our step, as it is and compiled, beside one by the book.

By the book each loss has its own forward passes, and nothing is frozen.
"""

import time
from dataclasses import replace
from functools import partial
from statistics import median

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from hf_gen.config import AdversarialObjective, CycleGANRecipe, Optimisation
from hf_gen.data.batches import Batch
from hf_gen.data.sources import DRAWN_COUNT
from hf_gen.tasks.cyclegan import CycleGANTask
from hf_gen.trained import Trained

ROUNDS, STEPS, WARM_UP = 3, 6, 2
BATCH, SIZE = 16, 64
# Without the pool, so that both compute the same.
RECIPE = replace(
    CycleGANRecipe(),
    objective=AdversarialObjective(identity_weight=5.0, pool_size=0),
    optimisation=Optimisation(train_batch_size=BATCH, learning_rate=1e-4, adam_beta1=0.5),
)


def batch_at(step: int) -> Batch:
    generator = torch.Generator().manual_seed(step)
    images = [torch.rand(BATCH, SIZE, SIZE, 3, generator=generator) * 2 - 1 for _ in range(2)]
    as_loaded = tuple(image.permute(0, 3, 1, 2) for image in images)
    return Batch(as_loaded, (0, "train", step), slice(0, BATCH), BATCH)


def images_per_second(times: list[float]) -> float:
    return (len(times) - 1 - WARM_UP) * BATCH / (times[-1] - times[WARM_UP])


def ours(compiled: bool) -> tuple[float, list[float]]:
    torch.manual_seed(0)
    task = CycleGANTask(RECIPE, torch.device("cpu"))
    trained = Trained.prepare(
        task.networks, task.turns, (), task.state, task.optimisations, Accelerator(), compiled
    )
    times, losses = [], []
    for step in range(STEPS + WARM_UP):
        times.append(time.perf_counter())
        for turn, named in task.losses(trained.nets, batch_at(step)):
            trained.accelerator.backward(named["objective"])
            trained.step(turn, 0.0)
            losses.append(named["objective"].item())
    times.append(time.perf_counter())
    return images_per_second(times), losses


def by_the_book() -> tuple[float, list[float]]:
    torch.manual_seed(0)
    nets = CycleGANTask(RECIPE, torch.device("cpu")).networks
    a_to_b, b_to_a, disc_a, disc_b = (
        nets[name] for name in ("a_to_b", "b_to_a", "disc_a", "disc_b")
    )
    generators = _adam(a_to_b, b_to_a)
    discriminators = _adam(disc_a, disc_b)
    times, losses = [], []
    for step in range(STEPS + WARM_UP):
        times.append(time.perf_counter())
        a, b = (images.contiguous() for images in batch_at(step).images)
        fake_b, fake_a = a_to_b(a).sample, b_to_a(b).sample
        generators.zero_grad()
        total = (
            (disc_b(fake_b) - 1).square().mean()
            + (disc_a(fake_a) - 1).square().mean()
            + 10 * (l1_loss(b_to_a(fake_b).sample, a) + l1_loss(a_to_b(fake_a).sample, b))
            + 5 * (l1_loss(b_to_a(a).sample, a) + l1_loss(a_to_b(b).sample, b))
        )
        total.backward()
        generators.step()
        discriminators.zero_grad()
        against = _against(disc_a, a, fake_a) + _against(disc_b, b, fake_b)
        against.backward()
        discriminators.step()
        losses += [total.item(), against.item()]
    times.append(time.perf_counter())
    return images_per_second(times), losses


def measure() -> None:
    """Prints the speeds, their ratios, the seconds of an epoch, and how far losses are apart."""
    steps = {
        "by the book": by_the_book,
        "ours": partial(ours, compiled=False),
        "ours, --torch-compile": partial(ours, compiled=True),
    }
    speeds: dict[str, list[float]] = {name: [] for name in steps}
    apart = 0.0
    for _ in range(ROUNDS):
        losses: dict[str, list[float]] = {}
        for name, step in steps.items():
            speed, losses[name] = step()
            speeds[name].append(speed)
        book = losses["by the book"]
        for mine in losses.values():
            apart = max(apart, *(abs(x - y) / abs(y) for x, y in zip(mine, book, strict=True)))
    print(f"CycleGAN step, 32 channels, {SIZE}x{SIZE}, batch {BATCH}")
    for name, measured in speeds.items():
        ratios = [one / book for one, book in zip(measured, speeds["by the book"], strict=True)]
        print(
            f"{name:<22}{median(measured):8.2f} images/s, an epoch of {DRAWN_COUNT:,} in "
            f"{DRAWN_COUNT / median(measured):6.0f} s, ratio {median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )
    print(f"largest relative difference of a loss: {apart:.1e}")


def _adam(*networks: nn.Module) -> torch.optim.Optimizer:
    weights = [weight for network in networks for weight in network.parameters()]
    return torch.optim.Adam(weights, lr=1e-4, betas=(0.5, 0.999))


def _against(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    right = (discriminator(real) - 1).square().mean()
    wrong = discriminator(fake.detach()).square().mean()
    return 0.5 * (right + wrong)

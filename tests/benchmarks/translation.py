"""The report's CycleGAN at 64x64: our step against one by the book.

By the book each loss has its own forward passes, in networks of PyTorch's layers alone, and images
have their channels first. Without image pools, so that both compute the same. Beside them, the
recommended recipe and the one that was recommended in 0.1.0.
"""

from dataclasses import replace

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from hf_gen.config import CycleGANRecipe, Data, Optimisation, ResnetCycleGANConfig
from hf_gen.data.batches import Batch
from hf_gen.data.sources import load_domain
from hf_gen.recipes import CYCLEGAN_LAMBDA10, RECIPES
from hf_gen.tasks.cyclegan import CycleGANTask
from hf_gen.training.memory import keep_freed_memory
from hf_gen.training.state import TrainState
from tests.benchmarks.contest import Gate
from tests.benchmarks.loop import as_most_write_it, as_the_loop_does, train_for_ever

BATCH, SIZE, COMPARED, COUNT = 16, 64, 3, 400


def recipe() -> CycleGANRecipe:
    """`cyclegan-lambda10` with no pools."""
    return replace(
        CYCLEGAN_LAMBDA10,
        objective=replace(CYCLEGAN_LAMBDA10.objective, pool_size=0),
        optimisation=Optimisation(train_batch_size=BATCH, learning_rate=1e-4, adam_beta1=0.5),
    )


def batch_at(step: int) -> Batch:
    """Noise: the time of a step does not depend on what it sees."""
    generator = torch.Generator().manual_seed(step)
    images = [torch.rand(BATCH, SIZE, SIZE, 3, generator=generator) * 2 - 1 for _ in range(2)]
    as_loaded = tuple(image.permute(0, 3, 1, 2) for image in images)
    return Batch(as_loaded, (0, "train", step), slice(0, BATCH), BATCH)


def ours(steps: int, precision: str = "no", torch_compile: str = "on") -> None:
    """The step of the loop, compiled as in any long run."""
    keep_freed_memory()
    gate = Gate(BATCH, steps)
    torch.manual_seed(0)
    task = CycleGANTask(recipe(), torch.device("cpu"))
    as_the_loop_does(task.networks.values(), torch_compile)
    accelerator = Accelerator(mixed_precision=precision)
    task.averaged = ()
    trained = TrainState.prepare(task, accelerator)
    step, losses = 0, []
    while True:
        for turn, named in task.losses(trained.nets, batch_at(step)):
            trained.accelerator.backward(named["objective"])
            trained.step(turn, 0.0)
            losses.append(named["objective"].item())
        step += 1
        if step == COMPARED:
            gate.tell(losses=losses)
        gate.step()


def recommended(steps: int, version: str) -> None:
    """The step of `cyclegan`: as it is, half of it pairs, or as it was in version 0.1.0."""
    keep_freed_memory()
    torch.manual_seed(0)
    task = CycleGANTask(_of_version(version), torch.device("cpu"))
    as_the_loop_does(task.networks.values(), "off")
    task.averaged = ()
    trained = TrainState.prepare(task, Accelerator())
    unpaired = batch_at(0)
    batch = replace(unpaired, pairs=batch_at(1)) if version == "now" else unpaired
    gate = Gate(BATCH * (2 if batch.pairs else 1), steps)
    losses = [named["objective"].item() for _, named in task.losses(trained.nets, batch)]
    gate.tell(losses=losses)
    while True:
        for turn, named in task.losses(trained.nets, batch):
            trained.accelerator.backward(named["objective"])
            trained.step(turn, 0.0)
        gate.step()


def _of_version(version: str) -> CycleGANRecipe:
    now = RECIPES["cyclegan"][1]
    assert isinstance(now, CycleGANRecipe)
    if version == "now":
        return now
    model = CYCLEGAN_LAMBDA10.model
    assert isinstance(model, ResnetCycleGANConfig)
    return replace(
        recipe(),
        model=replace(
            model,
            upsample="resize",
            spectral_norm=True,
            discriminator_normalization="none",
            discriminator_residual_blocks=0,
        ),
        objective=replace(CYCLEGAN_LAMBDA10.objective, augment=("color", "translation", "cutout")),
    )


def train_gated(gate: Gate, batch: int, precision: str, torch_compile: str) -> None:
    """The complete loop on synthetic faces, `batch` pairs a step of this process."""
    keep_freed_memory()
    domain = load_domain(Data(resolution=SIZE, max_train_samples=COUNT))
    torch.manual_seed(0)
    task = CycleGANTask(recipe(), torch.device("cpu"))
    _, losses = next(task.losses(task.networks, batch_at(0)))
    gate.tell(losses=[losses["objective"].item()])
    train_for_ever(gate, task, (domain, domain), batch, precision, torch_compile)


def by_the_book(steps: int) -> None:
    """Six passes of the generators with identity losses, four without; nothing is frozen."""
    gate = Gate(BATCH, steps)
    as_most_write_it()
    torch.manual_seed(0)
    objective = recipe().objective
    nets = CycleGANTask(recipe(), torch.device("cpu")).networks
    a_to_b, b_to_a, disc_a, disc_b = (
        nets[name] for name in ("a_to_b", "b_to_a", "disc_a", "disc_b")
    )
    generators = _adam(a_to_b, b_to_a)
    discriminators = _adam(disc_a, disc_b)
    step, losses = 0, []
    while True:
        a, b = (images.contiguous() for images in batch_at(step).images)
        fake_b, fake_a = a_to_b(a).sample, b_to_a(b).sample
        generators.zero_grad()
        total = (disc_b(fake_b) - 1).square().mean() + (disc_a(fake_a) - 1).square().mean()
        cycle = l1_loss(b_to_a(fake_b).sample, a) + l1_loss(a_to_b(fake_a).sample, b)
        total = total + objective.cycle_weight * cycle
        if objective.identity_weight:
            identity = l1_loss(b_to_a(a).sample, a) + l1_loss(a_to_b(b).sample, b)
            total = total + objective.identity_weight * identity
        total.backward()
        generators.step()
        discriminators.zero_grad()
        judged = _judged(disc_a, a, fake_a) + _judged(disc_b, b, fake_b)
        judged.backward()
        discriminators.step()
        losses += [total.item(), judged.item()]
        step += 1
        if step == COMPARED:
            gate.tell(losses=losses)
        gate.step()


def _adam(*networks: nn.Module) -> torch.optim.Optimizer:
    weights = [weight for network in networks for weight in network.parameters()]
    return torch.optim.Adam(weights, lr=1e-4, betas=(0.5, 0.999))


def _judged(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    right = (discriminator(real) - 1).square().mean()
    wrong = discriminator(fake.detach()).square().mean()
    return 0.5 * (right + wrong)

"""The loop with tasks small enough to know every number of."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from diffusers import DiffusionPipeline
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from hf_gen.config import (
    Data,
    Optimisation,
    Output,
)
from hf_gen.data.batches import Batch, Domain, Loader
from hf_gen.data.pixels import Pixels
from hf_gen.errors import UserError
from hf_gen.recipes import CONV_VAE, CYCLEGAN_LAMBDA10
from hf_gen.runs.folder import RunFolder
from hf_gen.tasks.cyclegan import CycleGANTask
from hf_gen.tasks.vae import VAETask
from hf_gen.training.loop import evaluate, learning_rate, train
from hf_gen.training.state import ParamsAndBuffers, move_average
from hf_gen.training.task import Stateful, Task

SMALL_CYCLEGAN = replace(
    CYCLEGAN_LAMBDA10,
    data=Data(resolution=16),
    model=replace(
        CYCLEGAN_LAMBDA10.model,
        generator_channels=4,
        discriminator_channels=4,
        discriminator_layers=2,
    ),
    optimisation=Optimisation(train_batch_size=4, max_train_steps=3),
)


def some_loader(count: int = 40, resolution: int = 32) -> Loader:
    size = resolution * resolution * 3
    rows = torch.randint(0, 256, (count, size), generator=torch.Generator().manual_seed(0))
    pixels = rows.to(torch.uint8)
    validation = Pixels(pixels, torch.arange(count - 4, count), resolution)
    domain = Domain(Pixels(pixels, torch.arange(count - 4), resolution), validation, validation)
    return Loader((domain,), 0, 8, 1, False, 0, 1, torch.device("cpu"))


def run_in(folder: Path) -> RunFolder:
    run = RunFolder(folder)
    run.start({}, "", "1 x cpu", {})
    return run


class Spoilt(VAETask):
    """A VAE whose loss is no finite number from one step on."""

    def __init__(self, factor: float) -> None:
        super().__init__(CONV_VAE)
        self._factor = factor

    def losses(
        self, nets: Mapping[str, nn.Module], batch: Batch
    ) -> Iterator[tuple[str, dict[str, Tensor]]]:
        for turn, losses in super().losses(nets, batch):
            factor = self._factor if batch.key[1] == "train" and int(batch.key[2]) >= 6 else 1.0
            yield turn, {name: value * factor for name, value in losses.items()}


@pytest.mark.parametrize("factor", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_names_its_step_and_keeps_the_last_good_checkpoint(
    factor: float, tmp_path: Path, injected: Callable[[str, int], None]
) -> None:
    run = run_in(tmp_path / "run")
    optimisation = Optimisation(train_batch_size=8, max_train_steps=20)
    output = Output(logging_steps=100, checkpointing_steps=3, report_to="none")
    with pytest.raises(UserError, match=r"the loss of step 7 is not .*checkpoint-6 is the last"):
        train(Spoilt(factor), some_loader(), optimisation, output, run, Accelerator())
    assert [path.name for path in run.checkpoints()] == ["checkpoint-3", "checkpoint-6"]
    for path in run.checkpoint(6).glob("*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_file(path).values())
    injected(f"a loss that is {factor}", 1)


def test_gradients_that_overflow_are_scaled_down_and_counted(
    tmp_path: Path, injected: Callable[[str, int], None]
) -> None:
    """The scaler of float16 as Accelerate uses it, on the CPU where it can be made to overflow."""
    run = run_in(tmp_path / "run")
    accelerator = Accelerator()
    # Float32 here, so that it takes a few halvings until the gradients are finite.
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    optimisation = Optimisation(train_batch_size=8, max_train_steps=30)
    output = Output(logging_steps=1, report_to="none")
    task = VAETask(CONV_VAE)
    before = {name: weight.clone() for name, weight in task.networks["vae"].state_dict().items()}
    train(task, some_loader(), optimisation, output, run, accelerator)
    skipped = [line["train/overflows"] for line in run.metrics()]
    assert 0 < sum(skipped) < 30
    assert sorted(skipped, reverse=True) == skipped
    assert accelerator.scaler.get_scale() == 2.0 ** (127 - sum(skipped))
    for name, weight in task.networks["vae"].state_dict().items():
        assert weight.isfinite().all()
        assert not torch.equal(weight, before[name])
    injected("gradients that overflow", int(sum(skipped)))


def grown(accumulation: int, max_grad_norm: float, scaled: bool, folder: Path) -> list[Tensor]:
    """The weights of a small CycleGAN after three steps, with or without a loss scale."""
    torch.manual_seed(0)
    accelerator = Accelerator(gradient_accumulation_steps=accumulation)
    if scaled:
        accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
    recipe = SMALL_CYCLEGAN
    task = CycleGANTask(recipe, torch.device("cpu"))
    (domain,) = some_loader(resolution=16).domains
    loader = Loader(
        (domain, domain), 0, 4 // accumulation, accumulation, False, 0, 1, torch.device("cpu")
    )
    optimisation = replace(recipe.optimisation, max_grad_norm=max_grad_norm)
    train(task, loader, optimisation, Output(report_to="none"), run_in(folder), accelerator)
    return [weight for net in task.networks.values() for weight in net.parameters()]


@pytest.mark.parametrize("max_grad_norm", [0.0, 0.01])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_loss_scale_changes_nothing_whatever_is_accumulated_and_clipped(
    accumulation: int, max_grad_norm: float, tmp_path: Path
) -> None:
    """Unscaling in one turn must not touch the gradients of the other."""
    plain = grown(accumulation, max_grad_norm, False, tmp_path / "plain")
    scaled = grown(accumulation, max_grad_norm, True, tmp_path / "scaled")
    for expected, found in zip(plain, scaled, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_a_failed_evaluation_leaves_networks_in_training_mode() -> None:
    task = Spoilt(1.0)
    with pytest.raises(ValueError, match=r"must be .batch, 3, 32, 32."):
        evaluate(task, task.networks, some_loader(resolution=30))
    assert task.networks["vae"].training


class Numbers(TorchDispatchMode):
    """Counts tensors that become numbers of Python, for which a host waits."""

    count = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


class Copies(TorchFunctionMode):
    """Counts what copies from a device to its host."""

    count = 0

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.count += getattr(function, "__name__", "") in ("cpu", "numpy", "tolist")
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("family", ["vae", "cyclegan"])
def test_a_step_between_two_log_lines_waits_for_no_device(
    family: str, scaled: bool, tmp_path: Path
) -> None:
    counts = []
    (domain,) = some_loader(resolution=16).domains
    for steps in (2, 5):
        accelerator = Accelerator()
        if scaled:
            accelerator.scaler = torch.amp.GradScaler("cpu")
        task: Task = VAETask(replace(CONV_VAE, data=Data(resolution=16)))
        if family == "cyclegan":
            task = CycleGANTask(SMALL_CYCLEGAN, torch.device("cpu"))
        domains = (domain,) * (2 if family == "cyclegan" else 1)
        loader = Loader(domains, 0, 4, 1, True, 0, 1, torch.device("cpu"))
        optimisation = Optimisation(max_train_steps=steps, max_grad_norm=1.0)
        run = run_in(tmp_path / f"{steps}")
        with Numbers() as numbers, Copies() as copies:
            train(task, loader, optimisation, Output(report_to="none"), run, accelerator)
        counts.append((numbers.count, copies.count))
    assert counts[0] == counts[1]
    assert min(counts[0]) > 0


def test_a_prolonged_run_is_bit_identical_to_one_that_was_planned_longer(tmp_path: Path) -> None:
    def trained(steps: int, folder: str) -> dict[str, Tensor]:
        torch.manual_seed(0)
        task, run = VAETask(CONV_VAE), RunFolder(tmp_path / folder)
        run.start({}, "", "1 x cpu", {})
        optimisation = Optimisation(train_batch_size=8, max_train_steps=steps)
        train(task, some_loader(), optimisation, Output(report_to="none"), run, Accelerator())
        return task.networks["vae"].state_dict()

    trained(3, "prolonged")
    prolonged, straight = trained(5, "prolonged"), trained(5, "straight")
    assert all(torch.equal(weight, straight[name]) for name, weight in prolonged.items())
    with pytest.raises(UserError, match="has taken 5 steps, and 4 are wanted: give --max-train-st"):
        trained(4, "prolonged")


class Duel:
    """Two scalars: the first follows what the second was before its own turn."""

    def __init__(self) -> None:
        self.networks: dict[str, nn.Module] = {"leader": Number(0.0), "follower": Number(0.0)}
        self.turns: dict[str, tuple[str, ...]] = {"lead": ("leader",), "follow": ("follower",)}
        self.prefixes = {"lead": "lead/", "follow": "follow/"}
        self.averaged: tuple[str, ...] = ()
        own = Optimisation(learning_rate=0.5)
        self.optimisations = {"lead": own, "follow": own}
        self.state: dict[str, Stateful] = {}
        self.preview_columns = 8
        self.seen: list[tuple[float, float]] = []

    def losses(
        self, nets: Mapping[str, nn.Module], batch: Batch
    ) -> Iterator[tuple[str, dict[str, Tensor]]]:
        yield "lead", {"objective": -nets["leader"]()}
        if batch.key[1] == "train":
            self.seen.append((nets["leader"]().item(), nets["follower"]().item()))
        yield "follow", {"objective": (nets["follower"]() - nets["leader"]().detach()).square()}

    def preview(self, nets: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        return batch.images[0]

    def pipeline(self, nets: Mapping[str, nn.Module]) -> DiffusionPipeline:
        from hf_gen.pipelines import VAEPipeline

        return VAEPipeline(vae=VAETask(CONV_VAE).networks["vae"].vae)


class Number(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor([value]))

    def forward(self) -> Tensor:
        return self.value.sum()


def test_a_turn_is_taken_before_the_next_one_is_computed(tmp_path: Path) -> None:
    task = Duel()
    optimisation = Optimisation(train_batch_size=8, max_train_steps=3, learning_rate=0.5)
    output = Output(logging_steps=1, report_to="none")
    run = run_in(tmp_path / "run")
    train(task, some_loader(), optimisation, output, run, Accelerator())
    # Adam's steps are as long as its learning rate, here half a unit.
    assert [leader for leader, _ in task.seen] == pytest.approx([0.5, 1.0, 1.5])
    assert [follower for _, follower in task.seen] == pytest.approx([0.0, 0.5, 1.0], abs=0.1)
    assert {"train/lead/objective", "train/follow/objective"} <= run.metrics()[-1].keys()


def test_learning_rate_warms_up_and_ends_where_its_schedule_says() -> None:
    constant = Optimisation(learning_rate=2.0, lr_warmup_steps=4)
    assert [learning_rate(step, 10, constant) for step in range(6)] == [0.5, 1, 1.5, 2, 2, 2]
    linear = Optimisation(learning_rate=1.0, lr_scheduler="linear")
    assert [learning_rate(step, 4, linear) for step in range(4)] == [1, 0.75, 0.5, 0.25]
    cosine = Optimisation(learning_rate=1.0, lr_scheduler="cosine")
    assert learning_rate(2, 4, cosine) == pytest.approx(0.5)


def test_average_of_a_constant_is_exact_and_of_a_ramp_lags_by_its_decay() -> None:
    averaged, net = nn.Linear(1, 1), nn.Linear(1, 1)
    expected = averaged.weight.item()
    for step in range(50):
        nn.init.constant_(net.weight, float(step))
        move_average(ParamsAndBuffers.of(averaged), ParamsAndBuffers.of(net), step, decay=0.9)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert averaged.weight.item() == pytest.approx(expected, rel=1e-5)
    move_average(ParamsAndBuffers.of(averaged), ParamsAndBuffers.of(net), 50, decay=0.0)
    assert torch.equal(averaged.weight, net.weight)

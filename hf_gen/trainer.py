"""The one loop, over Accelerate: it knows no task, only the few names of `Task`."""

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from diffusers import DiffusionPipeline
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from tqdm.auto import tqdm

from hf_gen.atomic import whole_folder
from hf_gen.checkpoints import load_checkpoint, save_checkpoint
from hf_gen.config import Optimisation, Output
from hf_gen.data.batches import Batch, Domain, held_out_batches, training_batch
from hf_gen.errors import UserError
from hf_gen.images import grid
from hf_gen.runs import RunFolder
from hf_gen.stopping import Interrupted, stop_signals
from hf_gen.tracking import Window, start_tracker

PREVIEWED = 16


class Task(Protocol):
    """What one family of models trains.

    Attributes:
        networks: Everything trained, by name.
        turns: For each optimiser, in the order of `losses`, the networks it updates.
        averaged: The networks of which a moving average is kept: what is evaluated and exported.
    """

    networks: dict[str, nn.Module]
    turns: dict[str, tuple[str, ...]]
    averaged: tuple[str, ...]

    def losses(
        self, nets: Mapping[str, nn.Module], batch: Batch
    ) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Yields once per turn its name and its named losses, means over the batch.

        "objective" is optimised before the generator goes on; all of them are logged.
        """

    def preview(self, nets: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """Images that show how far the training is: the real ones, then what became of each."""

    def pipeline(self, nets: Mapping[str, nn.Module]) -> DiffusionPipeline:
        """What a run exports."""


@dataclass(frozen=True)
class Trained:
    """The networks of a task as Accelerate wraps them, and what else training changes.

    Attributes:
        nets: Wrapped networks, for `Task.losses`.
        modules: The same unwrapped, and each average as "NAME.ema": what a checkpoint holds.
        optimisers: By turn.
    """

    nets: dict[str, nn.Module]
    modules: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]

    def averages(self) -> dict[str, nn.Module]:
        """The networks to evaluate and export: averaged where there is an average."""
        return {name: self.modules.get(f"{name}.ema", self.modules[name]) for name in self.nets}


def train(
    task: Task,
    domains: tuple[Domain, ...],
    optimisation: Optimisation,
    output: Output,
    random_flip: bool,
    run: RunFolder,
    accelerator: Accelerator,
) -> DiffusionPipeline:
    """Trains to the last step, on from the checkpoint that the run folder holds if there is one.

    Args:
        task: What is trained.
        domains: The images, one domain or two.
        optimisation: How the weights are found.
        output: What is left behind, and how often.
        random_flip: Whether training images are mirrored at random.
        run: The folder of the run, started.
        accelerator: Made with the same optimisation and output.

    Returns:
        The pipeline of the averaged weights, as `run.pipeline` holds it.

    Raises:
        UserError: If there are fewer images than a batch, a loss or a weight is no longer a number,
            or the disk cannot be written.
        Interrupted: If SIGTERM or Ctrl-C asked for it.
    """
    accumulation = optimisation.gradient_accumulation_steps
    per_process = optimisation.train_batch_size
    total = per_process * accelerator.num_processes * accumulation
    epoch = _images_per_epoch(domains, total)
    steps = optimisation.max_train_steps or math.ceil(optimisation.num_train_epochs * epoch / total)
    trained = _prepare(task, optimisation, accelerator)
    window = Window(accelerator.device)
    first = _restore(trained, window, output, run, accelerator)
    start_tracker(accelerator, output.report_to, first, run.identity())
    previewed = next(
        held_out_batches(domains, optimisation.seed, 0, 1, PREVIEWED, accelerator.device)
    )
    bar = tqdm(
        initial=first * total,
        total=steps * total,
        desc=run.path.name,
        unit=" images",
        unit_scale=True,
        disable=not accelerator.is_main_process,
    )
    with bar, stop_signals() as received:
        for step in range(first, steps):
            rate = learning_rate(step, steps, optimisation)
            for optimiser in trained.optimisers.values():
                for group in optimiser.param_groups:
                    group["lr"] = rate
            for part in range(accumulation):
                start = (part * accelerator.num_processes + accelerator.process_index) * per_process
                batch = training_batch(
                    domains,
                    optimisation.seed,
                    step,
                    slice(start, start + per_process),
                    total,
                    random_flip,
                    accelerator.device,
                )
                with accelerator.accumulate(*trained.nets.values()):
                    for turn, losses in task.losses(trained.nets, batch):
                        optimiser = trained.optimisers[turn]
                        accelerator.backward(losses["objective"])
                        if accelerator.sync_gradients and optimisation.max_grad_norm:
                            accelerator.clip_grad_norm_(
                                _weights(optimiser), optimisation.max_grad_norm
                            )
                        optimiser.step()
                        optimiser.zero_grad()
                        window.add(_named(turn, losses, task), step + 1)
            for name in task.averaged:
                average(
                    trained.modules[f"{name}.ema"],
                    trained.modules[name],
                    step,
                    optimisation.ema_decay,
                )

            done = step + 1
            last = done == steps
            logs = last or done % output.logging_steps == 0
            validates = last or done % output.validation_steps == 0
            # All processes must stop at the same step, so several ask each other only now and then.
            asks = logs or accelerator.num_processes == 1
            stopped_by = _agreed(received) if asks else 0
            saves = last or stopped_by or done % output.checkpointing_steps == 0
            bar.update(total)
            if logs or validates or saves:
                _refuse_bad_numbers(window, trained.modules if saves else {}, run)
            numbers = window.means("train") if logs else {}
            if logs:
                bar.set_postfix_str(f"objective {_objective(numbers):,.1f}")
            if validates:
                numbers |= evaluate(accelerator, task, trained, domains, optimisation)
                if accelerator.is_main_process:
                    picture = grid(task.preview(trained.averages(), previewed), PREVIEWED, 2)
                    run.save_progress(picture, done)
            if numbers:
                accelerator.log(numbers, step=done)
                if accelerator.is_main_process:
                    place = {"step": done, "epoch": done * total / epoch, "learning_rate": rate}
                    run.log(place | numbers)
            if saves and accelerator.is_main_process:
                _save(trained, window, done, run, accelerator)
                run.forget_checkpoints_before(output.checkpoints_total_limit)
            if stopped_by and not last:
                raise Interrupted(stopped_by, done, run.path)
    pipeline = task.pipeline(trained.averages())
    if accelerator.is_main_process:
        with whole_folder(run.pipeline) as partial:
            pipeline.save_pretrained(partial, safe_serialization=True)
    accelerator.wait_for_everyone()
    return pipeline


@torch.no_grad()
def evaluate(
    accelerator: Accelerator,
    task: Task,
    trained: Trained,
    domains: tuple[Domain, ...],
    optimisation: Optimisation,
) -> dict[str, float]:
    """The losses of the averaged weights on all held-out images, as "validation/NAME"."""
    window = Window(accelerator.device)
    batches = held_out_batches(
        domains,
        optimisation.seed,
        accelerator.process_index,
        accelerator.num_processes,
        optimisation.train_batch_size,
        accelerator.device,
    )
    for batch in batches:
        for turn, losses in task.losses(trained.averages(), batch):
            window.add(_named(turn, losses, task), 0, len(batch.images[0]))
    return window.means("validation")


def learning_rate(step: int, steps: int, optimisation: Optimisation) -> float:
    """The rate of step `step`, from 0, of `steps`: a warm-up, then the schedule down to zero."""
    warmup = optimisation.lr_warmup_steps
    if step < warmup:
        return optimisation.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / max(steps - warmup, 1)
    factor = {
        "constant": 1.0,
        "linear": 1 - progress,
        "cosine": 0.5 * (1 + math.cos(math.pi * progress)),
    }[optimisation.lr_scheduler]
    return optimisation.learning_rate * factor


@torch.no_grad()
def average(averaged: nn.Module, net: nn.Module, step: int, decay: float) -> None:
    """Moves `averaged` towards `net` by a decay that is warmed up as (1 + step) / (10 + step)."""
    warmed_up = min(decay, (1 + step) / (10 + step))
    move = get_ema_multi_avg_fn(warmed_up)
    move(list(averaged.parameters()), list(net.parameters()), step)
    for kept, now in zip(averaged.buffers(), net.buffers(), strict=True):
        kept.copy_(now)


def _named(turn: str, losses: dict[str, Tensor], task: Task) -> dict[str, Tensor]:
    """Of a task with several turns, each number says whose it is."""
    if len(task.turns) == 1:
        return losses
    return {f"{turn}/{name}": value for name, value in losses.items()}


def _images_per_epoch(domains: tuple[Domain, ...], total: int) -> int:
    for domain in domains:
        if len(domain.train) < total:
            raise UserError(
                f"{len(domain.train):,} images are fewer than a batch of {total:,}: "
                "lower --train-batch-size or give more images"
            )
    return max(len(domain.train) for domain in domains)


def _prepare(task: Task, optimisation: Optimisation, accelerator: Accelerator) -> Trained:
    # Images come with their channels last, and convolutions are faster that way.
    modules = {
        name: net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for name, net in task.networks.items()
    }
    for name in task.averaged:
        average = copy.deepcopy(task.networks[name]).requires_grad_(False).eval()
        modules[f"{name}.ema"] = average.to(accelerator.device)
    nets = {name: accelerator.prepare(net) for name, net in task.networks.items()}
    optimisers = {
        turn: accelerator.prepare(
            torch.optim.AdamW(
                [weight for name in names for weight in nets[name].parameters()],
                lr=optimisation.learning_rate,
                betas=(optimisation.adam_beta1, optimisation.adam_beta2),
                eps=optimisation.adam_epsilon,
                weight_decay=optimisation.adam_weight_decay,
                fused=True,
            )
        )
        for turn, names in task.turns.items()
    }
    return Trained(nets, modules, optimisers)


def _restore(
    trained: Trained, window: Window, output: Output, run: RunFolder, accelerator: Accelerator
) -> int:
    checkpoint = run.checkpoint_to_resume(output.resume_from_checkpoint)
    step = 0
    if checkpoint is not None:
        step, window.sums, scaler = load_checkpoint(
            checkpoint, trained.modules, trained.optimisers, accelerator.device
        )
        if accelerator.scaler is not None:
            accelerator.scaler.load_state_dict(scaler)
    if accelerator.is_main_process:
        run.forget_metrics_after(step)
    return step


def _save(
    trained: Trained, window: Window, step: int, run: RunFolder, accelerator: Accelerator
) -> None:
    scaler = {} if accelerator.scaler is None else accelerator.scaler.state_dict()
    save_checkpoint(
        run.checkpoint(step), step, trained.modules, trained.optimisers, window.sums, scaler
    )


def _weights(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [weight for group in optimiser.param_groups for weight in group["params"]]


def _refuse_bad_numbers(window: Window, modules: Mapping[str, nn.Module], run: RunFolder) -> None:
    kept = run.checkpoints()
    remedy = "lower --learning-rate or set --max-grad-norm 1 in another --output-dir; " + (
        f"{kept[-1]} is the last good checkpoint" if kept else "there was no checkpoint yet"
    )
    step = window.first_bad_step()
    if step is not None:
        raise UserError(f"the loss of step {step:,} is not a finite number: {remedy}")
    for name, module in modules.items():
        if not all(weight.isfinite().all() for weight in module.parameters()):
            raise UserError(f"the weights of {name} are no longer finite numbers: {remedy}")


def _objective(numbers: Mapping[str, float]) -> float:
    return sum(value for name, value in numbers.items() if name.endswith("objective"))


def _agreed(received: list[int]) -> int:
    return max(gather_object([received[0] if received else 0]))

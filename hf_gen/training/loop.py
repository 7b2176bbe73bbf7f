"""The one loop, over Accelerate: it knows no task, only the few names of a `Task`."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from diffusers import DiffusionPipeline
from torch import Tensor, nn
from tqdm.auto import tqdm

from hf_gen.config import Optimisation, Output
from hf_gen.data.batches import Loader
from hf_gen.errors import UserError
from hf_gen.images import grid
from hf_gen.runs.atomic import atomic_dir
from hf_gen.runs.folder import RunFolder
from hf_gen.training.kernels import fast_training
from hf_gen.training.signals import Interrupted, stop_signals
from hf_gen.training.state import TrainState
from hf_gen.training.task import Task
from hf_gen.training.tracking import MetricWindow, log_preview, start_tracker

PREVIEWED = 16


def train(
    task: Task,
    loader: Loader,
    optimisation: Optimisation,
    output: Output,
    run: RunFolder,
    accelerator: Accelerator,
    measure: Callable[[DiffusionPipeline], dict[str, float]] | None = None,
    best: str | None = None,
    share: Callable[[DiffusionPipeline, int], object] | None = None,
) -> None:
    """Trains to the last step, from the checkpoint in the run folder if there is one.

    At the end `run.pipeline` holds the pipeline of the EMA weights.

    Args:
        task: What is trained, compiled or not.
        loader: The images of this process, on the accelerator's device.
        optimisation: How the weights are found.
        output: What is written, and how often.
        run: The folder of the run, started.
        accelerator: Made with the same optimisation and output.
        measure: What else to measure of the pipeline at each evaluation, in the first process.
        best: Which of those metrics is lowest for the weights to export; the last ones by default.
        share: Gets the pipeline and the step at each evaluation, in the first process.

    Raises:
        UserError: If a loss or a weight is no longer finite, a checkpoint is damaged, or the disk
            cannot be written.
        Interrupted: After SIGTERM or Ctrl-C.
    """
    steps = total_steps(optimisation, loader)
    on_cpu = accelerator.device.type == "cpu"
    with fast_training(task.networks.values() if on_cpu else ()):
        state = TrainState.prepare(task, accelerator)
        window = MetricWindow(accelerator.device)
        first = _resume(state, window, run, output, steps)
        since = time.monotonic()
        bar = tqdm(
            initial=first * loader.total,
            total=steps * loader.total,
            desc=run.path.name,
            unit=" images",
            unit_scale=True,
            disable=not accelerator.is_main_process,
        )
        with bar, stop_signals() as received:
            for step in range(first, steps):
                rates = {
                    turn: learning_rate(step, steps, own)
                    for turn, own in task.optimisations.items()
                }
                state.set_learning_rates(rates)
                for batch in loader.training_batches(step):
                    with accelerator.accumulate(*state.nets.values()):
                        for turn, losses in task.losses(state.nets, batch):
                            accelerator.backward(losses["objective"])
                            state.step(turn, optimisation.max_grad_norm)
                            window.add(_named(losses, task.prefixes[turn]), step + 1)
                overflows = state.update_loss_scale()
                if overflows is not None:
                    window.add({"overflows": overflows}, step + 1)
                state.update_ema(step, optimisation.ema_decay)
                bar.update(loader.total)

                done = step + 1
                last = done == steps
                logs = last or done % output.logging_steps == 0
                validates = last or done % output.validation_steps == 0
                # All processes must stop at the same step, so several agree only now and then.
                agrees = logs or accelerator.num_processes == 1
                stopped_by = _agreed(received) if agrees else 0
                saves = last or stopped_by or done % output.checkpointing_steps == 0
                if logs or validates or saves:
                    _check_finite(window, state.modules if saves else {}, run)
                metrics = window.means("train") if logs else {}
                if logs:
                    bar.set_postfix_str(f"objective {_objective(metrics):,.1f}")
                if validates:
                    metrics |= evaluate(task, state.ema(), loader)
                    if accelerator.is_main_process:
                        pipeline = task.pipeline(state.ema())
                        metrics |= _measure(pipeline, run, done, measure, best)
                        if share is not None:
                            share(pipeline, done)
                        _show_progress(task, state, loader, run, done)
                if metrics:
                    accelerator.log(metrics, step=done)
                    if accelerator.is_main_process:
                        head = {"step": done, **loader.epochs(done)}
                        rate = next(iter(rates.values()))
                        run.log(head | {"learning_rate": rate} | metrics)
                if saves:
                    state.save(run.checkpoint(done), done, window)
                    if accelerator.is_main_process:
                        run.keep_last_checkpoints(output.checkpoints_total_limit)
                        now = time.monotonic()
                        run.add_seconds(now - since)
                        since = now
                if stopped_by and not last:
                    raise Interrupted(stopped_by, done, run.path)
        if best is None and accelerator.is_main_process:
            _export(task.pipeline(state.ema()), run)
        accelerator.wait_for_everyone()


def total_steps(optimisation: Optimisation, loader: Loader) -> int:
    """Optimiser steps of a run."""
    images = optimisation.num_train_epochs * loader.images_per_epoch
    return optimisation.max_train_steps or math.ceil(images / loader.total)


@contextmanager
def evaluation_mode(nets: Mapping[str, nn.Module]) -> Iterator[None]:
    """Within it, `nets` are as in evaluation; those in training mode return to it."""
    training = [net for net in nets.values() if net.training]
    try:
        for net in training:
            net.eval()
        yield
    finally:
        for net in training:
            net.train()


@torch.no_grad()
def evaluate(task: Task, nets: Mapping[str, nn.Module], loader: Loader) -> dict[str, float]:
    """The losses of `nets` on all validation images, as "validation/NAME"."""
    window = MetricWindow(loader.device)
    with evaluation_mode(nets):
        for batch in loader.validation_batches():
            for turn, losses in task.losses(nets, batch):
                window.add(_named(losses, task.prefixes[turn]), step=0, weight=len(batch.images[0]))
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
        "late_linear": min(1.0, 2 * (1 - progress)),
        "cosine": 0.5 * (1 + math.cos(math.pi * progress)),
    }[optimisation.lr_scheduler]
    return optimisation.learning_rate * factor


def _named(losses: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in losses.items()}


def _resume(
    state: TrainState, window: MetricWindow, run: RunFolder, output: Output, steps: int
) -> int:
    """Restores the last checkpoint and its log, and returns the steps it has taken."""
    accelerator = state.accelerator
    first = state.restore(run.checkpoint_to_resume(output.resume_from_checkpoint), window)
    if len(set(gather_object([first]))) > 1:
        raise UserError(
            f"the processes see different checkpoints in {run.path}: put it on a disk that all "
            "machines share, or copy the last checkpoint to each"
        )
    if first > steps:
        raise UserError(
            f"{run.path} has taken {first:,} steps, and {steps:,} are wanted: give "
            "--max-train-steps or --num-train-epochs for at least as many"
        )
    if accelerator.is_main_process:
        run.roll_back(first)
    identity = run.identity() if accelerator.is_main_process else {}
    start_tracker(accelerator, output.report_to, run.path.name, first, identity)
    return first


def _measure(
    pipeline: DiffusionPipeline,
    run: RunFolder,
    step: int,
    measure: Callable[[DiffusionPipeline], dict[str, float]] | None,
    best: str | None,
) -> dict[str, float]:
    """What is measured of the pipeline, which is exported if it is the best so far."""
    measured = {} if measure is None else measure(pipeline)
    if best is not None:
        key = f"validation/{best}"
        lowest = min((line.get(key, math.inf) for line in run.metrics()), default=math.inf)
        if measured[best] < lowest:
            tqdm.write(f"step {step:,}: lowest {best} so far, {measured[best]:.4g}")
            _export(pipeline, run)
    return {f"validation/{name}": value for name, value in measured.items()}


def _show_progress(
    task: Task, state: TrainState, loader: Loader, run: RunFolder, step: int
) -> None:
    preview = task.preview(state.ema(), loader.first_validation(PREVIEWED))
    image = grid(preview, task.preview_columns, enlarge=2)
    run.save_progress(image, step)
    log_preview(state.accelerator, image, step)


def _export(pipeline: DiffusionPipeline, run: RunFolder) -> None:
    with atomic_dir(run.pipeline, marker="model_index.json") as partial:
        pipeline.save_pretrained(partial, safe_serialization=True)


def _check_finite(window: MetricWindow, modules: Mapping[str, nn.Module], run: RunFolder) -> None:
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


def _objective(metrics: Mapping[str, float]) -> float:
    return sum(value for name, value in metrics.items() if name.endswith("objective"))


def _agreed(received: list[int]) -> int:
    return max(gather_object([received[0] if received else 0]))

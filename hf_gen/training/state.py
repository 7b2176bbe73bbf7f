"""What training changes: networks, their EMA weights, optimisers, and what else a task keeps."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from hf_gen.training.checkpoints import load_checkpoint, save_checkpoint
from hf_gen.training.task import Stateful, Task
from hf_gen.training.tracking import MetricWindow


@dataclass(frozen=True)
class TrainState:
    """The networks of a task as Accelerate wraps them, and what else training changes.

    Attributes:
        nets: Wrapped networks, to compute losses with.
        modules: The same unwrapped, and EMA weights as "NAME.ema": what a checkpoint holds.
        optimisers: By turn.
        stateful: What else of this process a checkpoint holds, such as image pools.
        accelerator: What wrapped them.
    """

    nets: dict[str, nn.Module]
    modules: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]
    stateful: dict[str, Stateful]
    accelerator: Accelerator

    @classmethod
    def prepare(cls, task: Task, accelerator: Accelerator) -> Self:
        """Moves the networks of a task to the device and makes their EMA copies and optimisers."""
        # Convolutions are faster with channels last, which is how images arrive.
        modules = {
            name: net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            for name, net in task.networks.items()
        }
        for name in task.averaged:
            ema = copy.deepcopy(task.networks[name]).requires_grad_(False).eval()
            modules[f"{name}.ema"] = ema.to(accelerator.device)
        nets = {name: accelerator.prepare(net) for name, net in task.networks.items()}
        # Not wrapped by Accelerate, which updates the gradient scaler after each optimiser: see
        # `step`.
        optimisers: dict[str, torch.optim.Optimizer] = {}
        for turn, names in task.turns.items():
            own = task.optimisations[turn]
            optimisers[turn] = torch.optim.AdamW(
                [
                    weight
                    for name in names
                    for weight in nets[name].parameters()
                    if weight.requires_grad
                ],
                lr=own.learning_rate,
                betas=(own.adam_beta1, own.adam_beta2),
                eps=own.adam_epsilon,
                weight_decay=own.adam_weight_decay,
                fused=True,
            )
        return cls(nets, modules, optimisers, dict(task.state), accelerator)

    def ema(self) -> dict[str, nn.Module]:
        """The networks to evaluate and export: with EMA weights where they are kept."""
        return {name: self.modules.get(f"{name}.ema", self.modules[name]) for name in self.nets}

    def set_learning_rates(self, rates: Mapping[str, float]) -> None:
        """Sets the rate of every turn's optimiser."""
        for turn, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = rates[turn]

    def step(self, turn: str, max_grad_norm: float) -> None:
        """Clips to `max_grad_norm`, unless that is 0, and updates the networks of `turn`.

        Does nothing while gradients are still being accumulated. Only the gradients of this turn
        are unscaled: those of the next may be accumulating already.
        """
        if not self.accelerator.sync_gradients:
            return
        optimiser, scaler = self.optimisers[turn], self.accelerator.scaler
        if max_grad_norm:
            if scaler is not None:
                scaler.unscale_(optimiser)
            weights = [weight for group in optimiser.param_groups for weight in group["params"]]
            nn.utils.clip_grad_norm_(weights, max_grad_norm)
        if scaler is None:
            optimiser.step()
        else:
            scaler.step(optimiser)
        optimiser.zero_grad()

    def update_loss_scale(self) -> Tensor | None:
        """Ends a step of all turns: halves the loss scale of float16 if gradients overflowed.

        Returns:
            1 if they did, so that a turn was skipped, else 0, on the device; None without a scaler.
        """
        scaler = self.accelerator.scaler
        if scaler is None:
            return None
        one = torch.ones((), device=self.accelerator.device)
        before = scaler.scale(one)
        scaler.update()
        return (before / scaler.scale(one)).log2().relu()

    def update_ema(self, step: int, decay: float) -> None:
        """Moves all EMA weights towards their network after step `step`, from 0."""
        for ema, now in self._ema_pairs:
            move_average(ema, now, step, decay)

    @cached_property
    def _ema_pairs(self) -> list[tuple["ParamsAndBuffers", "ParamsAndBuffers"]]:
        """EMA weights and what they follow, listed once: on a CPU that takes as long as a move."""
        return [
            (
                ParamsAndBuffers.of(module),
                ParamsAndBuffers.of(self.modules[name.removesuffix(".ema")]),
            )
            for name, module in self.modules.items()
            if name.endswith(".ema")
        ]

    def save(self, folder: Path, step: int, window: MetricWindow) -> None:
        """Writes a checkpoint from the first process; every process must call it."""
        totals = window.totals()
        # What differs between the processes is stacked, the first process first.
        stateful = {
            name: {
                key: self.accelerator.gather(value[None])
                for key, value in state.state_dict().items()
            }
            for name, state in self.stateful.items()
        }
        if self.accelerator.is_main_process:
            scaler = self.accelerator.scaler
            scale = {} if scaler is None else scaler.state_dict()
            save_checkpoint(folder, step, self.modules, self.optimisers, stateful, totals, scale)

    def restore(self, folder: Path | None, window: MetricWindow) -> int:
        """Restores a checkpoint, if there is one, and returns the steps it had taken.

        Raises:
            UserError: If the checkpoint is damaged or of another format.
        """
        if folder is None:
            return 0
        step, stateful, totals, scale = load_checkpoint(
            folder, self.modules, self.optimisers, self.stateful.keys()
        )
        rank = self.accelerator.process_index
        for name, tensors in stateful.items():
            own = {key: stacked[rank] for key, stacked in tensors.items()}
            self.stateful[name].load_state_dict(own)
        if self.accelerator.is_main_process:
            window.resume(totals)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(scale)
        return step


@dataclass(frozen=True)
class ParamsAndBuffers:
    """All parameters and buffers of a network."""

    params: list[Tensor]
    buffers: list[Tensor]

    @classmethod
    def of(cls, net: nn.Module) -> Self:
        """Those of `net`, which may change but not be replaced."""
        return cls(list(net.parameters()), list(net.buffers()))


@torch.no_grad()
def move_average(ema: ParamsAndBuffers, now: ParamsAndBuffers, step: int, decay: float) -> None:
    """Moves `ema` towards `now` by a decay that is warmed up as (1 + step) / (10 + step)."""
    warmed_up = min(decay, (1 + step) / (10 + step))
    get_ema_multi_avg_fn(warmed_up)(ema.params, now.params, step)
    for kept, new in zip(ema.buffers, now.buffers, strict=True):
        kept.copy_(new)

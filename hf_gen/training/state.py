"""What training changes: networks, their averages and their optimisers."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, Self

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from hf_gen.config import Optimisation
from hf_gen.training.checkpoints import load_checkpoint, save_checkpoint
from hf_gen.training.tracking import Window


class Stateful(Protocol):
    """Something of one process that a resumed run needs, besides networks and optimisers."""

    def state_dict(self) -> dict[str, Tensor]:
        """Its tensors by name."""

    def load_state_dict(self, state: dict[str, Tensor]) -> object:
        """Takes them back."""


@dataclass(frozen=True)
class TrainState:
    """The networks of a task as Accelerate wraps them, and what else training changes.

    Attributes:
        nets: Wrapped networks, to compute losses with.
        modules: The same unwrapped, and each average as "NAME.ema": what a checkpoint holds.
        optimisers: By turn.
        state: What else of this process a checkpoint holds, such as image pools.
        accelerator: What wrapped them.
    """

    nets: dict[str, nn.Module]
    modules: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]
    state: dict[str, Stateful]
    accelerator: Accelerator

    @classmethod
    def prepare(
        cls,
        networks: Mapping[str, nn.Module],
        turns: Mapping[str, tuple[str, ...]],
        averaged: tuple[str, ...],
        state: Mapping[str, Stateful],
        optimisations: Mapping[str, Optimisation],
        accelerator: Accelerator,
    ) -> Self:
        """Moves networks to the device and makes their averages and optimisers.

        Args:
            networks: By name.
            turns: For each optimiser the networks it updates.
            averaged: The networks to keep an average of.
            state: What else of this process a checkpoint holds.
            optimisations: Of each turn.
            accelerator: Which wraps.
        """
        # Images come with their channels last, and convolutions are faster that way.
        modules = {
            name: net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            for name, net in networks.items()
        }
        for name in averaged:
            average = copy.deepcopy(networks[name]).requires_grad_(False).eval()
            modules[f"{name}.ema"] = average.to(accelerator.device)
        nets = {name: accelerator.prepare(net) for name, net in networks.items()}
        optimisers = {
            turn: accelerator.prepare(
                torch.optim.AdamW(
                    [weight for name in names for weight in nets[name].parameters()],
                    lr=optimisations[turn].learning_rate,
                    betas=(optimisations[turn].adam_beta1, optimisations[turn].adam_beta2),
                    eps=optimisations[turn].adam_epsilon,
                    weight_decay=optimisations[turn].adam_weight_decay,
                    fused=True,
                )
            )
            for turn, names in turns.items()
        }
        return cls(nets, modules, optimisers, dict(state), accelerator)

    def averages(self) -> dict[str, nn.Module]:
        """The networks to evaluate and export: averaged where there is an average."""
        return {name: self.modules.get(f"{name}.ema", self.modules[name]) for name in self.nets}

    def set_learning_rates(self, rates: Mapping[str, float]) -> None:
        """Sets the rate of every turn's optimiser."""
        for turn, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = rates[turn]

    def step(self, turn: str, max_grad_norm: float) -> None:
        """Clips to `max_grad_norm`, if that is not 0, and updates the networks of `turn`.

        Does nothing while gradients are still being accumulated.
        """
        optimiser = self.optimisers[turn]
        if self.accelerator.sync_gradients and max_grad_norm:
            weights = [weight for group in optimiser.param_groups for weight in group["params"]]
            self.accelerator.clip_grad_norm_(weights, max_grad_norm)
        optimiser.step()
        optimiser.zero_grad()

    def loss_scale(self) -> Tensor | None:
        """What losses are multiplied by for float16's sake; it stays on the device."""
        scaler = self.accelerator.scaler
        return scaler and scaler.scale(torch.ones((), device=self.accelerator.device))

    def overflows(self, before: Tensor) -> Tensor:
        """In how many turns gradients overflowed: such a turn is left out and halves the scale."""
        now = self.loss_scale()
        return torch.zeros_like(before) if now is None else (before / now).log2().relu()

    def average(self, step: int, decay: float) -> None:
        """Moves every average towards its network after step `step`, from 0."""
        for averaged, now in self._averaged:
            move_average(averaged, now, step, decay)

    @cached_property
    def _averaged(self) -> list[tuple["ParamsAndBuffers", "ParamsAndBuffers"]]:
        """Each average and what it follows, found once: on a CPU that takes as long as a move."""
        return [
            (
                ParamsAndBuffers.of(module),
                ParamsAndBuffers.of(self.modules[name.removesuffix(".ema")]),
            )
            for name, module in self.modules.items()
            if name.endswith(".ema")
        ]

    def save(self, folder: Path, step: int, window: Window) -> None:
        """Writes a checkpoint from the first process; every process must call it."""
        totals = window.totals()
        # What differs between the processes is stacked, the first process first.
        state = {
            name: {
                key: self.accelerator.gather(value[None])
                for key, value in stateful.state_dict().items()
            }
            for name, stateful in self.state.items()
        }
        if self.accelerator.is_main_process:
            scaler = self.accelerator.scaler
            scale = {} if scaler is None else scaler.state_dict()
            save_checkpoint(folder, step, self.modules, self.optimisers, state, totals, scale)

    def restore(self, folder: Path | None, window: Window) -> int:
        """Restores a checkpoint, if there is one, and returns the steps it had taken.

        Raises:
            UserError: If the checkpoint is damaged or of another format.
        """
        if folder is None:
            return 0
        step, state, totals, scale = load_checkpoint(
            folder, self.modules, self.optimisers, self.state.keys()
        )
        for name, tensors in state.items():
            rank = self.accelerator.process_index
            self.state[name].load_state_dict({key: all_[rank] for key, all_ in tensors.items()})
        if self.accelerator.is_main_process:
            window.resume(totals)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(scale)
        return step


@dataclass(frozen=True)
class ParamsAndBuffers:
    """All numbers of a network."""

    weights: list[Tensor]
    buffers: list[Tensor]

    @classmethod
    def of(cls, net: nn.Module) -> Self:
        """Those of `net`, which may change but not be replaced."""
        return cls(list(net.parameters()), list(net.buffers()))


@torch.no_grad()
def move_average(
    averaged: ParamsAndBuffers, now: ParamsAndBuffers, step: int, decay: float
) -> None:
    """Moves `averaged` towards `now` by a decay that is warmed up as (1 + step) / (10 + step)."""
    warmed_up = min(decay, (1 + step) / (10 + step))
    get_ema_multi_avg_fn(warmed_up)(averaged.weights, now.weights, step)
    for kept, new in zip(averaged.buffers, now.buffers, strict=True):
        kept.copy_(new)

"""Checkpoints for a bit-exact resume: tensors in safetensors files, and one JSON file.

Batches, flips, noise and schedules are functions of the step, so the networks, EMA weights, the
optimisers' moments, the sums of the log line being filled and the step are all there is.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from hf_gen.errors import UserError
from hf_gen.runs.atomic import atomic_dir
from hf_gen.runs.folder import STATE

FORMAT = 1
# What reading a file that is cut short, or holds something else, ends in.
_DAMAGED = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError),
    SafetensorError,
)


def save_checkpoint(
    folder: Path,
    step: int,
    modules: Mapping[str, nn.Module],
    optimisers: Mapping[str, torch.optim.Optimizer],
    state: Mapping[str, Mapping[str, Tensor]],
    window: Mapping[str, tuple[float, float]],
    scale: Mapping[str, float],
) -> None:
    """Writes `folder`, which appears when it is complete.

    Args:
        folder: Where.
        step: Optimiser steps taken.
        modules: Networks and EMA weights by name.
        optimisers: By the name of their turn.
        state: Further tensors by name.
        window: Sums and weights of what is logged next.
        scale: The state of the gradient scaler, if there is one.

    Raises:
        UserError: If the disk is full or not writable.
    """
    with atomic_dir(folder, marker=STATE) as partial:
        for name, module in modules.items():
            _write(partial / f"{name}.safetensors", module.state_dict())
        for turn, optimiser in optimisers.items():
            _write(partial / f"optimizer-{turn}.safetensors", _moments(optimiser))
        for name, tensors in state.items():
            _write(partial / f"{name}.safetensors", tensors)
        plain = {"format": FORMAT, "step": step, "window": dict(window), "scale": dict(scale)}
        (partial / STATE).write_text(json.dumps(plain, indent=2), encoding="utf-8")


def load_checkpoint(
    folder: Path,
    modules: Mapping[str, nn.Module],
    optimisers: Mapping[str, torch.optim.Optimizer],
    state_names: Iterable[str],
) -> tuple[int, dict[str, dict[str, Tensor]], dict[str, tuple[float, float]], dict[str, float]]:
    """Restores `modules` and `optimisers` in place.

    Returns:
        The step, the further tensors, the sums and weights of what is logged next, and the state of
        the gradient scaler.

    Raises:
        UserError: If the checkpoint is damaged or of another format.
    """
    try:
        plain = json.loads((folder / STATE).read_text(encoding="utf-8"))
        if plain["format"] != FORMAT:
            raise UserError(
                f"{folder} has format {plain['format']}, and this version of hf_gen reads format "
                f"{FORMAT}: start in another --output-dir"
            )
        for name, module in modules.items():
            module.load_state_dict(_read(folder / f"{name}.safetensors"))
        for turn, optimiser in optimisers.items():
            _restore_moments(optimiser, _read(folder / f"optimizer-{turn}.safetensors"))
        window = {
            name: (float(sum_), float(weight)) for name, (sum_, weight) in plain["window"].items()
        }
        state = {name: _read(folder / f"{name}.safetensors") for name in state_names}
        return int(plain["step"]), state, window, dict(plain["scale"])
    except _DAMAGED as error:
        raise UserError(
            f"{folder} is damaged ({error}): remove it to resume from the checkpoint before"
        ) from error


def _moments(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    per_parameter = optimiser.state_dict()["state"]
    return {
        f"{index}.{name}": value
        for index, values in per_parameter.items()
        for name, value in values.items()
    }


def _restore_moments(optimiser: torch.optim.Optimizer, moments: Mapping[str, Tensor]) -> None:
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    per_parameter: dict[int, dict[str, Tensor]] = {}
    for key, value in moments.items():
        index, _, name = key.partition(".")
        # The fused optimiser walks through weights and moments in their order in memory.
        if value.shape == weights[int(index)].shape:
            value = torch.empty_like(weights[int(index)]).copy_(value)
        per_parameter.setdefault(int(index), {})[name] = value
    groups: list[dict[str, Any]] = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": per_parameter, "param_groups": groups})


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    path.write_bytes(save(on_cpu))


def _read(path: Path) -> dict[str, Tensor]:
    return load(path.read_bytes())

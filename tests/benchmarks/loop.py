"""What contenders share: the loop that never ends, and networks without hf_gen's kernels."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.functional import instance_norm

from hf_gen.config import Optimisation, Output
from hf_gen.data.batches import Batch, Domain, Loader
from hf_gen.models import cyclegan, vae
from hf_gen.pipelines.kernels import use_fast_layers
from hf_gen.runs.folder import RunFolder
from hf_gen.training.compilation import compile_networks
from hf_gen.training.kernels import TrainedConv2d, TrainedConvTranspose2d
from hf_gen.training.loop import train
from hf_gen.training.task import Task
from tests.benchmarks.contest import Gate

FOR_EVER = 10**9


def as_most_write_it() -> None:
    """From here on the networks of this process are in PyTorch's layout."""
    vae.Map.forward = nn.Unflatten.forward  # type: ignore[method-assign]
    cyclegan._InstanceNorm.forward = lambda _, features: instance_norm(features)  # type: ignore[method-assign]


def as_the_loop_does(networks: Iterable[nn.Module], torch_compile: str = "on") -> None:
    """Gives networks the kernels of a training on a CPU, and compiles them."""
    use_fast_layers(networks, TrainedConvTranspose2d, TrainedConv2d)
    if torch_compile == "on":
        compile_networks(networks)


def train_for_ever(
    gate: Gate,
    task: Task,
    domains: tuple[Domain, ...],
    batch: int,
    precision: str,
    torch_compile: str,
) -> None:
    """The loop of `train_accelerate.py` from the pixel cache on, with `batch` images a step."""
    compute = task.losses

    def losses(
        nets: Mapping[str, nn.Module], batch: Batch
    ) -> Iterator[tuple[str, dict[str, Tensor]]]:
        if batch.is_training:
            gate.step()
        yield from compute(nets, batch)

    task.losses = losses  # type: ignore[method-assign]
    optimisation = Optimisation(max_train_steps=FOR_EVER, torch_compile=torch_compile)
    output = Output(validation_steps=FOR_EVER, checkpointing_steps=FOR_EVER, report_to="none")
    accelerator = Accelerator(mixed_precision=precision)
    rank, processes = accelerator.process_index, accelerator.num_processes
    loader = Loader(domains, 0, batch, 1, False, rank, processes, torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / "run")
        run.start({}, "", "cpu", {})
        torch.manual_seed(0)
        train(task, loader, optimisation, output, run, accelerator)

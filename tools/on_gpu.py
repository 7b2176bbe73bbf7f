"""Checks, measures and trains on a machine with one GPU: `python -m tools.on_gpu PART --help`.

It needs torch, diffusers, accelerate, safetensors, numpy and Pillow, and neither datasets nor
gradio. Each part writes its results as it goes and ends within its time limit.

check    Both tasks in each precision, accumulated and compiled, against the CPU in float32.
measure  Seconds of an epoch, and which share of the device's own limits that is.
train    A recipe on the faces of an archive, for some minutes, into a run folder.
"""

import argparse
import dataclasses
import io
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from hf_gen.config import CycleGANRecipe, Optimisation, Output, Recipe, VAERecipe
from hf_gen.data.batches import Domain, Loader
from hf_gen.data.pixels import Pixels
from hf_gen.images import square
from hf_gen.pipelines import load
from hf_gen.recipes import RECIPES
from hf_gen.runs.folder import RunFolder
from hf_gen.tasks.cyclegan import CycleGANTask
from hf_gen.tasks.vae import VAETask
from hf_gen.training.compilation import compile_networks
from hf_gen.training.loop import train
from hf_gen.training.state import TrainState
from hf_gen.training.task import Task

VALIDATION = 200
SHARD = "15MB"
# The largest relative difference of a loss to that of the CPU in float32, by precision.
TOLERANCES = {"no": 1e-3, "bf16": 5e-2, "fp16": 2e-2}
# A step's batch, and the images of the epoch that the goals name.
GOALS = {"conv-vae": (4096, 63_000, 1.0), "cyclegan-lambda10": (100, 22_100, 15.0)}


def main() -> None:
    """Runs one part."""
    parser = argparse.ArgumentParser(prog="tools.on_gpu", description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    for name in ("check", "measure", "train"):
        part = parts.add_parser(name)
        part.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
        part.add_argument("--minutes", type=float, default=2.0, help="the time limit")
        part.add_argument("--output-dir", type=Path, required=True)
        if name == "train":
            part.add_argument("recipe", choices=sorted(RECIPES))
            part.add_argument("--data", type=Path, required=True, help="faces-webp.npz")
    arguments = parser.parse_args()
    arguments.output_dir.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + 60 * arguments.minutes
    device = torch.device(arguments.device)
    torch.set_float32_matmul_precision("high")
    if arguments.part == "check":
        lines = check(device, deadline)
    elif arguments.part == "measure":
        lines = measure(device, deadline)
    else:
        recipe = RECIPES[arguments.recipe][1]
        lines = train_for(recipe, arguments.data, arguments.output_dir, device, deadline)
    with (arguments.output_dir / f"{arguments.part}.jsonl").open("a", encoding="utf-8") as file:
        for line in lines:
            text = json.dumps(line)
            print(text, flush=True)
            file.write(text + "\n")
            file.flush()


def check(device: torch.device, deadline: float) -> Iterator[dict[str, Any]]:
    """Losses of three steps in each mode, and their largest relative difference to the CPU's."""
    cpu = torch.device("cpu")
    for name in ("conv-vae", "cyclegan-lambda10"):
        expected = _losses(_small(name), cpu, "no", 1, compiled=False)
        for precision, accumulation, compiled in (
            *(("no", 1, False), ("bf16", 1, False), ("fp16", 1, False)),
            *(("no", 2, False), ("bf16", 2, False), ("fp16", 2, False)),
            *([("bf16", 1, True)] if device.type == "cuda" else []),
        ):
            mode = f"{precision}, {accumulation} accumulated" + (", compiled" if compiled else "")
            if time.monotonic() > deadline:
                yield {"recipe": name, "mode": mode, "left out": "the time limit"}
                continue
            if device.type == "cpu" and precision == "fp16":
                yield {"recipe": name, "mode": mode, "left out": "it needs a GPU"}
                continue
            found = _losses(_small(name), device, precision, accumulation, compiled)
            # Noise differs by device and share of a batch: losses without it are compared.
            difference = max(
                abs(found[key] - value) / max(abs(value), 1e-3) for key, value in expected.items()
            )
            tolerance = TOLERANCES[precision]
            passed = difference <= tolerance
            yield {"recipe": name, "mode": mode, "difference": difference, "passed": passed}


def measure(device: torch.device, deadline: float) -> Iterator[dict[str, Any]]:
    """What the device can do at most, then the steps of the recipes that have a goal."""
    size = 8192 if device.type == "cuda" else 512
    matrix = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    seconds = _seconds(lambda: matrix @ matrix, device)
    flops = 2 * size**3 / seconds
    seconds = _seconds(lambda: matrix.clone(), device)
    bandwidth = 2 * matrix.numel() * matrix.element_size() / seconds
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    yield {"device": name, "flops": flops, "bytes_per_second": bandwidth}
    for recipe_name, (batch, images, goal) in GOALS.items():
        recipe = RECIPES[recipe_name][1]
        if device.type == "cpu":  # to try this part, not the device
            batch = 4
        elif isinstance(recipe, CycleGANRecipe):
            model = dataclasses.replace(
                recipe.model, generator_channels=64, discriminator_channels=64
            )
            recipe = dataclasses.replace(recipe, model=model)
        for compiled in (False, True) if device.type == "cuda" else (False,):
            if time.monotonic() > deadline:
                yield {"recipe": recipe_name, "compiled": compiled, "left out": "the time limit"}
                continue
            step, counted, written = _step(recipe, batch, device, compiled)
            seconds = _seconds(step, device, rounds=10 if device.type == "cuda" else 1)
            epoch = seconds * images / batch
            arithmetic, memory = counted / flops, 2 * written / bandwidth
            yield {
                "recipe": recipe_name,
                "compiled": compiled,
                "batch": batch,
                "seconds_of_a_step": seconds,
                "seconds_of_an_epoch": epoch,
                "goal": goal,
                "flops": counted,
                "bytes_written": written,
                "floor": "arithmetic" if arithmetic > memory else "memory",
                "share_of_the_floor": max(arithmetic, memory) / seconds,
            }


def train_for(
    recipe: Recipe, archive: Path, folder: Path, device: torch.device, deadline: float
) -> Iterator[dict[str, Any]]:
    """Trains a recipe until shortly before the deadline; the schedule ends there."""
    names = ("anime", "cartoon") if isinstance(recipe, CycleGANRecipe) else ("anime",)
    started = time.monotonic()
    size = recipe.data.resolution
    domains = tuple(_domain(read_faces(archive, name, size)) for name in names)
    yield {"decoded": [len(one.train) for one in domains], "seconds": time.monotonic() - started}
    precision = "bf16" if device.type == "cuda" else "no"
    optimisation = dataclasses.replace(recipe.optimisation, mixed_precision=precision)
    if device.type == "cpu":
        optimisation = dataclasses.replace(optimisation, train_batch_size=4)
    trial = dataclasses.replace(optimisation, max_train_steps=12, lr_scheduler="constant")
    with tempfile.TemporaryDirectory() as elsewhere:
        step = _train(recipe, domains, trial, RunFolder(Path(elsewhere) / "run"), device)
    left = deadline - time.monotonic()
    steps = max(int(0.85 * left / step), 1)
    yield {"seconds_of_a_step": step, "steps": steps}
    optimisation = dataclasses.replace(optimisation, max_train_steps=steps)
    run = RunFolder(folder / "run")
    step = _train(recipe, domains, optimisation, run, device)
    pipeline = load(run.path)
    pipeline.save_pretrained(folder / "pipeline", max_shard_size=SHARD)
    files = sorted(path.stat().st_size for path in (folder / "pipeline").rglob("*.safetensors"))
    yield {"run": str(run.path), "seconds_of_a_step": step, "weight_files": files}


def read_faces(archive: Path, name: str, resolution: int) -> Pixels:
    """The images `name` of an archive of encoded images: its bytes, and where each begins."""
    with np.load(archive) as content:
        encoded, offsets = content[name].tobytes(), content[f"{name}_offsets"]

    def decode(place: int) -> bytes:
        file = io.BytesIO(encoded[offsets[place] : offsets[place + 1]])
        with Image.open(file) as image:
            return square(image.convert("RGB"), resolution).tobytes()

    count = len(offsets) - 1
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        content = bytearray(b"".join(pool.map(decode, range(count), chunksize=64)))
    rows = torch.frombuffer(content, dtype=torch.uint8).view(count, -1)
    return Pixels(rows, torch.arange(count), resolution)


def _domain(pixels: Pixels) -> Domain:
    """The last images are for validation: at most a tenth."""
    kept = len(pixels) - min(VALIDATION, len(pixels) // 10)
    validation = dataclasses.replace(pixels, selection=pixels.selection[kept:])
    train = dataclasses.replace(pixels, selection=pixels.selection[:kept])
    return Domain(train, validation, validation)


def _train(
    recipe: Recipe,
    domains: tuple[Domain, ...],
    optimisation: Optimisation,
    run: RunFolder,
    device: torch.device,
) -> float:
    """Trains into a run folder, compiled on a GPU; returns the seconds of a step."""
    accelerator = _accelerator(device, optimisation)
    torch.manual_seed(optimisation.seed)
    task = _task(recipe, device)
    loader = Loader(
        domains,
        optimisation.seed,
        optimisation.train_batch_size,
        optimisation.gradient_accumulation_steps,
        recipe.data.random_flip,
        0,
        1,
        device,
    )
    if device.type == "cuda":
        loader = loader.on_device(torch.cuda.mem_get_info()[0] // 4)
        compile_networks(task.networks.values())
    run.start({}, "tools.on_gpu", f"1 x {device.type}", {})
    steps = optimisation.max_train_steps or 1
    often = max(steps // 4, 1)
    output = Output(
        logging_steps=min(20, often),
        validation_steps=often,
        checkpointing_steps=often,
        report_to="none",
    )
    started = time.monotonic()
    train(task, loader, optimisation, output, run, accelerator)
    return (time.monotonic() - started) / steps


def _small(name: str) -> Recipe:
    """A recipe with networks small enough for a check on a CPU, and without noise."""
    recipe = RECIPES[name][1]
    if isinstance(recipe, VAERecipe):
        return recipe
    sizes = {"generator_channels": 8, "discriminator_channels": 8, "discriminator_layers": 2}
    model = dataclasses.replace(recipe.model, **sizes)
    data = dataclasses.replace(recipe.data, resolution=32)
    objective = dataclasses.replace(recipe.objective, pool_size=0)
    return dataclasses.replace(recipe, model=model, data=data, objective=objective)


def _losses(
    recipe: Recipe, device: torch.device, precision: str, accumulation: int, compiled: bool
) -> dict[str, float]:
    """Mean losses of three steps of 16 images with random pixels."""
    optimisation = dataclasses.replace(
        recipe.optimisation,
        train_batch_size=16 // accumulation,
        gradient_accumulation_steps=accumulation,
        mixed_precision=precision,
        max_grad_norm=1000.0,
        max_train_steps=3,
    )
    accelerator = _accelerator(device, optimisation)
    torch.manual_seed(0)
    task = _task(recipe, device)
    if compiled:
        compile_networks(task.networks.values())
    domains = _random_domains(recipe, 64)
    loader = Loader(domains, 0, 16 // accumulation, accumulation, False, 0, 1, device)
    output = Output(logging_steps=3, validation_steps=3, report_to="none")
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / "run")
        run.start({}, "", device.type, {})
        train(task, loader, optimisation, output, run, accelerator)
        (line,) = run.metrics()
    is_noisy = isinstance(recipe, VAERecipe)
    wanted = ("reconstruction",) if is_noisy else ("cycle_a", "cycle_b", "disc_a", "disc_b")
    return {key: value for key, value in line.items() if key.endswith(wanted)}


class _Written(TorchDispatchMode):
    """Sums the bytes of the tensors that operations make; each is taken to be read once, too."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        if not function.is_view:
            tensors = [one for one in tree_leaves(made) if isinstance(one, torch.Tensor)]
            self.count += sum(one.numel() * one.element_size() for one in tensors)
        return made


def _step(
    recipe: Recipe, batch: int, device: torch.device, compiled: bool
) -> tuple[Any, float, float]:
    """A function that takes one optimiser step in bfloat16, its FLOPs, and the bytes it writes."""
    optimisation = dataclasses.replace(recipe.optimisation, mixed_precision="bf16")
    accelerator = _accelerator(device, optimisation)
    torch.manual_seed(0)
    task = _task(recipe, device)
    loader = Loader(_random_domains(recipe, batch), 0, batch, 1, False, 0, 1, device)
    loader = loader.on_device(1 << 40)
    state = TrainState.prepare(task, accelerator)
    place = 0

    def step() -> None:
        nonlocal place
        for one in loader.training_batches(place):
            for turn, losses in task.losses(state.nets, one):
                accelerator.backward(losses["objective"])
                state.step(turn, optimisation.max_grad_norm)
        state.update_ema(place, optimisation.ema_decay)
        place += 1

    with FlopCounterMode(display=False) as counter:
        step()
    with _Written() as written:
        step()
    if compiled:
        compile_networks(task.networks.values())
    return step, float(counter.get_total_flops()), float(written.count)


def _random_domains(recipe: Recipe, count: int) -> tuple[Domain, ...]:
    size = recipe.data.resolution
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 256, (count, 3 * size**2), generator=generator, dtype=torch.uint8)
    pixels = Pixels(rows, torch.arange(count), size)
    validation = dataclasses.replace(pixels, selection=torch.arange(4))
    domain = Domain(pixels, validation, validation)
    return (domain,) * (2 if isinstance(recipe, CycleGANRecipe) else 1)


def _task(recipe: Recipe, device: torch.device) -> Task:
    if isinstance(recipe, CycleGANRecipe):
        return CycleGANTask(recipe, device)
    return VAETask(recipe, device)


def _accelerator(device: torch.device, optimisation: Optimisation) -> Accelerator:
    AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(
        cpu=device.type == "cpu",
        mixed_precision=optimisation.mixed_precision,
        gradient_accumulation_steps=optimisation.gradient_accumulation_steps,
    )


def _seconds(call: Any, device: torch.device, rounds: int = 10) -> float:
    """Of one call: the median of rounds of a tenth of a second, after a warm-up."""

    def timed(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - started) / count

    count = max(math.ceil(0.1 / timed(1)), 1)
    return sorted(timed(count) for _ in range(rounds))[rounds // 2]


if __name__ == "__main__":
    main()

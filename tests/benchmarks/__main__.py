"""`python -m tests.benchmarks`: speed as ratios, measured in turn in one process.

The loop of `hf_gen.trainer` on drawn faces, from the pixel cache to the last step, beside the same
step on a batch that is in memory already; and the step of CycleGAN beside one by the book.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from hf_gen.config import Data, Optimisation, Output, VAERecipe
from hf_gen.data.batches import Batch, Domain, Loader
from hf_gen.data.faces import STYLES, face_at, face_png
from hf_gen.data.sources import load_domain
from hf_gen.runs import RunFolder
from hf_gen.tasks.vae import VAETask
from hf_gen.trained import move_average
from hf_gen.trainer import train
from tests.benchmarks.translation import measure

ROUNDS, STEPS, WARM_UP = 5, 120, 20
RECIPE = VAERecipe(data=Data(max_train_samples=4000))


class TimedTask(VAETask):
    """Notes when each step of the training begins."""

    def __init__(self, recipe: VAERecipe) -> None:
        super().__init__(recipe)
        self.times: list[float] = []

    def losses(
        self, nets: Mapping[str, nn.Module], batch: Batch
    ) -> Iterator[tuple[str, dict[str, Tensor]]]:
        if batch.key[1] == "train":
            self.times.append(time.perf_counter())
        yield from super().losses(nets, batch)


def images_per_second(times: list[float]) -> float:
    steps = len(times) - 1 - WARM_UP
    return steps * RECIPE.optimisation.train_batch_size / (times[-1] - times[WARM_UP])


def loader(domain: Domain) -> Loader:
    size = RECIPE.optimisation.train_batch_size
    return Loader((domain,), 0, size, 1, False, 0, 1, torch.device("cpu"))


def loop(domain: Domain) -> float:
    optimisation = Optimisation(max_train_steps=STEPS)
    output = Output(validation_steps=10 * STEPS, checkpointing_steps=10 * STEPS, report_to="none")
    task = TimedTask(RECIPE)
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / "run")
        run.start({}, "", {})
        train(task, loader(domain), optimisation, output, run, Accelerator())
    return images_per_second(task.times)


def step_in_memory(domain: Domain) -> float:
    task = TimedTask(RECIPE)
    net = task.networks["vae"].to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = VAETask(RECIPE).networks["vae"].to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(net.parameters(), fused=True, weight_decay=0.0)
    (batch,) = loader(domain).training_batches(0)
    for step in range(STEPS):
        for _, losses in task.losses({"vae": net}, batch):
            losses["objective"].backward()
            optimiser.step()
            optimiser.zero_grad()
        move_average(averaged, net, step, RECIPE.optimisation.ema_decay)
    return images_per_second(task.times)


def faces_per_second(style: str) -> float:
    start = time.perf_counter()
    for index in range(300):
        face_png(face_at(index), style)
    return 300 / (time.perf_counter() - start)


def main() -> None:
    for style in STYLES:
        print(f"{style} faces of 64x64, one core: {faces_per_second(style):6,.0f} a second")
    domain = load_domain(RECIPE.data)
    looped, bare = [], []
    for _ in range(ROUNDS):
        looped.append(loop(domain))
        bare.append(step_in_memory(domain))
    ratios = [one / other for one, other in zip(looped, bare, strict=True)]
    print(f"{torch.get_num_threads()} threads, median of {ROUNDS} rounds in turn")
    print(f"training loop, conv-vae:  {median(looped):8,.0f} images/s")
    print(f"same step, batch in memory: {median(bare):6,.0f} images/s")
    print(
        f"loop / in memory:         {median(ratios):8.3f}  ({min(ratios):.3f} to {max(ratios):.3f})"
    )


if __name__ == "__main__":
    main()
    measure()

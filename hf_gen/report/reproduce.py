"""Trains every recipe of the two course reports, one after the other, and compares the runs."""

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from hf_gen.config import CycleGANRecipe
from hf_gen.errors import UserError
from hf_gen.recipes import RECIPES
from hf_gen.report.compare import Compared, compare
from hf_gen.runs.folder import RunFolder

Budget = Literal["small", "full"]
SCRIPT = Path(__file__).parents[2] / "train_accelerate.py"
_POLL = 0.5
# Seconds of each on one core with the small budget, for the estimate of the time left.
_SECONDS = {
    "conv-vae": 101,
    "conv-vae-maxpool": 125,
    "conv-vae-kl0": 80,
    "conv-vae-kl100": 91,
    "dense-vae-z5": 43,
    "dense-vae-z10": 41,
    "cyclegan-lambda10": 580,
    "cyclegan-lambda5": 580,
}
_SMALL_VAE = ("--max-train-samples", "4000", "--num-train-epochs", "30")
_SMALL_CYCLEGAN = (
    *("--max-train-samples", "2000", "--resolution", "32", "--train-batch-size", "20"),
    *("--learning-rate", "2e-4", "--max-train-steps", "1000", "--validation-steps", "100"),
)


@dataclass(frozen=True)
class Planned:
    """A run to train.

    Attributes:
        recipe: Its name.
        folder: Its run folder.
        flags: What differs from the recipe.
        share: Of the total time, in any unit.
    """

    recipe: str
    folder: Path
    flags: tuple[str, ...]
    share: float

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of `train_accelerate.py`."""
        return (self.recipe, *self.flags, "--output-dir", str(self.folder))

    @property
    def is_done(self) -> bool:
        """Whether the folder holds this very run, trained and measured."""
        if not (self.folder / "run.json").is_file() or not (self.folder / "results.json").is_file():
            return False
        return RunFolder(self.folder).record().command == command(self.arguments)

    def progress(self) -> float:
        """The share of the training that is done, from 0 to 1."""
        metrics = RunFolder(self.folder).metrics()
        if not metrics:
            return 0.0
        flags = dict(zip(self.flags[::2], self.flags[1::2], strict=False))
        if "--max-train-steps" in flags:
            return min(metrics[-1]["step"] / int(flags["--max-train-steps"]), 1.0)
        epochs = RECIPES[self.recipe][1].optimisation.num_train_epochs
        return min(metrics[-1]["epoch"] / int(flags.get("--num-train-epochs", epochs)), 1.0)


def plan(
    output: Path,
    budget: Budget,
    dataset: str | None = None,
    dataset_b: str | None = None,
    cache_dir: Path | None = None,
) -> list[Planned]:
    """The runs of both course reports.

    Args:
        output: The folder that holds a run folder for each.
        budget: "small" takes under 30 minutes on two cores; "full" trains as the recipes say.
        dataset: A Hub id or a folder; None for the synthetic faces.
        dataset_b: Of the second domain. A dataset without one leaves CycleGAN out.
        cache_dir: Where datasets and decoded pixels are kept.
    """
    data = () if dataset is None else ("--dataset-name", dataset)
    cache = () if cache_dir is None else ("--cache-dir", str(cache_dir))
    planned = []
    for recipe, seconds in _SECONDS.items():
        second: tuple[str, ...] = ()
        small: tuple[str, ...] = _SMALL_VAE
        if isinstance(RECIPES[recipe][1], CycleGANRecipe):
            if dataset is not None and dataset_b is None:
                continue
            second = () if dataset_b is None else ("--dataset-name-b", dataset_b)
            small = _SMALL_CYCLEGAN
        flags = (*data, *second, *(small if budget == "small" else ()), *cache)
        planned.append(Planned(recipe, output / recipe, flags, seconds))
    return planned


def reproduce(planned: Sequence[Planned], report: Path) -> Compared:
    """Trains the runs that are not done, resumes those that were interrupted, and compares all.

    Args:
        planned: In the order of training.
        report: The folder of the comparison.

    Raises:
        UserError: If a training fails or is interrupted; the same command resumes it.
    """
    if not SCRIPT.is_file():
        raise UserError(f"{SCRIPT} is missing: run this in a checkout of hf_gen")
    to_do = [run for run in planned if not run.is_done]
    layout = "{l_bar}{bar}| {elapsed} so far, {remaining} left"
    total = sum(run.share for run in to_do)
    with tqdm(total=total, bar_format=layout, smoothing=0) as bar:
        for run in planned:
            if run not in to_do:
                bar.write(f"{run.folder} is done already")
                continue
            bar.set_description(f"{to_do.index(run) + 1}/{len(to_do)} {run.recipe}")
            before = bar.n
            for progress in _train(run):
                bar.update(before + run.share * progress - bar.n)
    return compare([run.folder for run in planned], report)


def command(arguments: Sequence[str]) -> str:
    """How a run's `run.json` names the command with these arguments."""
    return shlex.join(["accelerate", "launch", "train_accelerate.py", *arguments])


def _train(run: Planned) -> Iterator[float]:
    """Trains in a process of its own, whose output is appended to a file; yields the progress."""
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    log = run.folder.with_name(f"{run.folder.name}.log")
    with log.open("a", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *run.arguments], stdout=output, stderr=subprocess.STDOUT
        )
        try:
            while process.poll() is None:
                yield run.progress()
                time.sleep(_POLL)
        finally:
            # Ctrl-C has reached it too: it writes a checkpoint and ends.
            process.wait()
    if process.returncode:
        last = log.read_text("utf-8", errors="replace").strip().splitlines()[-1:]
        raise UserError(f"{run.recipe} ended early: {' '.join(last)} (all of it: {log})")
    yield 1.0

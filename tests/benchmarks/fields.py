"""Contenders that compute the same, measured in turn: trainings, and responses of a model."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median

from tests.benchmarks.contest import contest, ratios, spread
from tests.benchmarks.table import Row, bounded, row

_VAE, _PEERS, _GAN, _SCALING, _INFERENCE = (
    f"tests.benchmarks.{name}" for name in ("vae", "peers", "translation", "scaling", "inference")
)


@dataclass(frozen=True)
class Field:
    """Contenders that compute the same.

    Attributes:
        title: What they do.
        contenders: By name, as `contest` takes them.
        ours: Whose ratios are shown.
        others: What they are divided by; bfloat16 by the same in bfloat16, where it exists.
        steps: Of a round.
        agree: How far their losses may differ, relatively: bfloat16 rounds to three digits.
        threads: Of each; as the caller says by default.
        milliseconds: The limit of a step of ours, if any.
    """

    title: str
    contenders: dict[str, str]
    ours: tuple[str, ...]
    others: tuple[str, ...]
    steps: int
    agree: float = 0.001
    threads: int | None = None
    milliseconds: float | None = None

    def rows(self, rounds: int, threads: int) -> Iterator[Row]:
        """Measures all that are installed.

        Raises:
            SystemExit: If their losses say that they do not compute the same.
        """
        present = {
            name: where
            for name, where in self.contenders.items()
            if name != "pythae" or find_spec(name)
        }
        results = contest(present, rounds, self.threads or threads, self.steps)
        difference = spread(results.values())
        if difference > self.agree:
            raise SystemExit(f"{self.title}: losses differ by {difference:.1%}")
        for mine in self.ours:
            what, one = f"{self.title}: {mine}", results[mine]
            for other in (other for other in self.others if other in results):
                same = f"{other}, bf16"
                baseline = same if mine.endswith("bf16") and same in results else other
                two = results[baseline]
                values = median(one.speeds), median(two.speeds)
                yield row(what, baseline, ratios(one, two), values, "images a second")
            if self.milliseconds is not None:
                times = [1000 / speed for speed in one.speeds]
                yield bounded(what, self.milliseconds, times, "ms")


def _pipeline(task: str, model: str, batch: int, steps: int, limit: float | None = None) -> Field:
    contenders = {
        "hf_gen": f"{_INFERENCE}:ours {task} {batch}",
        "plain eager": f"{_INFERENCE}:plain {task} {batch}",
    }
    title = f"{task}, {model}, {'one image' if batch == 1 else f'batch {batch}'}"
    return Field(title, contenders, ("hf_gen",), ("plain eager",), steps, milliseconds=limit)


def _recommended(batch: int, steps: int) -> Field:
    new, old = "face-vae", "the reports' conv-vae"
    contenders = {
        new: f"{_INFERENCE}:at_64 face-vae {batch}",
        old: f"{_INFERENCE}:at_64 conv-vae {batch}",
    }
    title = f"reconstruct 64x64, {'one image' if batch == 1 else f'batch {batch}'}"
    # One is trained and the other need not be: their losses differ.
    return Field(title, contenders, (new,), (old,), steps, agree=math.inf)


def _scaled(title: str, arguments: str, steps: int) -> Field:
    two, one = "two processes, a core each", "one process, one core"
    contenders = {two: f"{_SCALING}:two {arguments}", one: f"{_SCALING}:one {arguments}"}
    return Field(title, contenders, (two,), (one,), steps, threads=1)


FIELDS = (
    Field(
        "conv-vae, 32x32, batch 128",
        {
            "hf_gen": f"{_VAE}:ours",
            "hf_gen, uncompiled": f"{_VAE}:ours no off",
            "hf_gen, bf16": f"{_VAE}:ours bf16",
            "the same step in memory": f"{_VAE}:in_memory",
            "the same step in memory, bf16": f"{_VAE}:in_memory bf16",
            "naive loop": f"{_VAE}:naive",
            "pythae": f"{_PEERS}:pythae",
        },
        ("hf_gen", "hf_gen, uncompiled", "hf_gen, bf16"),
        ("naive loop", "pythae", "the same step in memory"),
        steps=40,
        agree=0.01,
    ),
    Field(
        "CycleGAN, 64x64, 32 channels, batch 16",
        {
            "hf_gen": f"{_GAN}:ours",
            "hf_gen, uncompiled": f"{_GAN}:ours no off",
            "hf_gen, bf16": f"{_GAN}:ours bf16",
            "by the book": f"{_GAN}:by_the_book",
        },
        ("hf_gen", "hf_gen, uncompiled", "hf_gen, bf16"),
        ("by the book",),
        steps=2,
        agree=0.05,
    ),
    Field(
        "cyclegan, 64x64, 16 unpaired images and 16 pairs a step, uncompiled",
        {"the recipe": f"{_GAN}:recommended now", "0.1.0, 16 a step": f"{_GAN}:recommended 0.1.0"},
        ("the recipe",),
        ("0.1.0, 16 a step",),
        steps=2,
        agree=math.inf,  # of other losses
    ),
    _scaled("conv-vae, 32x32, 128 images a step", "conv-vae on", 40),
    _scaled("conv-vae, 32x32, 128 images a step, uncompiled", "conv-vae off", 40),
    _scaled("CycleGAN, 64x64, 32 channels, 16 pairs a step, uncompiled", "cyclegan off", 2),
    _pipeline("reconstruct", "conv-vae", 1, 100, limit=5),
    _pipeline("reconstruct", "conv-vae", 64, 20),
    _pipeline("translate", "cyclegan", 1, 20, limit=25),
    _pipeline("translate", "cyclegan", 64, 2),
    _recommended(1, 100),
    _recommended(64, 20),
)

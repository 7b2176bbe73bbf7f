"""Contenders that compute the same, measured in turn: what trains, and what is asked of a model."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median

from tests.benchmarks.contest import Result, apart, contest, ratios
from tests.benchmarks.table import Row, bounded

_VAE, _PEERS, _GAN, _SCALING, _INFERENCE = (
    f"tests.benchmarks.{name}" for name in ("vae", "peers", "translation", "scaling", "inference")
)
_MISSING = {
    name for name, module in {"pythae": "pythae", "Keras": "keras"}.items() if not find_spec(module)
}


@dataclass(frozen=True)
class Field:
    """Contenders that compute the same.

    Attributes:
        title: What they do.
        contenders: By name; the first of each group of `ours` is held against all others.
        ours: Whose ratios are shown.
        others: What they are divided by.
        steps: Of a round.
        agree: How far their losses may be apart, relatively: bfloat16 rounds to three digits.
        threads: That each may use; as the caller says by default.
        milliseconds: What a step of ours may take at the most, if that is bounded.
    """

    title: str
    contenders: dict[str, str]
    ours: tuple[str, ...]
    others: tuple[str, ...]
    steps: int
    agree: float
    threads: int | None = None
    milliseconds: float | None = None

    def rows(self, rounds: int, threads: int) -> Iterator[Row]:
        """Measures all that are installed.

        Raises:
            SystemExit: If their losses say that they do not compute the same.
        """
        present = {name: where for name, where in self.contenders.items() if name not in _MISSING}
        results = contest(present, rounds, self.threads or threads, self.steps)
        difference = apart(results.values())
        if difference > self.agree:
            raise SystemExit(f"{self.title}: losses differ by {difference:.1%}")
        for mine in self.ours:
            for other in (other for other in self.others if other in results):
                same = f"{other}, bf16"
                beside = same if mine.endswith("bf16") and same in results else other
                yield self._row(results, mine, beside)
            if self.milliseconds is not None:
                took = [1000 / speed for speed in results[mine].speeds]
                yield bounded(f"{self.title}: {mine}", self.milliseconds, took, "ms")

    def _row(self, results: dict[str, Result], mine: str, beside: str) -> Row:
        one, two = results[mine], results[beside]
        values = median(one.speeds), median(two.speeds)
        return Row(f"{self.title}: {mine}", beside, ratios(one, two), values, "images a second")


def _asked(task: str, batch: int, steps: int, milliseconds: float | None = None) -> Field:
    what = {"reconstruct": "conv-vae", "translate": "cyclegan"}[task]
    return Field(
        f"{task}, {what}, {'one image' if batch == 1 else f'batch {batch}'}",
        {
            "hf_gen": f"{_INFERENCE}:ours {task} {batch}",
            "plain eager": f"{_INFERENCE}:plain {task} {batch}",
        },
        ("hf_gen",),
        ("plain eager",),
        steps,
        0.001,
        milliseconds=milliseconds,
    )


def _recommended(batch: int, steps: int) -> Field:
    return Field(
        f"reconstruct 64x64, {'one image' if batch == 1 else f'batch {batch}'}",
        {
            "face-vae": f"{_INFERENCE}:at_64 face-vae {batch}",
            "the reports' conv-vae": f"{_INFERENCE}:at_64 conv-vae {batch}",
        },
        ("face-vae",),
        ("the reports' conv-vae",),
        steps,
        math.inf,  # one is trained and the other need not be
    )


def _scaled(title: str, arguments: str, steps: int) -> Field:
    return Field(
        title,
        {
            "two processes, a core each": f"{_SCALING}:two {arguments}",
            "one process, one core": f"{_SCALING}:one {arguments}",
        },
        ("two processes, a core each",),
        ("one process, one core",),
        steps,
        0.001,
        threads=1,
    )


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
            "Keras": f"{_PEERS}:keras",
        },
        ("hf_gen", "hf_gen, uncompiled", "hf_gen, bf16"),
        ("naive loop", "pythae", "Keras", "the same step in memory"),
        40,
        0.01,
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
        2,
        0.05,
    ),
    _scaled("conv-vae, 32x32, 128 images a step", "conv-vae on", 40),
    _scaled("conv-vae, 32x32, 128 images a step, uncompiled", "conv-vae off", 40),
    _scaled("CycleGAN, 64x64, 32 channels, 16 pairs a step, uncompiled", "cyclegan off", 2),
    _asked("reconstruct", 1, 100, milliseconds=5),
    _asked("reconstruct", 64, 20),
    _asked("translate", 1, 20, milliseconds=25),
    _asked("translate", 64, 2),
    _recommended(1, 100),
    _recommended(64, 20),
)

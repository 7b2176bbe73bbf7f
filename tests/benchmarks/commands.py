"""How soon each command responds, and the most memory that the main one holds.

In fresh processes whose files the system has read before.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmarks.demo import ROOT, serving
from tests.benchmarks.table import Row, bounded

_TRAINING = [sys.executable, str(ROOT / "train_accelerate.py")]
_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def startup_rows(rounds: int) -> Iterator[Row]:
    """Each in turn, after one round that does not count."""
    measures: dict[str, tuple[float, Callable[[], float]]] = {
        "`import hf_gen`": (0.3, lambda: _seconds([sys.executable, "-c", "import hf_gen"])),
        "`train_accelerate.py --help`": (1.5, lambda: _seconds([*_TRAINING, "--help"])),
        "`app.py` to its page": (5.0, _page),
        "`train_accelerate.py conv-vae` to its first step, images cached": (6.0, _first_step),
    }
    turns = [
        {what: measure() for what, (_, measure) in measures.items()} for _ in range(rounds + 1)
    ]
    for what, (limit, _) in measures.items():
        yield bounded(what, limit, [turn[what] for turn in turns[1:]], "s")


def memory_rows() -> Iterator[Row]:
    """Of a complete `quickstart`, from the dataset to the card."""
    with tempfile.TemporaryDirectory() as place:
        flags = ["--output-dir", f"{place}/run", "--cache-dir", f"{place}/cache"]
        training = _start("quickstart", *flags)
        _, status, used = os.wait4(training.pid, 0)
        training.returncode = os.waitstatus_to_exitcode(status)
    if training.returncode:
        raise RuntimeError(f"quickstart ended with {training.returncode}")
    gigabytes = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
    yield bounded("`train_accelerate.py quickstart`, peak memory", 1.5, [gigabytes], "GB")


def _start(*arguments: str) -> "subprocess.Popen[bytes]":
    null = subprocess.DEVNULL
    return subprocess.Popen([*_TRAINING, *arguments], env=_ENVIRONMENT, stdout=null, stderr=null)


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=_ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def _page() -> float:
    with serving() as (_, _, began):
        return time.perf_counter() - began


def _first_step() -> float:
    """Until the numbers of the first step are logged."""
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        flags = ["--max-train-samples", "4000", "--logging-steps", "1", "--output-dir", str(run)]
        began = time.perf_counter()
        training = _start("conv-vae", *flags)
        log = run / "metrics.jsonl"
        while not (log.exists() and log.stat().st_size):
            if training.poll() is not None:
                raise RuntimeError("the training ended before its first step")
            time.sleep(0.01)
        seconds = time.perf_counter() - began
        training.kill()
        training.wait()
        return seconds

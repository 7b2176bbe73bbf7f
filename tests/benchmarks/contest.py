"""Contenders that are measured in turn, each in a process of its own that waits while others run.

So neither the state of the machine nor what one of them tells its process (threads, allocator)
favours another. A contender works as it would anyway and calls `Gate.step` at each of its steps.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

WARM_UP = 10


class Gate:
    """What a contender passes at the end of each step: closed while others are measured.

    Args:
        images: Of a step.
        steps: Between two closings.
    """

    def __init__(self, images: int, steps: int) -> None:
        self.images = images
        self.steps = steps
        self._left = WARM_UP
        self._since: float | None = None

    def tell(self, **what: Any) -> None:
        """Sends a line to the contest."""
        print(json.dumps(what), file=sys.__stdout__, flush=True)

    def step(self) -> None:
        """Counts a step; every so many, tells the speed and waits."""
        self._left -= 1
        if self._left:
            return
        if self._since is not None:
            self.tell(speed=self.images * self.steps / (time.perf_counter() - self._since))
        else:
            self.tell(ready=True)
        self.wait()
        self._left = self.steps
        self._since = time.perf_counter()

    def wait(self) -> None:
        """Until the contest says that it is this one's turn."""
        if not sys.stdin.readline():
            os._exit(0)  # the contest is over, and no training of ours has to be ended well


@dataclass(frozen=True)
class Result:
    """What one contender did.

    Attributes:
        losses: Of the same weights on the same images.
        speeds: In images a second, round by round.
    """

    losses: list[float]
    speeds: list[float]


def contest(
    contenders: Mapping[str, str], rounds: int, threads: int, steps: int
) -> dict[str, Result]:
    """Measures contenders in turn: A B C A B C …

    Args:
        contenders: By name, where the function is, as "module:function arguments"; it takes a
            `Gate`, tells its losses once, and trains for ever.
        rounds: How often.
        threads: That each may use.
        steps: Of one round of each.
    """
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-m", __name__, str(threads), str(steps), *where.split()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if "-v" not in sys.argv else None,
            text=True,
        )
        for name, where in contenders.items()
    }
    try:
        results = {name: Result([], []) for name in processes}
        for name, process in processes.items():  # one after the other: compiling takes all cores
            results[name].losses.extend(_hear(name, process, "losses"))
            _hear(name, process, "ready")
        for _ in range(rounds):
            for name, process in processes.items():
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
                results[name].speeds.append(_hear(name, process, "speed"))
    finally:
        for process in processes.values():
            assert process.stdin is not None
            process.stdin.close()  # what it has launched itself ends by that
            process.kill()
            process.wait()
    return results


def ratios(result: Result, other: Result) -> list[float]:
    """How much faster `result` was than `other`, round by round."""
    return [one / two for one, two in zip(result.speeds, other.speeds, strict=True)]


def apart(results: Iterable[Result]) -> float:
    """The largest relative difference between losses of contenders that compute the same."""
    columns = zip(*(result.losses for result in results), strict=True)
    return max(max(column) / min(column) - 1 for column in columns)


def _hear(name: str, process: "subprocess.Popen[str]", what: str) -> Any:
    assert process.stdout is not None
    for line in process.stdout:
        try:
            told = json.loads(line)
        except ValueError:
            continue  # a library that prints
        if isinstance(told, dict) and what in told:
            return told[what]
    raise RuntimeError(f"{name} ended before it told its {what}: run it with -v")


def _contend() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("threads", type=int)
    parser.add_argument("steps", type=int)
    parser.add_argument("function")
    parser.add_argument("arguments", nargs="*")
    told = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(told.threads)
    import torch

    torch.set_num_threads(told.threads)
    module, function = told.function.split(":")
    getattr(importlib.import_module(module), function)(told.steps, *told.arguments)


if __name__ == "__main__":
    _contend()

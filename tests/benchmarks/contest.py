"""Contenders that are measured in turn, each in a process of its own that waits while others run.

So neither the state of the machine nor the settings of a process (threads, allocator) favour one of
them. A contender works as it would anyway and calls `Gate.step` at each of its steps.
"""

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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

    def tell(self, **values: Any) -> None:
        """Sends a line to the contest."""
        print(json.dumps(values), file=sys.__stdout__, flush=True)

    def step(self) -> None:
        """Counts a step; every so many, reports the speed and waits."""
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
        """Until it is this contender's turn."""
        if not sys.stdin.readline():
            os._exit(0)  # the contest is over, and no training has to be ended well


@dataclass(frozen=True)
class Result:
    """Losses of the same weights on the same images; speeds in images a second, by round."""

    losses: list[float] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)


def contest(
    contenders: Mapping[str, str], rounds: int, threads: int, steps: int
) -> dict[str, Result]:
    """Measures contenders in turn: A B C A B C …

    Args:
        contenders: "module:function arguments" by name; the function takes the steps of a round
            and the arguments, makes a `Gate`, sends its losses once, and works for ever.
        rounds: How often.
        threads: Of each.
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
        results = {name: Result() for name in processes}
        for name, process in processes.items():  # one after the other: compiling takes all cores
            results[name].losses.extend(_receive(name, process, "losses"))
            _receive(name, process, "ready")
        for _ in range(rounds):
            for name, process in processes.items():
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
                results[name].speeds.append(_receive(name, process, "speed"))
    finally:
        for process in processes.values():
            assert process.stdin is not None
            process.stdin.close()  # ends the processes that it has launched itself
            process.kill()
            process.wait()
    return results


def ratios(result: Result, other: Result) -> list[float]:
    """How much faster `result` was than `other`, round by round."""
    return [one / two for one, two in zip(result.speeds, other.speeds, strict=True)]


def spread(results: Iterable[Result]) -> float:
    """The largest relative difference between losses of contenders that compute the same."""
    columns = zip(*(result.losses for result in results), strict=True)
    return max(max(column) / min(column) - 1 for column in columns)


def _receive(name: str, process: "subprocess.Popen[str]", key: str) -> Any:
    assert process.stdout is not None
    for line in process.stdout:
        try:
            values = json.loads(line)
        except ValueError:
            continue  # a library that prints
        if isinstance(values, dict) and key in values:
            return values[key]
    raise RuntimeError(f"{name} ended before it sent its {key}: run it with -v")


def _contend(threads: str, steps: str, where: str, *arguments: str) -> None:
    os.environ["OMP_NUM_THREADS"] = threads
    import torch

    torch.set_num_threads(int(threads))
    module, function = where.split(":")
    getattr(importlib.import_module(module), function)(int(steps), *arguments)


if __name__ == "__main__":
    _contend(*sys.argv[1:])

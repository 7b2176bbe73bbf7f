"""The training command in forked children to which something happens at a chosen moment.

A moment is a change of a file in a folder of ours, or an optimiser's step. Children are forked from
a process that has imported everything, so that many can be killed in the time of one start.
"""

import os
import random
import re
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets.packaged_modules.imagefolder.imagefolder  # noqa: F401, forked with all the rest

from hf_gen.experiments import Experiment
from hf_gen.training.state import TrainState
from train_accelerate import main

# The first that is found in the path of what changes says which phase of a run it is.
PHASES = {
    "the pixel cache's build": r"/\.?pixels-",
    "the dataset's preparation": r"/cache\b",
    "the rotation of old checkpoints": r"/\.checkpoint-\d+\.hf_gen-(replaced|removed)",
    "a checkpoint's write": r"/\.checkpoint-\d+\.hf_gen-partial",
    "the export": r"/\.pipeline\.",
    "the log, record and pictures": r"/run\b",
}
STEP = "an optimiser's step"
ANY_TIME = "a moment of the clock"
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Moments:
    """Counts the moments of this process and lets something happen at the chosen one.

    Args:
        folder: Only what changes below it counts.
        chosen: A phase and the number of the moment in it, from 1.
        happens: What happens then; it may raise what the operating system would.
    """

    def __init__(
        self, folder: Path, chosen: tuple[str, int] | None, happens: Callable[[], object]
    ) -> None:
        self._folder, self._chosen, self._happens = str(folder), chosen, happens
        self.seen: Counter[str] = Counter()

    def watch(self) -> None:
        sys.addaudithook(self._audited)
        fsync = os.fsync
        step = TrainState.step

        def watched_fsync(descriptor: int) -> None:
            self._changes(_opened(descriptor))
            fsync(descriptor)

        def watched_step(state: TrainState, turn: str, *rest: Any) -> None:
            step(state, turn, *rest)
            self._is_in(STEP)

        os.fsync = watched_fsync
        TrainState.step = watched_step  # type: ignore[method-assign]
        for name in ("write_bytes", "write_text"):
            setattr(Path, name, self._torn(getattr(Path, name)))

    def _torn(self, write: Callable[..., int]) -> Callable[..., int]:
        def watched(path: Path, content: Any, **options: Any) -> int:
            write(path, content[: len(content) // 2], **options)
            self._changes(str(path))
            return write(path, content, **options)

        return watched

    def _audited(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, (str, bytes)) and flags & _WRITES:
                self._changes(os.fsdecode(path))
        elif event == "os.rename":
            # To or from a hidden name of `atomic_dir`: either says what is going on.
            self._changes(f"{os.fsdecode(arguments[0])} {os.fsdecode(arguments[1])}")
        elif event in ("os.remove", "os.rmdir", "os.mkdir", "os.truncate"):
            path = arguments[0] if isinstance(arguments[0], int) else os.fsdecode(arguments[0])
            within = arguments[-1]
            if event in ("os.remove", "os.rmdir") and within != -1:
                path = f"{_opened(within)}/{path}"
            self._changes(_opened(path) if isinstance(path, int) else path)

    def _changes(self, path: str) -> None:
        if self._folder in path:
            found = (name for name, part in PHASES.items() if re.search(part, path))
            self._is_in(next(found, "what is none of the run's"))

    def _is_in(self, phase: str) -> None:
        self.seen[phase] += 1
        if self._chosen == (phase, self.seen[phase]):
            self._happens()


def _opened(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def start_in_child(
    arguments: list[str],
    folder: Path,
    chosen: tuple[str, int] | None = None,
    environment: dict[str, str] | None = None,
    happens: Callable[[], object] = kill_this_process,
    first: Callable[[], object] | None = None,
) -> int:
    """Runs the command in a child, where something happens at a moment.

    Args:
        arguments: Of `train_accelerate.py`.
        folder: Where the run lies in `run`, and its caches in `cache`; the output is in `log.txt`.
        chosen: The moment, if any.
        environment: Further variables of it.
        happens: What happens then.
        first: What the child does before all else.

    Returns:
        The child's id.
    """
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.environ |= environment or {}
        log = (folder / "log.txt").open("a")
        sys.stdout = sys.stderr = log
        moments = Moments(folder, chosen, happens)
        moments.watch()
        if first is not None:
            first()
        # What follows a training changes no weight, and takes longer than all before it here.
        Experiment.conclude = lambda *_: {"images": 0}  # type: ignore[method-assign]
        code = main(arguments)
        lines = [f"{phase}\t{count}" for phase, count in moments.seen.items()]
        (folder / "seen.txt").write_text("\n".join(lines))
    except BaseException:
        traceback.print_exc(file=log)
    finally:
        log.flush()
        os._exit(code)


def exit_code(child: int, after: float | None = None) -> int:
    """How a child ended, or minus the signal; it is killed `after` so many seconds, if any."""
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def moments_of(folder: Path) -> dict[str, int]:
    """How many moments each phase had of a run that ended."""
    lines = [line.split("\t") for line in (folder / "seen.txt").read_text().splitlines()]
    return {phase: int(count) for phase, count in lines}


def kill_until_done(
    arguments: Callable[[Path], list[str]],
    folder: Path,
    wanted: list[str],
    lengths: dict[str, int],
    seconds: float,
    numbers: random.Random,
    after_each: Callable[[Path], None],
) -> Counter[str]:
    """Starts the same command again and again, and kills it in one phase after the other.

    Args:
        arguments: Of the command for a folder.
        folder: Where.
        wanted: The phases to be killed in; those that it was killed in are taken out.
        lengths: Moments of each phase of an undisturbed run.
        seconds: What that took.
        numbers: What the moments are drawn by.
        after_each: Looks at what a kill has left.

    Returns:
        How often the run was killed in each phase. It ended at last.
    """
    killed: Counter[str] = Counter()
    folder.mkdir()
    while True:
        phase = wanted[0] if wanted else None
        chosen = after = None
        if phase == ANY_TIME:
            after = numbers.uniform(0, seconds)
        elif phase is not None:
            chosen = phase, numbers.randint(1, max(lengths[phase] // 3, 1))
        code = exit_code(start_in_child(arguments(folder), folder, chosen), after)
        if code == 0:
            return killed
        assert phase is not None
        assert code == -signal.SIGKILL, (folder / "log.txt").read_text()
        killed[wanted.pop(0)] += 1
        after_each(folder / "run")

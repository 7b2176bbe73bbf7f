"""The training command in forked children, in which a fault is injected at a chosen moment.

A moment is a change of a file in a folder, or an optimiser's step. Children are forked from a
process that has imported everything, so that many can be killed in the time of one start.
"""

import json
import os
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
from tests.launching import free_port
from train_accelerate import main

# The phase of a run is the first whose pattern matches the path that changes.
PHASES = {
    "the pixel cache's build": r"/\.?pixels-",
    "the dataset's preparation": r"/cache\b",
    "the rotation of old checkpoints": r"/\.checkpoint-\d+\.hf_gen-(replaced|removed)",
    "a checkpoint's write": r"/\.checkpoint-\d+\.hf_gen-partial",
    "the export": r"/\.pipeline\.",
    "the log, record and pictures": r"/run\b",
}
Moment = tuple[str, int]
STEP = "an optimiser's step"
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Moments:
    """Counts the moments of this process and injects a fault at the chosen one.

    Args:
        folder: Only changes below it count.
        chosen: A phase and the number of the moment in it, from 1.
        happens: The fault; it may raise what the operating system would.
    """

    def __init__(self, folder: Path, chosen: Moment | None, happens: Callable[[], object]) -> None:
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
            # To or from a hidden name of `atomic_dir`: either tells the phase.
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
            self._is_in(next(found, "no phase"))

    def _is_in(self, phase: str) -> None:
        self.seen[phase] += 1
        if self._chosen == (phase, self.seen[phase]):
            self._happens()


def _opened(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def start_in_child(
    arguments: list[str],
    folder: Path,
    chosen: Moment | None = None,
    environment: dict[str, str] | None = None,
    happens: Callable[[], object] = kill_this_process,
    first: Callable[[], object] | None = None,
) -> int:
    """Runs `train_accelerate.py` in a child, without its evaluation; returns the child's id.

    Args:
        arguments: Of the command.
        folder: The run should be in `run` there, and its caches in `cache`; the output is in
            `log.txt`.
        chosen: The moment of the fault, if any.
        environment: More variables of the child.
        happens: The fault.
        first: What the child does first.
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
        # The evaluation changes no weight, and takes longer than a small training.
        Experiment.conclude = lambda *_: {"images": 0}  # type: ignore[method-assign]
        code = main(arguments)
        (folder / "moments.json").write_text(json.dumps(moments.seen))
    except BaseException:
        traceback.print_exc(file=log)
    finally:
        log.flush()
        os._exit(code)


def exit_code(child: int, after: float | None = None) -> int:
    """The exit code of a child, or minus its signal; it is killed `after` so many seconds."""
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def train_in_child(folder: Path, *arguments: str) -> Path:
    """Trains in a child to the end; returns the run folder."""
    folder.mkdir(exist_ok=True)
    run = folder / "run"
    code = exit_code(start_in_child([*arguments, "--output-dir", str(run)], folder))
    assert code == 0, (folder / "log.txt").read_text()
    return run


def start_two(
    folder: Path,
    *arguments: str,
    killed: int | None = None,
    chosen: Moment | None = None,
    environment: dict[str, str] | None = None,
) -> list[int]:
    """Starts a training in two processes; that of rank `killed` is killed at the chosen moment."""
    folder.mkdir(exist_ok=True)
    both = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "ACCELERATE_USE_CPU": "true"}
    both |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    place = ("--output-dir", str(folder / "run"))
    return [
        start_in_child(
            [*arguments, *place],
            folder,
            chosen if rank == killed else None,
            both | {"RANK": str(rank), "LOCAL_RANK": str(rank)} | (environment or {}),
        )
        for rank in range(2)
    ]


def train_in_two(folder: Path, *arguments: str) -> Path:
    """Trains in two processes to the end; returns the run folder."""
    codes = [exit_code(child) for child in start_two(folder, *arguments)]
    assert codes == [0, 0], (folder / "log.txt").read_text()
    return folder / "run"

"""What the runs have written so far: found in a folder, read, also while a training goes on."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from hf_gen.errors import UserError
from hf_gen.runs.folder import RunFolder

TRAINING, HELD_OUT = "training", "held out"
SPLITS = {"train": TRAINING, "validation": HELD_OUT}
"""What the splits of a log are called."""
PAIRS = {
    mean: (f"{mean}_{first}", f"{mean}_{second}")
    for mean, first, second in (
        ("generators/adversarial", "a_to_b", "b_to_a"),
        ("generators/cycle", "a", "b"),
        ("generators/identity", "a", "b"),
        ("discriminators/disc", "a", "b"),
    )
}
"""Numbers that a log has once for each direction or domain, by what their mean is called."""
Domains = tuple[str, str]
Stamp = tuple[tuple[int, int], ...]
_CHOSEN_AT_FIRST = 4
_QUIET_SECONDS = 600.0


@dataclass(frozen=True)
class RunLog:
    """What a run has written so far.

    Attributes:
        name: Of its folder.
        identity: What it is, as flat values, see `RunFolder.identity`.
        metrics: The finite numbers of its log, a line a step.
        results: What was measured in the end; None while there is nothing.
        written: When its log last grew, in seconds since 1970.
    """

    name: str
    identity: Mapping[str, Any]
    metrics: Sequence[Mapping[str, float]]
    results: Mapping[str, Any] | None
    written: float

    @property
    def domains(self) -> Domains:
        """What the two domains of a translation are called."""
        return self.identity.get("domains.domain_a", "a"), self.identity.get(
            "domains.domain_b", "b"
        )

    @cached_property
    def keys(self) -> list[str]:
        """The numbers of its log, in the order in which they came."""
        return list(dict.fromkeys(key for line in self.metrics for key in line))

    def points(self, key: str) -> list[tuple[float, float]]:
        """The epochs at which a number was logged, and its values."""
        return [(line["epoch"], line[key]) for line in self.metrics if key in line]


def find_runs(folder: Path) -> dict[str, Path]:
    """The runs in a folder and in its sub-folders by their names, the newest first.

    Runs that are training now are there too; folders that cannot be read are not.
    """
    files = [*folder.glob("*/run.json"), *folder.glob("*/*/run.json")]
    started = {file.parent: stamp(file.parent)[0][1] for file in files}
    newest = sorted(started, key=lambda path: (-started[path], path.name))
    found = {path.relative_to(folder).as_posix(): path for path in newest}
    return {name: path for name, path in found.items() if read_run(name, path) is not None}


def read_run(name: str, path: Path) -> RunLog | None:
    """What a run has written so far, without a last line that is still being written.

    Args:
        name: What to call it.
        path: Its folder.

    Returns:
        None if its files are damaged or have gone.
    """
    try:
        return _read(name, path, stamp(path))
    except (UserError, OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


@lru_cache(maxsize=256)
def _read(name: str, path: Path, files: Stamp) -> RunLog:
    folder = RunFolder(path)
    results = folder.results() if (path / "results.json").exists() else None
    metrics = [_numbers(line) for line in folder.metrics()]
    return RunLog(name, folder.identity(), metrics, results, max(when for _, when in files) / 1e9)


def stamp(path: Path) -> Stamp:
    """Sizes and times of the files of a run: equal as long as nothing was written."""
    files = [path / name for name in ("run.json", "metrics.jsonl", "results.json")]
    found = [file.stat() if file.exists() else None for file in files]
    return tuple((stat.st_size, stat.st_mtime_ns) if stat else (0, 0) for stat in found)


def _numbers(line: Mapping[str, float]) -> dict[str, float]:
    numbers = {key: value for key, value in line.items() if math.isfinite(value)}
    if "learning_rate" in numbers:
        numbers["train/learning_rate"] = numbers.pop("learning_rate")
    for split in SPLITS:
        for mean, keys in PAIRS.items():
            pair = [numbers.get(f"{split}/{key}") for key in keys]
            if None not in pair:
                numbers[f"{split}/{mean}"] = sum(value or 0.0 for value in pair) / 2
    return numbers | {"step": numbers["step"], "epoch": numbers["epoch"]}


def status(run: RunLog, now: float) -> str:
    """How far a run is, in words.

    Args:
        run: The run.
        now: In seconds since 1970.
    """
    last = run.metrics[-1] if run.metrics else {"step": 0, "epoch": 0.0}
    step, epoch = int(last["step"]), last["epoch"]
    if run.results is not None:
        return f"finished, {epoch:.3g} epochs"
    steps = run.identity.get("optimisation.max_train_steps")
    epochs = run.identity.get("optimisation.num_train_epochs")
    if steps is None and epochs and epoch:
        steps = math.ceil(epochs * step / epoch)
    done = f"step {step:,}" + (f" of {max(steps, step):,}" if steps else "")
    quiet = now - run.written
    if quiet < _QUIET_SECONDS:
        return f"training, {done}"
    spans = {86_400: "a day", 3_600: "an hour", 0: "10 minutes"}
    span = next(words for seconds, words in spans.items() if quiet >= seconds)
    return f"not finished, {done}, nothing new for over {span}"


def first_runs(runs: Sequence[RunLog]) -> list[str]:
    """What is shown unless runs are chosen: the newest, and up to three more of its family.

    Args:
        runs: All there are, the newest first.
    """
    families = ["domains.domain_a" in run.identity for run in runs]
    alike = [run.name for run, family in zip(runs, families, strict=True) if family == families[0]]
    return alike[:_CHOSEN_AT_FIRST]


def domains_of(runs: Iterable[RunLog]) -> Domains:
    """What the domains are called where all translations agree, else a and b."""
    found = {run.domains for run in runs if "domains.domain_a" in run.identity}
    return found.pop() if len(found) == 1 else ("a", "b")

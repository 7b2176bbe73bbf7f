"""The run folder: what it holds, and where."""

import json
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from hf_gen.errors import UserError, translate_os_errors
from hf_gen.metrics import PER_KL_WEIGHT, PRIORS
from hf_gen.runs.atomic import LOCK, atomic_rmtree, atomic_write_text, is_leftover
from hf_gen.runs.record import (
    FORMAT,
    Record,
    check_same_run,
    flat,
    parsed,
    read_json,
    read_record,
    short,
)

STATE = "state.json"
_OF_SEVERAL = ("_per_dimension", PER_KL_WEIGHT, "kl_weights")
"""What shows that a folder is a checkpoint."""


@dataclass(frozen=True)
class RunFolder:
    """A folder such as runs/conv-vae and the names of what is in it."""

    path: Path

    @property
    def pipeline(self) -> Path:
        """The exported pipeline, saved by `save_pretrained`."""
        return self.path / "pipeline"

    @property
    def figures(self) -> Path:
        """Pictures and curves."""
        return self.path / "figures"

    @property
    def _metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    def record(self) -> Record:
        """What run.json says.

        Raises:
            UserError: If it is damaged or of another format.
        """
        return read_record(self.path / "run.json")

    def _record(self) -> Record | None:
        return self.record() if (self.path / "run.json").exists() else None

    def check(self, identity: dict[str, Any], ignored: Collection[str] = ()) -> None:
        """Makes sure that the folder can be written and holds this run or nothing. Writes nothing.

        Args:
            identity: Nested plain values: the name of the recipe, its fields, the processes.
            ignored: Fields that are not compared, by their flat names.

        Raises:
            UserError: If the run in the folder differs (the fields are listed), or if the folder
                holds files but no run, or is not writable.
        """
        existing = next(path for path in (self.path, *self.path.parents) if path.exists())
        if not existing.is_dir():
            raise UserError(f"{existing} is a file: choose another --output-dir")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise UserError(
                f"{existing} is not writable for this user: choose another --output-dir"
            )
        if record := self._record():
            check_same_run(self.path, flat(record.identity), flat(identity), ignored)
            return
        found = self.path.iterdir() if self.path.exists() else ()
        others = [one.name for one in found if one.name != LOCK and not is_leftover(one)]
        if others:
            raise UserError(
                f"{self.path} holds files of other origin, such as {min(others)}, and no run: "
                "choose another --output-dir, a new or empty folder"
            )

    def check_images(self, images: list[dict[str, Any]]) -> None:
        """Makes sure that the run was started on the same images.

        Args:
            images: As for `start`.

        Raises:
            UserError: If the images are others, with what differs.
        """
        record = self._record()
        differing = [
            f"{key} was {old.get(key)} and is now {new.get(key)}"
            for old, new in zip(record.images if record else (), images, strict=False)
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key)
        ]
        if differing:
            raise UserError(
                f"the images of {self.path} have changed: {'; '.join(differing)}. Restore the "
                "dataset to resume the run, or choose another --output-dir to start a new one"
            )

    def start(
        self,
        identity: dict[str, Any],
        command: str,
        device: str,
        versions: dict[str, str],
        images: Sequence[dict[str, Any]] = (),
        compiled: bool = False,
    ) -> None:
        """Creates the folder with its run.json, or notes there what else may differ in it.

        Args:
            identity: As for `check`.
            command: What started the run, for people.
            device: What trains it, for people.
            versions: Of the libraries, for people.
            images: What the images of each domain are, as flat values.
            compiled: Whether the networks are compiled, which a resumed run repeats.
        """
        with translate_os_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        saved = self._record()
        if saved is not None and saved.identity == identity:
            return
        record = Record(FORMAT, command, compiled, identity, versions, device, [*images])
        if saved is not None:
            record = replace(saved, command=command, identity=identity)
        text = json.dumps(asdict(record), indent=2)
        atomic_write_text(self.path / "run.json", text + "\n")

    def identity(self) -> dict[str, Any]:
        """What the run is, as flat values."""
        return flat(self.record().identity)

    def compiled(self) -> bool | None:
        """Whether the networks of the run are compiled; None before it was started."""
        record = self._record()
        return None if record is None else record.compiled

    def results(self) -> dict[str, Any]:
        """What `save_results` wrote."""
        file = self.path / "results.json"
        results = read_json(file)
        for key, value in results.items():
            if key == "default_prior" and value in [*PRIORS]:
                continue
            several = isinstance(value, list) and key.endswith(_OF_SEVERAL)
            if not all(map(_is_number, value if several else [value])):
                raise UserError(
                    f"{file} is damaged: {key} is {short(value)}, and no number; measure the run "
                    f"again with hf-gen evaluate {self.path}"
                )
        return results

    def save_results(self, results: dict[str, Any]) -> None:
        """Writes what was measured on the test images after training."""
        atomic_write_text(self.path / "results.json", json.dumps(results, indent=2) + "\n")

    def add_seconds(self, seconds: float) -> None:
        """Adds to the time that the run was trained for, which is no part of its results."""
        content = json.dumps({"training_seconds": round(self.seconds() + seconds, 1)})
        atomic_write_text(self.path / "timing.json", content + "\n")

    def seconds(self) -> float:
        """How long the run was trained, including evaluations."""
        file = self.path / "timing.json"
        seconds = read_json(file).get("training_seconds") if file.exists() else 0.0
        if not isinstance(seconds, int | float):
            raise UserError(f"{file} is damaged: it holds no training_seconds; remove it")
        return seconds

    def checkpoint(self, step: int) -> Path:
        """The checkpoint after `step` optimiser steps."""
        return self.path / f"checkpoint-{step}"

    def checkpoints(self) -> list[Path]:
        """The checkpoints, all complete, in order."""
        names = (path.name for path in self.path.glob("checkpoint-*"))
        steps = (match[1] for name in names if (match := re.fullmatch(r"checkpoint-(\d+)", name)))
        return [self.path / f"checkpoint-{step}" for step in sorted(steps, key=int)]

    def checkpoint_to_resume(self, wanted: str) -> Path | None:
        """The checkpoint of that name, or the last one for "latest"; None if there is none yet.

        Raises:
            UserError: If a checkpoint is named that does not exist.
        """
        named = {path.name: path for path in self.checkpoints()}
        if wanted == "latest":
            return next(reversed(named.values()), None)
        if wanted not in named:
            present = ", ".join(named) or "none"
            raise UserError(f"{self.path} has no {wanted!r}: its checkpoints are {present}")
        return named[wanted]

    def keep_last_checkpoints(self, limit: int) -> None:
        """Keeps the last `limit` checkpoints, and folders of that name that hold no checkpoint."""
        for path in self._own_checkpoints()[:-limit]:
            atomic_rmtree(path)

    def _own_checkpoints(self) -> list[Path]:
        """Those that may be removed: a folder without a state was not made by hf_gen."""
        return [path for path in self.checkpoints() if (path / STATE).is_file()]

    def save_progress(self, picture: Image.Image, step: int) -> None:
        """Keeps a picture of how far the training was, as figures/progress/step-000100.png."""
        folder = self.figures / "progress"
        with translate_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            picture.save(folder / f"step-{step:06d}.png")

    def log(self, numbers: dict[str, float]) -> None:
        """Appends a line to metrics.jsonl."""
        with translate_os_errors(self._metrics), self._metrics.open("a") as file:
            file.write(json.dumps(numbers) + "\n")
            # The next checkpoint is flushed too, and a resumed run takes no step before it again.
            file.flush()
            os.fsync(file.fileno())

    def metrics(self) -> list[dict[str, float]]:
        """Every line of metrics.jsonl; a last line that a kill cut short is left out.

        Raises:
            UserError: If a line is damaged.
        """
        lines = self._metrics.read_bytes().split(b"\n")[:-1] if self._metrics.exists() else []
        found = []
        for place, line in enumerate(lines, 1):
            numbers = parsed(line)
            is_step = isinstance(numbers, dict) and isinstance(numbers.get("step"), int | float)
            if not is_step or not all(map(_is_number, numbers.values())):
                raise UserError(
                    f"line {place} of {self._metrics} is damaged: it holds {short(line)}, and no "
                    "numbers of a step; remove it to continue without it"
                )
            found.append(numbers)
        return found

    def last_line(self) -> dict[str, float]:
        """The last line of metrics.jsonl, with the "step" and the "epoch" at which a run ended.

        Raises:
            UserError: If there is none.
        """
        lines = self.metrics()
        if not lines or "epoch" not in lines[-1]:
            raise UserError(f"{self._metrics} does not say where the run ended: train it again")
        return lines[-1]

    def roll_back(self, step: int) -> None:
        """Removes the checkpoints and the log lines of later steps, which will be taken again."""
        for path in self._own_checkpoints():
            if int(path.name.rpartition("-")[2]) > step:
                atomic_rmtree(path)
        if self._metrics.exists():
            kept = [line for line in self.metrics() if line["step"] <= step]
            atomic_write_text(self._metrics, "".join(json.dumps(line) + "\n" for line in kept))


def _is_number(value: Any) -> bool:
    """Whether it is a number as a log has it; JSON has integers of any length."""
    return isinstance(value, float) or (isinstance(value, int) and -(2**63) <= value < 2**63)

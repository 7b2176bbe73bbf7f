"""The run folder: what lies where, and what makes a run the same run."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from hf_gen.errors import UserError, translate_os_errors
from hf_gen.runs.atomic import LOCK, atomic_rmtree, atomic_write_text, is_leftover

FORMAT = 1
STATE = "state.json"
"""What shows that a folder is a checkpoint."""
T = TypeVar("T")
# What does not change the weights. Where the images are does not: their pixels are compared.
_FREE_TO_DIFFER = (
    *("output.", "optimisation.num_threads", "data.cache_dir"),
    *("data.dataset_name", "data.train_data_dir"),
    *("domains.dataset_name_b", "domains.train_data_dir_b"),
    *("domains.domain_a", "domains.domain_b"),
)
_END = {"optimisation.num_train_epochs", "optimisation.max_train_steps"}


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

    def check(self, identity: dict[str, Any], before: dict[str, Any] | None = None) -> None:
        """Makes sure that the folder can be written and holds this run or nothing. Writes nothing.

        Args:
            identity: Nested plain values: the name of the recipe, its fields, the processes.
            before: What fields are taken to have been that an older run does not have.

        Raises:
            UserError: If the run in the folder differs (the fields are listed), or if the folder
                holds files but no run, or is not writable.
        """
        existing = self.path
        while not existing.exists():
            existing = existing.parent
        if not existing.is_dir():
            raise UserError(f"{existing} is a file: choose another --output-dir")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise UserError(
                f"{existing} is not writable for this user: choose another --output-dir"
            )
        run_file = self.path / "run.json"
        if not run_file.exists():
            self._check_empty()
            return
        try:
            saved = json.loads(run_file.read_text(encoding="utf-8"))
            old, new = flat(before or {}) | flat(saved["identity"]), flat(identity)
            differing = [
                key
                for key in sorted(old.keys() | new.keys())
                if old.get(key) != new.get(key) and not key.startswith(_FREE_TO_DIFFER)
            ]
            saved_format = saved["format"]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(
                f"{run_file} is damaged ({error}): choose another --output-dir"
            ) from error
        if saved_format != FORMAT:
            raise UserError(
                f"{self.path} holds a run of format {saved_format}, and this version of hf_gen "
                f"writes format {FORMAT}: choose another --output-dir"
            )
        schedule = new.get("optimisation.lr_scheduler")
        if not differing or (_END.issuperset(differing) and schedule == "constant"):
            return
        shown = "; ".join(
            f"{key.rpartition('.')[2]} was {old.get(key)!r} and is now {new.get(key)!r}"
            for key in differing
        )
        if _END.issuperset(differing):
            raise UserError(
                f"{self.path} has the learning rate schedule {schedule}, which depends on the "
                f"end of the run: {shown}. Give the same end, or another --output-dir; only a run "
                "with --lr-scheduler constant can be prolonged"
            )
        raise UserError(
            f"{self.path} holds another run: {shown}. Give the same flags to resume it, or another "
            "--output-dir to start a new one"
        )

    def _check_empty(self) -> None:
        if not self.path.exists():
            return
        others = [
            path.name for path in self.path.iterdir() if path.name != LOCK and not is_leftover(path)
        ]
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
            UserError: If the images are others; the sentence says what differs.
        """
        run_file = self.path / "run.json"
        # Older runs did not note them.
        saved = self._described().get("images") if run_file.exists() else None
        if saved is None:
            return
        differing = [
            f"{key} was {old.get(key)} and is now {new.get(key)}"
            for old, new in zip(saved, images, strict=False)
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key)
        ]
        if differing:
            raise UserError(
                f"the images of {self.path} have changed: {'; '.join(differing)}. Bring the "
                "dataset back as it was to go on, or choose another --output-dir to start anew"
            )

    def start(
        self,
        identity: dict[str, Any],
        command: str,
        device: str,
        versions: dict[str, str],
        images: list[dict[str, Any]] | None = None,
        compiled: bool = False,
    ) -> None:
        """Creates the folder with its `run.json`, or notes there where a run's images are now.

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
        run_file = self.path / "run.json"
        content: dict[str, Any] = {"format": FORMAT, "command": command, "device": device}
        content |= {"compiled": compiled, "identity": None, "versions": versions}
        content["images"] = images
        if run_file.exists():
            content = self._described()
        if content["identity"] != identity:
            text = json.dumps(content | {"command": command, "identity": identity}, indent=2)
            atomic_write_text(run_file, text + "\n")

    def identity(self) -> dict[str, Any]:
        """What the run is, as flat values: from its `run.json`.

        Raises:
            UserError: If the file is damaged, as of all that is read here.
        """
        try:
            return flat(self._told("identity", dict))
        except RecursionError as error:
            raise UserError(f"{self.path}/run.json is damaged ({error}); train anew") from error

    def compiled(self) -> bool | None:
        """Whether the networks of the run are compiled; None before it was started."""
        return self._told("compiled", bool) if (self.path / "run.json").exists() else None

    def command(self) -> str:
        """What started the run."""
        return self._told("command", str)

    def device(self) -> str:
        """What trained it, such as "1 x cpu"; runs of before that was noted do not say."""
        return self._told("device", str, "a machine that was not noted")

    def _told(self, key: str, kind: type[T], missing: T | None = None) -> T:
        value = self._described().get(key, missing)
        if not isinstance(value, kind):
            where = self.path / "run.json"
            raise UserError(f"{where} is damaged: its {key} is {_short(value)}; train anew")
        return value

    def _described(self) -> dict[str, Any]:
        return read_json(self.path / "run.json")

    def results(self) -> dict[str, Any]:
        """What `save_results` wrote."""
        file = self.path / "results.json"
        results = read_json(file)
        for key, value in results.items():
            several = isinstance(value, list) and key.endswith("_per_dimension")
            if not all(map(_is_number, value if several else [value])):
                raise UserError(
                    f"{file} is damaged: {key} is {_short(value)}, and no number; measure the run "
                    f"again with hf-gen evaluate {self.path}"
                )
        return results

    def save_results(self, results: dict[str, float]) -> None:
        """Writes the numbers that were measured on the held-out images after training."""
        atomic_write_text(self.path / "results.json", json.dumps(results, indent=2) + "\n")

    def add_seconds(self, seconds: float) -> None:
        """Adds to the time that the run was trained for, which is no part of its results."""
        content = json.dumps({"training_seconds": round(self.seconds() + seconds, 1)})
        atomic_write_text(self.path / "timing.json", content + "\n")

    def seconds(self) -> float:
        """How long the run was trained, evaluations along the way included."""
        file = self.path / "timing.json"
        if not file.exists():
            return 0.0
        seconds = read_json(file).get("training_seconds")
        if not isinstance(seconds, int | float):
            raise UserError(f"{file} is damaged: it holds no training_seconds; remove it")
        return seconds

    def checkpoint(self, step: int) -> Path:
        """Where the checkpoint after `step` optimiser steps lies."""
        return self.path / f"checkpoint-{step}"

    def checkpoints(self) -> list[Path]:
        """The checkpoints, all whole, in order."""
        found = {
            int(match[1]): path
            for path in self.path.glob("checkpoint-*")
            if (match := re.fullmatch(r"checkpoint-(\d+)", path.name))
        }
        return [found[step] for step in sorted(found)]

    def checkpoint_to_resume(self, wish: str) -> Path | None:
        """The checkpoint of that name, or the last one for "latest"; None if there is none yet.

        Raises:
            UserError: If a checkpoint is named that is not there.
        """
        checkpoints = self.checkpoints()
        if wish == "latest":
            return checkpoints[-1] if checkpoints else None
        named = {path.name: path for path in checkpoints}
        if wish not in named:
            there = ", ".join(named) or "none"
            raise UserError(f"{self.path} has no {wish!r}: its checkpoints are {there}")
        return named[wish]

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
        """Every line of metrics.jsonl; a last line that a kill cut short is left out."""
        if not self._metrics.exists():
            return []
        lines = self._metrics.read_bytes().split(b"\n")[:-1]
        return [self._numbers(place, line) for place, line in enumerate(lines, 1)]

    def _numbers(self, place: int, line: bytes) -> dict[str, float]:
        numbers = _parsed(line)
        if (
            not isinstance(numbers, dict)
            or not isinstance(numbers.get("step"), int | float)
            or not all(map(_is_number, numbers.values()))
        ):
            raise UserError(
                f"line {place} of {self._metrics} is damaged: it holds {_short(line)}, and no "
                "numbers of a step; remove it to go on without it"
            )
        return numbers

    def last_line(self) -> dict[str, float]:
        """The last line of metrics.jsonl, with the "step" and the "epoch" at which a run ended.

        Raises:
            UserError: If there is none.
        """
        lines = self.metrics()
        if not lines or "epoch" not in lines[-1]:
            raise UserError(f"{self._metrics} does not say where the run ended: train it anew")
        return lines[-1]

    def last_validation(self) -> dict[str, float]:
        """The numbers of the last evaluation, without their prefix."""
        return {
            key.removeprefix("validation/"): value
            for key, value in self.metrics()[-1].items()
            if key.startswith("validation/")
        }

    def roll_back(self, step: int) -> None:
        """Removes the checkpoints and the log lines of later steps, which will be taken again."""
        for path in self._own_checkpoints():
            if int(path.name.rpartition("-")[2]) > step:
                atomic_rmtree(path)
        if self._metrics.exists():
            kept = [line for line in self.metrics() if line["step"] <= step]
            atomic_write_text(self._metrics, "".join(json.dumps(line) + "\n" for line in kept))


def read_json(file: Path) -> dict[str, Any]:
    """What lies in a JSON file of a run.

    Raises:
        UserError: If that is no object of JSON.
    """
    content = _parsed(file.read_bytes())
    if not isinstance(content, dict):
        raise UserError(f"{file} is damaged: it holds {_short(content)}, and no object of JSON")
    return content


def _parsed(content: bytes) -> Any:
    """The value; where it is none, what was there."""
    try:
        return json.loads(content.decode())
    except (ValueError, RecursionError):
        return content


def _is_number(value: Any) -> bool:
    """Whether it is a number as a log has it; JSON has whole numbers of any length."""
    return isinstance(value, float) or (isinstance(value, int) and -(2**63) <= value < 2**63)


def _short(value: Any) -> str:
    words = repr(value)
    return words if len(words) < 60 else f"{words[:60]}..."


def flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by the path to each, such as "data.resolution"."""
    found: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found

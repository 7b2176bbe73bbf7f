"""Adds the model of a run to the bundled models: `python -m tools.ship RUN`.

Weights are stored in half precision, without the source files of a Hub repository: the classes are
installed. `MANIFEST` holds the origin of each model and the hashes of its files.
"""

import hashlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import tyro

from hf_gen.errors import UserError
from hf_gen.evaluation.collapse import COURSE, EPOCH
from hf_gen.hub.cards import without_folders
from hf_gen.metrics import DIRECTIONS
from hf_gen.pipelines import WEIGHTS, load
from hf_gen.runs.atomic import atomic_dir, atomic_write_text
from hf_gen.runs.folder import RunFolder

MANIFEST = WEIGHTS / "manifest.json"


def manifest() -> dict[str, dict[str, Any]]:
    """The entries of the bundled models, by name.

    "chosen_on" is in an entry where the checkpoint or the recipe was chosen on images that are no
    validation split: "test" for the test images of its own training data, whose results are not
    published. "evaluations" are those of a translation during its training.
    """
    entries: dict[str, dict[str, Any]] = json.loads(MANIFEST.read_text("utf-8"))
    return entries


def ship(run: tyro.conf.Positional[Path], data: str, commit: str, name: str | None = None) -> None:
    """Bundle the model of a run, in place of an earlier one of that name.

    Args:
        run: A run folder with an exported pipeline.
        data: Training data and its terms, for the card.
        commit: Of hf_gen, that trained it.
        name: Of the model. Default: its recipe's.
    """
    pipeline, described = load(run, dtype=torch.float16), RunFolder(run)
    recipe = described.identity()["recipe"]
    name = name or recipe
    folder = WEIGHTS / name
    if not re.fullmatch(r"[\w-]+", name):
        raise UserError(f"name must be letters, digits, _ and - alone, got {name!r}")
    with atomic_dir(folder, marker="model_index.json") as partial:
        pipeline.save_pretrained(partial, safe_serialization=True)
        for source in partial.rglob("*.py"):
            source.unlink()
    listed = manifest() if MANIFEST.exists() else {}
    listed[name] = {
        "recipe": recipe,
        "command": without_folders(described.record().command),
        "steps": described.last_line()["step"],
        "device": described.record().device,
        "minutes": round(described.seconds() / 60, 1),
        "commit": commit,
        "data": data,
        "files": hashes(folder),
    }
    if course := evaluations(described.metrics()):
        listed[name]["evaluations"] = course
    listed = {key: listed[key] for key in sorted(listed)}
    atomic_write_text(MANIFEST, json.dumps(listed, indent=2, ensure_ascii=False) + "\n")


def evaluations(lines: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """What the figure and the paragraph on mode collapse need of a log."""
    kept = {"step", EPOCH} | {f"validation/{one}/{name}" for one in DIRECTIONS for name in COURSE}
    return [
        {name: round(value, 4) for name, value in line.items() if name in kept}
        for line in lines
        if f"validation/{DIRECTIONS[0]}/{COURSE[0]}" in line
    ]


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


if __name__ == "__main__":
    try:
        tyro.cli(ship)
    except UserError as error:
        sys.exit(str(error))

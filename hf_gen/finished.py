"""Runs that have ended, to be measured again and compared."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_gen.config import Recipe, recipe_from_json
from hf_gen.errors import UserError
from hf_gen.recipes import RECIPES
from hf_gen.runs import FORMAT, RunFolder


@dataclass(frozen=True)
class FinishedRun:
    """A run that has been trained and measured.

    Attributes:
        folder: Where it lies.
        recipe_name: Which of the recipes it is.
        recipe: With the run's own values.
    """

    folder: RunFolder
    recipe_name: str
    recipe: Recipe

    @property
    def name(self) -> str:
        """What it is called in tables and figures: its folder."""
        return self.folder.path.name


def open_run(path: Path) -> FinishedRun:
    """Reads what a run is.

    Raises:
        UserError: If there is none, it has not ended, or this version cannot read it.
    """
    folder = RunFolder(path.resolve())
    run_file = path / "run.json"
    if not run_file.is_file():
        raise UserError(f"{path} holds no run: there is no run.json in it")
    try:
        described: dict[str, Any] = json.loads(run_file.read_text(encoding="utf-8"))
        saved_format, identity = described["format"], described["identity"]
        recipe_name, command = identity["recipe"], described["command"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{run_file} is damaged ({error}): train into another folder") from error
    if saved_format != FORMAT:
        raise UserError(f"{path} is a run of format {saved_format}, and this is format {FORMAT}")
    if recipe_name not in RECIPES:
        raise UserError(f"{path} is a run of {recipe_name!r}, which is no recipe of this version")
    try:
        recipe = recipe_from_json(RECIPES[recipe_name][1], identity)
    except (UserError, TypeError, ValueError) as error:
        raise UserError(f"{run_file} cannot be read by this version: {error}") from error
    if not (path / "results.json").is_file():
        raise UserError(f"{path} has not ended: {command} goes on with it")
    return FinishedRun(folder, recipe_name, recipe)

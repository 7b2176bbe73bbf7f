"""Runs that have ended, to be measured again and compared."""

import os
from dataclasses import dataclass
from pathlib import Path

from hf_gen.config import CycleGANRecipe, Recipe, recipe_from_json
from hf_gen.errors import UserError
from hf_gen.recipes import RECIPES
from hf_gen.runs.folder import RunFolder
from hf_gen.runs.record import check_types


@dataclass(frozen=True)
class LoadedRun:
    """A run that has been trained and measured."""

    folder: RunFolder
    recipe: Recipe  # with the run's own values

    @property
    def name(self) -> str:
        """What it is called in tables and figures: its folder."""
        return self.folder.path.name

    @property
    def sources(self) -> list[str]:
        """What its run.json names to read images from, and to keep them in; no synthetic faces.

        Folders of this machine are resolved: what they are called may have been chosen to mislead.
        """
        data = self.recipe.data
        named = [(part.train_data_dir or part.source, part.data_files) for part in data.parts]
        if isinstance(self.recipe, CycleGANRecipe):
            domains = self.recipe.domains
            named += [(name, domains.data_files_b) for name in domains.sources]
        shown = [" ".join((_in_full(name), *files)) for name, files in named if name != "faces"]
        return shown + ([_in_full(data.cache_dir)] if data.cache_dir is not None else [])


def load_run(path: Path) -> LoadedRun:
    """Reads what a run is.

    Raises:
        UserError: If there is none, it has not ended, or this version cannot read it.
    """
    folder = RunFolder(path.resolve())
    run_file = path / "run.json"
    if not path.is_dir():
        raise UserError(f"{path} is no folder: name a run folder, such as runs/conv-vae")
    if not run_file.is_file():
        raise UserError(f"{path} holds no run: there is no run.json in it")
    record = folder.record()
    name = str(record.identity.get("recipe"))
    if name not in RECIPES:
        raise UserError(f"{path} is a run of {name!r}, which is no recipe of this version")
    try:
        recipe = recipe_from_json(RECIPES[name][1], record.identity)
        check_types(recipe)
    except (UserError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{run_file} cannot be read by this version: {error}") from error
    if not (path / "results.json").is_file():
        raise UserError(f"{path} has not ended: {record.command} resumes it")
    return LoadedRun(folder, recipe)


def _in_full(name: str | Path) -> str:
    folder = Path(os.path.expanduser(name))  # noqa: PTH111, which fails for unknown users
    return str(folder.resolve()) if folder.exists() else str(name)

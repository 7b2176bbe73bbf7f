"""Runs that have ended, to be measured again and compared."""

import os
import types
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hf_gen.config import CycleGANRecipe, Recipe, recipe_from_json
from hf_gen.errors import UserError
from hf_gen.recipes import RECIPES
from hf_gen.runs.folder import FORMAT, RunFolder, read_json


@dataclass(frozen=True)
class LoadedRun:
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

    @property
    def sources(self) -> list[str]:
        """What its run.json names to read images from, and to keep them in; no synthetic faces.

        Folders of this machine are told in full: what they are called may have been chosen to
        mislead.
        """
        data = self.recipe.data
        named = [(data.train_data_dir or data.dataset_name, data.data_files)]
        if isinstance(self.recipe, CycleGANRecipe):
            domains = self.recipe.domains
            second = domains.train_data_dir_b or domains.dataset_name_b
            named += [(second, domains.data_files_b)] if second is not None else []
        told = [" ".join((_in_full(name), *files)) for name, files in named if name != "faces"]
        return told + ([_in_full(data.cache_dir)] if data.cache_dir is not None else [])


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
    described = read_json(run_file)
    try:
        saved_format, identity = described["format"], described["identity"]
        recipe_name, command = str(identity["recipe"]), folder.command()
    except (KeyError, TypeError) as error:
        raise UserError(f"{run_file} is damaged ({error}): train into another folder") from error
    if saved_format != FORMAT:
        raise UserError(f"{path} is a run of format {saved_format}, and this is format {FORMAT}")
    if recipe_name not in RECIPES:
        raise UserError(f"{path} is a run of {recipe_name!r}, which is no recipe of this version")
    try:
        recipe = recipe_from_json(RECIPES[recipe_name][1], identity)
        _check_types(recipe)
    except (UserError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{run_file} cannot be read by this version: {error}") from error
    if not (path / "results.json").is_file():
        raise UserError(f"{path} has not ended: {command} goes on with it")
    return LoadedRun(folder, recipe_name, recipe)


def _in_full(name: str | Path) -> str:
    folder = Path(os.path.expanduser(name))  # noqa: PTH111, which fails for unknown users
    return str(folder.resolve()) if folder.exists() else str(name)


def _check_types(recipe: Any) -> None:
    """Makes sure that every value is of the type of its field, which JSON knows nothing of."""
    hints = get_type_hints(type(recipe))
    for known in fields(recipe):
        value = getattr(recipe, known.name)
        if is_dataclass(value):
            _check_types(value)
        elif not _fits(value, hints[known.name]):
            raise TypeError(f"{known.name} must be {hints[known.name]}, got {value!r}")


def _fits(value: Any, hint: Any) -> bool:
    kinds = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return any(_fits(value, kind) for kind in kinds)
    if get_origin(hint) is Literal:
        return value in kinds
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(_fits(one, kinds[0]) for one in value)
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint or (hint is Path and isinstance(value, Path))

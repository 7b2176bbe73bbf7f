"""A Gradio Space on the Hub: the demo, its requirements, and the models that it shows.

Source: https://huggingface.co/docs/hub/spaces-config-reference for the header of its README.
"""

import shutil
import tomllib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import HfApi, SpaceCard, SpaceCardData
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import hf_gen
from hf_gen.errors import UserError, translate_hub_errors
from hf_gen.hub.cards import TEMPLATES
from hf_gen.hub.upload import SPACE_HARDWARE, Repository
from hf_gen.pipelines.files import INDEX, network_files
from hf_gen.pipelines.networks import COMPONENTS

# The newest torch on ZeroGPU's list, which ends before the one that hf_gen is developed with.
_TORCH = "2.11.0"
_APP, _PINS, _PROJECT, _LICENSE = "app.py", "requirements.txt", "pyproject.toml", "LICENSE"
# What `hf_gen.load` reads of a repository, at its root too.
_READ = (INDEX, *(file for place in (*COMPONENTS, "") for file in network_files(place)))
_TIMEOUT = 5.0


class ShownModel(NamedTuple):
    """A model on the Hub that a Space shows.

    Attributes:
        name: Such as user/name.
        files: What the demo reads of it; empty if it is private or gated, which needs a token.
    """

    name: str
    files: tuple[str, ...]


def push_space(
    repo_id: str, models: Sequence[str], private: bool, api: HfApi, overwrite: bool = False
) -> str:
    """Uploads the demo as a Space, in one commit; returns the address of the commit.

    Args:
        repo_id: Such as user/name; a name alone is the user's own. An existing Space keeps its
            hardware, settings and secrets, and the files that hf_gen did not write.
        models: The ids of the models that it shows besides the bundled ones.
        private: Whether a new Space is hidden from others.
        api: The client.
        overwrite: Replace files of the same names that hf_gen did not write.

    Raises:
        UserError: If the demo is not installed from a checkout, a model does not exist, a package
            is not pinned, the Hub refuses, or it cannot be reached.
    """
    source = checkout()
    shown = [look_up_model(name, api) for name in models]
    repository = Repository.open(api, repo_id, private, "space", overwrite, "gradio")

    def write(folder: Path) -> None:
        stage_space(folder, source, models)

    card = space_card(repository.name, source, shown)
    return repository.push(write, card, ", ".join(["The demo", *models]))


def checkout() -> Path:
    """The folder that hf_gen runs from, with the demo's entry and its pinned requirements.

    Raises:
        UserError: If it is not a checkout, as where a wheel is installed.
    """
    folder = Path(hf_gen.__file__).parents[1]
    for name in (_APP, _PINS, _PROJECT, _LICENSE):
        if not (folder / name).is_file():
            raise UserError(
                f"{folder} holds hf_gen, but not {name}: push a Gradio Space from a checkout of "
                "hf_gen, installed with `pip install -r requirements.txt` in it, or a static Space "
                "without --sdk gradio"
            )
    return folder


def look_up_model(name: str, api: HfApi) -> ShownModel:
    """Finds a model on the Hub, and which of its files the demo reads.

    Raises:
        UserError: If there is none, the demo cannot show it, or the Hub cannot be reached.
    """
    with translate_hub_errors(name):
        info = api.model_info(name, timeout=_TIMEOUT)
    files = [file.rfilename for file in info.siblings or []]
    read = [file for file in files if any(fnmatchcase(file, pattern) for pattern in _READ)]
    if not any(file.endswith(".safetensors") for file in read):
        raise UserError(
            f"{name} holds no model that the demo shows, neither a pipeline of hf_gen nor an "
            "autoencoder of diffusers with safetensors: name another"
        )
    return ShownModel(name, () if info.private or info.gated else tuple(read))


def stage_space(folder: Path, source: Path, models: Sequence[str] = ()) -> None:
    """Writes the files of a Space but its README from a checkout into a new folder.

    Raises:
        UserError: If a package that the demo needs is not pinned.
    """
    generated = shutil.ignore_patterns("__pycache__", "*.pyi", ".*")  # by Python, gradio, editors
    shutil.copytree(source / "hf_gen", folder / "hf_gen", ignore=generated)
    for name in (_APP, _LICENSE):
        shutil.copy2(source / name, folder / name)
    (folder / _PINS).write_text(_requirements(source), encoding="utf-8")
    if models:
        (folder / "models.txt").write_text("\n".join([*models, ""]), encoding="utf-8")


def space_card(repo_id: str, source: Path, models: Sequence[ShownModel]) -> SpaceCard:
    """The README of a Space: what the Hub builds, and what it shows."""
    return SpaceCard.from_template(
        SpaceCardData(),
        template_path=str(TEMPLATES / "space.md"),
        repo_id=repo_id,
        gradio=_pin(_pins(source), "gradio"),
        hardware=SPACE_HARDWARE.value,
        models=models,
    )


def _requirements(source: Path) -> str:
    """A line for each package that the demo imports but gradio, which the Space installs itself."""
    declared = tomllib.loads((source / _PROJECT).read_text(encoding="utf-8"))["project"]
    needed = [*declared["dependencies"], *declared["optional-dependencies"]["demo"]]
    names = sorted({canonicalize_name(Requirement(line).name) for line in needed})
    pins = _pins(source)
    versions = {name: _pin(pins, name) for name in names if name != "gradio"} | {"torch": _TORCH}
    return "".join(f"{name}=={version}\n" for name, version in versions.items())


def _pins(source: Path) -> dict[str, str]:
    """The versions in requirements.txt, by the normalized names of the packages."""
    lines = (source / _PINS).read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("==") for line in lines)
    return {canonicalize_name(name): version for name, equals, version in pairs if equals}


def _pin(pins: dict[str, str], name: str) -> str:
    if name not in pins:
        raise UserError(f"{_PINS} pins no {name}, which the demo needs: add {name}==VERSION to it")
    return pins[name]

"""A Space on the Hub: the demo, what it needs, and which models it shows.

Source: https://huggingface.co/docs/hub/spaces-config-reference for the header of its README, and
https://huggingface.co/docs/hub/spaces-zerogpu for its hardware.
"""

import re
import shutil
import tempfile
import tomllib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import HfApi, SpaceCard, SpaceCardData, SpaceHardware
from huggingface_hub.errors import HfHubHTTPError

import hf_gen
from hf_gen.errors import UserError, translate_hub_errors
from hf_gen.hub.cards import TEMPLATES
from hf_gen.hub.push import check_card
from hf_gen.hub.upload import check_overwrite, upload
from hf_gen.pipelines.files import network_files

# ZeroGPU, by its first name: what the Hub hosts without a subscription.
_HARDWARE = SpaceHardware.ZERO_A10G
_PYTHON = "3.12"
# The newest torch on ZeroGPU's list, which ends before the one that hf_gen is developed with.
_TORCH = "2.11.0"
_APP, _MODELS = "app.py", "models.txt"
_PINS, _PROJECT, _LICENSE = "requirements.txt", "pyproject.toml", "LICENSE"
# Where `hf_gen.load` finds the networks of a repository; "" is its root.
_PLACES = ("vae", "prior", "a_to_b", "b_to_a", "")
_READ = ("model_index.json", *(file for place in _PLACES for file in network_files(place)))
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
        models: The ids of what it shows beside the models that come with hf_gen.
        private: Whether a new Space is hidden from others.
        api: The client.
        overwrite: Replace files of the same names that hf_gen did not write.

    Raises:
        UserError: If the demo is not installed from a checkout, a model is not there, the Hub
            refuses, or it cannot be reached.
    """
    source = checkout()
    shown = [look_up_model(name, api) for name in models]
    name = create_space(repo_id, private, api)
    if not overwrite:
        check_overwrite(name, api, "space")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "space"
        check_card(stage_space(folder, source, name, shown), name)
        words = ", ".join(["The demo", *models])
        return upload(folder, name, api, words, "space", True, overwrite)


def checkout() -> Path:
    """The folder that hf_gen runs from, with the demo's entry and the pins beside the package.

    Raises:
        UserError: If it is not a checkout, as where a wheel is installed.
    """
    folder = Path(hf_gen.__file__).parents[1]
    for name in (_APP, _PINS, _PROJECT, _LICENSE):
        if not (folder / name).is_file():
            raise UserError(
                f"{folder} holds hf_gen, but not {name}: push a Space from a checkout of hf_gen, "
                "installed with `pip install -r requirements.txt` in it"
            )
    return folder


def look_up_model(name: str, api: HfApi) -> ShownModel:
    """Asks the Hub whether there is such a model, and which of its files the demo reads.

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


def create_space(repo_id: str, private: bool, api: HfApi) -> str:
    """Makes sure that the Space is there and can be written; returns its name in full.

    A new one gets ZeroGPU as its hardware. Models and datasets of the same name do not matter:
    Spaces have addresses of their own.

    Raises:
        UserError: If the Hub refuses, or cannot be reached.
    """
    with translate_hub_errors(repo_id):
        user = api.whoami()["name"]
        name = repo_id if "/" in repo_id else f"{user}/{repo_id}"
        if api.repo_exists(name, repo_type="space"):
            api.auth_check(name, repo_type="space", write=True)
            return name
        try:
            api.create_repo(
                name,
                repo_type="space",
                private=private,
                space_sdk="gradio",
                space_hardware=_HARDWARE,
            )
        except HfHubHTTPError as error:
            if error.response.status_code != 402:
                raise
            raise UserError(
                f"the Hub hosts {name} for subscribers only (402): delete another ZeroGPU Space or "
                "subscribe, see https://huggingface.co/docs/hub/spaces-zerogpu, and try again"
            ) from error
        return name


def stage_space(
    folder: Path, source: Path, repo_id: str, models: Sequence[ShownModel]
) -> SpaceCard:
    """Writes what the Space will hold into a new folder; returns its card, which is in it too.

    Args:
        folder: Where to.
        source: The checkout.
        repo_id: The name of the Space in full.
        models: What it shows beside the models that come with hf_gen.

    Raises:
        UserError: If a package that the demo needs is not pinned.
    """
    pins = _pins(source / _PINS)
    made = shutil.ignore_patterns("__pycache__", "*.pyi", ".*")  # by Python, gradio and editors
    shutil.copytree(source / "hf_gen", folder / "hf_gen", ignore=made)
    for name in (_APP, _LICENSE):
        shutil.copy2(source / name, folder / name)
    (folder / _PINS).write_text(_requirements(source / _PROJECT, pins), encoding="utf-8")
    if models:
        names = "".join(f"{model.name}\n" for model in models)
        (folder / _MODELS).write_text(names, encoding="utf-8")
    card = space_card(repo_id, models, _pin(pins, "gradio"))
    card.save(folder / "README.md")
    return card


def space_card(repo_id: str, models: Sequence[ShownModel], gradio: str) -> SpaceCard:
    """What the Space is built from, for the Hub, and what it shows, for people.

    Args:
        repo_id: The name of the Space in full.
        models: What it shows beside the models that come with hf_gen.
        gradio: The version to install.
    """
    data = SpaceCardData(
        title="Anime faces: VAEs and CycleGAN",
        emoji="🎭",
        colorFrom="pink",
        colorTo="indigo",
        sdk="gradio",
        sdk_version=gradio,
        python_version=_PYTHON,
        app_file=_APP,
        models=[model.name for model in models] or None,
        tags=["hf_gen", "faces", "anime", "vae", "cyclegan"],
        license="apache-2.0",
        short_description="Rebuild, sample, blend and translate anime faces",
        suggested_hardware=_HARDWARE.value,
        preload_from_hub=[f"{m.name} {','.join(m.files)}" for m in models if m.files] or None,
    )
    return SpaceCard.from_template(
        data,
        template_path=str(TEMPLATES / "space.md"),
        repo_id=repo_id,
        shown=[model.name for model in models],
        closed=[model.name for model in models if not model.files],
    )


def _requirements(project: Path, pins: dict[str, str]) -> str:
    """A line for each package that the demo imports, but gradio: the Space installs that itself."""
    declared = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    needed = [*declared["dependencies"], *declared["optional-dependencies"]["demo"]]
    names = sorted({_plain(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for line in needed})
    versions = {name: _pin(pins, name) for name in names if name != "gradio"} | {"torch": _TORCH}
    return "".join(f"{name}=={version}\n" for name, version in versions.items())


def _pins(file: Path) -> dict[str, str]:
    """The versions in a requirements.txt, by the plain names of the packages."""
    lines = (line.partition("==") for line in file.read_text(encoding="utf-8").splitlines())
    return {_plain(name): version for name, equals, version in lines if equals}


def _pin(pins: dict[str, str], name: str) -> str:
    if name not in pins:
        raise UserError(f"{_PINS} pins no {name}, which the demo needs: add {name}==VERSION to it")
    return pins[name]


def _plain(name: str) -> str:
    """The one spelling of a package's name: https://peps.python.org/pep-0503/#normalized-names."""
    return re.sub(r"[-_.]+", "-", name).lower()

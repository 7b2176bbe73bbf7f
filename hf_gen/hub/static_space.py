"""A static Space: the page of exported models, which needs no server, and its README.

Source: https://huggingface.co/docs/hub/spaces-config-reference for the header of its README.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import HfApi, SpaceCard, SpaceCardData

from hf_gen.errors import UserError
from hf_gen.export.about import About, about_model
from hf_gen.export.onnx_files import check_installed
from hf_gen.export.page import write_page
from hf_gen.hub.cards import TEMPLATES
from hf_gen.hub.upload import Repository
from hf_gen.pipelines import load

DEFAULT_MODELS = ("face-vae", "cyclegan")


def push_static_space(
    repo_id: str,
    models: Sequence[str],
    private: bool,
    api: HfApi,
    overwrite: bool = False,
    vendor: bool = False,
) -> str:
    """Uploads a page of exported models as a Space, in one commit; returns its address.

    Args:
        repo_id: Such as user/name; a name alone is the user's own. Of an existing Space the files
            that hf_gen did not write are kept.
        models: What `hf_gen.load` takes: bundled models, folders and Hub ids. The weights become
            part of the Space.
        private: Whether a new Space is hidden from others.
        api: The client.
        overwrite: Replace files of the same names that hf_gen did not write.
        vendor: Upload onnxruntime-web, too; without it visitors load it from a CDN.

    Raises:
        UserError: If a model cannot be loaded or exported, two have one name, the Hub refuses, or
            it cannot be reached.
    """
    check_installed()
    loaded = [load(model) for model in models]  # first: its errors say more of what is no model
    named = [about_model(model) for model in models]
    abouts = {about.name: about for about in named}
    if len(abouts) < len(named):
        raise UserError(
            f"models of one page must differ in their names, got {', '.join(models)}: rename a "
            "folder"
        )
    pipelines = dict(zip(abouts, loaded, strict=True))
    repository = Repository.open(api, repo_id, private, "space", overwrite, "static")
    title = f"{named[0].subject.capitalize()} of {named[0].name}"

    def write(folder: Path) -> None:
        write_page(folder, pipelines, vendor, about=abouts, title=title)

    card = static_space_card(title, named)
    return repository.push(write, card, ", ".join(["The page", *abouts]))


def static_space_card(title: str, models: Sequence[About]) -> SpaceCard:
    """The README of a static Space: its headers, its models and their licenses."""
    licenses = {model.license for model in models}
    return SpaceCard.from_template(
        SpaceCardData(),
        template_path=str(TEMPLATES / "static_space.md"),
        title=title,
        models=models,
        on_the_hub=[one.name for one in models if re.fullmatch(r"[\w.-]+/[\w.-]+", one.name)],
        license=licenses.pop() if len(licenses) == 1 else None,
    )

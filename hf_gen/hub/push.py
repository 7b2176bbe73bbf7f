"""A run as a repository on the Hub: one commit, so that it is there whole or not at all."""

import shutil
import tempfile
from pathlib import Path

import torch
from diffusers import DiffusionPipeline, ModelMixin
from huggingface_hub import HfApi, ModelCard, RepoCard

from hf_gen.errors import UserError, translate_hub_errors
from hf_gen.hub.upload import check_overwrite, upload
from hf_gen.pipelines import load
from hf_gen.pipelines.files import check_no_symlink_escape
from hf_gen.runs.folder import RunFolder

_FILES = ("README.md", "results.json", "metrics.jsonl")
_FOLDERS = ("figures", "tensorboard")


def check_access(
    api: HfApi, repo_id: str, private: bool, repo_type: str = "model", overwrite: bool = False
) -> str:
    """Makes sure that the repository is there and can be written; creates it where it is not.

    Args:
        api: The client.
        repo_id: Such as user/name; a name alone is the user's own.
        private: Whether a new one is hidden from others.
        repo_type: model, dataset or space.
        overwrite: Accept a repository that hf_gen did not write.

    Returns:
        The name in full.

    Raises:
        UserError: If it holds files of others only, the Hub refuses, or it cannot be reached.
    """
    with translate_hub_errors(repo_id):
        user = api.whoami()["name"]
        name = repo_id if "/" in repo_id else f"{user}/{repo_id}"
        if not api.repo_exists(name, repo_type=repo_type):
            for other in ("model", "dataset", "space"):
                if other != repo_type and api.repo_exists(name, repo_type=other):
                    raise UserError(f"{name} is a {other} on the Hub: choose another name")
        api.create_repo(name, private=private, repo_type=repo_type, exist_ok=True)
    if not overwrite:
        check_overwrite(name, api, repo_type)
    return name


def push_run(
    run: RunFolder,
    pipeline: DiffusionPipeline,
    card: ModelCard,
    repo_id: str,
    api: HfApi,
    component: str | None = None,
    overwrite: bool = False,
) -> str:
    """Uploads a finished run: pipeline, card, figures, numbers and TensorBoard files.

    Whatever was uploaded of an interrupted push is not uploaded again. The files of an earlier push
    that this one does not have are deleted in the same commit; files of others are kept.

    Args:
        run: Whose figures and numbers.
        pipeline: In float32; its weights in half precision are uploaded beside them.
        card: The README of the repository.
        repo_id: An existing repository.
        api: The client.
        component: Upload this network of the pipeline alone, such as "vae", at the root.
        overwrite: Replace files of the same names that hf_gen did not write.

    Returns:
        The address of the commit.

    Raises:
        UserError: If there is no such component, a link leads out of the folder, the Hub refuses,
            or it cannot be reached.
    """
    networks = {name: part for name, part in pipeline.components.items() if part is not None}
    if component is not None and component not in networks:
        raise UserError(f"{run.path} has no component {component!r}: it has {', '.join(networks)}")
    for name in (*_FILES, *_FOLDERS):
        for file in (run.path / name, *(run.path / name).rglob("*")):
            check_no_symlink_escape(run.path, file)
    check_card(card, repo_id)
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder)
        if component is None:
            stage_pipeline(pipeline, staged)
        else:
            stage_network(networks[component], staged)
        for name in _FILES:
            shutil.copy2(run.path / name, staged / name)
        for name in _FOLDERS:
            if (run.path / name).is_dir():
                shutil.copytree(run.path / name, staged / name)
        card.save(staged / "README.md")
        message = f"{run.path.name}: {_words(run)}"
        return upload(staged, repo_id, api, message, delete_stale=True, overwrite=overwrite)


def stage_pipeline(pipeline: DiffusionPipeline, folder: Path) -> None:
    """Saves a pipeline as it is, and in half precision as the variant "fp16"."""
    pipeline.save_pretrained(folder, safe_serialization=True)
    half = load(folder, dtype=torch.float16)
    half.save_pretrained(folder, safe_serialization=True, variant="fp16")


def stage_network(network: ModelMixin, folder: Path) -> None:
    """The same for one network."""
    network.save_pretrained(folder, safe_serialization=True)
    half = type(network).from_pretrained(folder, dtype=torch.float16)
    half.save_pretrained(folder, safe_serialization=True, variant="fp16")


def check_card(card: RepoCard, repo_id: str) -> None:
    """Asks the Hub whether it takes a card, before anything is uploaded.

    Raises:
        UserError: If it does not, or cannot be reached.
    """
    with translate_hub_errors(repo_id):
        try:
            card.validate()
        except ValueError as error:
            raise UserError(f"the Hub refuses the card of {repo_id}: {error}") from error


def _words(run: RunFolder) -> str:
    last = run.last_line()
    return f"{last['step']:,} steps"

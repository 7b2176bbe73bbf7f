"""Models from the Hub: their JSON and safetensors only, and only if they are small enough."""

import hashlib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from huggingface_hub import HfApi, ModelInfo, snapshot_download
from huggingface_hub.constants import HF_HUB_OFFLINE

from hf_gen.errors import UserError, translate_hub_errors
from hf_gen.pipelines.files import INDEX, MAX_JSON_BYTES, network_files

MAX_BYTES = 2 * 10**9
_TIMEOUT = 5.0


def download(
    repo_id: str,
    subfolders: Iterable[str],
    revision: str | None = None,
    variant: str | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    max_bytes: int = MAX_BYTES,
) -> Path:
    """Downloads the networks of a repository, and its index, into the Hub's cache.

    Nothing else is downloaded: no code and no pickles. Cached files are not requested again, and an
    interrupted download is continued.

    Args:
        repo_id: Such as user/name.
        subfolders: Where its networks may be; if there is none of them, that at the root is meant.
        revision: A branch, tag or commit. Default: the main branch.
        variant: Which weights, such as "fp16". Default: those without a name.
        local_files_only: Use the cache only; so does HF_HUB_OFFLINE.
        token: Of the Hub. Default: that of the environment or the login.
        max_bytes: The limit for these files together, checked before the download.

    Returns:
        The folder with the files.

    Raises:
        UserError: If there is no such repository or model, it may not be read, is larger than
            `max_bytes`, or the Hub cannot be reached.
    """
    shown = f"{repo_id} at revision {revision}" if revision else repo_id
    cached_only = local_files_only or HF_HUB_OFFLINE
    root = network_files("", variant)
    patterns = [file for folder in subfolders for file in network_files(folder, variant)]
    with translate_hub_errors(repo_id, "read", revision=revision):
        if cached_only:
            patterns += root
        else:
            api = HfApi(token=token)
            info = api.model_info(repo_id, revision=revision, timeout=_TIMEOUT, files_metadata=True)
            sizes = {file.rfilename: file.size for file in info.siblings or []}
            if not any(file.endswith("/config.json") for file in _matching(sizes, patterns)):
                patterns = root
            _check_files(shown, sizes, [INDEX, *patterns], max_bytes)
        folder = snapshot_download(
            repo_id,
            revision=revision,
            allow_patterns=[INDEX, *patterns],
            local_files_only=cached_only,
            token=token,
        )
    if not cached_only:
        _check_hashes(shown, info, Path(folder))
    return Path(folder)


def _matching(files: Iterable[str], patterns: list[str]) -> list[str]:
    return [file for file in files if any(fnmatchcase(file, pattern) for pattern in patterns)]


def _check_files(
    shown: str, sizes: dict[str, int | None], patterns: list[str], max_bytes: int
) -> None:
    """Checks that a repository holds a model, and how large it is."""
    chosen = {file: sizes[file] or 0 for file in _matching(sizes, patterns)}
    if not any(file.endswith("config.json") for file in chosen):
        raise UserError(
            f"{shown} holds no model that hf_gen loads: there is no config.json in it or in its "
            "folder vae; name a pipeline of hf_gen, or an autoencoder of diffusers"
        )
    if not any(file.endswith(".safetensors") for file in chosen):
        raise UserError(
            f"{shown} has no safetensors, it needs a {patterns[2]}: other weights can run code and "
            "are never read; export the model again with safe_serialization=True"
        )
    for file, size in chosen.items():
        if sizes[file] is None:
            raise UserError(f"the Hub does not say how large {file} in {shown} is: try again later")
        if file.endswith(".json") and size > MAX_JSON_BYTES:
            raise UserError(
                f"{file} in {shown} must not be larger than 1 MB, and has {size / 1e6:,.1f} MB: "
                "that is no description of a model"
            )
    total = sum(chosen.values())
    if total > max_bytes:
        raise UserError(
            f"{shown} has {total / 1e6:,.1f} MB of weights, and at most {max_bytes / 1e6:,.1f} MB "
            "are loaded from the Hub here: download it yourself and give the folder"
        )


def _check_hashes(shown: str, info: ModelInfo, folder: Path) -> None:
    """Compares large files with the Hub's hashes, which its client does not."""
    for sibling in info.siblings or []:
        file = folder / sibling.rfilename
        if sibling.lfs is None or not file.is_file():
            continue
        with file.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() == sibling.lfs.sha256:
                continue
        file.resolve().unlink()  # in the cache, where a link leads to it
        file.unlink(missing_ok=True)
        raise UserError(
            f"{sibling.rfilename} of {shown} arrived damaged, and has been deleted: load it again"
        )

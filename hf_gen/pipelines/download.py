"""The files of models from the Hub: JSON and safetensors only, or one clear sentence."""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from huggingface_hub import HfApi, ModelInfo, snapshot_download
from huggingface_hub.constants import HF_HUB_OFFLINE

from hf_gen.errors import UserError, translate_hub_errors

MOST_BYTES = 2 * 10**9
MOST_BYTES_OF_JSON = 10**6
INDEX = "model_index.json"
_TIMEOUT = 5.0


def download_pipeline(
    repo_id: str,
    places: Iterable[str],
    revision: str | None = None,
    variant: str | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    most_bytes: int = MOST_BYTES,
) -> Path:
    """Brings the index of a pipeline, its configs and its safetensors into the Hub's cache.

    Nothing else is downloaded, so no code and no pickle. What is in the cache already is not asked
    for again; what broke off is continued.

    Args:
        repo_id: Such as user/name.
        places: The names of the components that may be there.
        revision: A branch, tag or commit. Default: the main branch.
        variant: Which weights, such as "fp16". Default: those without a name.
        local_files_only: Use what was downloaded before; so does HF_HUB_OFFLINE.
        token: Of the Hub. Default: that of the environment or the login.
        most_bytes: What these files may take together; asked before the download.

    Returns:
        The folder with the files.

    Raises:
        UserError: If there is no such repository or pipeline, it may not be read, is larger than
            `most_bytes`, or the Hub cannot be reached.
    """
    wanted = [INDEX, *(file for place in places for file in network_files(place, variant))]
    return _download(repo_id, wanted, _check_index, revision, local_files_only, token, most_bytes)


def download_configs(
    repo_id: str,
    places: Iterable[str],
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> Path:
    """Brings only what says which networks there are: an index and configs, those that exist.

    Args:
        repo_id: Such as user/name.
        places: The folders in which a config may lie; "" for the root.
        local_files_only: As for `download_pipeline`, and so are the rest and the errors.
        token: Of the Hub.
    """
    configs = [network_files(place)[0] for place in places]
    return _download(
        repo_id, [INDEX, *configs], _check_nothing, None, local_files_only, token, MOST_BYTES
    )


def download_network(
    repo_id: str,
    place: str,
    local_files_only: bool = False,
    token: str | bool | None = None,
    most_bytes: int = MOST_BYTES,
) -> Path:
    """Brings the config and the safetensors of one network.

    Args:
        repo_id: Such as user/name.
        place: The folder in which it lies; "" for the root.
        local_files_only: As for `download_pipeline`, and so are the rest and the errors.
        token: Of the Hub.
        most_bytes: What these files may take together; asked before the download.
    """

    def check(shown: str, there: Collection[str]) -> None:
        check_safetensors(shown, place, there)

    wanted = network_files(place)
    return _download(repo_id, wanted, check, None, local_files_only, token, most_bytes)


def network_files(place: str, variant: str | None = None) -> list[str]:
    """What diffusers calls the files of a network, in one piece or in several: the config first."""
    if variant is not None and not re.fullmatch(r"\w+", variant):
        raise UserError(f"variant must be a word such as fp16, got {variant!r}")
    named, at = f".{variant}" if variant else "", f"{place}/" if place else ""
    return [
        f"{at}config.json",
        f"{at}diffusion_pytorch_model{named}.safetensors",
        f"{at}diffusion_pytorch_model{named}-*-of-*.safetensors",
        f"{at}diffusion_pytorch_model.safetensors.index{named}.json",
    ]


def check_safetensors(shown: str, place: str, there: Iterable[str]) -> None:
    """Makes sure that a network has weights that are safe to read.

    Raises:
        UserError: If none of the files that are there is one.
    """
    weights = [pattern for pattern in network_files(place) if pattern.endswith(".safetensors")]
    if not any(fnmatchcase(file, pattern) for file in there for pattern in weights):
        raise UserError(
            f"{shown} has no safetensors, it needs a {weights[0]}: other weights can run code and "
            "are never read; export the model again with safe_serialization=True"
        )


def _download(
    repo_id: str,
    wanted: list[str],
    check: Callable[[str, Collection[str]], None],
    revision: str | None,
    local_files_only: bool,
    token: str | bool | None,
    most_bytes: int,
) -> Path:
    shown = f"{repo_id} at revision {revision}" if revision else repo_id
    cached_only = local_files_only or HF_HUB_OFFLINE
    with translate_hub_errors(repo_id, "read", revision=revision):
        if not cached_only:
            api = HfApi(token=token)
            info = api.model_info(repo_id, revision=revision, timeout=_TIMEOUT, files_metadata=True)
            sizes = {file.rfilename: file.size for file in info.siblings or []}
            check(shown, sizes)
            _check_sizes(shown, sizes, wanted, most_bytes)
        folder = snapshot_download(
            repo_id,
            revision=revision,
            allow_patterns=wanted,
            local_files_only=cached_only,
            token=token,
        )
    if not cached_only:
        _check_content(shown, info, Path(folder))
    return Path(folder)


def _check_content(shown: str, info: ModelInfo, folder: Path) -> None:
    """Compares the large files with the hashes that the Hub has of them, as its client does not."""
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


def _check_nothing(shown: str, there: Collection[str]) -> None:
    pass


def _check_index(shown: str, there: Collection[str]) -> None:
    if INDEX not in there:
        raise UserError(
            f"{shown} holds no pipeline: there is no {INDEX} in it; a network alone is loaded "
            "with its own class, such as ConvVAE.from_pretrained"
        )


def _check_sizes(
    shown: str, sizes: dict[str, int | None], wanted: list[str], most_bytes: int
) -> None:
    chosen = [file for file in sizes if any(fnmatchcase(file, pattern) for pattern in wanted)]
    unknown = [file for file in chosen if sizes[file] is None]
    if unknown:
        raise UserError(
            f"the Hub does not say how large {unknown[0]} in {shown} is: try again later"
        )
    for file in chosen:
        if file.endswith(".json") and (sizes[file] or 0) > MOST_BYTES_OF_JSON:
            raise UserError(
                f"{file} in {shown} must not be larger than {MOST_BYTES_OF_JSON / 1e6:g} MB, and "
                f"has {(sizes[file] or 0) / 1e6:,.1f} MB: that is no description of a model"
            )
    total = sum(sizes[file] or 0 for file in chosen)
    if total > most_bytes:
        raise UserError(
            f"{shown} has {total / 1e6:,.1f} MB of weights, and at most {most_bytes / 1e6:,.1f} MB "
            "are loaded from the Hub here: download it yourself and give the folder"
        )

"""The files of a pipeline from the Hub: JSON and safetensors only, or one clear sentence."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from huggingface_hub import HfApi, ModelInfo, snapshot_download
from huggingface_hub.constants import HF_HUB_OFFLINE
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from hf_gen.errors import UserError

MOST_BYTES = 2 * 10**9
_INDEX = "model_index.json"
_TIMEOUT = 5.0
_LOG_IN = "log in with `hf auth login`, set HF_TOKEN or give token="


def download_pipeline(
    repo_id: str,
    places: Iterable[str],
    revision: str | None = None,
    variant: str | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
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

    Returns:
        The folder with the files.

    Raises:
        UserError: If there is no such repository or pipeline, it may not be read, is larger than
            `MOST_BYTES`, or the Hub cannot be reached.
    """
    wanted = [_INDEX, *(file for place in places for file in _files(place, variant))]
    shown = f"{repo_id} at revision {revision}" if revision else repo_id
    cached_only = local_files_only or HF_HUB_OFFLINE
    try:
        if not cached_only:
            api = HfApi(token=token)
            info = api.model_info(repo_id, revision=revision, timeout=_TIMEOUT, files_metadata=True)
            _check_files(shown, info, wanted)
        folder = snapshot_download(
            repo_id,
            revision=revision,
            allow_patterns=wanted,
            local_files_only=cached_only,
            token=token,
        )
    except UserError:
        raise
    except Exception as error:  # a failed connection is an error of the HTTP library beneath
        raise UserError(_sentence(error, repo_id, shown, cached_only)) from error
    return Path(folder)


def _files(place: str, variant: str | None) -> list[str]:
    """What diffusers calls the files of a network, in one piece or in several."""
    if variant is not None and not re.fullmatch(r"\w+", variant):
        raise UserError(f"variant must be a word such as fp16, got {variant!r}")
    named = f".{variant}" if variant else ""
    return [
        f"{place}/config.json",
        f"{place}/diffusion_pytorch_model{named}.safetensors",
        f"{place}/diffusion_pytorch_model{named}-*-of-*.safetensors",
        f"{place}/diffusion_pytorch_model.safetensors.index{named}.json",
    ]


def _check_files(shown: str, info: ModelInfo, wanted: list[str]) -> None:
    sizes = {file.rfilename: file.size for file in info.siblings or []}
    if _INDEX not in sizes:
        raise UserError(
            f"{shown} holds no pipeline: there is no {_INDEX} in it; a network alone is loaded "
            "with its own class, such as ConvVAE.from_pretrained"
        )
    chosen = [file for file in sizes if any(fnmatchcase(file, pattern) for pattern in wanted)]
    unknown = [file for file in chosen if sizes[file] is None]
    if unknown:
        raise UserError(
            f"the Hub does not say how large {unknown[0]} in {shown} is: try again later"
        )
    total = sum(sizes[file] or 0 for file in chosen)
    if total > MOST_BYTES:
        raise UserError(
            f"{shown} has {total / 1e9:,.1f} GB of weights, and hf_gen loads at most "
            f"{MOST_BYTES / 1e9:,.0f} GB from the Hub: download it yourself and give the folder"
        )


def _sentence(error: Exception, repo_id: str, shown: str, cached_only: bool) -> str:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    match error:
        case HFValidationError():
            return f"{repo_id!r} is no folder and no id of a Hub model: check the name"
        case GatedRepoError():
            return f"{shown} is gated: ask for access on its page on the Hub, then {_LOG_IN}"
        case RevisionNotFoundError():
            return f"the Hub shows no {shown}: check its branches, tags and commits"
        case RepositoryNotFoundError():
            return (
                f"{repo_id!r} is no folder here, and the Hub shows no model of that name: check "
                f"the name, or {_LOG_IN} if it is private"
            )
        case HfHubHTTPError() if error.response.status_code in (401, 403):
            return (
                f"the Hub refuses the token for {shown} ({reason}): {_LOG_IN} to one that may read"
            )
        case HfHubHTTPError():
            return f"the Hub does not give {shown} now ({reason}): try again later"
        case LocalEntryNotFoundError() if cached_only:
            return (
                f"{shown} is no folder here, and there is no whole copy of it in the cache: load "
                "it once without local_files_only and HF_HUB_OFFLINE"
            )
    return (
        f"{shown} is no folder here, and it cannot be downloaded from the Hub ({reason}): check "
        "the name and the network and try again, or set HF_HUB_OFFLINE=1 to use an earlier copy"
    )

"""Errors that a person reads, and the translators that turn the disk's and the Hub's into them."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path
from typing import Literal

_HUB_TIMEOUT = 5.0
_OS_ERRORS = {
    errno.ENOSPC: "no space is left on the disk of {path}: free some, then run the same command",
    errno.EDQUOT: "the disk quota for {path} is used up: free some space and run the same command",
    errno.EROFS: "{path} is on a read-only file system: choose another folder",
    errno.EACCES: "{path} is not writable for this user: name another folder or change its rights",
    errno.EPERM: "{path} is not writable for this user: name another folder or change its rights",
    errno.ENOTDIR: "a part of {path} is a file where a folder is needed: choose another folder",
    errno.EIO: "the disk of {path} reports an error: look after it, then run the same command",
    errno.ENOLCK: "{path} is on a disk without locks: choose a folder on a disk of this machine",
    errno.ENOTSUP: "{path} is on a disk without locks: choose a folder on a disk of this machine",
    errno.EFBIG: "a file of {path} may not grow further: raise the limit (ulimit -f) and try again",
    errno.EEXIST: "{path} is a file where a folder is needed: choose another folder",
}
_LOG_IN = "log in with `hf auth login` or set HF_TOKEN"
_REFUSED_TOKEN = "the Hub refuses the token for {shown} ({words}): {log_in} to one that may read"
_HUB_ERRORS: dict[str | int, str] = {
    "name": "{repo!r} is no name of a repository, try user/name: {words}",
    "no token": "there is no token for the Hub: {log_in}",
    "offline": "HF_HUB_OFFLINE is set: unset it to push to {repo}",
    "gated": "{shown} is gated: ask for access on its page on the Hub, then {log_in}",
    "revision": "the Hub shows no {shown}: check its branches, tags and commits",
    401: "the Hub does not know the token (401): {log_in} to a new one",
    403: "the token may not write to {repo} (403): take one with write access, or another name",
    404: "there is no {repo} that this token may see (404): check the name and the token",
    409: "{repo} is there already and is something else (409): choose another name",
    412: "{repo} has changed while it was pushed to (412): run the same command again",
    413: "the Hub finds the upload too large (413): leave something out",
    429: "the Hub asks to wait, there were too many requests (429): give the same command later",
    "broken": "the Hub failed ({words}): give the same command again later",
    "refused": "the Hub refuses {repo}: {words}",
    "unreachable": "the Hub cannot be reached for {repo} ({words}): check the network; the same "
    "command goes on with what is missing",
}
_HUB_READ_ERRORS: dict[str | int, str] = {
    "name": "{repo!r} is no folder and no id of a Hub {kind}: check the name",
    "offline": "{shown} is no folder here, and there is no whole copy of it in the cache: load it "
    "once without local_files_only and HF_HUB_OFFLINE",
    401: _REFUSED_TOKEN,
    403: _REFUSED_TOKEN,
    404: "{repo!r} is no folder here, and the Hub shows no {kind} of that name: check the name, or "
    "{log_in} if it is private",
    "broken": "the Hub does not give {shown} now ({words}): try again later",
    "refused": "the Hub does not give {shown} ({words}): check the name and the revision",
    "unreachable": "{shown} is no folder here, and it cannot be downloaded from the Hub ({words}): "
    "check the name and the network and try again, or set HF_HUB_OFFLINE=1 to use an earlier copy",
}
_MAY_DO_LATER = ("offline", 412, 429, "broken", "unreachable")


class UserError(Exception):
    """One sentence that names the value, the rule it breaks and the remedy.

    The command line prints it alone and exits with code 2; the demo shows it as it is.
    """


class HubUnreachable(UserError):
    """The Hub could not be asked, or failed by itself: the same command may do later."""


@contextmanager
def translate_os_errors(path: Path | None = None) -> Iterator[None]:
    """Turns the operating system's errors about `path` into a sentence.

    Args:
        path: What the sentence names; by default the file that the error names.

    Raises:
        UserError: If the disk is full, read-only or not writable; other errors pass through.
    """
    try:
        yield
    except OSError as error:
        sentence = _OS_ERRORS.get(error.errno or 0)
        if sentence is None:
            raise
        named = path or error.filename or "what the run writes to"
        raise UserError(sentence.format(path=named)) from error
    except Exception as error:
        # safetensors reports a full disk by its own class, which keeps only the system's words.
        number = re.search(r"os error (\d+)", str(error))
        sentence = _OS_ERRORS.get(int(number[1])) if number else None
        if sentence is None:
            raise
        named = path or "what the run writes to"
        raise UserError(sentence.format(path=named)) from error


@contextmanager
def translate_hub_errors(
    repo: str,
    wish: Literal["read", "write"] = "write",
    kind: Literal["model", "dataset"] = "model",
    revision: str | None = None,
) -> Iterator[None]:
    """Turns what the Hub and its client raise about `repo` into a sentence.

    Args:
        repo: The name that was given.
        wish: What is wanted; a reader may also have meant a folder, or have an earlier copy.
        kind: Of repository, where something is read.
        revision: The branch, tag or commit that is read.

    Raises:
        HubUnreachable: If there is no network, or the Hub is busy or broken.
        UserError: If the Hub refuses.
    """
    try:
        yield
    except Exception as error:
        case = _case(error)
        if case is None:
            raise
        sentences = _HUB_ERRORS | (_HUB_READ_ERRORS if wish == "read" else {})
        raise (HubUnreachable if case in _MAY_DO_LATER else UserError)(
            sentences.get(case, sentences["refused"]).format(
                repo=repo,
                kind=kind,
                shown=f"{repo} at revision {revision}" if revision else repo,
                words=str(error).strip().partition("\n")[0] or type(error).__name__,
                log_in=_LOG_IN,
            )
        ) from error


def _case(error: Exception) -> str | int | None:
    """What has happened, as a key of the sentences; None if it is not about the Hub."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    match error:
        case HFValidationError():
            return "name"
        case LocalTokenNotFoundError():
            return "no token"
        case OfflineModeIsEnabled():
            return "offline"
        case LocalEntryNotFoundError() if isinstance(error.__cause__, OfflineModeIsEnabled | None):
            return "offline"
        case GatedRepoError():
            return "gated"
        case RevisionNotFoundError():
            return "revision"
        case RepositoryNotFoundError():
            return 404  # to the anonymous it is 401
        case HfHubHTTPError():
            status = error.response.status_code
            return "broken" if status >= 500 else status
        # Xet raises RuntimeErrors, and a portal in between answers with no JSON.
        case OSError() | RuntimeError() | JSONDecodeError():
            return "unreachable"
    # The libraries beneath have families of errors of their own, which are no OSErrors.
    beneath = ("huggingface_hub", "hf_xet", "httpx", "httpcore")
    return "unreachable" if type(error).__module__.startswith(beneath) else None


def check_repo_access(
    repo_id: str, repo_type: Literal["model", "dataset"], revision: str | None = None
) -> None:
    """Makes sure that a repository can be read, unless HF_HUB_OFFLINE says to use local copies.

    Raises:
        UserError: If the name is no id, the Hub shows no such repository or cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_OFFLINE

    if not HF_HUB_OFFLINE:
        with translate_hub_errors(repo_id, "read", repo_type, revision):
            HfApi().repo_info(repo_id, repo_type=repo_type, revision=revision, timeout=_HUB_TIMEOUT)

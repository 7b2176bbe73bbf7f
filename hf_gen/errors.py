"""`UserError`, and the translators of the operating system's and the Hub's errors into it."""

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
    errno.EIO: "the disk of {path} reports an error: check it, then run the same command",
    errno.ENOLCK: "{path} is on a disk without locks: choose a folder on a disk of this machine",
    errno.ENOTSUP: "{path} is on a disk without locks: choose a folder on a disk of this machine",
    errno.EFBIG: "a file of {path} may not grow further: raise the limit (ulimit -f) and try again",
    errno.EISDIR: "{path} is a folder where a file is needed: name a file",
    errno.ENAMETOOLONG: "{path} is too long a name for this disk: choose a shorter one",
    errno.ELOOP: "{path} is a link that leads in a circle: remove it",
    errno.EEXIST: "{path} is a file where a folder is needed: choose another folder",
}
_LOG_IN = "log in with `hf auth login` or set HF_TOKEN"
_REFUSED_TOKEN = "the token has no read access to {shown} ({words}): {log_in} with one that has"
_HUB_ERRORS: dict[str | int, str] = {
    "name": "{repo!r} is not a repository id, try user/name: {words}",
    "no token": "no token for the Hub: {log_in}",
    "offline": "HF_HUB_OFFLINE is set: unset it to push to {repo}",
    "gated": "{shown} is gated: ask for access on its page on the Hub, then {log_in}",
    "revision": "the Hub has no {shown}: check its branches, tags and commits",
    401: "the Hub rejects the token (401): {log_in} with a new one",
    402: "the Hub hosts {repo} for subscribers only (402): leave out --sdk gradio for a static "
    "Space, which is free; or delete another ZeroGPU Space or subscribe, see "
    "https://huggingface.co/docs/hub/spaces-zerogpu",
    403: "the token has no write access to {repo} (403): use one that has, or choose another name",
    404: "{repo} does not exist, or the token has no access to it (404): check both",
    409: "{repo} exists already as something else (409): choose another name",
    412: "{repo} has changed while it was pushed to (412): run the same command again",
    413: "the upload is too large for the Hub (413): leave something out",
    429: "too many requests to the Hub (429): run the same command later",
    "broken": "the Hub failed ({words}): run the same command again later",
    "refused": "the Hub refuses {repo}: {words}",
    "unreachable": "the Hub cannot be reached for {repo} ({words}): check the network; the same "
    "command uploads what is missing",
}
_HUB_READ_ERRORS: dict[str | int, str] = {
    "name": "{repo!r} is neither a folder nor the id of a Hub {kind}: check the name",
    "offline": "{shown} is not a folder, and the cache has no complete copy of it: load it "
    "once without local_files_only and HF_HUB_OFFLINE",
    401: _REFUSED_TOKEN,
    403: _REFUSED_TOKEN,
    404: "{repo!r} is not a folder, and the Hub has no {kind} of that name: check the name, or "
    "{log_in} if it is private",
    "broken": "the Hub failed to serve {shown} ({words}): try again later",
    "refused": "the Hub does not serve {shown} ({words}): check the name and the revision",
    "unreachable": "{shown} is not a folder, and it cannot be downloaded from the Hub ({words}): "
    "check the name and the network and try again, or set HF_HUB_OFFLINE=1 to use an earlier copy",
}
_TEMPORARY = ("offline", 412, 429, "broken", "unreachable")


class UserError(Exception):
    """An error of the user's input or machine: names the value, the rule and the remedy.

    The command line prints the message alone and exits with code 2; the demo shows it as it is.
    """


class HubUnreachable(UserError):
    """The Hub cannot be reached or is failing: the same command may work later."""


@contextmanager
def translate_os_errors(path: Path | None = None) -> Iterator[None]:
    """Translates the operating system's errors about `path` into a `UserError`.

    Args:
        path: What the message names; by default the file that the error names.

    Raises:
        UserError: If the disk is full, read-only or not writable; other errors pass through.
    """
    try:
        yield
    except Exception as error:
        # safetensors reports a full disk by its own class, which keeps only the system's words.
        words = re.search(r"os error (\d+)", str(error))
        number = int(words[1]) if words else getattr(error, "errno", None)
        if number not in _OS_ERRORS:
            raise
        named = path or getattr(error, "filename", None) or "what the run writes to"
        raise UserError(_OS_ERRORS[number].format(path=named)) from error


@contextmanager
def translate_hub_errors(
    repo: str,
    access: Literal["read", "write"] = "write",
    kind: Literal["model", "dataset"] = "model",
    revision: str | None = None,
) -> Iterator[None]:
    """Translates what the Hub and its client raise about `repo` into a `UserError`.

    Args:
        repo: The name that was given.
        access: A reader may also have meant a folder, or have an earlier copy.
        kind: Of repository, where something is read.
        revision: The branch, tag or commit that is read.

    Raises:
        HubUnreachable: If there is no network, or the Hub is busy or failing.
        UserError: If the Hub refuses.
    """
    try:
        yield
    except Exception as error:
        case = _case(error)
        if case is None:
            raise
        messages = _HUB_ERRORS | (_HUB_READ_ERRORS if access == "read" else {})
        raise (HubUnreachable if case in _TEMPORARY else UserError)(
            messages.get(case, messages["refused"]).format(
                repo=repo,
                kind=kind,
                shown=f"{repo} at revision {revision}" if revision else repo,
                words=str(error).strip().partition("\n")[0] or type(error).__name__,
                log_in=_LOG_IN,
            )
        ) from error


def _case(error: Exception) -> str | int | None:
    """A key of the messages; None if the error is not about the Hub."""
    from huggingface_hub import errors

    match error:
        case errors.HFValidationError():
            return "name"
        case errors.LocalTokenNotFoundError():
            return "no token"
        case errors.OfflineModeIsEnabled():
            return "offline"
        case errors.LocalEntryNotFoundError(__cause__=errors.OfflineModeIsEnabled() | None):
            return "offline"
        case errors.GatedRepoError():
            return "gated"
        case errors.RevisionNotFoundError():
            return "revision"
        case errors.RepositoryNotFoundError():
            return 404  # to the anonymous it is 401
        case errors.HfHubHTTPError():
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
    """Checks that a repository can be read, unless HF_HUB_OFFLINE is set: a library takes 23 s.

    Raises:
        UserError: If the name is not an id, or the Hub has no such repository or cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_OFFLINE

    if not HF_HUB_OFFLINE:
        with translate_hub_errors(repo_id, "read", repo_type, revision):
            HfApi().repo_info(repo_id, repo_type=repo_type, revision=revision, timeout=_HUB_TIMEOUT)

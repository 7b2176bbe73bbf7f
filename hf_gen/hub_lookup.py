"""One short question to the Hub, before a library asks long ones and gives up after 23 seconds."""

from typing import Literal

from hf_gen.errors import UserError

_TIMEOUT = 5.0


def ask_the_hub(
    repo_id: str, repo_type: Literal["model", "dataset"], revision: str | None = None
) -> None:
    """Makes sure that a repository can be read, unless HF_HUB_OFFLINE says to use local copies.

    Raises:
        UserError: If the name is no id, the Hub shows no such repository or cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_OFFLINE
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if HF_HUB_OFFLINE:
        return
    try:
        HfApi().repo_info(repo_id, repo_type=repo_type, revision=revision, timeout=_TIMEOUT)
    except HFValidationError as error:
        raise UserError(f"{repo_id!r} is no folder and no id of a Hub {repo_type}") from error
    except HfHubHTTPError as error:
        at = f" at revision {revision}" if revision else ""
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"{repo_id!r} is no folder here, and the Hub does not show a {repo_type} of that name"
            f"{at} ({reason}): check the name, or log in with `hf auth login` if it is private"
        ) from error
    except Exception as error:  # a failed connection is an error of the HTTP library beneath
        raise UserError(
            f"{repo_id!r} is no folder here, and the Hub cannot be reached ({error}): check the "
            "name and the network, or set HF_HUB_OFFLINE=1 to use a copy downloaded before"
        ) from error

"""What the Hub answers when something cannot be done, in one sentence with a remedy."""

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
)

from hf_gen.errors import UserError

_LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"
_SENTENCES = {
    401: f"the Hub does not know the token (401): {_LOG_IN} to a new one",
    403: "the token may not write to {repo} (403): take one with write access, or another name",
    404: "there is no {repo} that this token may see (404): check the name and the token",
    409: "{repo} is there already and is something else (409): choose another name",
    413: "the Hub finds the upload too large (413): leave something out",
    429: "the Hub asks to wait, there were too many requests (429): give the same command later",
}


class HubUnreachable(UserError):
    """The Hub could not be asked, or failed by itself: the same command may do later."""


@contextmanager
def hub_errors_as_sentences(repo: str) -> Iterator[None]:
    """Turns what the Hub and its client raise about `repo` into a sentence.

    Raises:
        HubUnreachable: If there is no network, or the Hub is busy or broken.
        UserError: If the Hub refuses.
    """
    try:
        yield
    except HFValidationError as error:
        raise UserError(f"{repo!r} is no name of a repository, try user/name: {error}") from error
    except LocalTokenNotFoundError as error:
        raise UserError(f"there is no token for the Hub: {_LOG_IN}") from error
    except OfflineModeIsEnabled as error:
        raise HubUnreachable(f"HF_HUB_OFFLINE is set: unset it to push to {repo}") from error
    except HfHubHTTPError as error:
        raise _refused(error, repo) from error
    except UserError:
        raise
    except OSError as error:
        raise _unreachable(repo, error) from error
    except Exception as error:
        # The HTTP library beneath has its own family of errors, which is no OSError.
        if not type(error).__module__.startswith(("httpx", "httpcore")):
            raise
        raise _unreachable(repo, error) from error


def _refused(error: HfHubHTTPError, repo: str) -> UserError:
    status = getattr(error.response, "status_code", 0)
    if status in _SENTENCES:
        kind = HubUnreachable if status == 429 else UserError
        return kind(_SENTENCES[status].format(repo=repo))
    words = str(error).strip().partition("\n")[0]
    if status >= 500:
        return HubUnreachable(f"the Hub failed ({words}): give the same command again later")
    return UserError(f"the Hub refuses {repo}: {words}")


def _unreachable(repo: str, error: Exception) -> HubUnreachable:
    words = str(error) or type(error).__name__
    return HubUnreachable(
        f"the Hub cannot be reached for {repo} ({words}): check the network; the same command goes "
        "on with what is missing"
    )

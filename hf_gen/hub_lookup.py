"""One short question to the Hub, before a library asks long ones and gives up after 23 seconds."""

from typing import Literal

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

    from hf_gen.hub_answers import hub_errors_as_sentences

    if not HF_HUB_OFFLINE:
        with hub_errors_as_sentences(repo_id, "read", repo_type, revision):
            HfApi().repo_info(repo_id, repo_type=repo_type, revision=revision, timeout=_TIMEOUT)

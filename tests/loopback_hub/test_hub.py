"""An invalid card is refused: else no test of a card could fail at the loopback Hub."""

import pytest
from huggingface_hub import HfApi

from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.store import RepoType

NAME = "tester/model"


@pytest.mark.parametrize(
    ("repo_type", "header", "error"),
    [
        ("model", "license: My own", "license"),
        ("model", "datasets: [the faces that hf_gen draws]", "datasets"),
        ("model", "tags: anime", "tags"),
        ("model", "model-index: [{name: m, results: [{task: {}}]}]", "task.type"),
        ("model", "a: [b", "invalid YAML"),
        ("space", "sdk: notebook", "sdk"),
        ("space", "sdk: gradio\ncolorFrom: orange", "colorFrom"),
        ("space", f"sdk: gradio\nshort_description: {'long ' * 20}", "short_description"),
    ],
)
def test_an_invalid_card_raises(
    loopback_hub: LoopbackHub, repo_type: RepoType, header: str, error: str
) -> None:
    loopback_hub.create(NAME, repo_type)
    api = HfApi(endpoint=loopback_hub.url, token=loopback_hub.write_token)
    card = f"---\n{header}\n---\n# Card\n".encode()
    with pytest.raises(ValueError, match=error):
        api.upload_file(
            path_or_fileobj=card, path_in_repo="README.md", repo_id=NAME, repo_type=repo_type
        )
    assert loopback_hub.files(NAME, repo_type) == {}

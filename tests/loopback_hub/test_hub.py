"""Tokens, commits, cards and injected faults of the loopback Hub, through huggingface_hub."""

from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.loopback_hub import LoopbackHub

NAME = "tester/model"
BYTES = bytes(range(256)) * 400


@pytest.fixture
def hub(loopback_hub: LoopbackHub) -> LoopbackHub:
    """A Hub with one model."""
    loopback_hub.create(NAME, files={"a.bin": BYTES})
    return loopback_hub


@pytest.fixture
def api(hub: LoopbackHub) -> HfApi:
    return HfApi(endpoint=hub.url, token=hub.write_token)


def upload(api: HfApi, content: bytes = b"new", name: str = "b.txt", **options: str) -> None:
    api.upload_file(path_or_fileobj=content, path_in_repo=name, repo_id=NAME, **options)


def download(api: HfApi, folder: Path, name: str = "a.bin", revision: str | None = None) -> bytes:
    found = api.hf_hub_download(NAME, name, revision=revision, cache_dir=folder)
    return Path(found).read_bytes()


def status_of(refused: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return refused.value.response.status_code


def test_each_token_does_what_it_may(hub: LoopbackHub) -> None:
    hub.create("tester/closed", files={"a.txt": b"1"}, private=True)
    write, read, other, anonymous, wrong = (
        HfApi(endpoint=hub.url, token=token)
        for token in (hub.write_token, hub.read_token, hub.other_user_token, False, "hf_wrong")
    )
    assert read.whoami()["name"] == "tester"
    for api in (write, read, other, anonymous):
        assert api.model_info(NAME).id == NAME
    for api in (write, read):
        assert api.model_info("tester/closed").private
    for api, status in ((other, 404), (anonymous, 401)):
        with pytest.raises(RepositoryNotFoundError) as refused:
            api.model_info("tester/closed")
        assert status_of(refused) == status
    for api, status in ((read, 403), (other, 403), (anonymous, 401), (wrong, 401)):
        for request in (lambda api: api.create_repo("tester/new"), upload):
            with pytest.raises(HfHubHTTPError) as refused:
                request(api)
            assert status_of(refused) == status
    assert hub.files(NAME) == {"a.bin": BYTES}
    assert not hub.exists("tester/new")


def test_types_of_repositories_have_separate_namespaces(hub: LoopbackHub, api: HfApi) -> None:
    assert api.create_repo(NAME, exist_ok=True) == f"{hub.url}/{NAME}"
    with pytest.raises(HfHubHTTPError, match="already created this model") as refused:
        api.create_repo(NAME)
    assert status_of(refused) == 409
    api.create_repo(NAME, repo_type="space", space_sdk="gradio", space_hardware="zero-a10g")
    info = api.space_info(NAME)
    assert (info.sdk, info.runtime.requested_hardware) == ("gradio", "zero-a10g")
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info(NAME)


def test_commits_are_revisions_that_a_conflict_does_not_change(
    hub: LoopbackHub, api: HfApi, tmp_path: Path
) -> None:
    upload(api, b"1")
    old = api.model_info(NAME, files_metadata=True)
    blobs = {one.rfilename: one.blob_id for one in old.siblings}
    assert blobs["b.txt"] == "56a6051ca2b02b04ef92d5150c9ef600403cb1de"  # git hash-object
    upload(api, b"2")
    assert download(api, tmp_path, "b.txt", old.sha) == b"1"
    with pytest.raises(HfHubHTTPError) as refused:
        upload(api, b"3", parent_commit=old.sha)
    assert status_of(refused) == 412
    api.delete_file("b.txt", NAME)
    assert hub.files(NAME) == {"a.bin": BYTES}
    for revision, error in (("main", RemoteEntryNotFoundError), ("v1", RevisionNotFoundError)):
        with pytest.raises(error):
            download(api, tmp_path, "b.txt", revision)
    titles = [commit.title for commit in api.list_repo_commits(NAME)]
    assert titles[-2:] == ["Upload files", "initial commit"]


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
def test_an_invalid_card_is_refused(
    hub: LoopbackHub, api: HfApi, repo_type: str, header: str, error: str
) -> None:
    hub.create(NAME, "space")
    card = f"---\n{header}\n---\n# Card\n".encode()
    with pytest.raises(ValueError, match=error):
        upload(api, card, "README.md", repo_type=repo_type)
    assert not hub.asked("commit")


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (401, HfHubHTTPError, "Invalid credentials"),
        (403, HfHubHTTPError, "403 Forbidden: Authorization error"),
        (404, RepositoryNotFoundError, "Repository Not Found"),
        (500, HfHubHTTPError, "Internal"),
    ],
)
def test_an_injected_error_ends_a_commit_and_changes_nothing(
    hub: LoopbackHub, api: HfApi, status: int, error: type[HfHubHTTPError], message: str
) -> None:
    fault = hub.faults.fail("POST", "commit", status=status)
    with pytest.raises(error, match=message) as refused:
        upload(api)
    assert (status_of(refused), fault.played) == (status, 1)
    assert hub.files(NAME) == {"a.bin": BYTES}
    upload(api)
    assert hub.files(NAME) == {"a.bin": BYTES, "b.txt": b"new"}


def test_other_faults_of_cards_downloads_and_the_network(
    hub: LoopbackHub, api: HfApi, tmp_path: Path
) -> None:
    hub.faults.refuse_card('"license" must be one of a list')
    with pytest.raises(ValueError, match='"license" must be one of a list'):
        upload(api, b"---\nlicense: mit\n---\n", "README.md")
    fault = hub.faults.cut_download(after=1000)
    assert download(api, tmp_path) == BYTES  # the client tries again
    assert (fault.played, len(hub.asked("resolve", "GET"))) == (1, 2)
    hub.faults.corrupt_download()
    got = download(api, tmp_path / "corrupt")  # the client checks the length only
    assert [at for at in range(len(BYTES)) if got[at] != BYTES[at]] == [len(BYTES) // 2]
    with pytest.raises(ValueError, match="no endpoint 'upload'"):
        hub.faults.fail("POST", "upload")
    hub.stop()
    with pytest.raises(httpx2.ConnectError):
        api.model_info(NAME)

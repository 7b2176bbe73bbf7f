"""Tokens, private repositories and the errors of the loopback Hub, through huggingface_hub."""

from pathlib import Path

import pytest
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.loopback_hub import LoopbackHub


def status_of(refused: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return refused.value.response.status_code


def test_each_token_does_what_it_may(loopback_hub: LoopbackHub) -> None:
    hub = loopback_hub
    hub.create("tester/open", files={"a.txt": b"1"})
    hub.create("tester/closed", files={"a.txt": b"1"}, private=True)
    write, read, stranger, nobody, wrong = (
        HfApi(endpoint=hub.url, token=token)
        for token in (hub.write_token, hub.read_token, hub.stranger_token, False, "hf_wrong")
    )
    assert write.whoami()["auth"]["accessToken"]["role"] == "write"
    assert read.whoami()["name"] == "tester"
    with pytest.raises(HfHubHTTPError, match="Invalid user token") as refused:
        wrong.whoami()
    assert status_of(refused) == 401

    for api in (write, read, stranger, nobody):
        assert api.model_info("tester/open").id == "tester/open"
    for api in (write, read):
        assert api.model_info("tester/closed").private
    for api, status in ((stranger, 404), (nobody, 401)):
        with pytest.raises(RepositoryNotFoundError) as refused:
            api.model_info("tester/closed")
        assert status_of(refused) == status
        assert [model.id for model in api.list_models(author="tester")] == ["tester/open"]

    for api, status in ((read, 403), (stranger, 403), (nobody, 401), (wrong, 401)):
        with pytest.raises(HfHubHTTPError) as refused:
            api.create_repo("tester/new")
        assert status_of(refused) == status
        with pytest.raises(HfHubHTTPError) as refused:
            api.upload_file(path_or_fileobj=b"2", path_in_repo="a.txt", repo_id="tester/open")
        assert status_of(refused) == status
    assert hub.files("tester/open") == {"a.txt": b"1"}
    assert not hub.exists("tester/new")


def test_the_log_says_who_asked_and_holds_no_token(loopback_hub: LoopbackHub, api: HfApi) -> None:
    api.create_repo("tester/model", private=True)
    with pytest.raises(HfHubHTTPError):
        HfApi(endpoint=loopback_hub.url, token="hf_wrong").model_info("tester/model")
    log = loopback_hub.asked()
    told = [(asked.method, asked.endpoint, asked.account, asked.status) for asked in log]
    assert ("POST", "create", "tester (write)", 200) in told
    assert told[-1] == ("GET", "info", "unknown token", 401)
    assert not any(token in repr(log) for token in (loopback_hub.write_token, "hf_wrong"))
    loopback_hub.forget()
    assert not loopback_hub.asked()


def test_repositories_come_and_go(loopback_hub: LoopbackHub, api: HfApi) -> None:
    url = api.create_repo("tester/name")
    assert url == f"{loopback_hub.url}/tester/name"
    assert api.create_repo("tester/name", exist_ok=True) == url
    with pytest.raises(HfHubHTTPError, match="already created this model") as refused:
        api.create_repo("tester/name")
    assert status_of(refused) == 409
    space = {"repo_type": "space", "space_sdk": "gradio", "space_hardware": "zero-a10g"}
    api.create_repo("tester/name", **space)  # another type
    info = api.space_info("tester/name")
    assert (info.sdk, info.runtime.requested_hardware) == ("gradio", "zero-a10g")
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info("tester/name")
    api.delete_repo("tester/name")
    assert not api.repo_exists("tester/name")
    assert api.repo_exists("tester/name", repo_type="space")
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo("tester/name")


def test_branches_tags_and_commits(loopback_hub: LoopbackHub, api: HfApi, tmp_path: Path) -> None:
    api.create_repo("tester/model")
    first = api.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id="tester/model")
    api.create_branch("tester/model", branch="side/way")
    api.create_tag("tester/model", tag="v1")
    with pytest.raises(HfHubHTTPError) as refused:
        api.create_tag("tester/model", tag="v1")
    assert status_of(refused) == 409
    api.create_tag("tester/model", tag="v1", exist_ok=True)
    api.upload_file(
        path_or_fileobj=b"2", path_in_repo="a.txt", repo_id="tester/model", revision="side/way"
    )
    refs = api.list_repo_refs("tester/model")
    assert {ref.name for ref in refs.branches} == {"main", "side/way"}
    assert {ref.name: ref.target_commit for ref in refs.tags} == {"v1": first.oid}
    assert [commit.title for commit in api.list_repo_commits("tester/model")] == [
        "Upload a.txt with huggingface_hub",
        "initial commit",
    ]
    assert loopback_hub.files("tester/model", revision="side/way") == {"a.txt": b"2"}
    assert loopback_hub.files("tester/model", revision="v1") == {"a.txt": b"1"}
    with pytest.raises(HfHubHTTPError) as refused:
        api.upload_file(
            path_or_fileobj=b"3",
            path_in_repo="a.txt",
            repo_id="tester/model",
            parent_commit="0" * 40,
        )
    assert status_of(refused) == 412
    api.delete_file("a.txt", "tester/model")
    api.delete_branch("tester/model", branch="side/way")
    api.delete_tag("tester/model", tag="v1")
    assert loopback_hub.files("tester/model") == {}
    for name, revision, error in (
        ("a.txt", "main", RemoteEntryNotFoundError),
        ("a.txt", "v1", RevisionNotFoundError),
    ):
        with pytest.raises(error):
            hf_hub_download(
                "tester/model",
                name,
                revision=revision,
                endpoint=loopback_hub.url,
                cache_dir=tmp_path,
                token=False,
            )


@pytest.mark.parametrize(
    ("repo_type", "header", "fault"),
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
def test_a_card_with_a_fault_is_refused(
    loopback_hub: LoopbackHub, api: HfApi, repo_type: str, header: str, fault: str
) -> None:
    sdk = "gradio" if repo_type == "space" else None
    api.create_repo("tester/name", repo_type=repo_type, space_sdk=sdk)
    with pytest.raises(ValueError, match=fault):
        api.upload_file(
            path_or_fileobj=f"---\n{header}\n---\n# Card\n".encode(),
            path_in_repo="README.md",
            repo_id="tester/name",
            repo_type=repo_type,
        )
    assert not loopback_hub.asked("commit")

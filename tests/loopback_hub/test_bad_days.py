"""Each bad day of the loopback Hub as huggingface_hub lives through it."""

import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from tests.loopback_hub import LoopbackHub

BYTES = bytes(range(256)) * 4000
CUT_TRANSFERS = """
from pathlib import Path
import httpx2
from huggingface_hub import hf_hub_download, upload_file

content, repo = bytes(range(256)) * 4000, "tester/model"
upload_file(path_or_fileobj=content[::-1], path_in_repo="b.bin", repo_id=repo)
assert Path(hf_hub_download(repo, "large.bin")).read_bytes() == content * 12
try:
    hf_hub_download(repo, "reset.bin")
except httpx2.ReadError:
    assert not list(Path.cwd().rglob("reset.bin")), "no half file under its name"
else:
    raise SystemExit("a reset download has passed for a whole one")
assert Path(hf_hub_download(repo, "reset.bin")).read_bytes() == content
"""


@pytest.fixture
def hub(loopback_hub: LoopbackHub) -> LoopbackHub:
    loopback_hub.create("tester/model", files={"a.bin": BYTES})
    return loopback_hub


def upload(api: HfApi, content: bytes = b"new", name: str = "b.txt") -> None:
    api.upload_file(path_or_fileobj=content, path_in_repo=name, repo_id="tester/model")


def download(api: HfApi, folder: Path) -> bytes:
    return Path(api.hf_hub_download("tester/model", "a.bin", cache_dir=folder)).read_bytes()


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (401, HfHubHTTPError, "Invalid credentials"),
        (403, HfHubHTTPError, "403 Forbidden: Authorization error"),
        (404, RepositoryNotFoundError, "Repository Not Found"),
        (409, HfHubHTTPError, "conflicting operation"),
        (412, HfHubHTTPError, "stale"),
        (500, HfHubHTTPError, "Internal"),
    ],
)
def test_an_error_answer_ends_a_commit_and_changes_nothing(
    hub: LoopbackHub, api: HfApi, status: int, error: type[HfHubHTTPError], says: str
) -> None:
    message = "stale" if status == 412 else None
    fault = hub.faults.fail("POST", "commit", status=status, message=message)
    with pytest.raises(error, match=says) as refused:
        upload(api)
    assert refused.value.response.status_code == status
    assert fault.played == 1
    assert hub.files("tester/model") == {"a.bin": BYTES}
    upload(api)
    assert hub.files("tester/model") == {"a.bin": BYTES, "b.txt": b"new"}


def test_a_500_passes_and_a_429_is_waited_for(hub: LoopbackHub, api: HfApi) -> None:
    hub.faults.fail("POST", "preupload", status=503)
    hub.faults.fail("POST", "preupload", status=429, retry_after=1)
    upload(api)
    statuses, seconds = zip(*((a.status, a.seconds) for a in hub.asked("preupload")), strict=True)
    assert statuses == (503, 429, 200)
    assert seconds[2] - seconds[1] >= 1.9  # huggingface_hub adds a second to Retry-After
    assert hub.files("tester/model")["b.txt"] == b"new"


def test_a_cut_or_unanswered_commit_is_an_error(hub: LoopbackHub, api: HfApi) -> None:
    """Only the Hub knows whether the commit is there."""
    hub.faults.cut_upload(endpoint="commit")
    with pytest.raises(httpx2.HTTPError):
        upload(api)
    assert "b.txt" not in hub.files("tester/model")
    hub.faults.lose_answer("commit")
    with pytest.raises(httpx2.HTTPError):
        upload(api)
    assert hub.files("tester/model")["b.txt"] == b"new"
    commits = len(hub.commits("tester/model"))
    upload(api)
    assert len(hub.commits("tester/model")) == commits, "the client sees that it is there"


def test_cut_uploads_and_downloads_are_made_good(hub: LoopbackHub, run: Callable[..., str]) -> None:
    """In a fresh process, where large files go through LFS; only a reset download is an error."""
    large = BYTES * 12
    hub.put("tester/model", {"large.bin": large, "reset.bin": BYTES})
    upload_fault = hub.faults.cut_upload(after=100_000)
    end = hub.faults.cut_download("*large.bin", after=11 << 20)
    reset = hub.faults.cut_download("*reset.bin", after=300_000, abruptly=True)
    run(hub, CUT_TRANSFERS)
    assert (upload_fault.played, end.played, reset.played) == (1, 1, 1)

    cut, whole = hub.asked("lfs-upload")
    assert (cut.status, whole.status) == (None, 200)
    assert 100_000 <= cut.received < len(BYTES) == whole.received
    assert hub.files("tester/model")["b.bin"] == BYTES[::-1]

    parts = [a for a in hub.asked("resolve", "GET") if a.path.endswith("large.bin")]
    assert [(part.range, part.status) for part in parts] == [
        (None, 200),
        (f"bytes={10 << 20}-", 206),
    ]


def test_a_corrupted_download_is_not_noticed_by_the_client(
    hub: LoopbackHub, api: HfApi, tmp_path: Path
) -> None:
    """huggingface_hub checks the length only: whoever needs more has to compare the ETag."""
    hub.faults.corrupt_download()
    got = download(api, tmp_path)
    wrong = [index for index in range(len(BYTES)) if got[index] != BYTES[index]]
    assert len(got) == len(BYTES)
    assert wrong == [len(BYTES) // 2]
    hub.faults.clear()
    assert download(api, tmp_path / "again") == BYTES


def test_a_refused_card_stops_the_upload(hub: LoopbackHub, api: HfApi) -> None:
    hub.faults.refuse_card('"license" must be one of a list')
    with pytest.raises(ValueError, match='"license" must be one of a list'):
        upload(api, b"---\nlicense: mit\n---\n", "README.md")
    assert not hub.asked("commit")


def test_faults_can_skip_and_be_slow_and_name_their_endpoint(hub: LoopbackHub, api: HfApi) -> None:
    fault = hub.faults.fail("POST", "commit", skip=1, times=None)
    upload(api)
    with pytest.raises(HfHubHTTPError):
        upload(api, b"newer")
    assert fault.played == 1
    hub.faults.clear()
    hub.faults.delay("GET", "whoami", 0.3)
    started = time.monotonic()
    api.whoami()
    assert time.monotonic() - started >= 0.3
    with pytest.raises(ValueError, match="no endpoint 'upload'"):
        hub.faults.fail("POST", "upload")


def test_a_stopped_hub_refuses_connections(hub: LoopbackHub, api: HfApi) -> None:
    hub.stop()
    with pytest.raises(httpx2.ConnectError):
        api.model_info("tester/model")

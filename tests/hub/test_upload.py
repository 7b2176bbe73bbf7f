"""No push deletes or replaces files that hf_gen did not write."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from huggingface_hub import CommitInfo, HfApi

from hf_gen.errors import HubUnreachable, UserError
from hf_gen.hub.upload import MANIFEST, Repository
from tests.hub.conftest import Run
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.store import RepoType

pytestmark = pytest.mark.usefixtures("loopback_only")
NAME = "tester/faces"
OTHERS = {"README.md": b"# Mine\n", "data/mine.bin": b"weights", "notes.md": b"notes"}


class Push(NamedTuple):
    """One of the commands that upload something."""

    repo_type: RepoType
    run: Callable[..., tuple[int, str]]
    overwrite: str


@pytest.fixture(params=["run", "component", "dataset", "space", "training"])
def pushed(request: pytest.FixtureRequest, push: Run, train_and_push: Run, finished: Path) -> Push:
    """Each of the commands that upload something to `NAME`; more flags may follow."""
    run = (str(finished), "--repo-id", NAME)
    commands: dict[str, tuple[RepoType, Run, tuple[str, ...]]] = {
        "run": ("model", push, run),
        "component": ("model", push, (*run, "--component", "vae")),
        "dataset": ("dataset", push, ("--dataset", NAME, "--train", "12", "--test", "8")),
        "space": ("space", push, ("--space", NAME, "--sdk", "gradio")),
        "training": ("model", train_and_push, ("--hub-model-id", NAME)),
    }
    repo_type, command, flags = commands[request.param]
    overwrite = "--hub-overwrite" if command is train_and_push else "--overwrite"
    return Push(repo_type, partial(command, *flags), overwrite)


def test_a_repository_with_files_of_other_origin_needs_the_overwrite_flag(
    loopback_hub: LoopbackHub, pushed: Push, tmp_path: Path
) -> None:
    loopback_hub.create(NAME, pushed.repo_type, files=OTHERS)
    code, output = pushed.run()
    assert code == 2
    assert f"{NAME} holds files that hf_gen did not write" in output
    assert pushed.overwrite in output
    assert loopback_hub.files(NAME, pushed.repo_type) == OTHERS
    assert loopback_hub.asked("lfs-upload") == []
    assert not (tmp_path / "mine").exists()
    code, output = pushed.run(pushed.overwrite)
    assert code == 0, output
    files = loopback_hub.files(NAME, pushed.repo_type)
    assert files["README.md"] != OTHERS["README.md"]
    for name in OTHERS.keys() - {"README.md"}:
        assert files[name] == OTHERS[name]
        assert name not in json.loads(files[MANIFEST])["files"]


def test_a_second_push_keeps_files_that_were_added_or_edited_on_the_hub(
    loopback_hub: LoopbackHub, pushed: Push
) -> None:
    assert pushed.run()[0] == 0
    loopback_hub.put(NAME, {"notes.md": b"notes"}, pushed.repo_type)
    code, output = pushed.run()
    assert code == 0, output
    assert "not uploaded" not in output
    before = loopback_hub.files(NAME, pushed.repo_type)
    assert before["notes.md"] == b"notes"
    edited = before["README.md"] + b"An afterthought.\n"
    loopback_hub.put(NAME, {"README.md": edited}, pushed.repo_type)
    code, output = pushed.run()
    assert "have changed since, such as README.md" in output
    assert loopback_hub.files(NAME, pushed.repo_type) == before | {"README.md": edited}


def uploaded(
    tmp_path: Path,
    hub: LoopbackHub,
    *names: str,
    api: HfApi | None = None,
    overwrite: bool = False,
    delete_stale: bool = False,
) -> None:
    folder = tmp_path / "-".join(names)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    api = api or HfApi(endpoint=hub.url, token=hub.write_token)
    Repository(api, NAME, overwrite=overwrite).upload(folder, "message", delete_stale)


def test_stale_files_of_an_earlier_push_are_deleted(
    tmp_path: Path, loopback_hub: LoopbackHub
) -> None:
    loopback_hub.create(NAME)
    uploaded(tmp_path, loopback_hub, "one.json", "old.bin", "edited.md")
    loopback_hub.put(NAME, {"edited.md": b"by hand", "theirs.bin": b"theirs"})
    uploaded(tmp_path, loopback_hub, "one.json", "new/two.bin")
    assert "old.bin" in loopback_hub.files(NAME)
    uploaded(tmp_path, loopback_hub, "one.json", "new/two.bin", delete_stale=True)
    files = loopback_hub.files(NAME)
    assert files.keys() == {"one.json", "new/two.bin", "edited.md", "theirs.bin", MANIFEST}
    assert json.loads(files[MANIFEST])["files"].keys() == {"one.json", "new/two.bin"}


def test_a_concurrent_commit_makes_the_push_fail(tmp_path: Path, loopback_hub: LoopbackHub) -> None:
    class Slow(HfApi):
        def create_commit(self, *args: Any, **kwargs: Any) -> CommitInfo:  # type: ignore[override]
            loopback_hub.put(NAME, {"old.bin": b"somebody else's by now"})
            return cast(CommitInfo, super().create_commit(*args, **kwargs))

    loopback_hub.create(NAME)
    uploaded(tmp_path, loopback_hub, "old.bin", "one.json")
    slow = Slow(endpoint=loopback_hub.url, token=loopback_hub.write_token)
    with pytest.raises(HubUnreachable, match="has changed while it was pushed to"):
        uploaded(tmp_path, loopback_hub, "one.json", api=slow, delete_stale=True)
    assert loopback_hub.files(NAME)["old.bin"] == b"somebody else's by now"


@pytest.mark.parametrize("manifest", ["", "[]", '{"files": 3}', '{"files": {"a": 1}}', "[" * 9999])
def test_a_damaged_manifest_is_a_clear_error(
    manifest: str, tmp_path: Path, loopback_hub: LoopbackHub
) -> None:
    loopback_hub.create(NAME, files={MANIFEST: manifest.encode(), "a": b"a"})
    with pytest.raises(UserError, match=rf"{MANIFEST} of {NAME} is damaged"):
        uploaded(tmp_path, loopback_hub, "a", delete_stale=True, overwrite=True)
    assert loopback_hub.files(NAME)["a"] == b"a"


def test_the_readme_of_a_new_repository_is_replaced(
    tmp_path: Path, loopback_hub: LoopbackHub
) -> None:
    loopback_hub.create(NAME)
    repository = loopback_hub.repository(NAME)
    loopback_hub.put(NAME, {"README.md": b"---\nlicense: mit\n---\n"})
    first = repository.commit(repository.head.files, "initial commit", branch="x")
    alone = type(first)(**{**vars(first), "parent": None})
    repository.commits[alone.sha], repository.branches["main"] = alone, alone.sha
    uploaded(tmp_path, loopback_hub, "README.md")
    assert loopback_hub.files(NAME)["README.md"] == b"README.md"

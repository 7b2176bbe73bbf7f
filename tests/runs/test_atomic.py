"""A folder or file is complete, or as it was before, whatever stops the writer."""

import errno
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import hf_gen
from hf_gen.errors import UserError, translate_os_errors
from hf_gen.runs.atomic import (
    atomic_dir,
    atomic_rmtree,
    atomic_write_text,
    exclusive_lock,
    tidy,
)

Start = Callable[..., subprocess.Popen[str]]
ROOT = Path(hf_gen.__file__).parents[1]

# Killed inside the block, or just before its first renaming.
KILLED = """
import os, signal, sys
from pathlib import Path
from hf_gen.runs.atomic import atomic_dir

def watch(event, arguments):
    if event == "os.rename":
        os.kill(os.getpid(), signal.SIGKILL)

with atomic_dir(Path(sys.argv[1]), marker="old") as partial:
    (partial / "new").write_text("complete")
    sys.addaudithook(watch)
    if sys.argv[2] == "inside":
        os.kill(os.getpid(), signal.SIGKILL)
"""
WRITER = """
import sys
from pathlib import Path
from hf_gen.runs.atomic import atomic_write_text
target, letter = Path(sys.argv[1]), sys.argv[2]
for _ in range(300):
    atomic_write_text(target, letter * 1000)
    assert target.read_text() in ("a" * 1000, "b" * 1000)
"""


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def write(target: Path, name: str, stop: BaseException | None = None) -> None:
    with atomic_dir(target, marker="old") as partial:
        (partial / name).write_text(name)
        if stop is not None:
            raise stop


def test_a_folder_appears_with_all_that_was_written(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    with atomic_dir(target) as partial:
        (partial / "file").write_text("text")
        (partial / "inner").mkdir()
        (partial / "inner" / "file").write_text("more")
        assert not target.exists()
    assert (target / "file").read_text() == "text"
    assert (target / "inner" / "file").read_text() == "more"
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_replaces_the_one_before(tmp_path: Path) -> None:
    for name in ("old", "new"):
        write(tmp_path / "target", name)
    assert contents(tmp_path / "target") == {"new": "new"}
    assert list(tmp_path.iterdir()) == [tmp_path / "target"]


@pytest.mark.parametrize("marker", [None, "config.json"])
@pytest.mark.parametrize("kind", ["folder", "file", "broken link"])
def test_what_hf_gen_did_not_make_raises_before_and_after_the_block(
    tmp_path: Path, marker: str | None, kind: str
) -> None:
    target = tmp_path / "target"

    def make() -> None:
        with atomic_dir(target, marker) as partial:
            (partial / "config.json").write_text("{}")
            match kind:
                case "folder":
                    target.mkdir()
                    (target / "mine").write_text("mine")
                case "file":
                    target.write_text("mine")
                case _:
                    target.symlink_to("nowhere")

    with pytest.raises(UserError, match=f"{target} .*: move it away"):
        make()
    assert os.path.lexists(target)
    with pytest.raises(UserError, match=f"{target} .*: move it away"), atomic_dir(target, marker):
        raise AssertionError("refused before the block")
    assert list(tmp_path.iterdir()) == [target]
    assert kind != "folder" or contents(target) == {"mine": "mine"}


def test_cleaning_up_removes_only_files_of_killed_writers(tmp_path: Path) -> None:
    own = (".a.hf_gen-partial", ".run.json.7.hf_gen-partial", ".b.hf_gen-removed")
    others = (".notes.partial", ".old.replaced", "b.hf_gen-partial", ".bin.removed")
    for name in (*own, *others):
        (tmp_path / name).write_text(name)
    tidy(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*others}


def test_a_folder_that_existed_before_its_lock_stays(tmp_path: Path) -> None:
    with exclusive_lock(tmp_path / "new"):
        assert (tmp_path / "new").is_dir()
    (tmp_path / "mine").mkdir()
    with exclusive_lock(tmp_path / "mine"):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"]


@pytest.mark.parametrize("stop", [ValueError(), KeyboardInterrupt(), SystemExit()])
@pytest.mark.parametrize("before", [{}, {"old": "old"}])
def test_an_exception_leaves_what_was_there(
    tmp_path: Path, stop: BaseException, before: dict[str, str]
) -> None:
    target = tmp_path / "target"
    for name in before:
        write(target, name)
    with pytest.raises(type(stop)):
        write(target, "new", stop)
    assert (contents(target) if target.exists() else {}) == before
    assert list(tmp_path.iterdir()) == [target][: len(before)]


@pytest.mark.parametrize("place", ["inside", "before the renaming"])
def test_a_kill_leaves_what_was_there(tmp_path: Path, start_python: Start, place: str) -> None:
    target = tmp_path / "work" / "target"
    write(target, "old")
    assert start_python(KILLED, target, place).wait() == -signal.SIGKILL
    assert contents(target) == {"old": "old"}
    write(target, "new")
    assert contents(target) == {"new": "new"}
    assert list(target.parent.iterdir()) == [target]


def test_a_removed_folder_is_gone(tmp_path: Path) -> None:
    (tmp_path / "target" / "inner").mkdir(parents=True)
    atomic_rmtree(tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_a_text_is_replaced_at_once(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    for text in ("one, ä, 顔\n", "two\n"):
        atomic_write_text(target, text)
        assert target.read_text(encoding="utf-8") == text
    assert list(tmp_path.iterdir()) == [target]


def test_two_writers_of_one_file_leave_a_complete_text(tmp_path: Path, start_python: Start) -> None:
    writers = [start_python(WRITER, tmp_path / "file.txt", letter) for letter in "ab"]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors
    assert list(tmp_path.iterdir()) == [tmp_path / "file.txt"]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "no space is left on the disk of /the/folder"),
        (errno.EDQUOT, "the disk quota for /the/folder is used up"),
        (errno.EROFS, "/the/folder is on a read-only file system"),
        (errno.EACCES, "/the/folder is not writable for this user"),
        (errno.EPERM, "/the/folder is not writable for this user"),
        (errno.ENOTDIR, "a part of /the/folder is a file"),
    ],
)
def test_errors_of_the_disk_become_clear_errors(number: int, message: str) -> None:
    with pytest.raises(UserError, match=message), translate_os_errors(Path("/the/folder")):
        raise OSError(number, os.strerror(number))


def test_other_errors_pass_through() -> None:
    for error in (FileNotFoundError(errno.ENOENT, "gone"), ValueError("other"), UserError("said")):
        with pytest.raises(type(error)) as raised, translate_os_errors(Path("folder")):
            raise error
        assert raised.value is error


def test_an_error_of_the_disk_inside_the_block_is_clear(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"no space is left on the disk of {tmp_path}/target"):
        write(tmp_path / "target", "new", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("text")
    with pytest.raises(UserError, match="is a file where a folder is needed"):
        write(tmp_path / "file" / "target", "new")
    with pytest.raises(UserError, match="is a file where a folder is needed"):
        atomic_write_text(tmp_path / "file" / "target.txt", "text")
    assert (tmp_path / "file").read_text() == "text"


@pytest.mark.skipif(os.geteuid() == 0, reason="no permission keeps root from writing")
def test_a_folder_without_write_permission_is_a_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UserError, match="is not writable for this user"):
            write(tmp_path / "target", "new")
    finally:
        tmp_path.chmod(0o700)


def on_a_disk(options: str, folder: Path, program: str) -> list[str]:
    """What a program prints whose `folder` is a disk of its own, which only it sees."""
    mount = f"mount -t tmpfs -o {options} tmpfs {shlex.quote(str(folder))}"
    folder.mkdir()
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "--mount", "sh", "-c", mount], capture_output=True).returncode
    ):
        pytest.skip("this user may not mount a small disk")
    inside = ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh"]
    finished = subprocess.run(
        [*inside, sys.executable, "-c", program, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return finished.stdout.splitlines()


FILL = """
import sys
from pathlib import Path
import numpy
from safetensors.numpy import save_file
from hf_gen.runs.atomic import UserError, atomic_dir, atomic_write_text

disk = Path(sys.argv[1])

def fill_folder():
    with atomic_dir(disk / "target", marker="old") as partial:
        (partial / "new").write_bytes(bytes(1_000_000))

def fill_with_safetensors():
    with atomic_dir(disk / "target", marker="old") as partial:
        save_file({"weights": numpy.zeros(1_000_000)}, partial / "new.safetensors")

def fill_with_text():
    atomic_write_text(disk / "file", "x" * 1_000_000)

try:
    atomic_write_text(disk / "file", "old")
    with atomic_dir(disk / "target") as partial:
        (partial / "old").write_text("complete")
except UserError:
    pass
for fill in (fill_folder, fill_with_safetensors, fill_with_text):
    try:
        fill()
    except UserError as error:
        print(error)
if (disk / "file").exists():
    print((disk / "file").read_text(), (disk / "target" / "old").read_text())
"""


def test_a_disk_that_runs_full_is_a_clear_error_and_keeps_what_was_there(tmp_path: Path) -> None:
    *errors, kept = on_a_disk("size=128k", tmp_path / "disk", FILL)
    assert len(errors) == 3
    assert all(error.startswith("no space is left on the disk of") for error in errors)
    assert kept == "old complete"


def test_a_read_only_disk_is_a_clear_error(tmp_path: Path) -> None:
    errors = on_a_disk("ro", tmp_path / "disk", FILL)
    assert len(errors) == 3
    assert all("is on a read-only file system" in error for error in errors)

"""A folder or file is complete, or as it was before, whatever stops the writer."""

import errno
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hf_gen.errors import UserError, translate_os_errors
from hf_gen.runs.atomic import (
    atomic_dir,
    atomic_write_text,
    exclusive_lock,
    tidy,
)
from tests.launching import ROOT

Start = Callable[..., subprocess.Popen[str]]
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


@pytest.mark.parametrize("marker", [None, "config.json"])
@pytest.mark.parametrize("kind", ["folder", "file", "broken link"])
def test_what_hf_gen_did_not_make_is_refused_before_and_after_the_block(
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


def test_tidying_up_takes_only_what_killed_writers_left(tmp_path: Path) -> None:
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


def test_a_file_where_a_folder_is_needed_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(UserError, match="is a file where a folder is needed"):
        write(tmp_path / "file" / "target", "new")
    with pytest.raises(UserError, match="is a file where a folder is needed"):
        atomic_write_text(tmp_path / "file" / "target.txt", "text")
    assert (tmp_path / "file").read_text() == "text"


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

atomic_write_text(disk / "file", "old")
with atomic_dir(disk / "target") as partial:
    (partial / "old").write_text("complete")
for fill in (fill_folder, fill_with_safetensors, fill_with_text):
    try:
        fill()
    except UserError as error:
        print(error)
print((disk / "file").read_text(), (disk / "target" / "old").read_text())
"""


def test_a_disk_that_runs_full_is_a_clear_error_and_keeps_what_was_there(tmp_path: Path) -> None:
    """On a small disk that only this program sees."""
    mount = f"mount -t tmpfs -o size=128k tmpfs {shlex.quote(str(tmp_path))}"
    inside = ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh"]
    if shutil.which("unshare") is None or subprocess.run([*inside, "true"]).returncode:
        pytest.skip("this user may not mount a small disk")
    finished = subprocess.run(
        [*inside, sys.executable, "-c", FILL, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    *errors, kept = finished.stdout.splitlines()
    assert len(errors) == 3
    assert all(error.startswith("no space is left on the disk of") for error in errors)
    assert kept == "old complete"

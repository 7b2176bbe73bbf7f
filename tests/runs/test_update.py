"""In a folder that a person names, the files of others are kept."""

import json
from pathlib import Path

import pytest

from hf_gen.errors import UserError
from hf_gen.runs.update import MANIFEST, update_dir


def contents(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def write(target: Path, **files: str) -> None:
    with update_dir(target) as staged:
        for name, text in files.items():
            path = staged / name.replace("__", "/")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)


def test_own_files_are_replaced_or_deleted_and_others_kept(tmp_path: Path) -> None:
    target = tmp_path / "thesis"
    (target / "figures").mkdir(parents=True)
    others = {"chapter.tex": "mine", "figures/photo": "mine"}
    for name, text in others.items():
        (target / name).write_text(text)
    write(target, report="1", figures__curve="1", figures__old="1")
    write(target, report="2", figures__curve="2")
    assert contents(target) == others | {"report": "2", "figures/curve": "2"}
    assert json.loads((target / MANIFEST).read_text())["files"].keys() == {
        "report",
        "figures/curve",
    }


@pytest.mark.parametrize("kind", ["file", "edited", "folder", "link", "broken link"])
def test_a_file_of_others_is_never_replaced(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "thesis"
    target.mkdir()
    report, elsewhere = target / "report", tmp_path / "elsewhere"
    if kind == "edited":
        write(target, report="1")
    match kind:
        case "file" | "edited":
            report.write_text("mine")
        case "folder":
            report.mkdir()
        case "link":
            elsewhere.write_text("mine")
            report.symlink_to(elsewhere)
        case _:
            report.symlink_to("nowhere")
    before = contents(tmp_path)
    with pytest.raises(UserError, match=f"{report} was not written by hf_gen, or has changed"):
        write(target, other="1", report="2")
    with (
        pytest.raises(UserError, match=f"{report} was not written by hf_gen"),
        update_dir(target, ["report"]),
    ):
        raise AssertionError("refused before the block")
    assert contents(tmp_path) == before


def test_a_stale_file_that_was_edited_is_kept(tmp_path: Path) -> None:
    write(tmp_path, one="1", two="2")
    (tmp_path / "two").write_text("mine")
    write(tmp_path, one="3")
    assert contents(tmp_path) == {"one": "3", "two": "mine"}


def test_a_manifest_reaches_no_file_outside_the_folder(tmp_path: Path) -> None:
    target, outside = tmp_path / "report", tmp_path / "outside"
    write(target, one="1")
    write(outside, two="2")
    listed = json.loads((outside / MANIFEST).read_text())["files"]["two"]
    (target / "link").symlink_to(outside)
    named = {"../outside/two": listed, "link/two": listed, str(outside / "two"): listed}
    (target / MANIFEST).write_text(json.dumps({"files": named}))
    write(target, three="3")
    assert contents(outside) == {"two": "2"}
    (target / MANIFEST).write_text("[]")
    with pytest.raises(UserError, match=f"{target / MANIFEST} is damaged"):
        write(target, three="4")


def test_what_fails_writes_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with update_dir(tmp_path / "report") as staged:
            (staged / "report").write_text("half")
            raise ValueError("drawing")

    with pytest.raises(ValueError, match="drawing"):
        fail()
    assert list(tmp_path.iterdir()) == []

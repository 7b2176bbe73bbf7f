"""The `hf-gen` command, started as its users start it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
from PIL import Image

from hf_gen.cli import main, sample
from hf_gen.config import recipe_as_json
from hf_gen.errors import UserError
from hf_gen.faces import FACTORS, STYLES
from hf_gen.recipes import RECIPES
from hf_gen.runs.folder import RunFolder
from tools.released import manifest

ROOT = Path(__file__).parents[1]


def hf_gen(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hf_gen", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_synthetic_faces_are_a_dataset_folder(tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    sizes = ("--train", "12", "--test", "3", "--size", "32")
    done = hf_gen("draw-faces", str(folder), *sizes, home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    faces = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {name: len(split) for name, split in faces.items()} == {"train": 12, "test": 3}
    assert {*STYLES, *FACTORS} <= set(faces["train"].column_names)
    assert faces["train"][0]["anime"].size == (32, 32)
    assert faces["train"].features["glasses"].names == list(FACTORS["glasses"])


def test_an_existing_folder_and_a_wrong_size_are_refused(tmp_path: Path) -> None:
    refused = hf_gen("draw-faces", str(tmp_path), home=tmp_path)
    assert refused.returncode == 2
    assert f"error: {tmp_path} exists already" in refused.stderr
    new = str(tmp_path / "new")
    wrong = hf_gen("draw-faces", new, "--size", "2", home=tmp_path)
    assert wrong.returncode == 2
    assert "size must be 8 to 1024 pixels, got 2" in wrong.stderr
    assert not (tmp_path / "new").exists()


def test_new_faces_of_a_model_that_comes_along_are_one_picture(tmp_path: Path) -> None:
    pictures = [tmp_path / "new" / f"{name}.png" for name in ("first", "again", "other")]
    for picture, seed in zip(pictures, (1, 1, 2), strict=True):
        sample("conv-vae", picture, count=3, seed=seed)
    first, again, other = (picture.read_bytes() for picture in pictures)
    assert first == again != other
    with Image.open(pictures[0]) as picture:
        assert picture.size == (3 * 98 + 2, 98 + 2)


@pytest.mark.parametrize("content", [b"text", b"\x89PNG of another program"])
def test_only_a_picture_of_hf_gen_is_replaced(tmp_path: Path, content: bytes) -> None:
    picture = tmp_path / "mine.png"
    picture.write_bytes(content)
    with pytest.raises(UserError, match=f"{picture} was not written by hf_gen"):
        sample("conv-vae", picture, count=1)
    assert picture.read_bytes() == content
    for seed in (1, 2):
        sample("conv-vae", tmp_path / "new.png", count=1, seed=seed)


def test_what_has_no_faces_of_its_own_is_a_sentence(tmp_path: Path) -> None:
    translation = next(name for name, entry in manifest().items() if "cyclegan" in entry["recipe"])
    picture = tmp_path / "x.png"
    with pytest.raises(UserError, match=f"{translation} translates images"):
        sample(translation, picture)
    with pytest.raises(UserError, match="prior must be one that this pipeline has"):
        sample("conv-vae", picture, prior="none")
    assert not picture.exists()


@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_what_a_run_of_a_stranger_reads_is_said_before(tmp_path: Path, command: str) -> None:
    (tmp_path / "private").mkdir()
    identity = {"recipe": "conv-vae", "data": {"train_data_dir": str(tmp_path / "private")}}
    run = RunFolder(tmp_path / "run")
    run.start(identity, "train", "1 x cpu", {})
    run.save_results({"images": 8})
    refused = hf_gen(command, str(run.path), home=tmp_path)
    said, *others = refused.stderr.splitlines()
    assert said == f"{run.path}/run.json names {tmp_path / 'private'}"
    assert others[-1].startswith("error: ")


COMMANDS: dict[str, tuple[str, ...]] = {
    "sample": ("sample", "{}"),
    "evaluate": ("evaluate", "{}"),
    "report": ("report", "{}"),
    "report two": ("report", "{}", "{}"),
    "push": ("push", "{}", "--repo-id", "user/name"),
}
NO_MODEL = "holds no (run|pipeline)"
INPUTS = {
    "./nowhere": "no folder",
    "./nowhere/": "no folder",
    "/nowhere/at/all": "no folder",
    "empty": NO_MODEL,
    "empty/": NO_MODEL,
    "file": "no folder",
    "file/": "no folder",
    "unfinished": "has not ended|" + NO_MODEL,
    "unfinished/": "has not ended|" + NO_MODEL,
    "./damaged": "is damaged|" + NO_MODEL,
    "folder-of-runs": NO_MODEL,
    "./dangling": "no folder",
    ".": NO_MODEL,
    "./" + 300 * "x": "too long a name",
}
OUTPUTS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "sample": (
        ("sample", "conv-vae", "--count", "1", "--output", "{}"),
        {"empty": "empty is a folder", "empty/": "empty is a folder", "file/x.png": "is a file"},
    ),
    "report": (
        ("report", "unfinished", "--output-dir", "{}"),
        {"file": "nothing to compare|is a file", "empty/": "nothing to compare"},
    ),
    "reproduce": (
        ("reproduce", "--output-dir", "{}"),
        {"file": "is a file", "file/x": "is a file"},
    ),
    "draw-faces": (("draw-faces", "{}", "--train", "1"), {"file/": "exists", "empty/": "exists"}),
}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what may be named by mistake, as the current one."""
    monkeypatch.chdir(tmp_path)
    identity = {"recipe": "conv-vae", "processes": 1, **recipe_as_json(RECIPES["conv-vae"][1])}
    for place in ("unfinished", "folder-of-runs/run"):
        RunFolder(Path(place)).start(identity, "the command", "1 x cpu", {})
    for place in ("empty", "damaged"):
        Path(place).mkdir()
    Path("damaged/run.json").write_text("{")
    Path("file").write_text("text")
    Path("dangling").symlink_to("nowhere")
    return tmp_path


def said(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """The last line of a command that fails as one does which knows why."""
    monkeypatch.setattr(sys, "argv", ["hf-gen", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    *_, last = capsys.readouterr().err.splitlines()
    return last


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", INPUTS)
def test_a_wrong_input_is_a_sentence(
    command: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    last = said(tuple(word.format(name) for word in COMMANDS[command]), monkeypatch, capsys)
    assert re.match(f"error: .*({INPUTS[name]})", last)


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize(
    ("command", "name"), [(command, name) for command in OUTPUTS for name in OUTPUTS[command][1]]
)
def test_a_wrong_output_is_a_sentence(
    command: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, sentences = OUTPUTS[command]
    last = said(tuple(word.format(name) for word in words), monkeypatch, capsys)
    assert re.match(f"error: .*({sentences[name]})", last)
    assert Path("file").read_text() == "text"


@pytest.mark.parametrize("name", ["conv-vae/", "user/name/", "a/b/c", "-"])
def test_a_name_that_is_no_id_is_a_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    last = said(("sample", name), monkeypatch, capsys)
    assert last.startswith(f"error: '{name}' is neither a folder nor the id of a Hub model")

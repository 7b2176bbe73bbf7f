"""The `hf-gen` command: what its subcommands write, and their errors."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
from PIL import Image

from hf_gen.cli import main
from hf_gen.config import recipe_as_json
from hf_gen.errors import UserError
from hf_gen.faces import FACTORS, STYLES
from hf_gen.image_commands import edit, sample
from hf_gen.models.directions import LatentDirections
from hf_gen.pipelines import VAEPipeline, load
from hf_gen.recipes import RECIPES
from hf_gen.runs.folder import RunFolder
from tests.launching import ROOT
from tools.ship import manifest


def test_synthetic_faces_are_a_dataset_folder(tmp_path: Path) -> None:
    sizes = ("--train", "12", "--validation", "2", "--test", "3", "--size", "32")
    subprocess.run(
        [sys.executable, "-m", "hf_gen", "draw-faces", "faces", *sizes],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    faces = datasets.load_dataset(str(tmp_path / "faces"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(split) for name, split in faces.items()} == {
        "train": 12,
        "validation": 2,
        "test": 3,
    }
    assert {*STYLES, *FACTORS} <= set(faces["train"].column_names)
    assert faces["train"][0]["anime"].size == (32, 32)
    assert faces["train"].features["glasses"].names == list(FACTORS["glasses"])


def test_samples_of_a_bundled_model_are_one_picture(tmp_path: Path) -> None:
    pictures = [tmp_path / "new" / f"{name}.png" for name in ("first", "again", "other")]
    for picture, seed in zip(pictures, (1, 1, 2), strict=True):
        sample("conv-vae", picture, count=3, seed=seed)
    first, again, other = (picture.read_bytes() for picture in pictures)
    assert first == again != other
    with Image.open(pictures[0]) as picture:
        assert picture.size == (3 * 98 + 2, 98 + 2)


def test_only_a_picture_of_hf_gen_is_replaced(tmp_path: Path) -> None:
    picture, content = tmp_path / "mine.png", b"\x89PNG of another program"
    picture.write_bytes(content)
    with pytest.raises(UserError, match=f"{picture} was not written by hf_gen"):
        sample("conv-vae", picture, count=1)
    assert picture.read_bytes() == content
    for seed in (1, 2):
        sample("conv-vae", tmp_path / "new.png", count=1, seed=seed)


def test_samples_are_from_the_default_prior_of_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = load("conv-vae")
    chosen = VAEPipeline(pipeline.vae, pipeline.prior, 32, "gaussian", 0.5)
    chosen.save_pretrained(tmp_path / "model")
    named: dict[str, dict[str, Any]] = {
        "gaussian prior at temperature 0.5,": {},
        "gaussian prior at temperature 0.9,": {"temperature": 0.9},
        "mixture prior at temperature 1,": {"prior": "mixture"},
    }
    pictures = set()
    for words, flags in named.items():
        sample(str(tmp_path / "model"), tmp_path / "faces.png", count=2, **flags)
        assert words in capsys.readouterr().out
        pictures.add((tmp_path / "faces.png").read_bytes())
    assert len(pictures) == 3


def test_faces_are_edited_by_the_directions_that_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, model = load("conv-vae"), str(tmp_path / "model")
    editor = LatentDirections((50, 1, 1), ("tilt", "hue"), 1)
    editor.vectors.add_(1.0)
    VAEPipeline(pipeline.vae, pipeline.prior, 32, editor=editor).save_pretrained(model)
    edit(model)
    assert capsys.readouterr().out == "tilt: -1 to 1\nhue: -1 to 1, a hue in turns\n"
    edit("conv-vae")
    assert "conv-vae has no directions: train with --directions" in capsys.readouterr().out
    face, folder = tmp_path / "face.png", str(tmp_path / "edits")
    pipeline.sample(1)[0].save(face)
    flags = ["edit", model, str(face), "--values", "tilt", "-0.5", "--output-dir", folder]
    monkeypatch.setattr(sys, "argv", ["hf-gen", *flags])
    main()
    assert "edited by" in capsys.readouterr().out
    made = load(model).edit(Image.open(face), tilt=-0.5)[0]
    (written,) = (tmp_path / "edits").iterdir()
    assert Image.open(written).tobytes() == made.tobytes()
    with pytest.raises(UserError, match="tilt must be from -1 to 1"):
        edit(model, str(face), tmp_path / "none", {"tilt": 2})
    with pytest.raises(UserError, match="no direction 'age': choose of tilt, hue"):
        edit(model, str(face), tmp_path / "none", {"age": 1})
    assert not (tmp_path / "none").exists()


def test_what_cannot_be_sampled_is_a_clear_error(tmp_path: Path) -> None:
    translation = next(name for name, entry in manifest().items() if "cyclegan" in entry["recipe"])
    picture = tmp_path / "x.png"
    with pytest.raises(UserError, match=f"{translation} translates images"):
        sample(translation, picture)
    with pytest.raises(UserError, match="prior must be one that this pipeline has"):
        sample("conv-vae", picture, prior="none")
    assert not picture.exists()


READERS = (
    *("sample {}", "sample {} --output-dir new", "reconstruct {} faces --output-dir new"),
    *("translate {} faces --output-dir new", "evaluate {}", "report {}", "report {} {}"),
    *("push {} --repo-id user/name", "export {} --output-dir new"),
)
NO_MODEL = "holds no (run|pipeline)"
INPUTS = {
    "./nowhere": "no folder",
    "/nowhere/at/all": "no folder",
    "empty": NO_MODEL,
    "file/": "no folder",
    "unfinished": f"has not ended|{NO_MODEL}",
    "./damaged": f"is damaged|{NO_MODEL}",
    "folder-of-runs": NO_MODEL,
    "./dangling": "no folder",
    ".": NO_MODEL,
    f"./{300 * 'x'}": "too long a name",
}
COMMANDS = {
    "sample conv-vae --count 1 --output empty": "empty is a folder",
    "sample conv-vae --count 1 --output file/x.png": "is a file",
    "sample conv-vae --count 1 --output-dir empty": "empty exists already",
    "sample conv-vae --count 0 --output-dir new": "batch_size must be at least 1, got 0",
    "sample conv-vae --output new.png --output-dir new": "give one of the two",
    "reconstruct conv-vae faces --count 1 --output-dir file": "file exists already",
    "reconstruct conv-vae faces --count 0 --output-dir new": "count must be at least 1, got 0",
    "reconstruct conv-vae faces --count 1 --output-dir new --inputs-dir new": "must be apart",
    "translate cyclegan faces --count 1 --output-dir new/a --inputs-dir new": "must be apart",
    "reconstruct conv-vae file --output-dir new": "name the folder of images",
    "reconstruct conv-vae ./nowhere --output-dir new": "there is no folder nowhere",
    "reconstruct cyclegan faces --output-dir new": "cyclegan translates images",
    "translate conv-vae faces --output-dir new": "conv-vae is an autoencoder",
    "translate cyclegan empty --output-dir new": "empty holds no images",
    "export conv-vae --output-dir folder-of-runs": "folder-of-runs exists already",
    "export conv-vae --output-dir file": "file exists already",
    "report unfinished --output-dir file": "nothing to compare|is a file",
    "reproduce --output-dir file/x": "is a file",
    "draw-faces file/ --train 1": "exists",
    "draw-faces new --size 2": "size must be 8 to 1024 pixels, got 2",
    **{
        f"sample {name}": f"'{name}' is neither a folder nor the id of a Hub model"
        for name in ("conv-vae/", "user/name/", "a/b/c", "-")
    },
}


@pytest.fixture
def error_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    """Runs a command that must fail, in a folder of what may be named by mistake."""
    monkeypatch.chdir(tmp_path)
    identity = {"recipe": "conv-vae", "processes": 1, **recipe_as_json(RECIPES["conv-vae"][1])}
    for place in ("unfinished", "folder-of-runs/run"):
        RunFolder(Path(place)).start(identity, "the command", "1 x cpu", {})
    for place in ("empty", "damaged"):
        Path(place).mkdir()
    Path("damaged/run.json").write_text("{")
    Path("file").write_text("text")
    Path("dangling").symlink_to("nowhere")

    def run(command: str) -> str:
        monkeypatch.setattr(sys, "argv", ["hf-gen", *command.split()])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        assert Path("file").read_text() == "text"
        assert not Path("new").exists()
        return capsys.readouterr().err.splitlines()[-1]

    return run


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize("name", INPUTS)
def test_a_wrong_input_is_a_clear_error(
    command: str, name: str, error_of: Callable[[str], str]
) -> None:
    assert re.match(f"error: .*({INPUTS[name]})", error_of(command.replace("{}", name)))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_argument_is_a_clear_error(command: str, error_of: Callable[[str], str]) -> None:
    assert re.match(f"error: .*({COMMANDS[command]})", error_of(command))

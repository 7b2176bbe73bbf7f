"""The `hf-gen` command, started as its users start it."""

import os
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
from PIL import Image

from hf_gen.cli import sample
from hf_gen.errors import UserError
from hf_gen.faces import FACTORS, STYLES
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

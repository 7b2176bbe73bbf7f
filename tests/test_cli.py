"""The `hf-gen` command, started as its users start it."""

import os
import subprocess
import sys
from pathlib import Path

import datasets

from hf_gen.data.faces import FACTORS, STYLES

ROOT = Path(__file__).parents[1]


def hf_gen(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from hf_gen.cli import main; main()", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_drawn_faces_are_a_dataset_folder(tmp_path: Path) -> None:
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

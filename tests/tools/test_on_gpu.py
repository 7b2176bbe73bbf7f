"""The tools for a machine with a GPU run on a CPU without datasets, pyarrow and gradio."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hf_gen.faces import face_at, face_png
from hf_gen.pipelines import VAEPipeline, load
from tests.launching import ROOT

ABSENT = ("datasets", "pyarrow", "gradio", "hf_gen", "__editable__")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The installed packages but for some, and nothing of this checkout."""
    folder = tmp_path / "site"
    folder.mkdir()
    for package in Path(np.__file__).parents[1].iterdir():
        if not package.name.startswith(ABSENT):
            (folder / package.name).symlink_to(package)
    return folder


def on_gpu(site: Path, output: Path, part: str, *flags: str) -> list[dict[str, Any]]:
    """The lines that a part writes."""
    process = subprocess.run(
        [
            *(sys.executable, "-S", "-m", "tools.on_gpu", part, *flags),
            *("--device", "cpu", "--output-dir", str(output)),
        ],
        env={"PYTHONPATH": f"{site}:{ROOT}", "OMP_NUM_THREADS": "1", "HOME": str(output)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    lines = (output / f"{part}.jsonl").read_text().splitlines()
    assert lines == [line for line in process.stdout.splitlines() if line.startswith("{")]
    return [json.loads(line) for line in lines]


def test_a_recipe_trains_on_an_archive_for_some_minutes(site: Path, tmp_path: Path) -> None:
    encoded, offsets = io.BytesIO(), [0]
    for number in range(60):
        png = face_png(face_at(number), "anime", 64)
        Image.open(io.BytesIO(png)).save(encoded, "WEBP")
        offsets.append(encoded.tell())
    archive = tmp_path / "faces.npz"
    content = np.frombuffer(encoded.getvalue(), np.uint8)
    np.savez(archive, anime=content, anime_offsets=np.array(offsets))
    flags = ("conv-vae", "--data", str(archive), "--minutes", "0.2")
    decoded, plan, made = on_gpu(site, tmp_path / "output", "train", *flags)
    assert decoded["decoded"] == [54]
    assert plan["steps"] >= 1
    assert all(size <= 16 * 2**20 for size in made["weight_files"])
    assert len(made["weight_files"]) <= 8
    assert isinstance(load(tmp_path / "output" / "pipeline"), VAEPipeline)
    checked = on_gpu(site, tmp_path / "output", "check", "--minutes", "0.02")
    assert checked[0] == {**checked[0], "passed": True}
    assert "left out" in checked[-1]

"""A run is its images and weights: not the working directory, nor where its folders are."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hf_gen.cli import evaluate
from train_accelerate import main

SHORT = (
    *("--resolution", "16", "--train-batch-size", "5", "--validation-steps", "2"),
    *("--logging-steps", "2", "--checkpointing-steps", "2", "--report-to", "none"),
)


@pytest.mark.usefixtures("no_figures")
def test_a_run_of_relative_paths_resumes_in_any_folder(
    tmp_path: Path, image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    image_folder(here / "photos" / "train", 20)
    image_folder(here / "photos" / "test", 10, seed=1)
    monkeypatch.chdir(here)
    command = ("conv-vae", *SHORT, "--cache-dir", "cache", "--max-train-steps", "4")
    assert main([*command, "--dataset-name", "photos", "--output-dir", "run"]) == 0
    results = (here / "run" / "results.json").read_bytes()

    monkeypatch.chdir(there)
    (here / "run" / "results.json").write_text("{}")
    evaluate(here / "run")
    assert (here / "run" / "results.json").read_bytes() == results
    assert list(there.iterdir()) == []

    (here / "photos").rename(there / "renamed")
    (here / "run").rename(there / "run")
    assert main([*command, "--train-data-dir", "renamed", "--output-dir", "run"]) == 0
    assert (there / "run" / "results.json").read_bytes() == results
    monkeypatch.chdir(here)
    evaluate(there / "run")
    assert (there / "run" / "results.json").read_bytes() == results

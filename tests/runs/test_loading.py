"""A run that cannot be read is a clear error that names it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hf_gen.config import recipe_as_json
from hf_gen.errors import UserError
from hf_gen.recipes import RECIPES
from hf_gen.runs.folder import RunFolder
from hf_gen.runs.loading import load_run

COMMAND = "accelerate launch train_accelerate.py dense-vae-z5"


def run_folder(path: Path, **changes: object) -> Path:
    """A finished run of dense-vae-z5 at 48 pixels, with some fields of its run.json changed."""
    recipe = RECIPES["dense-vae-z5"][1]
    recipe = replace(recipe, data=replace(recipe.data, resolution=48, train_data_dir=Path("faces")))
    run = RunFolder(path)
    identity = {"recipe": "dense-vae-z5", "processes": 1, **recipe_as_json(recipe)}
    run.start(identity, COMMAND, "1 x cpu", {})
    run.save_results({"images": 8})
    content = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(content | changes))
    return path


def test_a_finished_run_says_what_it_is(tmp_path: Path) -> None:
    run = load_run(run_folder(tmp_path / "mine"))
    assert run.name == "mine"
    assert run.recipe.data.resolution == 48
    assert run.recipe.data.train_data_dir == Path("faces")
    assert run.recipe.model == RECIPES["dense-vae-z5"][1].model


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "format 99"),
        ({"identity": {"recipe": "of-tomorrow"}}, "'of-tomorrow', which is no recipe"),
        ({"identity": ["no", "dict"]}, "run.json is damaged .identity must be"),
        ({"command": 3}, "run.json is damaged .command must be <class 'str'>, got 3"),
        ({"identity": {"recipe": "conv-vae", "data": {"resolution": 1}}}, "at least 8, got 1"),
        ({"identity": {"recipe": "conv-vae", "data": {"split": 2}}}, "split must be .*, got 2"),
        ({"identity": {"recipe": "conv-vae", "data": 3}}, "cannot be read"),
    ],
)
def test_what_this_version_cannot_read_is_named(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        load_run(run_folder(tmp_path / "run", **changes))


def test_what_it_reads_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "private").mkdir()
    (tmp_path / "faces").symlink_to("private")
    assert load_run(run_folder(tmp_path / "run")).sources == [str(tmp_path / "private")]
    data = {"dataset_name": "user/set", "data_files": ["/etc/*"], "cache_dir": "~nobody-here/x"}
    second = {"train_data_dir_b": "\0", "data_files_b": ["two"]}
    identity = {"recipe": "cyclegan", "data": data, "domains": second}
    sources = load_run(run_folder(tmp_path / "other", identity=identity)).sources
    assert sources == ["user/set /etc/*", "\0 two", "~nobody-here/x"]
    several = {"dataset_name": ["user/one", "faces", "user/two"]}
    pairs = {"paired_dataset_name": "/etc/pairs"}
    second = {"train_data_dir_b": "faces"}
    identity = {"recipe": "cyclegan", "data": several, "domains": second, "pairs": pairs}
    sources = load_run(run_folder(tmp_path / "several", identity=identity)).sources
    # Pairs are trained on and never measured, so that nobody reads them again.
    assert sources == ["user/one", "user/two", str(tmp_path / "private")]
    drawn = {"recipe": "cyclegan", "data": {"dataset_name": "faces"}}
    assert load_run(run_folder(tmp_path / "drawn", identity=drawn)).sources == []


def test_no_run_and_an_unfinished_one_are_distinguished(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no run"):
        load_run(tmp_path)
    run = run_folder(tmp_path / "run")
    (run / "results.json").unlink()
    with pytest.raises(UserError, match=f"has not ended: {COMMAND} resumes it"):
        load_run(run)

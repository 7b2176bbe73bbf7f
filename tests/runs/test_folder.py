"""What makes a run the same run, and what survives a kill in its folder."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from hf_gen.config import recipe_as_json
from hf_gen.errors import UserError
from hf_gen.recipes import CONV_VAE
from hf_gen.runs.folder import RunFolder

VERSIONS = {"torch": "2.0"}
COMMAND = "accelerate launch train_accelerate.py conv-vae"


def identity(**changes: Any) -> dict[str, Any]:
    """Of a run of the default recipe, with values such as data__resolution=64 changed."""
    values = copy.deepcopy(recipe_as_json(CONV_VAE))
    for place, value in changes.items():
        group, _, field = place.partition("__")
        if field:
            values[group][field] = value
        else:
            values[group] = value
    return {"recipe": "conv-vae", "processes": 1, **values}


def started(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "runs" / "conv-vae")
    run.check(identity())
    run.start(identity(), COMMAND, "1 x cpu", VERSIONS)
    return run


def add_checkpoints(run: RunFolder, *steps: int) -> None:
    for step in steps:
        run.checkpoint(step).mkdir()
        (run.checkpoint(step) / "state.json").touch()


def test_a_check_writes_nothing(tmp_path: Path) -> None:
    RunFolder(tmp_path / "runs" / "conv-vae").check(identity())
    assert list(tmp_path.iterdir()) == []


def test_the_same_run_resumes(tmp_path: Path) -> None:
    run = started(tmp_path)
    before = (run.path / "run.json").read_bytes()
    run.check(identity())
    run.start(identity(), "another", "8 x cuda", {"torch": "3.0"})
    assert (run.path / "run.json").read_bytes() == before
    assert json.loads(before)["versions"] == VERSIONS
    assert run.identity()["objective.kl_weight"] == 1.0
    assert run.identity()["recipe"] == "conv-vae"
    assert (run.record().command, run.record().device) == (COMMAND, "1 x cpu")


@pytest.mark.parametrize(
    ("changes", "differences"),
    [
        (
            {"objective__kl_weight": 2.0, "model__filters": [8, 8], "processes": 2},
            [
                "kl_weight was 1.0 and is now 2.0",
                "filters was [64, 32] and is now [8, 8]",
                "processes was 1 and is now 2",
            ],
        ),
        (
            {"model": {"hidden": [512, 256], **recipe_as_json(CONV_VAE)["model"]}},
            ["hidden was None and is now [512, 256]"],
        ),
        ({"data__split": "test"}, ["split was 'train' and is now 'test'"]),
        (
            {
                "output__output_dir": "elsewhere",
                "output__resume_from_checkpoint": "checkpoint-1",
                "data__cache_dir": "elsewhere",
                "data__train_data_dir": "elsewhere",
            },
            [],
        ),
    ],
)
def test_another_run_raises_with_each_field_that_differs(
    tmp_path: Path, changes: dict[str, Any], differences: list[str]
) -> None:
    run, other = started(tmp_path), identity(**changes) | {"processes": changes.get("processes", 1)}
    if not differences:
        run.check(other)
        return
    with pytest.raises(UserError, match="holds another run") as raised:
        run.check(other)
    assert all(one in str(raised.value) for one in differences)
    assert str(raised.value).count(" was ") == len(differences)


@pytest.mark.parametrize(
    ("schedule", "error"),
    [("constant", None), ("cosine", "schedule cosine, which depends on the end of the run")],
)
def test_the_end_of_a_run_may_change_unless_its_schedule_depends_on_it(
    tmp_path: Path, schedule: str, error: str | None
) -> None:
    run = RunFolder(tmp_path)
    run.start(identity(optimisation__lr_scheduler=schedule), COMMAND, "1 x cpu", {})
    longer = identity(
        optimisation__lr_scheduler=schedule,
        optimisation__max_train_steps=900,
        optimisation__num_threads=3,
        output__report_to="none",
        output__logging_steps=1,
        output__checkpoints_total_limit=7,
    )
    if error is not None:
        with pytest.raises(UserError, match=error):
            run.check(longer)
        return
    run.check(longer)
    run.start(longer, f"{COMMAND} --max-train-steps 900", "1 x cpu", {})
    assert run.identity()["optimisation.max_train_steps"] == 900
    assert run.record().command.endswith("900")
    with pytest.raises(UserError, match="holds another run: seed was 0 and is now 1"):
        run.check(identity(optimisation__seed=1, optimisation__max_train_steps=900))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", r"run\.json is damaged"),
        (b"\xff", r"run\.json is damaged"),
        (b"{}", r"run\.json is damaged"),
        (b'{"format": 2, "identity": []}', r"run\.json is damaged"),
        # Measured in other features, and on another scale.
        (b'{"format": 1}', "a run of format 1"),
        (b'{"identity": {}}', r"run\.json is damaged"),
        (b'{"format": 99}', "a run of format 99"),
    ],
)
def test_a_damaged_record_raises(tmp_path: Path, content: bytes, words: str) -> None:
    run = started(tmp_path)
    (run.path / "run.json").write_bytes(content)
    with pytest.raises(UserError, match=words):
        run.check(identity())


def test_a_folder_of_files_without_a_run_raises(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "thesis")
    run.path.mkdir()
    for own in (".hf_gen.lock", ".run.json.7.hf_gen-partial"):
        (run.path / own).touch()
    run.check(identity())
    (run.path / "README.md").write_text("mine")
    with pytest.raises(UserError, match=r"thesis holds files of other origin, such as README\.md"):
        run.check(identity())


def test_every_complete_line_of_the_log_is_read(tmp_path: Path) -> None:
    run = started(tmp_path)
    assert run.metrics() == []
    lines = [{"step": 20, "train/kl": 1 / 3}, {"step": 40, "train/kl": 1e-300}]
    for line in lines:
        run.log(line)
    assert run.metrics() == lines
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 60, "tra')
    assert run.metrics() == lines


def test_a_line_of_the_log_is_on_the_disk_before_the_next_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, flushed, fsync = started(tmp_path), list[int](), os.fsync

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        flushed.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fsync", noted)
    run.log({"step": 20, "train/kl": 0.5})
    assert flushed == [(run.path / "metrics.jsonl").stat().st_size]


def test_checkpoints_are_found_in_the_order_of_their_steps(tmp_path: Path) -> None:
    assert RunFolder(tmp_path / "none").checkpoint_to_resume("latest") is None
    run = started(tmp_path)
    assert run.checkpoint_to_resume("latest") is None
    with pytest.raises(UserError, match="has no 'checkpoint-5': its checkpoints are none"):
        run.checkpoint_to_resume("checkpoint-5")
    for name in ("1000", "200", "x"):
        (run.path / f"checkpoint-{name}").mkdir()
    (run.path / ".checkpoint-3000.hf_gen-partial").mkdir()
    assert run.checkpoints() == [run.checkpoint(200), run.checkpoint(1000)]
    assert run.checkpoint_to_resume("latest") == run.checkpoint(1000)
    assert run.checkpoint_to_resume("checkpoint-200") == run.checkpoint(200)
    for wanted in ("checkpoint-5", "200", "../checkpoint-200", ""):
        with pytest.raises(UserError, match="checkpoints are checkpoint-200, checkpoint-1000"):
            run.checkpoint_to_resume(wanted)


@pytest.mark.parametrize(("limit", "kept"), [(1, [1000]), (2, [200, 1000]), (9, [30, 200, 1000])])
def test_the_last_checkpoints_are_kept(tmp_path: Path, limit: int, kept: list[int]) -> None:
    run = started(tmp_path)
    add_checkpoints(run, 30, 200, 1000)
    run.keep_last_checkpoints(limit)
    names = {"run.json", *(f"checkpoint-{step}" for step in kept)}
    assert {path.name for path in run.path.iterdir()} == names


def test_a_folder_that_is_called_like_a_checkpoint_is_never_removed(tmp_path: Path) -> None:
    run = started(tmp_path)
    run.checkpoint(10).mkdir()
    (run.checkpoint(10) / "mine").touch()
    add_checkpoints(run, 20, 30)
    run.keep_last_checkpoints(1)
    assert run.checkpoints() == [run.checkpoint(10), run.checkpoint(30)]
    run.roll_back(0)
    assert run.checkpoints() == [run.checkpoint(10)]
    assert (run.checkpoint(10) / "mine").exists()

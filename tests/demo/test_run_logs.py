"""What runs have written: found, read while it is being written, and how far they are."""

from pathlib import Path

import pytest

from hf_gen.demo.run_logs import find_runs, first_runs, read_run, status
from tests.demo.run_folders import finish_line, read_runs, several_runs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return several_runs(tmp_path / "runs")


def test_runs_are_found_newest_first_without_the_damaged_ones(folder: Path, tmp_path: Path) -> None:
    assert list(find_runs(folder)) == ["now", "reproduce/gan", "second", "first"]
    assert find_runs(tmp_path / "nowhere") == {}
    assert read_run("gone", tmp_path / "nowhere") is None
    (folder / "second" / "results.json").write_text("[")
    assert list(find_runs(folder)) == ["now", "reproduce/gan", "first"]
    assert first_runs(list(read_runs(folder).values())) == ["now", "first"]


def test_a_half_written_line_is_left_out_until_it_is_whole(folder: Path) -> None:
    run = read_runs(folder)["now"]
    assert [line["step"] for line in run.metrics][-1] == 600
    assert run.results is None
    finish_line(folder / "now")
    assert [line["step"] for line in read_runs(folder)["now"].metrics][-1] == 620


def test_a_run_says_how_far_it_is(folder: Path) -> None:
    runs = read_runs(folder)
    now = runs["now"].written
    assert status(runs["now"], now) == "training, step 600 of 4,000"
    quiet = "not finished, step 600 of 4,000, nothing new for over"
    assert status(runs["now"], now + 700) == f"{quiet} 10 minutes"
    assert status(runs["now"], now + 90_000) == f"{quiet} a day"
    assert status(runs["first"], now) == "finished, 6 epochs"

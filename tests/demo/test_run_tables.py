"""The results of the runs beside each other, their colours, and what of them is in the HTML."""

import json
from pathlib import Path

import pytest

from hf_gen.demo.run_tables import colours, legend, results_table, table_rows
from hf_gen.metrics import PALETTE
from tests.demo.run_folders import read_runs, several_runs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return several_runs(tmp_path / "runs")


def test_the_best_is_marked_among_runs_of_the_same_images_only(folder: Path) -> None:
    runs = read_runs(folder)
    chosen = [runs["first"], runs["second"], runs["now"]]
    rows = {row.number.name: row for row in table_rows(chosen)[""]}
    assert rows["PSNR"].values == [18.5, 19.25, None]
    assert rows["PSNR"].best == [False, True, False]
    assert rows["KL term"].best == [False] * 3
    (folder / "second" / "results.json").write_text(json.dumps({"images": 51, "psnr": 19.25}))
    again = read_runs(folder)
    rows = {row.number.name: row for row in table_rows([again["first"], again["second"]])[""]}
    assert rows["PSNR"].best == [False, False]
    assert list(table_rows([runs["reproduce/gan"]])) == ["", "anime to cartoon"]


def test_the_page_escapes_names_and_shows_no_path(folder: Path) -> None:
    (folder / "first").rename(folder / "<b>&x")
    runs = read_runs(folder)
    run = runs["<b>&x"]
    colour = colours(["<b>&x"], list(runs))
    for html in (legend([run], colour, 0.0), results_table([run], colour, 0.0)):
        assert "&lt;b&gt;&amp;x" in html
        assert str(folder) not in html
    assert "No chosen run has ended" in results_table([runs["now"]], {}, 0.0)


def test_colours_stay_when_others_are_chosen() -> None:
    known = [f"run-{number}" for number in range(12)]
    alone = colours(["run-3"], known)
    assert colours(["run-4", "run-3"], known)["run-3"] == alone["run-3"]
    assert colours(["run-3"], ["newer", *known]) == alone
    eight_apart = colours(["run-1", "run-9"], known)
    assert len(set(eight_apart.values())) == 2
    assert len(set(colours(known[:8], known).values())) == len(PALETTE)

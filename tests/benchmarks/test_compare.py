"""`--record` and `--compare`: what is kept of a measurement, and that a fallen ratio is seen."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks.table import BEGIN, END, Row, bounded, row

RED, BLACK = "\033[31m", "\033[0m"


def measured() -> Iterator[Row]:
    yield row("steady", "others", [1.9, 2.0, 2.1], (200.0, 100.0), "images a second")
    yield bounded("slower", 6.0, [2.0, 3.0, 4.0], "s")
    yield row("restless", "others", [1.0, 2.0, 2.1], (200.0, 100.0), "images a second")


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The record of one measurement, as `--record` has written it."""

    def parts(rounds: int, threads: int) -> dict[str, Callable[[], Iterator[Row]]]:
        return {"both": measured}

    file, page = tmp_path / "results.json", tmp_path / "benchmarks.md"
    page.write_text(f"before\n{BEGIN}old{END}after\n")
    for name, value in {"RECORD": file, "DOCS": page, "parts": parts}.items():
        monkeypatch.setattr(benchmarks, name, value)
    assert benchmarks.main(record=True) == 0
    return file


def test_the_page_shows_what_the_record_holds(record: Path) -> None:
    before, table, after = benchmarks.DOCS.read_text().replace(END, BEGIN).split(BEGIN)
    assert (before, after) == ("before\n", "after\n")
    assert "| steady | others | 2.00 (1.90 to 2.10) | 200 to 100 images a second |" in table
    assert "| restless | others | noisy (1.00 to 2.10) | 200 to 100 images a second |" in table
    assert "| slower | at most 6 s | 2.00 (1.50 to 3.00) | 3 to 6 s |" in table
    hows = {row["how"] for row in json.loads(record.read_text()).values()}
    assert f"Measured with {hows.pop()}." in table


@pytest.mark.parametrize(
    ("before", "is_red"), [(2.34, False), (2.37, True), (1.0, False), (None, False)]
)
def test_a_ratio_that_has_fallen_by_more_than_15_percent_is_red(
    record: Path, capsys: pytest.CaptureFixture[str], before: float | None, is_red: bool
) -> None:
    changed, name = json.loads(record.read_text()), "slower / at most 6 s"
    if before is None:
        del changed[name]
    else:
        changed[name]["ratio"]["median"] = before
    record.write_text(json.dumps(changed))
    capsys.readouterr()
    assert benchmarks.main(compare=True) == int(is_red)
    lines = capsys.readouterr().out.splitlines()
    steady, slower, _ = lines[-3:]
    assert steady.endswith("(recorded 2.00)")
    note = "not recorded" if before is None else f"recorded {before:.2f}"
    assert slower.removesuffix(BLACK).endswith(f"({note})")
    assert (slower.startswith(RED), slower.endswith(BLACK)) == (is_red, is_red)

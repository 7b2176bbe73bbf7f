"""The table of faults: failed and skipped tests are in it too."""

import os
import subprocess
import sys
from pathlib import Path

from tests.launching import ROOT
from tests.reliability import markdown, replaced

_TESTS = """
import pytest

def test_holds(injected):
    injected("a fault", 3)

def test_holds_again(injected):
    injected("a fault", 2)
    injected("another", 1)

def test_breaks(injected):
    injected("another", 1000)
    assert 1 > 2

def test_cannot_be_tried(injected):
    pytest.skip("there is no disk")

@pytest.fixture
def broken():
    raise OSError

def test_cannot_begin(injected, broken):
    pass
"""


def test_a_row_counts_injections_and_failures(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(_TESTS)
    table = tmp_path / "table.jsonl"
    environment = {"PYTHONPATH": str(ROOT), "HF_GEN_FAULTS_TABLE": str(table)}
    command = [sys.executable, "-m", "pytest", "-p", "tests.reliability", "-c", os.devnull]
    subprocess.run(
        [*command, str(tmp_path)], env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    )
    noted = table.read_text().splitlines()
    rows, _, note = markdown(noted).rpartition("\n\n")
    assert note.startswith("Measured with HF_GEN_FAULTS=")
    assert rows.splitlines()[2:] == [
        "| a fault | 5 | passed |",
        "| another | 1,001 | **failed** in test_it.py::test_breaks |",
        "| what test_it.py::test_cannot_be_tried would inject | 0 | skipped: there is no disk |",
        "| what test_it.py::test_cannot_begin would inject | 0 "
        "| **failed** in test_it.py::test_cannot_begin |",
    ]
    again = [line.replace('"times": 3', '"times": 4') for line in noted[:1]]
    assert "| a fault | 6 | passed |" in markdown(replaced(noted, again))

"""How often each fault was injected, and whether the test passed: docs/reliability.md.

Tests that inject faults take the fixture `injected` and note the fault and how often, which
HF_GEN_FAULTS multiplies. `HF_GEN_FAULTS=30 python -m tests.reliability` runs exactly these tests,
and writes a record next to this file, and a table of it to docs/reliability.md. With names of tests
after it, it runs these, and replaces their rows.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

PASSED = "passed"
FAULTS = int(os.environ.get("HF_GEN_FAULTS", "1"))
_TABLE = os.environ.get("HF_GEN_FAULTS_TABLE")
_RECORD = Path(__file__).with_suffix(".jsonl")
_PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
_BEGIN, _END = "<!-- reliability -->\n", "<!-- end of reliability -->\n"
_INJECTED = pytest.StashKey[list[tuple[str, int]]]()


@pytest.fixture
def injected(request: pytest.FixtureRequest) -> Callable[[str, int], None]:
    """Notes that a fault was injected so many times; the end of the test notes the outcome."""

    def note(fault: str, times: int) -> None:
        request.node.stash.setdefault(_INJECTED, []).append((fault, times))

    return note


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Writes the faults of a test and its outcome to the table, where one is wanted."""
    if _TABLE is None or (call.when != "call" and call.excinfo is None):
        return
    test = f"{item.path.name}::{item.name}"
    outcome = PASSED
    if call.excinfo is not None:
        outcome = f"**failed** in {test}"
        if call.excinfo.errisinstance(pytest.skip.Exception):
            outcome = f"skipped: {call.excinfo.value}"
    noted = item.stash.get(_INJECTED, [])
    if not noted and outcome != PASSED:
        noted = [(f"what {test} would inject", 0)]
    how = {"test": test, "as often as": FAULTS, "cores": len(os.sched_getaffinity(0))}
    how["date"] = datetime.now(UTC).date().isoformat()
    with Path(_TABLE).open("a", encoding="utf-8") as file:
        for fault, times in noted:
            line = {"fault": fault, "times": times, "outcome": outcome} | how
            file.write(json.dumps(line) + "\n")


def keep_only_these(items: list[pytest.Item]) -> None:
    """Drops the tests that inject nothing, where a table is wanted."""
    if _TABLE is not None:
        items[:] = [item for item in items if "injected" in getattr(item, "fixturenames", ())]


def markdown(lines: list[str]) -> str:
    """The table of what was noted, a row a fault."""
    times: dict[str, int] = {}
    outcomes: dict[str, dict[str, None]] = {}
    for line in map(json.loads, lines):
        fault = line["fault"]
        times[fault] = times.get(fault, 0) + line["times"]
        outcomes.setdefault(fault, {})[line["outcome"]] = None
    rows = [
        f"| {fault} | {count:,} | {'; '.join(_worst(outcomes[fault]))} |"
        for fault, count in sorted(times.items())
    ]
    how = sorted({_how(line) for line in map(json.loads, lines)})
    note = f"Measured with {'; '.join(how)}."
    return "\n".join(("| fault | injected | outcome |", "|---|---|---|", *rows, "", note)) + "\n"


def _how(line: dict[str, Any]) -> str:
    cores = "1 core" if line["cores"] == 1 else f"{line['cores']} cores"
    return f"HF_GEN_FAULTS={line['as often as']}, {cores}, {line['date']}"


def _worst(outcomes: Iterable[str]) -> list[str]:
    """Only what went wrong, if anything did."""
    return [outcome for outcome in outcomes if outcome != PASSED] or [PASSED]


def main(arguments: list[str]) -> int:
    """Runs the tests that inject faults; further arguments are pytest's, such as some of them."""
    noted = _RECORD.with_suffix(".new")
    noted.unlink(missing_ok=True)
    os.environ.setdefault("HF_GEN_FAULTS", "30")
    os.environ["HF_GEN_FAULTS_TABLE"] = str(noted)
    # In a process of its own, which reads the two variables afresh.
    command = [sys.executable, "-m", "pytest", "-q", "--timeout", "0", *arguments]
    code = os.spawnv(os.P_WAIT, sys.executable, command)
    new = noted.read_text(encoding="utf-8").splitlines() if noted.exists() else []
    noted.unlink(missing_ok=True)
    before = _RECORD.read_text(encoding="utf-8").splitlines() if _RECORD.exists() else []
    _record(new if not arguments else replaced(before, new))
    return code


def replaced(before: list[str], new: list[str]) -> list[str]:
    """The earlier lines, except those of tests that have run again."""
    tests = {json.loads(line)["test"] for line in new}
    return [line for line in before if json.loads(line)["test"] not in tests] + new


def _record(lines: list[str]) -> None:
    """Writes the record, and the table of it to docs/reliability.md."""
    _RECORD.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    table = markdown(lines)
    before, _, rest = _PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    block = _BEGIN + table + _END
    _PAGE.write_text(before + block + rest.partition(_END)[2], encoding="utf-8")
    print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

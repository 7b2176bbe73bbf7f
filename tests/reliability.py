"""How often each fault was injected, and whether what was promised held: a table for the README.

Tests that inject faults take the fixture `injected` and say what they did, how often. They do it a
few times in the usual suite, and as often as HF_GEN_FAULTS says in a longer run:
`HF_GEN_FAULTS=30 python -m tests.reliability` runs exactly these tests and writes reliability.md.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FAULTS = int(os.environ.get("HF_GEN_FAULTS", "1"))
_TABLE = os.environ.get("HF_GEN_FAULTS_TABLE")
_INJECTED = pytest.StashKey[list[tuple[str, int]]]()


@pytest.fixture
def injected(request: pytest.FixtureRequest) -> Callable[[str, int], None]:
    """Notes that a fault was injected so many times; whether the test holds is noted by itself."""

    def note(fault: str, times: int) -> None:
        request.node.stash.setdefault(_INJECTED, []).append((fault, times))

    return note


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Writes down what a test has injected when it ends."""
    if _TABLE is None or call.when != "call":
        return
    test = f"{item.path.name}::{item.name}"
    with Path(_TABLE).open("a", encoding="utf-8") as file:
        for fault, times in item.stash.get(_INJECTED, []):
            line = {"fault": fault, "times": times, "test": test, "held": call.excinfo is None}
            file.write(json.dumps(line) + "\n")


def keep_only_these(items: list[pytest.Item]) -> None:
    """Leaves out the tests that inject nothing, where a table is wanted."""
    if _TABLE is not None:
        items[:] = [item for item in items if "injected" in getattr(item, "fixturenames", ())]


def markdown(lines: list[str]) -> str:
    """The table of what was noted, a row a fault."""
    times: dict[str, int] = {}
    broke: dict[str, list[str]] = {}
    for line in map(json.loads, lines):
        times[line["fault"]] = times.get(line["fault"], 0) + line["times"]
        if not line["held"]:
            broke.setdefault(line["fault"], []).append(line["test"])
    rows = [
        f"| {fault} | {count:,} | "
        + (f"broke in {', '.join(broke[fault])} |" if fault in broke else "held every time |")
        for fault, count in sorted(times.items())
    ]
    return "\n".join(("| fault | injected | outcome |", "|---|---|---|", *rows)) + "\n"


def main(arguments: list[str]) -> int:
    """Runs the tests that inject faults; further arguments are pytest's."""
    record, table = Path("reliability.jsonl"), Path(__file__).with_suffix(".md")
    record.unlink(missing_ok=True)
    os.environ.setdefault("HF_GEN_FAULTS", "30")
    os.environ["HF_GEN_FAULTS_TABLE"] = str(record.resolve())
    # In a process of its own, which reads the two variables afresh.
    command = [sys.executable, "-m", "pytest", "-q", "--timeout", "0", *arguments]
    code = os.spawnv(os.P_WAIT, sys.executable, command)
    noted = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
    record.unlink(missing_ok=True)
    table.write_text(markdown(noted), encoding="utf-8")
    print(table.read_text(encoding="utf-8"))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m tests.benchmarks`: hf_gen against baselines and limits, measured in turn.

`pip install -e ".[benchmarks]"` first brings pythae; without it its rows are left
out. `--record` writes the ratios to results.json and docs/benchmarks.md. `--compare` shows next to
each ratio the recorded one, in red where it has fallen by more than 15 %. Everything takes a
quarter of an hour on two idle cores. `demo`, `faces`, `hub` and `on_paper` next to this
file are run by themselves.
"""

import platform
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch
import tyro

from tests.benchmarks import commands, evaluation
from tests.benchmarks.fields import FIELDS
from tests.benchmarks.table import (
    HEAD,
    Row,
    compared,
    has_fallen,
    line,
    name_of,
    read_record,
    write_record,
)

RECORD = Path(__file__).with_name("results.json")
DOCS = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def parts(rounds: int, threads: int) -> dict[str, Callable[[], Iterator[Row]]]:
    """Everything that is measured, by its title."""
    return {
        **{field.title: partial(field.rows, rounds, threads) for field in FIELDS},
        "start-up": partial(commands.startup_rows, rounds),
        "memory of quickstart": commands.memory_rows,
        "evaluation": partial(evaluation.rows, threads),
    }


def main(
    rounds: int = 5,
    threads: int = torch.get_num_threads(),
    only: str = "",
    record: bool = False,
    compare: bool = False,
) -> int:
    """Measures what is installed; returns 1 if `compare` finds a ratio that has fallen.

    Args:
        rounds: How often each contender has its turn.
        threads: Of each contender.
        only: Measure only what has this in its title, such as CycleGAN or start-up.
        record: Write the ratios to results.json and to docs/benchmarks.md.
        compare: Compare them with those in results.json.
    """
    recorded = read_record(RECORD)
    how = f"{threads} threads, {platform.machine()}, torch {torch.__version__}, {rounds} rounds"
    how += f", {datetime.now(UTC).date().isoformat()}"
    now: dict[str, Row] = {}
    print(HEAD)
    for title, measure in parts(rounds, threads).items():
        if only not in title:
            continue
        began = time.monotonic()
        for row in measure():
            now[name_of(row)] = {**row, "how": how}
            shown = compared(row, recorded.get(name_of(row))) if compare else line(row)
            print(shown, flush=True)
        print(f"{title}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    if record:
        write_record({**recorded, **now}, RECORD, DOCS)
    return int(compare and any(has_fallen(row, recorded.get(name)) for name, row in now.items()))


if __name__ == "__main__":
    sys.exit(tyro.cli(main, description=__doc__))

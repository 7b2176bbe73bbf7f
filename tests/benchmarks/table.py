"""What the benchmarks print, record and compare: rows of ratios, which hold on any machine."""

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

HEAD = "| what | baseline | ratio | each |\n|---|---|---|---|"
BEGIN, END = "<!-- benchmarks -->\n", "<!-- end of benchmarks -->\n"
FALLEN = 0.85
NOISY = 2.0
_RED = "\033[31m{}\033[0m"
Row = Mapping[str, Any]


def row(
    what: str, baseline: str, ratios: list[float], values: tuple[float, float], unit: str
) -> dict[str, Any]:
    """One ratio to a baseline.

    Args:
        what: Of hf_gen.
        baseline: The contender, or a limit.
        ratios: Round by round; larger is better.
        values: Of the two, in `unit`.
        unit: Such as images a second.
    """
    ratio = {"median": median(ratios), "lowest": min(ratios), "highest": max(ratios)}
    return {"what": what, "baseline": baseline, "ratio": ratio, "values": [*values], "unit": unit}


def bounded(what: str, limit: float, measured: list[float], unit: str) -> dict[str, Any]:
    """A row of something that must not exceed `limit`: the ratio says how far below it is."""
    ratios = [limit / one for one in measured]
    return row(what, f"at most {limit:g} {unit}", ratios, (median(measured), limit), unit)


def name_of(row: Row) -> str:
    """The key of a row in the record."""
    return f"{row['what']} / {row['baseline']}"


def line(row: Row) -> str:
    """A row of the table."""
    ratio, (mine, other) = row["ratio"], row["values"]
    is_noisy = ratio["highest"] > NOISY * ratio["lowest"]  # then a median says nothing
    return (
        f"| {row['what']} | {row['baseline']} "
        f"| {'noisy' if is_noisy else format(ratio['median'], '.2f')} "
        f"({ratio['lowest']:.2f} to {ratio['highest']:.2f}) "
        f"| {mine:,.4g} to {other:,.4g} {row['unit']} |"
    )


def has_fallen(now: Row, before: Row | None) -> bool:
    """Whether a ratio is more than 15 % below the recorded one."""
    return before is not None and now["ratio"]["median"] < FALLEN * before["ratio"]["median"]


def compared(now: Row, before: Row | None) -> str:
    """A row of the table with the recorded ratio, in red where it has fallen."""
    note = "not recorded" if before is None else f"recorded {before['ratio']['median']:.2f}"
    shown = f"{line(now)} ({note})"
    return _RED.format(shown) if has_fallen(now, before) else shown


def read_record(file: Path) -> dict[str, Row]:
    """The rows of a record by name, none without the file."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def write_record(rows: Mapping[str, Row], file: Path, page: Path) -> None:
    """Writes rows to a record, and as a table between the marks of a page."""
    listed = ",\n".join(f"{json.dumps(name)}: {json.dumps(one)}" for name, one in rows.items())
    file.write_text(f"{{\n{listed}\n}}\n", encoding="utf-8")
    how = "; ".join(sorted({one["how"] for one in rows.values()}))
    block = "\n".join((HEAD, *map(line, rows.values()), "", f"Measured with {how}.", ""))
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(before + BEGIN + block + END + rest.partition(END)[2], encoding="utf-8")

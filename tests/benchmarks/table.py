"""What the benchmarks print, record and compare: rows of ratios, which hold on any machine."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

HEAD = "| what | beside | ratio | each |\n|---|---|---|---|"
BEGIN, END = "<!-- benchmarks -->\n", "<!-- end of benchmarks -->\n"
FALLEN = 0.85
_RED = "\033[31m{}\033[0m"


@dataclass(frozen=True)
class Row:
    """One thing beside another.

    Attributes:
        what: Of hf_gen.
        beside: What others do, or the bound that it keeps.
        ratios: Round by round; larger is better.
        values: Of the two, in `unit`.
        unit: Such as images a second.
    """

    what: str
    beside: str
    ratios: list[float]
    values: tuple[float, float]
    unit: str

    @property
    def name(self) -> str:
        """By which it is found again in a record."""
        return f"{self.what} / {self.beside}"

    def recorded(self, how: str) -> dict[str, Any]:
        """What a record holds of it.

        Args:
            how: Machine, versions and date.
        """
        numbers = self.ratios
        ratio = {"median": median(numbers), "lowest": min(numbers), "highest": max(numbers)}
        return {
            "what": self.what,
            "beside": self.beside,
            "ratio": ratio,
            "values": list(self.values),
            "unit": self.unit,
            "how": how,
        }


def bounded(what: str, limit: float, measured: list[float], unit: str) -> Row:
    """A row of something that must not exceed `limit`: the ratio says how far below it is."""
    ratios = [limit / one for one in measured]
    return Row(what, f"at most {limit:g} {unit}", ratios, (median(measured), limit), unit)


def line(recorded: Mapping[str, Any]) -> str:
    """A row of the table."""
    ratio, (mine, other) = recorded["ratio"], recorded["values"]
    spread = f"{ratio['lowest']:.2f} to {ratio['highest']:.2f}"
    return (
        f"| {recorded['what']} | {recorded['beside']} | {ratio['median']:.2f} ({spread}) | "
        f"{mine:,.4g} to {other:,.4g} {recorded['unit']} |"
    )


def has_fallen(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> bool:
    """Whether a ratio is more than 15 % below the recorded one."""
    return before is not None and now["ratio"]["median"] < FALLEN * before["ratio"]["median"]


def compared(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    """A row of the table with the recorded ratio beside it, in red where it has fallen."""
    note = "not recorded" if before is None else f"recorded {before['ratio']['median']:.2f}"
    shown = f"{line(now)} ({note})"
    return _RED.format(shown) if has_fallen(now, before) else shown


def read_record(file: Path) -> dict[str, Any]:
    """The rows of a record by name, none if there is no such file."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def write_record(rows: Mapping[str, Any], file: Path, page: Path) -> None:
    """Writes rows to a record, and as a table between the marks of a page."""
    file.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(before + BEGIN + _block(rows.values()) + END + after, encoding="utf-8")


def _block(rows: Iterable[Mapping[str, Any]]) -> str:
    rows = list(rows)
    how = "; ".join(sorted({row["how"] for row in rows}))
    return "\n".join((HEAD, *map(line, rows), "", f"Measured with {how}.", ""))

"""`python -m tests.benchmarks`: training beside that of others, as ratios measured in turn.

`pip install -e ".[benchmarks]"` first brings pythae and Keras; without them their rows are left
out. `--record` writes the ratios to results.json and to the README. `--compare` shows beside each
ratio the recorded one, in red where it has fallen by more than 15 %. `demo`, `faces` and `hub`
beside this file are measured by themselves.
"""

import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import torch
import tyro

from tests.benchmarks.contest import Result, apart, contest, ratios, summary

RECORD = Path(__file__).with_name("results.json")
README = Path(__file__).parents[2] / "README.md"
HEAD = "| training | beside | ratio | images a second |\n|---|---|---|---|"
BEGIN, END = "<!-- benchmarks -->\n", "<!-- end of benchmarks -->\n"
FALLEN = 0.85
_VAE, _PEERS, _GAN = (f"tests.benchmarks.{name}" for name in ("vae", "peers", "translation"))
_MISSING = {
    name for name, module in {"pythae": "pythae", "Keras": "keras"}.items() if not find_spec(module)
}


@dataclass(frozen=True)
class Field:
    """Contenders that compute the same.

    Attributes:
        title: What is trained.
        contenders: By name; the first of each group of `ours` is held against all others.
        ours: Whose ratios are shown.
        others: What they are divided by.
        steps: Of a round.
        agree: How far their losses may be apart, relatively: bfloat16 rounds to three digits.
    """

    title: str
    contenders: dict[str, str]
    ours: tuple[str, ...]
    others: tuple[str, ...]
    steps: int
    agree: float


FIELDS = (
    Field(
        "conv-vae, 32x32, batch 128",
        {
            "hf_gen": f"{_VAE}:ours",
            "hf_gen, uncompiled": f"{_VAE}:ours no off",
            "hf_gen, bf16": f"{_VAE}:ours bf16",
            "the same step in memory": f"{_VAE}:in_memory",
            "the same step in memory, bf16": f"{_VAE}:in_memory bf16",
            "naive loop": f"{_VAE}:naive",
            "pythae": f"{_PEERS}:pythae",
            "Keras": f"{_PEERS}:keras",
        },
        ("hf_gen", "hf_gen, uncompiled", "hf_gen, bf16"),
        ("naive loop", "pythae", "Keras", "the same step in memory"),
        40,
        0.01,
    ),
    Field(
        "CycleGAN, 64x64, 32 channels, batch 16",
        {
            "hf_gen": f"{_GAN}:ours",
            "hf_gen, uncompiled": f"{_GAN}:ours no off",
            "hf_gen, bf16": f"{_GAN}:ours bf16",
            "by the book": f"{_GAN}:by_the_book",
        },
        ("hf_gen", "hf_gen, uncompiled", "hf_gen, bf16"),
        ("by the book",),
        2,
        0.05,
    ),
)


def main(
    rounds: int = 7,
    threads: int = torch.get_num_threads(),
    only: str = "",
    record: bool = False,
    compare: bool = False,
) -> int:
    """Measures all that is installed; returns 1 if a ratio has fallen and that was asked for.

    Args:
        rounds: How often each contender has its turn.
        threads: That each may use.
        only: Measure only what has this in its title, such as CycleGAN.
        record: Write the ratios to results.json and to the README.
        compare: Hold them against those that results.json has.
    """
    recorded = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    how = f"{threads} threads, {platform.machine()}, torch {torch.__version__}, {rounds} rounds"
    how += f", {datetime.now(UTC).date().isoformat()}"
    rows: dict[str, Any] = {}
    print(HEAD)
    for field in (field for field in FIELDS if only in field.title):
        contenders = {
            name: where for name, where in field.contenders.items() if name not in _MISSING
        }
        results = contest(contenders, rounds, threads, field.steps)
        difference = apart(results.values())
        if difference > field.agree:
            raise SystemExit(f"{field.title}: losses differ by {difference:.1%}")
        for row in _rows(field, results):
            name = f"{row['training']} / {row['beside']}"
            rows[name] = row | {"how": how}
            before = recorded.get(name, row)["ratio"]["median"] if compare else 0.0
            note = f" (recorded {before:.2f})" if compare else ""
            rows[name]["has fallen"] = row["ratio"]["median"] < FALLEN * before
            line = _line(row) + note
            print(f"\033[31m{line}\033[0m" if rows[name]["has fallen"] else line, flush=True)
        print(f"losses of {field.title} are apart by at most {difference:.1e}", flush=True)
    has_fallen = any(row.pop("has fallen") for row in rows.values())
    if record:
        _record(recorded | rows)
    return int(has_fallen)


def _rows(field: Field, results: dict[str, Result]) -> Iterator[dict[str, Any]]:
    for mine in field.ours:
        for other in (other for other in field.others if other in results):
            same = f"{other}, bf16"
            beside = same if mine.endswith("bf16") and same in results else other
            yield {
                "training": f"{field.title}: {mine}",
                "beside": beside,
                "ratio": summary(ratios(results[mine], results[beside])),
                "images a second": [median(results[name].speeds) for name in (mine, beside)],
            }


def _line(row: dict[str, Any]) -> str:
    ratio, (mine, other) = row["ratio"], row["images a second"]
    spread = f"{ratio['lowest']:.2f} to {ratio['highest']:.2f}"
    return (
        f"| {row['training']} | {row['beside']} | {ratio['median']:.2f} ({spread}) | "
        f"{mine:,.4g} to {other:,.4g} |"
    )


def _record(rows: dict[str, Any]) -> None:
    RECORD.write_text(json.dumps(rows, indent=2) + "\n")
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    how = "; ".join(sorted({row["how"] for row in rows.values()}))
    block = "\n".join((HEAD, *map(_line, rows.values()), "", f"Measured with {how}.", ""))
    README.write_text(before + BEGIN + block + END + after, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(tyro.cli(main, description=__doc__))

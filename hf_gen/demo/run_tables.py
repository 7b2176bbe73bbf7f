"""The runs beside each other as HTML: their colours, how far they are, their results."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from hf_gen.demo.run_curves import sentence_case, words
from hf_gen.demo.run_logs import RunLog, domains_of, status
from hf_gen.metrics import FEATURES_NOTE, PALETTE, Metric, formatted


@dataclass(frozen=True)
class Row:
    """A number of several runs.

    Attributes:
        number: Which.
        values: One for each run; None where it was not measured.
        best: Which of them are the best of those that can be compared.
    """

    number: Metric
    values: list[float | None]
    best: list[bool]


def table_rows(runs: Sequence[RunLog]) -> dict[str, list[Row]]:
    """The results of the runs, a row a number; chances and ceilings of factors are left out.

    Returns:
        The rows by what they are measured of, such as "anime to cartoon"; first come those of "".
    """
    domains = domains_of(runs)
    keys = dict.fromkeys(key for run in runs for key in run.results or ())
    groups: dict[str, list[Row]] = {"": []}
    for key in keys:
        found = [(run.results or {}).get(key) for run in runs]
        values = [value if _is_number(value) else None for value in found]
        if any(value is not None for value in values) and not key.endswith(("_chance", "_ceiling")):
            number = words(key, domains)
            peers = [_measured_on(run, number) for run in runs]
            group = number.name.removesuffix(number.short).removesuffix(": ")
            groups.setdefault(group, []).append(Row(number, values, _best(number, values, peers)))
    return {group: rows for group, rows in groups.items() if rows}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _measured_on(run: RunLog, number: Metric) -> Hashable:
    """Equal for runs whose values of a number can be compared."""
    images = (run.results or {}).get("images")
    names = [f"data.{name}" for name in ("dataset_name", "train_data_dir", "resolution")]
    names += [f"domains.{name}_b" for name in ("dataset_name", "train_data_dir")]
    names += ["data.image_column", "domains.image_column_b"]
    if "nats" in number.unit or "bits" in number.unit:
        names += ["objective.likelihood", "objective.likelihood_scale"]
    return images, *(str(run.identity.get(name)) for name in names)


def _best(number: Metric, values: Sequence[float | None], peers: Sequence[Hashable]) -> list[bool]:
    marks = []
    for value, peer in zip(values, peers, strict=True):
        others = [
            other
            for other, whose in zip(values, peers, strict=True)
            if whose == peer and other is not None
        ]
        wins = (max if number.better == "higher" else min)(others, default=None)
        marks.append(bool(number.better) and len(set(others)) > 1 and value == wins)
    return marks


def colours(chosen: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """A colour for each chosen run, of which eight differ: the same whatever else is chosen.

    Args:
        chosen: Names of runs.
        known: All there are, the newest first. Where two chosen ones are eight apart, the newer one
            takes the next colour that is free.
    """
    oldest_first = [name for name in reversed(known) if name in chosen]
    taken: dict[str, str] = {}
    for name in oldest_first:
        place = len(known) - known.index(name) - 1
        turned = [PALETTE[(place + turn) % len(PALETTE)] for turn in range(len(PALETTE))]
        free = [colour for colour in turned if colour not in taken.values()]
        taken[name] = (free or turned)[0]
    return {name: taken[name] for name in chosen}


def legend(runs: Sequence[RunLog], colour: Mapping[str, str], now: float) -> str:
    """The runs, their colours and how far they are, as HTML."""
    items = [
        f'<li><i style="background:{colour[run.name]}"></i><b>{escape(run.name)}</b> '
        f"<span>{status(run, now)}</span></li>"
        for run in runs
    ]
    if not items:
        return "<p>Choose at least one run.</p>"
    explained = "Strong lines: held-out images. Pale lines: training images."
    if not any(run.metrics for run in runs):
        explained = "Nothing is logged yet. The curves begin with the first numbers."
    return f"<ul>{''.join(items)}</ul><p>{explained}</p>"


def results_table(runs: Sequence[RunLog], colour: Mapping[str, str], now: float) -> str:
    """The results of the runs as an HTML table; a sentence where none has ended."""
    heading = "<h3>Results on held-out images</h3>"
    runs = sorted(runs, key=lambda run: run.results is None)
    groups = table_rows(runs)
    if not groups:
        return f"{heading}<p>No chosen run has ended yet. The last numbers will be here.</p>"
    heads = "".join(
        f'<th scope="col"><i style="background:{colour[run.name]}"></i>{escape(run.name)}'
        f"<small>{status(run, now)}</small></th>"
        for run in runs
    )
    body = ""
    for group, rows in groups.items():
        if group:
            title = f"<span>{escape(sentence_case(group))}</span>"
            body += f'<tr class="group"><th colspan="{len(runs) + 1}">{title}</th></tr>'
        body += "".join(_table_row(row) for row in rows)
    note = f"<p>{FEATURES_NOTE}</p>"
    if any(any(row.best) for rows in groups.values() for row in rows):
        best = "Marked: the best of the runs that were measured on the same held-out images"
        note = f"<p>{best}; nats also need the same likelihood.</p>{note}"
    table = f"<table><thead><tr><td></td>{heads}</tr></thead><tbody>{body}</tbody></table>"
    return heading + table + note


def _table_row(row: Row) -> str:
    number = row.number
    better = f"{number.better} is better" if number.better else ""
    detail = ", ".join(part for part in (number.unit, better) if part)
    cells = "".join(
        f"<td><mark>{formatted(value)}</mark></td>" if is_best else f"<td>{formatted(value)}</td>"
        for value, is_best in zip(row.values, row.best, strict=True)
    )
    name = escape(sentence_case(number.short))
    return f'<tr><th scope="row">{name}<small>{escape(detail)}</small></th>{cells}</tr>'

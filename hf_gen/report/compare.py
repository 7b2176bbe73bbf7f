"""Several runs as one report; only metrics of the same test images are compared."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hf_gen.errors import UserError
from hf_gen.report.document import write_report
from hf_gen.report.opening import draw, opening, overview
from hf_gen.report.run import data_of, grouped, open_runs
from hf_gen.report.sections import details
from hf_gen.runs.update import update_dir


@dataclass(frozen=True)
class Compared:
    """What `compare` did.

    Attributes:
        folder: Holds report.md, report.html, results.json and figures/.
        runs: The names of the runs in the report.
        left_out: The others, and why.
    """

    folder: Path
    runs: list[str]
    left_out: dict[str, str]


def compare(paths: Sequence[Path], output: Path) -> Compared:
    """Writes the report of several runs.

    Args:
        paths: Run folders. Those that are missing, unfinished or of another version are left out,
            and the report names them.
        output: Where to. The files of an earlier report there are replaced, others are kept.

    Raises:
        UserError: If no run is left, the folder cannot be written, or a file there that hf_gen did
            not write would be replaced.
    """
    runs, left_out = open_runs(paths)
    if not runs:
        reasons = "; ".join(left_out.values()) or "no run folder was named"
        raise UserError(f"there is nothing to compare: {reasons}")
    with update_dir(output, ("report.md", "report.html", "results.json")) as folder:
        groups = grouped(runs, lambda run: (data_of(run), type(run.recipe)))
        drawing = partial(draw, folder)
        parts = [part for (data, _), group in groups for part in opening(data, group, drawing)]
        parts += overview(runs, left_out)
        for (data, _), group in groups:
            parts += details(data, group, drawing)
        write_report(folder, "What the runs show", parts)
        content = {
            "runs": {run.name: {"data": data_of(run)} | run.results for run in runs},
            "left_out": left_out,
        }
        (folder / "results.json").write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    return Compared(output, [run.name for run in runs], left_out)

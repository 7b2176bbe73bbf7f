"""Several runs as one report: tables, sentences and figures, and only like beside like."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hf_gen.config import CycleGANRecipe, VAERecipe
from hf_gen.data.batches import Domain
from hf_gen.data.domains import load_domains
from hf_gen.data.sources import load_domain
from hf_gen.errors import UserError
from hf_gen.metrics import FEATURES_NOTE
from hf_gen.pipelines import load
from hf_gen.report.comparison import Shown
from hf_gen.report.document import Picture, Section, Table, as_text, write_report
from hf_gen.report.groups import data_of, grouped
from hf_gen.report.sections import autoencoder_sections, translation_section
from hf_gen.runs.loading import LoadedRun, load_run
from hf_gen.runs.update import update_dir

# What every evaluation measures of a family, and a report cannot do without.
_MEASURED = {
    VAERecipe: ("images", "psnr"),
    CycleGANRecipe: (
        "images",
        *(f"{way}/diversity" for way in ("a_to_b", "b_to_a")),
        *(f"{way}/near_duplicates" for way in ("a_to_b", "b_to_a")),
    ),
}
_OF_A_POSTERIOR = ("kl", "reconstruction", "active_units", "latents", "mutual_information")


@dataclass(frozen=True)
class Compared:
    """What `compare` did.

    Attributes:
        folder: Where report.md, report.html, results.json and figures/ lie.
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
            and the report says so.
        output: Where to. The files of an earlier report there are replaced, others are kept.

    Raises:
        UserError: If no run is left, the folder cannot be written, or a file there that hf_gen did
            not write would be replaced.
    """
    opened, left_out = _open(paths)
    if not opened:
        reasons = "; ".join(left_out.values()) or "no run folder was named"
        raise UserError(f"there is nothing to compare: {reasons}")
    with update_dir(output, ("report.md", "report.html", "results.json")) as folder:
        sections = [_overview(opened, left_out)]
        for (data, _), group in grouped(opened, lambda run: (data_of(run), type(run.recipe))):
            if isinstance(group[0].recipe, VAERecipe):
                sections += autoencoder_sections(data, group, folder)
            else:
                sections.append(translation_section(data, group, folder))
        write_report(folder, "What the runs show", sections)
        content = {
            "runs": {run.name: {"data": data_of(run)} | run.results for run in opened},
            "left_out": left_out,
        }
        (folder / "results.json").write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    return Compared(output, [run.name for run in opened], left_out)


def check_measured(run: LoadedRun) -> None:
    """Makes sure that a run has a log, and in its results what a report needs.

    Raises:
        UserError: If something is missing or damaged.
    """
    run.folder.last_line()
    results = run.folder.results()
    of_a_posterior = _OF_A_POSTERIOR if {*_OF_A_POSTERIOR} & results.keys() else ()
    missing = {*_MEASURED[type(run.recipe)], *of_a_posterior} - results.keys()
    if missing:
        raise UserError(
            f"{run.folder.path}/results.json has no {min(missing)}: measure the run again with "
            f"hf-gen evaluate {run.folder.path}"
        )


def _open(paths: Sequence[Path]) -> tuple[list[Shown], dict[str, str]]:
    runs: list[LoadedRun] = []
    left_out: dict[str, str] = {}
    shown: list[Shown] = []
    for path in dict.fromkeys(path.resolve() for path in paths):
        try:
            runs.append(load_run(path))
        except UserError as error:
            left_out[path.name] = _without_place(error, path)
    names = [run.name for run in runs]
    for run in runs:
        folder = run.folder.path
        unique = names.count(run.name) == 1
        try:
            shown.append(_shown(run, run.name if unique else f"{folder.parent.name}/{run.name}"))
        except UserError as error:
            left_out[run.name] = _without_place(error, folder)
    return shown, left_out


def _without_place(error: UserError, path: Path) -> str:
    """The sentence for a report that others read, in which a run has its name and no path."""
    return str(error).replace(f"{path.parent}/", "")


def _shown(run: LoadedRun, name: str) -> Shown:
    check_measured(run)
    recipe = run.recipe
    domains: tuple[Domain, ...]
    if isinstance(recipe, CycleGANRecipe):
        domains = load_domains(recipe.data, recipe.domains)
    else:
        domains = (load_domain(recipe.data),)
    pipeline = load(run.folder.path)
    pipeline.set_progress_bar_config(disable=True)
    held_out = tuple(domain.held_out for domain in domains)
    return Shown(name, recipe, run.folder.metrics(), run.folder.results(), pipeline, held_out)


def _overview(runs: Sequence[Shown], left_out: dict[str, str]) -> Section:
    rows = []
    for run in runs:
        last, recipe = run.metrics[-1], run.recipe
        weight = (
            f"KL x{recipe.objective.kl_weight:g}"
            if isinstance(recipe, VAERecipe)
            else f"lambda {recipe.objective.cycle_weight:g}"
        )
        steps = (f"{last['step']:,}", f"{last['epoch']:.3g}")
        rows.append((as_text(run.name), as_text(data_of(run)), weight, *steps))
    parts: list[str | Sequence[str] | Table | Picture] = [
        Table(("run", "data", "objective", "steps", "epochs"), rows)
    ]
    if len({data_of(run) for run in runs}) > 1:
        parts.append(
            "The runs were measured on different held-out images, so each set of images has a "
            "section and tables of its own: numbers of different sections cannot be compared."
        )
    if left_out:
        parts.append("Left out:")
        parts.append([f"**{as_text(name)}**: {as_text(why)}" for name, why in left_out.items()])
    return Section("The runs", [*parts, FEATURES_NOTE])

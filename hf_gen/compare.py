"""Several runs as one report: tables, sentences and figures, and only like beside like."""

import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from matplotlib.figure import Figure

from hf_gen.atomic import whole_folder
from hf_gen.config import CycleGANRecipe, DenseVAEConfig, Output, VAERecipe
from hf_gen.data.batches import Domain
from hf_gen.data.domains import load_domains
from hf_gen.data.faces import CONTINUOUS, FACTORS
from hf_gen.data.sources import load_domain
from hf_gen.errors import UserError
from hf_gen.finished import FinishedRun, open_run
from hf_gen.numbers import FEATURES_NOTE, PRIORS, described, formatted
from hf_gen.pipelines import load
from hf_gen.pipelines.translation import Direction
from hf_gen.report import comparison, sentences
from hf_gen.report.comparison import Shown
from hf_gen.report.document import Picture, Section, Table, as_text, write_report
from hf_gen.report.kl_term import kl_term, rate_distortion
from hf_gen.report.style import save
from hf_gen.report.translation_comparison import (
    collapse_timelines,
    translation_curves,
    translations,
)
from hf_gen.report.vae import held_walks, traversal

Key = TypeVar("Key", bound=Hashable)
_RECONSTRUCTION = ("psnr", "ssim", "mae", "perceptual")
_LIKELIHOOD = (
    *("negative_elbo", "reconstruction", "kl", "importance_weighted_nll"),
    "bits_per_dimension",
)
_LATENTS = (
    *("active_units", "latents", "mutual_information", "aggregate_posterior_gap"),
    *("total_correlation", "dci_disentanglement", "dci_completeness", "dci_informativeness", "mig"),
)
_SAMPLES = ("frechet_distance", "kid", "precision", "recall", "coverage", "diversity")
_TRANSLATION = (
    *("kid", "frechet_distance", "diversity", "precision", "recall", "coverage"),
    *("nearest_translation_share", "cycle", "paired_l1", "paired_perceptual"),
)


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
        output: A folder that does not exist yet, or that holds an earlier report.

    Raises:
        UserError: If no run is left, or the folder cannot be written.
    """
    if output.exists() and not (output / "report.md").is_file():
        raise UserError(f"{output} exists and holds no report: name another --output-dir")
    opened, left_out = _open(paths)
    if not opened:
        reasons = "; ".join(left_out.values()) or "no run folder was named"
        raise UserError(f"there is nothing to compare: {reasons}")
    output.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(output) as folder:
        sections = [_overview(opened, left_out)]
        for (data, _), group in _groups(opened, lambda run: (_data(run), type(run.recipe))):
            if isinstance(group[0].recipe, VAERecipe):
                sections += _autoencoders(data, group, folder)
            else:
                sections.append(_translators(data, group, folder))
        write_report(folder, "What the runs show", sections)
        content = {
            "runs": {run.name: {"data": _data(run)} | run.results for run in opened},
            "left_out": left_out,
        }
        (folder / "results.json").write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    return Compared(output, [run.name for run in opened], left_out)


def _open(paths: Sequence[Path]) -> tuple[list[Shown], dict[str, str]]:
    runs: list[FinishedRun] = []
    left_out: dict[str, str] = {}
    shown: list[Shown] = []
    for path in dict.fromkeys(path.resolve() for path in paths):
        try:
            runs.append(open_run(path))
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


def _shown(run: FinishedRun, name: str) -> Shown:
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
        rows.append((as_text(run.name), as_text(_data(run)), weight, *steps))
    parts: list[str | Sequence[str] | Table | Picture] = [
        Table(("run", "data", "objective", "steps", "epochs"), rows)
    ]
    if len({_data(run) for run in runs}) > 1:
        parts.append(
            "The runs were measured on different held-out images, so each set of images has a "
            "section and tables of its own: numbers of different sections cannot be compared."
        )
    if left_out:
        parts.append("Left out:")
        parts.append([f"**{as_text(name)}**: {as_text(why)}" for name, why in left_out.items()])
    return Section("The runs", [*parts, FEATURES_NOTE])


def _autoencoders(data: str, runs: Sequence[Shown], folder: Path) -> list[Section]:
    parts: list[str | Sequence[str] | Table | Picture] = [
        _table(runs, _RECONSTRUCTION),
        _rankings(runs, ("psnr", "perceptual")),
    ]
    likelihoods = list(_groups(runs, _likelihood))
    if len(likelihoods) > 1:
        parts.append(
            "The likelihoods differ, and nats under one say nothing about nats under another: a "
            "table for each."
        )
    for likelihood, group in likelihoods:
        parts += [f"Likelihood: {likelihood}.", _table(group, _LIKELIHOOD)]
        parts.append(_rankings(group, ("negative_elbo", "importance_weighted_nll")))
        parts.append(_drawn(folder, "learning-curves", comparison.learning_curves, group))
        if len(group) > 1:
            parts.append(_drawn(folder, "rate-distortion", rate_distortion, group))
    parts.append(_drawn(folder, "reconstructions", comparison.reconstructions, runs))
    parts.append(_drawn(folder, "interpolations", comparison.interpolations, runs))
    parts += ["The latents:", _table(runs, _LATENTS), sentences.limited_information(runs)]
    parts.append(sentences.verdicts(runs))
    for prior, words in PRIORS.items():
        keys = [f"samples/{prior}/{metric}" for metric in _SAMPLES]
        having = [run for run in runs if keys[0] in run.results]
        if having:
            parts += [f"Samples from the {words} prior:", _table(having, keys)]
            draw = partial(comparison.samples, prior=prior)
            parts.append(_drawn(folder, f"samples-{prior}", draw, having))
    if sampled := [run for run in runs if "samples/standard/kid" in run.results]:
        parts.append(_drawn(folder, "priors", comparison.priors, sampled))
        parts.append(sentences.best_priors(sampled))
    sections = [Section(f"Autoencoders: {as_text(data)}", [part for part in parts if part])]
    measured = [run for run in runs if "mutual_information" in run.results]
    for _, family in _groups(measured, _apart_from_kl_weight):
        if len(family) > 1:
            name = as_text(family[0].name)
            picture = _drawn(folder, f"kl-term-{len(sections)}", kl_term, family)
            parts = [sentences.kl_term(family), picture]
            sections.append(Section(f"The KL term: {name} and the same with other weights", parts))
    dense = [run for run in runs if _is_dense(run)]
    for _, family in _groups(dense, _apart_from_latents):
        if len(family) > 1:
            parts = [sentences.latents(family)]
            for run in family:
                parts += [f"**{as_text(run.name)}**:", *_walks(run, folder)]
            sections.append(Section("How many latents", parts))
    return sections


def _walks(run: Shown, folder: Path) -> list[Picture]:
    """Of a vector code: walks on which dimensions are held, and what each dimension does."""
    (held_out,), name = run.held_out, run.name.replace("/", "-")
    kl = run.results.get("kl_per_dimension", [])
    channels = run.pipeline.encode(held_out.images(torch.zeros(1, dtype=torch.long))).shape[1]
    held = held_walks(run.pipeline, held_out, channels)
    moved = traversal(run.pipeline, held_out, channels, kl)
    pictures = [_drawn(folder, f"traversal-{name}", lambda _: moved(), [run])]
    if channels > 1:
        pictures.insert(0, _drawn(folder, f"held-{name}", lambda _: held(), [run]))
    return pictures


def _translators(data: str, runs: Sequence[Shown], folder: Path) -> Section:
    parts: list[str | Sequence[str] | Table | Picture] = []
    for direction, way in _ways(runs[0]).items():
        keys = [f"{direction}/{name}" for name in _TRANSLATION]
        parts += [f"From {as_text(way)}:", _table(runs, keys), _rankings(runs, keys[:1])]
        factors = [f"{direction}/{name}" for name in (*FACTORS, *CONTINUOUS)]
        if any(factors[0] in run.results for run in runs):
            parts += ["What of a face survives, read off the translations:", _table(runs, factors)]
        draw = partial(translations, direction=direction)
        parts.append(_drawn(folder, f"translations-{direction}", draw, runs))
    parts += [_drawn(folder, "translation-curves", translation_curves, runs)]
    parts += [_drawn(folder, "collapse", collapse_timelines, runs)]
    parts += [sentences.collapse(run) for run in runs]
    return Section(f"Translation: {as_text(data)}", [part for part in parts if part])


def _table(runs: Sequence[Shown], keys: Iterable[str]) -> Table:
    """A row a run, a column for each number that any of them has."""
    having = [key for key in keys if any(key in run.results for run in runs)]
    numbers = [described(key) for key in having]
    head = [number.heading for number in numbers]
    rows = [
        [as_text(run.name), *(formatted(run.results.get(key)) for key in having)] for run in runs
    ]
    return Table(["run", *head], rows)


def _rankings(runs: Sequence[Shown], keys: Iterable[str]) -> list[str]:
    return [sentence for key in keys if (sentence := sentences.ranking(runs, key))]


def _drawn(
    folder: Path, name: str, draw: Callable[[Sequence[Shown]], Figure], runs: Sequence[Shown]
) -> Picture:
    """The figure, saved under a name that no other section has taken."""
    figures = folder / "figures"
    taken = len(list(figures.glob(f"{name}*-dark.png")))
    name = f"{name}-{taken + 1}" if taken else name
    save(figures / f"{name}.png", lambda: draw(runs))
    return Picture(name, name.replace("-", " "))


def _groups(
    runs: Iterable[Shown], key: Callable[[Shown], Key]
) -> Iterable[tuple[Key, list[Shown]]]:
    groups: dict[Key, list[Shown]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return groups.items()


def _data(run: Shown) -> str:
    """What a run was measured on: numbers of runs that differ in it are not compared."""
    recipe, size = run.recipe, run.recipe.data.resolution
    names = [_source(recipe.data.train_data_dir, recipe.data.dataset_name)]
    if isinstance(recipe, CycleGANRecipe):
        other = recipe.domains.train_data_dir_b or recipe.domains.dataset_name_b
        names += [] if other is None else [Path(other).name]
    count = " and ".join(f"{len(pixels):,}" for pixels in run.held_out)
    column = recipe.data.image_column
    kind = f" ({column})" if column else ""
    return f"{' and '.join(names)}{kind}, {size}x{size}, {count} held-out images"


def _source(folder: Path | None, name: str) -> str:
    """A folder by its own name, a dataset by its id."""
    if folder is not None:
        return folder.name
    return Path(name).name if Path(name).is_dir() else name


def _likelihood(run: Shown) -> str:
    if not isinstance(run.recipe, VAERecipe):
        return ""
    objective = run.recipe.objective
    scale = f", scale {objective.likelihood_scale:g}"
    return objective.likelihood + ("" if objective.likelihood == "bernoulli" else scale)


def _apart_from_kl_weight(run: Shown) -> Hashable:
    """Equal for runs that differ in the weight of the KL term and nothing else that is computed."""
    if not isinstance(run.recipe, VAERecipe):
        return run.name
    return replace(
        run.recipe, objective=replace(run.recipe.objective, kl_weight=1.0), output=Output()
    )


def _apart_from_latents(run: Shown) -> Hashable:
    recipe = run.recipe
    if not isinstance(recipe, VAERecipe) or not isinstance(recipe.model, DenseVAEConfig):
        return run.name
    return replace(recipe, model=replace(recipe.model, latent_channels=1), output=Output())


def _is_dense(run: Shown) -> bool:
    return isinstance(run.recipe, VAERecipe) and isinstance(run.recipe.model, DenseVAEConfig)


def _ways(run: Shown) -> dict[Direction, str]:
    if not isinstance(run.recipe, CycleGANRecipe):
        return {}
    a, b = run.recipe.domains.domain_a, run.recipe.domains.domain_b
    return {"a_to_b": f"{a} to {b}", "b_to_a": f"{b} to {a}"}

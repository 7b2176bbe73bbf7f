"""The sections of a report: the tables, sentences and figures of runs that can be compared."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import torch
from matplotlib.figure import Figure

from hf_gen.config import CycleGANRecipe
from hf_gen.faces import CONTINUOUS, FACTORS
from hf_gen.metrics import PRIORS, Direction, formatted, metric_info
from hf_gen.report import comparison, sentences
from hf_gen.report.comparison import Shown
from hf_gen.report.document import Picture, Section, Table, as_text
from hf_gen.report.groups import (
    apart_from_kl_weight,
    apart_from_latents,
    grouped,
    is_dense,
    likelihood_of,
)
from hf_gen.report.kl_term import kl_term, rate_distortion
from hf_gen.report.style import save
from hf_gen.report.translation_comparison import (
    collapse_timelines,
    translation_curves,
    translations,
)
from hf_gen.report.vae import held_walks, traversal

_RECONSTRUCTION = ("psnr", "ssim", "mae", "perceptual")
_LIKELIHOOD = (
    *("negative_elbo", "reconstruction", "kl", "importance_weighted_nll"),
    "bits_per_dimension",
)
_LATENTS = (
    *("active_units", "latents", "mutual_information", "marginal_kl"),
    *("total_correlation", "dci_disentanglement", "dci_completeness", "dci_informativeness", "mig"),
)
_SAMPLES = ("frechet_distance", "kernel_distance", "precision", "recall", "coverage", "diversity")
_TRANSLATION = (
    *("kernel_distance", "frechet_distance", "diversity", "precision", "recall", "coverage"),
    *("near_duplicates", "cycle_l1", "paired_l1", "paired_perceptual"),
)


def autoencoder_sections(data: str, runs: Sequence[Shown], folder: Path) -> list[Section]:
    """All that is said of autoencoders measured on the same images.

    Args:
        data: What they were measured on, for the heading.
        runs: The autoencoders.
        folder: Of the report; the figures go into its folder figures/.
    """
    parts: list[str | Sequence[str] | Table | Picture] = [
        _table(runs, _RECONSTRUCTION),
        _rankings(runs, ("psnr", "perceptual")),
    ]
    likelihoods = list(grouped(runs, likelihood_of))
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
    if sampled := [run for run in runs if "samples/standard/kernel_distance" in run.results]:
        parts.append(_drawn(folder, "priors", comparison.priors, sampled))
        parts.append(sentences.best_priors(sampled))
    sections = [Section(f"Autoencoders: {as_text(data)}", [part for part in parts if part])]
    measured = [run for run in runs if "mutual_information" in run.results]
    for _, family in grouped(measured, apart_from_kl_weight):
        if len(family) > 1:
            name = as_text(family[0].name)
            picture = _drawn(folder, f"kl-term-{len(sections)}", kl_term, family)
            parts = [sentences.kl_term(family), picture]
            sections.append(Section(f"The KL term: {name} and the same with other weights", parts))
    dense = [run for run in runs if is_dense(run)]
    for _, family in grouped(dense, apart_from_latents):
        if len(family) > 1:
            parts = [sentences.latents(family)]
            for run in family:
                parts += [f"**{as_text(run.name)}**:", *_walks(run, folder)]
            sections.append(Section("How many latents", parts))
    return sections


def translation_section(data: str, runs: Sequence[Shown], folder: Path) -> Section:
    """All that is said of translations measured on the same images; see `autoencoder_sections`."""
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


def _walks(run: Shown, folder: Path) -> list[Picture]:
    """Of a vector code: walks on which dimensions are held, and what each dimension does."""
    (held_out,), name = run.held_out, re.sub(r"[^\w.-]", "-", run.name)
    kl = run.results.get("kl_per_dimension", [])
    channels = run.pipeline.encode(held_out.images(torch.zeros(1, dtype=torch.long))).shape[1]
    held = held_walks(run.pipeline, held_out, channels)
    moved = traversal(run.pipeline, held_out, channels, kl)
    pictures = [_drawn(folder, f"traversal-{name}", lambda _: moved(), [run])]
    if channels > 1:
        pictures.insert(0, _drawn(folder, f"held-{name}", lambda _: held(), [run]))
    return pictures


def _table(runs: Sequence[Shown], keys: Iterable[str]) -> Table:
    """A row a run, a column for each number that any of them has."""
    having = [key for key in keys if any(key in run.results for run in runs)]
    numbers = [metric_info(key) for key in having]
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


def _ways(run: Shown) -> dict[Direction, str]:
    if not isinstance(run.recipe, CycleGANRecipe):
        return {}
    a, b = run.recipe.domain_names
    return {"a_to_b": f"{a} to {b}", "b_to_a": f"{b} to {a}"}

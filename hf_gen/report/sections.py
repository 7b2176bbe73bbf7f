"""The sections of a report below its opening: tables, findings and figures."""

import re
from collections.abc import Iterable
from dataclasses import replace

from hf_gen.config import DenseVAEConfig, VAERecipe
from hf_gen.faces import CONTINUOUS, FACTORS
from hf_gen.metrics import DIRECTIONS, PRIORS, formatted, metric_info
from hf_gen.report import findings
from hf_gen.report.any_kl import along_kl_weights, kl_weight_table, separately_trained
from hf_gen.report.curves import ELBO, TRANSLATION_LOSSES, learning_curves
from hf_gen.report.document import as_text, bullets, table
from hf_gen.report.kl_term import kl_term, rate_distortion
from hf_gen.report.opening import Draw, Runs
from hf_gen.report.run import grouped, likelihood_of, same_but
from hf_gen.report.translation import mode_collapse
from hf_gen.report.vae import frozen_interpolations, interpolations, samples, traversal

# No table has more columns than fit a page.
_RECONSTRUCTION = (
    *("psnr", "ssim", "mae", "perceptual", "grid"),
    *("reconstructions/frechet_distance", "reconstructions/kernel_distance"),
)
_LIKELIHOOD = (
    *("negative_elbo", "reconstruction", "kl", "importance_weighted_nll"),
    "bits_per_dimension",
)
_LATENTS = (
    *("active_units", "latents", "mutual_information", "marginal_kl"),
    "total_correlation",
)
_DISENTANGLEMENT = ("dci_disentanglement", "dci_completeness", "dci_informativeness", "mig")
_OF_KL = (
    *("kl", "active_units", "mutual_information", "psnr", "samples/standard/diversity"),
    "samples/standard/frechet_distance",
)
_SAMPLES = ("frechet_distance", "kernel_distance", "precision", "recall", "coverage", "diversity")
_TRANSLATIONS = {
    "": (*_SAMPLES, "near_duplicates"),
    "Compared with inputs and ground truth (images in [-1, 1]):": (
        "cycle_l1",
        "paired_l1",
        "paired_perceptual",
    ),
    "Factors of a face, predicted from its translation (accuracy or correlation):": (
        *FACTORS,
        *CONTINUOUS,
    ),
    "Agreement: share of faces with one predicted factor for input and translation:": tuple(
        f"agreement/{name}{end}" for name in FACTORS for end in ("", "_chance")
    ),
    "The same for ground-truth pairs, an upper bound:": tuple(
        f"agreement/{name}_ceiling" for name in FACTORS
    ),
}
_FEW_RUNS = 3


def details(data: str, runs: Runs, draw: Draw) -> list[str]:
    """Everything else about the runs of one `opening`; see there for the arguments."""
    if isinstance(runs[0].recipe, VAERecipe):
        return [f"## Autoencoders in numbers: {as_text(data)}", *_autoencoders(runs, draw)]
    return [f"## Translation in numbers: {as_text(data)}", *_translations(runs, draw)]


def _autoencoders(runs: Runs, draw: Draw) -> list[str]:
    parts = [_table(runs, _RECONSTRUCTION)]
    likelihoods = list(grouped(runs, likelihood_of))
    if len(likelihoods) > 1:
        parts.append(
            "The likelihoods differ, and nats under one do not compare with nats under another: "
            "a table for each."
        )
    for likelihood, group in likelihoods:
        parts += [f"Likelihood: {likelihood}.", _table(group, _LIKELIHOOD)]
        parts.append(_rankings(group, ("negative_elbo", "importance_weighted_nll")))
        shows = "Curves of the losses by epoch, a colour for each run"
        parts.append(draw("learning-curves", shows, learning_curves, group, ELBO))
        measured = [run for run in group if {"kl", "reconstruction"} <= run.results.keys()]
        if len(measured) > 1:
            shows = "A point for each run: its KL term against its reconstruction term"
            parts.append(draw("rate-distortion", shows, rate_distortion, measured))
    shows = "Rows of images that change step by step from one test image to another, for each run"
    pairs = 2 if len(runs) <= _FEW_RUNS else 1
    parts.append(draw("interpolations", shows, interpolations, runs, pairs))
    if tables := [*filter(None, (_table(runs, keys) for keys in (_LATENTS, _DISENTANGLEMENT)))]:
        parts += ["The latents:", *tables]
    notes = findings.collapsed_posteriors(runs) + findings.saturated_information(runs)
    parts.append(bullets(notes))
    parts += _samples(runs, draw)
    return [*parts, *_kl_sections(runs, draw), *_latent_sections(runs, draw)]


def _samples(runs: Runs, draw: Draw) -> list[str]:
    """Every prior of every run, of which the opening shows the default ones."""
    rows = [
        [
            as_text(run.name),
            words + (" (default)" if prior == run.results.get("default_prior") else ""),
            *(formatted(run.results.get(f"samples/{prior}/{name}")) for name in _SAMPLES),
        ]
        for run in runs
        for prior, words in PRIORS.items()
        if f"samples/{prior}/{_SAMPLES[0]}" in run.results
    ]
    head = ["run", "prior", *(metric_info(f"samples/standard/{n}").heading for n in _SAMPLES)]
    parts = ["Samples from each prior:", table(head, rows)] if rows else []
    if several := [run for run in runs if len(run.pipeline.priors) > 1]:
        shows = "Rows of new images: for each run a row from each of its priors"
        parts.append(draw("priors", shows, samples, several, tuple(PRIORS)))
    return parts


def _translations(runs: Runs, draw: Draw) -> list[str]:
    parts = []
    for direction in DIRECTIONS:
        parts.append(f"From {as_text(' to '.join(runs[0].domain_names(direction)))}:")
        for words, names in _TRANSLATIONS.items():
            if found := _table(runs, [f"{direction}/{name}" for name in names], not words):
                parts += [words, found]
    shows = "Curves of the losses by epoch, a colour for each run"
    parts.append(draw("translation-curves", shows, learning_curves, runs, TRANSLATION_LOSSES))
    shows = (
        "Curves of diversity, coverage, kernel distance and near-duplicates by epoch of the "
        "smaller domain, with a cross where mode collapse was detected"
    )
    return [*parts, draw("collapse", shows, mode_collapse, runs)]


def _kl_sections(runs: Runs, draw: Draw) -> list[str]:
    """What the weight of the KL term does, for each network that was trained with several."""
    parts = []
    measured = [run for run in runs if "mutual_information" in run.results]
    for family in _families(measured, "objective.kl_weight"):
        ordered = sorted(family, key=lambda run: run.kl_weight)
        weights = [replace(run, name=f"KL x{run.kl_weight:g}") for run in ordered]
        parts.append(f"## The KL term: {as_text(family[0].name)} and the same with other weights")
        parts += [_table(weights, _OF_KL), _rankings(weights, ("psnr", _OF_KL[-1]))]
        shows = "Reconstructions, samples, interpolations: a row for each weight of the KL term"
        parts.append(draw("kl-term", shows, kl_term, weights))
    for run in runs:
        if "kl_weights" in run.results:
            others = separately_trained(run, [one for one in runs if "kl" in one.results])
            shows = (
                "Curves of one network along the KL weight, and points of networks of one weight"
            )
            parts.append(f"## Every KL weight in one network: {as_text(run.name)}")
            parts += [
                kl_weight_table(run),
                draw("kl-weights", shows, along_kl_weights, run, others),
            ]
    return parts


def _latent_sections(runs: Runs, draw: Draw) -> list[str]:
    """What more latents bring, for fully connected VAEs that differ in nothing else."""
    parts = []
    dense = [run for run in runs if isinstance(run.recipe.model, DenseVAEConfig)]
    for family in _families(dense, "model.latent_channels"):
        parts += ["## Number of latents", _rankings(family, ("negative_elbo", "psnr", "mig"))]
        for run in family:
            parts.append(f"{run.bold}:")
            name = re.sub(r"[^\w.-]", "-", run.name)
            if run.pipeline.latent_shape[0] > 1:
                shows = "Rows of interpolations in which all latent dimensions change, or some"
                parts.append(draw(f"frozen-{name}", shows, frozen_interpolations, run))
            shows = "One image, changed along one latent dimension in each row"
            parts.append(draw(f"traversal-{name}", shows, traversal, run))
    return parts


def _families(runs: Runs, field: str) -> list[Runs]:
    """Several runs each, which differ in one field of their recipes."""
    return [family for _, family in grouped(runs, same_but(field)) if len(family) > 1]


def _table(runs: Runs, keys: Iterable[str], has_units: bool = True) -> str:
    """A row a run, a column for each metric that any of them has; empty without a column."""
    having = [key for key in keys if any(key in run.results for run in runs)]
    metrics = [metric_info(key) for key in having]
    rows = [
        [as_text(run.name), *(formatted(run.results.get(key)) for key in having)] for run in runs
    ]
    head = [metric.heading if has_units else metric.short for metric in metrics]
    return table(["run", *head], rows) if having else ""


def _rankings(runs: Runs, keys: Iterable[str]) -> str:
    return bullets(line for key in keys if len(runs) > 1 for line in findings.ranking(runs, key))

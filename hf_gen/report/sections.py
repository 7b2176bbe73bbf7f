"""The sections of a report: tables, findings and figures of runs that can be compared."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from hf_gen.config import CycleGANRecipe, DenseVAEConfig, VAERecipe
from hf_gen.faces import CONTINUOUS, FACTORS
from hf_gen.metrics import DIRECTIONS, FEATURES_NOTE, PRIORS, formatted, metric_info
from hf_gen.report import findings
from hf_gen.report.curves import ELBO, TRANSLATION_LOSSES, learning_curves
from hf_gen.report.document import as_text, bullets, picture, table
from hf_gen.report.kl_term import kl_term, rate_distortion
from hf_gen.report.run import (
    EvaluatedRun,
    data_of,
    grouped,
    likelihood_of,
    same_but,
)
from hf_gen.report.style import save
from hf_gen.report.translation import mode_collapse, translations
from hf_gen.report.vae import (
    frozen_interpolations,
    interpolations,
    prior_distances,
    reconstructions,
    samples,
    traversal,
)

Runs = Sequence[EvaluatedRun]
_RECONSTRUCTION = (
    *("psnr", "ssim", "mae", "perceptual"),
    *("reconstructions/frechet_distance", "reconstructions/kernel_distance"),
)
_LIKELIHOOD = (
    *("negative_elbo", "reconstruction", "kl", "importance_weighted_nll"),
    "bits_per_dimension",
)
_LATENTS = (
    *("active_units", "latents", "mutual_information", "marginal_kl"),
    *("total_correlation", "dci_disentanglement", "dci_completeness", "dci_informativeness", "mig"),
)
_SAMPLES = (
    *("frechet_distance", "kernel_distance", "frechet_distance_lite1", "kernel_distance_lite1"),
    *("precision", "recall", "coverage", "diversity"),
)
_TRANSLATION = (
    *("kernel_distance", "frechet_distance", "kernel_distance_lite1", "frechet_distance_lite1"),
    *("diversity", "precision", "recall", "coverage"),
    *("near_duplicates", "cycle_l1", "paired_l1", "paired_perceptual"),
)
_FEW_RUNS = 3


def overview(runs: Runs, left_out: dict[str, str]) -> list[str]:
    """The section that names the runs, what they were measured on, and what is left out."""
    rows = []
    for run in runs:
        last, recipe = run.metrics[-1], run.recipe
        objective = f"KL x{run.kl_weight:g}"
        if isinstance(recipe, CycleGANRecipe):
            objective = f"lambda {recipe.objective.cycle_weight:g}"
        steps = (f"{last['step']:,}", f"{last['epoch']:.3g}")
        rows.append((as_text(run.name), as_text(data_of(run)), objective, *steps))
    parts = ["## The runs", table(("run", "data", "objective", "steps", "epochs"), rows)]
    if len({data_of(run) for run in runs}) > 1:
        parts.append(
            "The runs were measured on different test images, so each set of images has a "
            "section and tables of its own: numbers of different sections cannot be compared."
        )
    if left_out:
        lines = (f"**{as_text(name)}**: {as_text(why)}" for name, why in left_out.items())
        parts += ["Left out:", bullets(lines)]
    return [*parts, FEATURES_NOTE]


def autoencoder_sections(data: str, runs: Runs, folder: Path) -> list[str]:
    """Everything about autoencoders that were measured on the same images.

    Args:
        data: What they were measured on, for the heading.
        runs: The autoencoders.
        folder: Of the report; the figures are written to its folder figures/.
    """
    draw = partial(_draw, folder)
    parts = [f"## Autoencoders: {as_text(data)}", _table(runs, _RECONSTRUCTION)]
    parts.append(_rankings(runs, ("psnr", "perceptual")))
    likelihoods = list(grouped(runs, likelihood_of))
    if len(likelihoods) > 1:
        parts.append(
            "The likelihoods differ, and nats under one do not compare with nats under another: "
            "a table for each."
        )
    for likelihood, group in likelihoods:
        parts += [f"Likelihood: {likelihood}.", _table(group, _LIKELIHOOD)]
        parts.append(_rankings(group, ("negative_elbo", "importance_weighted_nll")))
        parts.append(draw("learning-curves", learning_curves, group, ELBO))
        if len(group) > 1:
            parts.append(draw("rate-distortion", rate_distortion, group))
    parts.append(draw("reconstructions", reconstructions, runs))
    pairs = 2 if len(runs) <= _FEW_RUNS else 1
    parts.append(draw("interpolations", interpolations, runs, pairs))
    parts += ["The latents:", _table(runs, _LATENTS)]
    parts += [bullets(findings.saturated_information(runs)), bullets(findings.posteriors(runs))]
    for prior, words in PRIORS.items():
        keys = [f"samples/{prior}/{metric}" for metric in _SAMPLES]
        if having := [run for run in runs if keys[0] in run.results]:
            parts += [f"Samples from the {words} prior:", _table(having, keys)]
            parts.append(draw(f"samples-{prior}", samples, having, (prior,)))
    if sampled := [run for run in runs if "samples/standard/kernel_distance" in run.results]:
        parts.append(draw("priors", prior_distances, sampled))
        parts.append(bullets(findings.best_priors(sampled)))
    return [*parts, *_kl_sections(runs, draw), *_latent_sections(runs, draw)]


def translation_sections(data: str, runs: Runs, folder: Path) -> list[str]:
    """Everything about translations measured on the same images; see `autoencoder_sections`."""
    draw = partial(_draw, folder)
    parts = [f"## Translation: {as_text(data)}"]
    for direction in DIRECTIONS:
        keys = [f"{direction}/{name}" for name in _TRANSLATION]
        way = " to ".join(runs[0].domain_names(direction))
        parts += [f"From {as_text(way)}:", _table(runs, keys), _rankings(runs, keys[:1])]
        factors = [f"{direction}/{name}" for name in (*FACTORS, *CONTINUOUS)]
        if any(factors[0] in run.results for run in runs):
            parts += ["Factors of a face, predicted from its translation:", _table(runs, factors)]
        parts.append(draw(f"translations-{direction}", translations, runs, direction))
    parts.append(draw("translation-curves", learning_curves, runs, TRANSLATION_LOSSES))
    parts.append(draw("collapse", mode_collapse, runs))
    return parts + [bullets(findings.mode_collapse(run)) for run in runs]


def _kl_sections(runs: Runs, draw: Callable[..., str]) -> list[str]:
    measured = [run for run in runs if "mutual_information" in run.results]
    parts = []
    for _, family in grouped(measured, same_but("objective.kl_weight")):
        if len(family) > 1:
            name = as_text(family[0].name)
            parts.append(f"## The KL term: {name} and the same with other weights")
            parts += [bullets(findings.kl_weights(family)), draw("kl-term", kl_term, family)]
    return parts


def _latent_sections(runs: Runs, draw: Callable[..., str]) -> list[str]:
    dense = [
        run
        for run in runs
        if isinstance(run.recipe, VAERecipe) and isinstance(run.recipe.model, DenseVAEConfig)
    ]
    parts = []
    for _, family in grouped(dense, same_but("model.latent_channels")):
        if len(family) > 1:
            parts += ["## How many latents", bullets(findings.latent_counts(family))]
            for run in family:
                parts.append(f"**{as_text(run.name)}**:")
                name = re.sub(r"[^\w.-]", "-", run.name)
                if run.latent_channels > 1:
                    parts.append(draw(f"frozen-dims-{name}", frozen_interpolations, run))
                parts.append(draw(f"traversal-{name}", traversal, run))
    return parts


def _table(runs: Runs, keys: Iterable[str]) -> str:
    """A row a run, a column for each metric that any of them has."""
    having = [key for key in keys if any(key in run.results for run in runs)]
    rows = [
        [as_text(run.name), *(formatted(run.results.get(key)) for key in having)] for run in runs
    ]
    return table(["run", *(metric_info(key).heading for key in having)], rows)


def _rankings(runs: Runs, keys: Iterable[str]) -> str:
    return bullets(line for key in keys for line in findings.ranking(runs, key))


def _draw(folder: Path, name: str, figure: Callable[..., Figure], *arguments: object) -> str:
    """Draws a figure under a name that no other section has taken; returns it as Markdown."""
    figures = folder / "figures"
    taken = len(list(figures.glob(f"{name}*-dark.png")))
    name = f"{name}-{taken + 1}" if taken else name
    save(figures / f"{name}.png", partial(figure, *arguments))
    return picture(name, name.replace("-", " "))

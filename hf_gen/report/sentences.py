"""What the numbers of several runs say, in sentences: each follows from the numbers it names."""

import itertools
import math
from collections.abc import Sequence

from hf_gen.config import CycleGANRecipe, VAERecipe
from hf_gen.evaluation.latents import MAX_IMAGES, posterior_verdict
from hf_gen.metrics import PRIORS, formatted, metric_info
from hf_gen.report.comparison import Shown

# So few nats about which image a code is of that knowing it hardly helps.
_SAYS_NOTHING = 0.5
_CLOSE = 0.01


def ranking(runs: Sequence[Shown], key: str) -> str | None:
    """Which run is best by a number and which worst, or None where fewer than two have it."""
    having = [run for run in runs if key in run.results]
    if len(having) < 2:
        return None
    number = metric_info(key)
    order = sorted(having, key=lambda run: run.results[key], reverse=number.better == "higher")
    best, worst = order[0].results[key], order[-1].results[key]
    if abs(best - worst) <= _CLOSE * max(abs(best), abs(worst)):
        return (
            f"By {number.short} the runs lie within {_CLOSE:.0%}: {formatted(best)} to "
            f"{formatted(worst)} ({number.unit})."
        )
    return (
        f"By {number.short} ({number.unit}) **{order[0].name}** is best with {formatted(best)}, "
        f"and **{order[-1].name}** worst with {formatted(worst)}."
    )


def verdicts(runs: Sequence[Shown]) -> list[str]:
    """On the posterior of each run that has one."""
    return [
        f"**{run.name}**: {posterior_verdict(run.results)}"
        for run in runs
        if "mutual_information" in run.results
    ]


def limited_information(runs: Sequence[Shown]) -> list[str]:
    """Whose information about the images is at the limit of what so few images can show."""
    limits = {run.name: math.log(min(len(run.held_out[0]), MAX_IMAGES)) for run in runs}
    names = [
        f"**{run.name}**"
        for run in runs
        if run.results.get("mutual_information", 0.0) > (1 - _CLOSE) * limits[run.name]
    ]
    if not names:
        return []
    return [
        f"The mutual information of {', '.join(names)} is at the limit of this estimate, the "
        f"logarithm of the number of images ({formatted(max(limits.values()))} nats): there it, "
        "the aggregate posterior's distance and the total correlation do not rank runs."
    ]


def best_priors(runs: Sequence[Shown]) -> list[str]:
    """From which prior each run's samples come closest to the held-out images."""
    sentences = []
    for run in runs:
        distances = {
            name: run.results[f"samples/{name}/frechet_distance"]
            for name in PRIORS
            if f"samples/{name}/frechet_distance" in run.results
        }
        if len(distances) > 1:
            order = sorted(distances, key=lambda name: distances[name])
            best, worst = distances[order[0]], distances[order[-1]]
            if worst - best <= _CLOSE * worst:
                sentences.append(
                    f"**{run.name}** samples equally well from every prior: Frechet distances "
                    f"{formatted(best)} to {formatted(worst)}."
                )
                continue
            others = ", ".join(f"{PRIORS[name]} {formatted(distances[name])}" for name in order[1:])
            sentences.append(
                f"**{run.name}** samples best from the {PRIORS[order[0]]} prior: Frechet distance "
                f"{formatted(best)} ({others})."
            )
    return sentences


def kl_term(runs: Sequence[Shown]) -> list[str]:
    """What the weight of the KL term does, of runs that differ in nothing else."""
    sentences = [_of_kl_weight(run) for run in runs]
    best = max(runs, key=lambda run: run.results["psnr"])
    sentences.append(
        f"The closest reconstructions are those of KL x{_kl_weight(best):g}, with "
        f"{formatted(best.results['psnr'])} dB PSNR."
    )
    key = "samples/standard/frechet_distance"
    sampled = [run for run in runs if key in run.results]
    if len(sampled) > 1:
        good, bad = (pick(sampled, key=lambda run: run.results[key]) for pick in (min, max))
        sentences.append(
            f"Samples from the standard normal come closest to real images at KL "
            f"x{_kl_weight(good):g} (Frechet distance {formatted(good.results[key])}) and are "
            f"farthest from them at KL x{_kl_weight(bad):g} ({formatted(bad.results[key])})."
        )
    return sentences


def _of_kl_weight(run: Shown) -> str:
    results = run.results
    sentence = (
        f"**KL x{_kl_weight(run):g}** ({run.name}): {results['active_units']} of "
        f"{results['latents']} latents are active, the KL term is {formatted(results['kl'])} nats "
        f"per image, reconstructions reach {formatted(results['psnr'])} dB PSNR"
    )
    diversity = results.get("samples/standard/diversity")
    if diversity is None:
        return sentence + "."
    sentence += f", and samples are {formatted(diversity)} times as diverse as real images."
    if results["mutual_information"] < _SAYS_NOTHING:
        sentence += (
            f" A code holds {formatted(results['mutual_information'])} nats about which of the "
            "images it is of, next to nothing, so all outputs are alike."
        )
    return sentence


def latents(runs: Sequence[Shown]) -> list[str]:
    """What more latents bring, of fully connected VAEs that differ in nothing else."""
    order = sorted(runs, key=_latent_channels)
    sentences = []
    for fewer, more in itertools.pairwise(order):
        pair = [f"{_latent_channels(run)} latents" for run in (fewer, more)]
        parts = [
            f"{metric_info(key).name} {formatted(fewer.results[key])} and "
            f"{formatted(more.results[key])} ({metric_info(key).unit})"
            for key in ("negative_elbo", "psnr", "mig")
            if key in fewer.results and key in more.results
        ]
        sentences.append(f"With {pair[0]} and with {pair[1]}: {'; '.join(parts)}.")
    return sentences


def collapse(run: Shown) -> list[str]:
    """At which evaluations mode collapse was detected, and the final scores, a line a direction."""
    if not isinstance(run.recipe, CycleGANRecipe):
        return []
    names = run.recipe.domain_names
    sentences = []
    for direction, way in (("a_to_b", names), ("b_to_a", names[::-1])):
        lines = [line for line in run.metrics if f"validation/{direction}/mode_collapse" in line]
        detected = [line for line in lines if line[f"validation/{direction}/mode_collapse"]]
        epochs = ", ".join(f"{line['epoch']:.3g}" for line in detected)
        share_of_evaluations = f"{len(detected) or 'none'} of {len(lines)} evaluations"
        when = f" (epochs {epochs})" if detected else ""
        diversity = run.results[f"{direction}/diversity"]
        share = run.results[f"{direction}/near_duplicates"]
        sentences.append(
            f"**{run.name}**, {' to '.join(way)}: mode collapse was detected at "
            f"{share_of_evaluations}{when}; the exported weights translate "
            f"{formatted(diversity)} times as diversely as real images are, and {share:.0%} of the "
            "translations have a near-duplicate."
        )
    return sentences


def _kl_weight(run: Shown) -> float:
    return run.recipe.objective.kl_weight if isinstance(run.recipe, VAERecipe) else math.nan


def _latent_channels(run: Shown) -> int:
    return run.recipe.model.latent_channels if isinstance(run.recipe, VAERecipe) else 0

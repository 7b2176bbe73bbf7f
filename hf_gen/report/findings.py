"""What the metrics of several runs say, in sentences: each follows from the numbers it names."""

import itertools
import math
from collections.abc import Sequence

from hf_gen.evaluation.latents import MAX_IMAGES
from hf_gen.metrics import DIRECTIONS, MEASURED_IN, PRIORS, formatted, metric_info
from hf_gen.report.run import EvaluatedRun

# With less information about its image than this, in nats, a latent is as good as none.
_UNINFORMATIVE = 0.5
_CLOSE = 0.01


def ranking(runs: Sequence[EvaluatedRun], key: str) -> list[str]:
    """Which run is best by a metric and which worst; nothing where fewer than two have it."""
    having = [run for run in runs if key in run.results]
    if len(having) < 2:
        return []
    metric = metric_info(key)
    order = sorted(having, key=lambda run: run.results[key], reverse=metric.better == "higher")
    best, worst = (run.results[key] for run in (order[0], order[-1]))
    if _are_close(best, worst):
        return [
            f"By {metric.short} the runs are within {_CLOSE:.0%}: {formatted(best)} to "
            f"{formatted(worst)} ({metric.unit})."
        ]
    return [
        f"By {metric.heading} **{order[0].name}** is best with {formatted(best)}, "
        f"and **{order[-1].name}** worst with {formatted(worst)}."
    ]


def posteriors(runs: Sequence[EvaluatedRun]) -> list[str]:
    """Whether the posterior of each run that has one has collapsed."""
    lines = []
    for run in runs:
        if "mutual_information" in run.results:
            collapsed = "" if run.results["active_units"] else ": the posterior has collapsed"
            lines.append(
                f"**{run.name}**: {run.results['active_units']} of {run.results['latents']} latent "
                f"dimensions are active{collapsed}; the mutual information of latent and image is "
                f"{run.results['mutual_information']:.2f} nats."
            )
    return lines


def saturated_information(runs: Sequence[EvaluatedRun]) -> list[str]:
    """Whose mutual information is at the maximum that its number of images allows."""
    limits = {run.name: math.log(min(len(run.test[0]), MAX_IMAGES)) for run in runs}
    names = [
        f"**{run.name}**"
        for run in runs
        if run.results.get("mutual_information", 0.0) > (1 - _CLOSE) * limits[run.name]
    ]
    if not names:
        return []
    return [
        f"The mutual information of {', '.join(names)} is at the limit of this estimate, the "
        f"logarithm of the number of images ({formatted(max(limits.values()))} nats): there "
        "mutual information, marginal KL and total correlation do not rank runs."
    ]


def best_priors(runs: Sequence[EvaluatedRun]) -> list[str]:
    """From which prior the samples of each run are closest to the test images."""
    lines = []
    for run in runs:
        keys = {PRIORS[name]: f"samples/{name}/frechet_distance" for name in PRIORS}
        distances = {name: run.results[key] for name, key in keys.items() if key in run.results}
        if len(distances) < 2:
            continue
        best, *others = sorted(distances, key=lambda name: distances[name])
        low, high = formatted(distances[best]), formatted(distances[others[-1]])
        if _are_close(distances[best], distances[others[-1]]):
            lines.append(
                f"**{run.name}** samples equally well from every prior: Frechet distances "
                f"({MEASURED_IN}) {low} to {high}."
            )
            continue
        rest = ", ".join(f"{name} {formatted(distances[name])}" for name in others)
        lines.append(
            f"**{run.name}** samples best from the {best} prior: Frechet distance ({MEASURED_IN}) "
            f"{low} ({rest})."
        )
    return lines


def kl_weights(runs: Sequence[EvaluatedRun]) -> list[str]:
    """What the weight of the KL term does, of runs that differ in nothing else."""
    best = max(runs, key=lambda run: run.results["psnr"])
    lines = [_kl_weight(run) for run in runs]
    lines.append(
        f"The closest reconstructions are those of KL x{best.kl_weight:g}, with "
        f"{formatted(best.results['psnr'])} dB PSNR."
    )
    key = "samples/standard/frechet_distance"
    sampled = sorted((run for run in runs if key in run.results), key=lambda run: run.results[key])
    if len(sampled) > 1:
        good, bad = sampled[0], sampled[-1]
        lines.append(
            f"Samples from the standard normal are closest to real images at KL "
            f"x{good.kl_weight:g} ({metric_info(key).short} {formatted(good.results[key])}) and "
            f"farthest from them at KL x{bad.kl_weight:g} ({formatted(bad.results[key])})."
        )
    return lines


def latent_counts(runs: Sequence[EvaluatedRun]) -> list[str]:
    """What more latents bring, of fully connected VAEs that differ in nothing else."""
    lines = []
    for fewer, more in itertools.pairwise(sorted(runs, key=lambda run: run.latent_channels)):
        parts = [
            f"{metric_info(key).name} {formatted(fewer.results[key])} and "
            f"{formatted(more.results[key])} ({metric_info(key).unit})"
            for key in ("negative_elbo", "psnr", "mig")
            if key in fewer.results and key in more.results
        ]
        lines.append(
            f"With {fewer.latent_channels} latents and with {more.latent_channels} latents: "
            f"{'; '.join(parts)}."
        )
    return lines


def mode_collapse(run: EvaluatedRun) -> list[str]:
    """When mode collapse was detected, and the final scores, a line a direction."""
    lines = []
    for direction in DIRECTIONS:
        key = f"validation/{direction}/mode_collapse"
        evaluations = [line for line in run.metrics if key in line]
        detected = [f"{line['epoch']:.3g}" for line in evaluations if line[key]]
        when = f" (epochs {', '.join(detected)})" if detected else ""
        lines.append(
            f"**{run.name}**, {' to '.join(run.domain_names(direction))}: mode collapse was "
            f"detected at {len(detected) or 'none'} of {len(evaluations)} evaluations{when}; the "
            f"exported weights have a diversity of "
            f"{formatted(run.results[f'{direction}/diversity'])} relative to real images, and "
            f"{run.results[f'{direction}/near_duplicates']:.0%} of the translations have a "
            "near-duplicate."
        )
    return lines


def _kl_weight(run: EvaluatedRun) -> str:
    results = run.results
    line = (
        f"**KL x{run.kl_weight:g}** ({run.name}): {results['active_units']} of "
        f"{results['latents']} latents are active, the KL term is {formatted(results['kl'])} nats "
        f"per image, reconstructions have a PSNR of {formatted(results['psnr'])} dB"
    )
    diversity = results.get("samples/standard/diversity")
    if diversity is None:
        return line + "."
    line += f", and samples have a diversity of {formatted(diversity)} relative to real images."
    if results["mutual_information"] < _UNINFORMATIVE:
        line += (
            f" The mutual information of latent and image is only "
            f"{formatted(results['mutual_information'])} nats, so all outputs are alike."
        )
    return line


def _are_close(first: float, second: float) -> bool:
    return abs(first - second) <= _CLOSE * max(abs(first), abs(second))

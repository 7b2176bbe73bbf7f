"""Findings in words, from the metrics of several runs: each follows from the numbers it names."""

import math
from collections.abc import Sequence

from hf_gen.evaluation.latents import MAX_IMAGES
from hf_gen.metrics import DIRECTIONS, formatted, metric_info
from hf_gen.report.run import EvaluatedRun

_CLOSE = 0.01


def autoencoder_summary(runs: Sequence[EvaluatedRun]) -> str:
    """Two sentences: whose reconstructions are closest to the test images, and whose samples."""
    return " ".join(
        ranking(runs, "psnr", "of reconstructions")
        + ranking(runs, "samples/frechet_distance", "of samples from the default prior")
    )


def translation_summary(runs: Sequence[EvaluatedRun]) -> str:
    """Two sentences: whose translations are closest to real images, and where mode collapses."""
    collapsed = [
        f"{run.bold} ({' to '.join(run.domain_names(direction))})"
        for run in runs
        for direction in DIRECTIONS
        if any(line.get(f"validation/{direction}/mode_collapse") for line in run.metrics)
    ]
    where = f"in the training of {', '.join(collapsed)}" if collapsed else "in no training"
    return " ".join([*ranking(runs, "kernel_distance"), f"Mode collapse was detected {where}."])


def ranking(runs: Sequence[EvaluatedRun], key: str, of: str = "") -> list[str]:
    """Which run is best by a metric and which worst; nothing where no run has it.

    Args:
        runs: Measured on the same images.
        key: Of the metric.
        of: What it is of, behind its name.
    """
    having = [run for run in runs if key in run.results]
    if not having:
        return []
    metric = metric_info(key)
    name = f"{metric.short} {of}".strip()
    order = sorted(having, key=lambda run: run.results[key], reverse=metric.better == "higher")
    best, worst = order[0], order[-1]
    first, last = formatted(best.results[key]), formatted(worst.results[key])
    if len(having) == 1:
        return [f"{best.bold} has a {name} of {first} ({metric.unit})."]
    if math.isclose(best.results[key], worst.results[key], rel_tol=_CLOSE):
        return [f"By {name} the runs are within {_CLOSE:.0%}: {first} to {last} ({metric.unit})."]
    return [
        f"By {name} ({metric.unit}) {best.bold} is best with {first}, and {worst.bold} worst with "
        f"{last}."
    ]


def collapsed_posteriors(runs: Sequence[EvaluatedRun]) -> list[str]:
    """Whose posterior has collapsed."""
    names = [run.bold for run in runs if run.results.get("active_units") == 0]
    if not names:
        return []
    return [f"The posterior of {', '.join(names)} has collapsed: no latent dimension is active."]


def saturated_information(runs: Sequence[EvaluatedRun]) -> list[str]:
    """Whose mutual information is at the maximum that its number of images allows."""
    limits = {run.name: math.log(min(len(run.test[0]), MAX_IMAGES)) for run in runs}
    names = [
        run.bold
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

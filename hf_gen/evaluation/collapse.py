"""Mode collapse: a generator that maps many images to one or a few; and when, along a training."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from hf_gen.metrics import DIRECTIONS, MEASURED_IN

MIN_DIVERSITY = 0.5
MAX_NEAR_DUPLICATES = 0.5
MIN_EVALUATIONS = 4
"""Of a training whose course is put into words."""
COURSE = ("mode_collapse", "diversity", "coverage", "kernel_distance", "near_duplicates")
"""Scores of an evaluation during training that show mode collapse."""
EPOCH = "epoch_of_smaller_domain"
"""How often each image of the smaller domain was seen, in the lines of a log."""

Lines = Sequence[Mapping[str, float]]


def mode_collapse_detected(scores: Mapping[str, float]) -> bool:
    """Whether a generator maps many inputs to one or a few outputs.

    A single mode lowers the diversity below half that of real images. A few modes do not (three
    equally frequent ones have a diversity of two thirds), but make most outputs near-duplicates.
    Coverage is no criterion: it is as low where translations are diverse but not yet of the domain.

    Args:
        scores: From `evaluate_translations`.
    """
    few_modes = scores["near_duplicates"] > MAX_NEAR_DUPLICATES
    return few_modes or scores["diversity"] < MIN_DIVERSITY


class Claim(NamedTuple):
    """That translations are best between two epochs of the smaller domain, and where it stands."""

    first: float
    last: float
    source: str


def collapse_along_training(
    lines: Lines, domains: tuple[str, str], claim: Claim | None = None
) -> str:
    """The course of mode collapse and of the kernel distance in a paragraph.

    Args:
        lines: Of metrics.jsonl.
        domains: The names of a and b.
        claim: What it is compared with.

    Returns:
        Markdown; empty with fewer than 4 evaluations.
    """
    lines = [line for line in lines if f"validation/{DIRECTIONS[0]}/mode_collapse" in line]
    if len(lines) < MIN_EVALUATIONS or EPOCH not in lines[0]:
        return ""
    sentences = [
        f"Along the training {len(lines)} evaluations on validation images, the first after "
        f"{_epoch(lines[0])} epochs of the smaller domain and the last after {_epoch(lines[-1])}, "
        "measured diversity, near-duplicates and the kernel distance "
        f"({MEASURED_IN}); epochs below are of that domain."
    ]
    for direction, (source, target) in zip(DIRECTIONS, (domains, domains[::-1]), strict=True):
        sentences.append(_of_direction(lines, direction, f"{source} to {target}"))
        if claim is not None:
            sentences.append(_compared(lines, direction, claim))
    return " ".join(sentences)


def _of_direction(lines: Lines, direction: str, way: str) -> str:
    spans = [
        [_epoch(line) for line in group]
        for collapsed, group in groupby(
            lines, lambda line: bool(line[f"validation/{direction}/mode_collapse"])
        )
        if collapsed
    ]
    words = [span[0] if len(span) == 1 else f"{span[0]} to {span[-1]}" for span in spans]
    count = sum(map(len, spans))
    found = f"in {count} of them (epochs {', '.join(words)})" if spans else "in none of them"
    key, diversity = f"validation/{direction}/kernel_distance", f"validation/{direction}/diversity"
    best = min(lines, key=lambda line: line[key])
    low, high = (end(lines, key=lambda line: line[diversity]) for end in (min, max))
    return (
        f"From {way} mode collapse was detected {found}. The kernel distance is lowest after "
        f"{_epoch(best)} epochs ({best[key]:.3g}) and ends at {lines[-1][key]:.3g}; the diversity, "
        f"1 for real images, is between {low[diversity]:.2f} (epoch {_epoch(low)}) and "
        f"{high[diversity]:.2f} (epoch {_epoch(high)})."
    )


def _compared(lines: Lines, direction: str, claim: Claim) -> str:
    """The mean kernel distance before, between and after the two epochs of the claim."""
    spans: dict[str, list[float]] = {"before": [], "between": [], "after": []}
    for line in lines:
        where = (line[EPOCH] >= claim.first) + (line[EPOCH] > claim.last)
        [*spans.values()][where].append(line[f"validation/{direction}/kernel_distance"])
    means = [f"{sum(span) / len(span):.3g} {name}" for name, span in spans.items() if span]
    return (
        f"{claim.source} found the best translations between epochs {claim.first:g} and "
        f"{claim.last:g}; here the mean kernel distance is {', '.join(means)}."
    )


def _epoch(line: Mapping[str, float]) -> str:
    return f"{line[EPOCH]:.3g}"

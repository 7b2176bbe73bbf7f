"""The tables of a model card: what was measured of one model on one set of images."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from hf_gen.metrics import DIRECTIONS, PRIORS, formatted, metric_info

Results = Mapping[str, Any]
_SET_METRICS = ("frechet_distance", "kernel_distance")
_PRIOR_METRICS = (*_SET_METRICS, "precision", "recall", "coverage", "diversity")
_TRANSLATION_METRICS = (
    *(*_SET_METRICS, "diversity", "coverage", "near_duplicates", "cycle_l1"),
    *("paired_l1", "paired_perceptual"),
)
# The second opinion: the same distances in the features of another network.
_SECOND = "_lite1"
AUTOENCODER_KEYS = (
    *("negative_elbo", "reconstruction", "kl", "importance_weighted_nll", "psnr", "ssim"),
    *("perceptual", "grid", "active_units"),
    *(
        f"{images}/{name}{network}"
        for images in ("reconstructions", "samples")
        for network in ("", _SECOND)
        for name in _SET_METRICS
    ),
)
TRANSLATION_KEYS = tuple(
    f"{direction}/{name}{network}"
    for direction in DIRECTIONS
    for name in _TRANSLATION_METRICS
    for network in ("", _SECOND)
)
ANCHORS = {"floor": "training images", "ceiling": "mean training image"}
"""Baselines of the distances of a model: about the lowest and about the highest to expect."""


class Table(NamedTuple):
    """A table with a caption; the first cell of a row names it."""

    caption: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def autoencoder_tables(results: Results) -> Iterator[Table]:
    """Of an autoencoder: its metrics, and its samples from each prior."""
    anchors = {kind: words for kind, words in ANCHORS.items() if _has(results, f"anchors/{kind}/")}
    rows = []
    for key in AUTOENCODER_KEYS:
        if key in results:
            metric, name = metric_info(key), key.rpartition("/")[2]
            baselines = (formatted(results.get(f"anchors/{kind}/{name}")) for kind in anchors)
            rows.append((metric.name, formatted(results[key]), *baselines, metric.unit))
    yield Table("", ("metric", "value", *anchors.values(), "unit"), rows)
    rows = [
        (
            words + (" (default)" if prior == results.get("default_prior") else ""),
            *(formatted(results.get(f"samples/{prior}/{name}")) for name in _PRIOR_METRICS),
        )
        for prior, words in PRIORS.items()
        if _has(results, f"samples/{prior}/")
    ]
    names = (metric_info(f"samples/standard/{name}").short for name in _PRIOR_METRICS)
    yield Table("Samples from each prior:", ("prior", *names), rows)


def translation_tables(results: Results, domains: tuple[str, str]) -> Iterator[Table]:
    """Of a translation: its metrics, and the factors of a face that are preserved."""
    directions = f"{domains[0]} to {domains[1]}", f"{domains[1]} to {domains[0]}"
    rows = []
    for key in TRANSLATION_KEYS[: len(TRANSLATION_KEYS) // 2]:
        if key in results:
            metric, back = metric_info(key), key.replace("a_to_b", "b_to_a")
            values = formatted(results[key]), formatted(results.get(back))
            rows.append((metric.short, *values, metric.unit))
    yield Table("", ("metric", *directions, "unit"), rows)
    yield _factor_table(
        "Agreement: share of images for which a factor is predicted to be the same from the input "
        "and from the translation:",
        results,
        "agreement/",
        directions,
    )
    yield _factor_table(
        "Factors of the synthetic face, predicted from its translation: accuracy or correlation:",
        results,
        "",
        directions,
    )


def _factor_table(caption: str, results: Results, group: str, directions: tuple[str, str]) -> Table:
    """A row a factor, with its ceiling and, where it was measured, its chance level."""
    found = (key.removeprefix(f"a_to_b/{group}") for key in results if f"{key}_ceiling" in results)
    names = [name for name in found if "/" not in name]
    endings = {"": "", "_ceiling": "ceiling", "_chance": "chance"}
    shown = [end for end in endings if _has(results, *(f"a_to_b/{group}{n}{end}" for n in names))]
    head = [endings[end] or direction for direction in directions for end in shown]
    rows = [
        (
            name.replace("_", " "),
            *(
                formatted(results.get(f"{direction}/{group}{name}{end}"))
                for direction in DIRECTIONS
                for end in shown
            ),
        )
        for name in names
    ]
    return Table(caption, ("factor", *head), rows)


def _has(results: Results, *prefixes: str) -> bool:
    """Whether any key begins with one of some prefixes."""
    return any(key.startswith(prefixes) for key in results)

"""Tables of the bundled models, in Markdown: those of README.md and those of docs/results.md.

A model has one row, with the prior that it samples from by default; a table has the models of one
family and resolution, and two rows of baselines: about the lowest and the highest to expect.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from hf_gen.config import CycleGANRecipe
from hf_gen.hub.card_tables import ANCHORS
from hf_gen.metrics import PRIORS, formatted, metric_info
from hf_gen.pipelines import WEIGHTS
from hf_gen.recipes import RECIPES
from hf_gen.report.document import table
from tools.ship import manifest

Results = Mapping[str, Mapping[str, Any]]


class Column(NamedTuple):
    """A column of a table: its heading, and a result on "real" or "synthetic" test faces."""

    heading: str
    dataset: str
    key: str


_SETS = {"real": "real test faces", "synthetic": "synthetic test faces"}
_DIRECTIONS = {"a_to_b": "anime to cartoon", "b_to_a": "cartoon to anime"}
_FEW_OF_AUTOENCODERS = ("psnr", "reconstructions/frechet_distance", "samples/frechet_distance")
_OF_AUTOENCODERS = (
    *_FEW_OF_AUTOENCODERS,
    *("reconstructions/kernel_distance", "samples/kernel_distance"),
    *("samples/precision", "samples/coverage", "samples/diversity", "ssim", "perceptual"),
)
_FEW_OF_TRANSLATIONS = ("frechet_distance", "paired_l1")
_OF_TRANSLATIONS = (
    *_FEW_OF_TRANSLATIONS,
    *("paired_perceptual", "kernel_distance", "diversity", "near_duplicates", "cycle_l1"),
)


def readme_tables(results: Results, link: str) -> str:
    """A short table for each family and resolution.

    Args:
        results: By name of the model.
        link: The folder of the cards, from the file that holds the tables.
    """
    of_autoencoders = [
        Column(f"{dataset}: {_heading(key)}", dataset, key)
        for dataset in _SETS
        for key in _FEW_OF_AUTOENCODERS
    ]
    of_translations = [
        Column(f"{words}: {_heading(f'{direction}/{name}')}", "synthetic", f"{direction}/{name}")
        for direction, words in _DIRECTIONS.items()
        for name in _FEW_OF_TRANSLATIONS
    ]
    parts = []
    for size in _resolutions(results):
        title = f"Autoencoders of {size}x{size}, on test faces"
        parts += _section(f"{title}:", _of(results, size, False), of_autoencoders, link)
        title = f"Translations of {size}x{size}, on synthetic test faces"
        parts += _section(f"{title}:", _of(results, size, True), of_translations, link)
    return "\n\n".join(parts) + "\n"


def results_tables(results: Results, link: str) -> str:
    """A table for each family, resolution and set of images; see `readme_tables`."""
    parts = []
    for size in _resolutions(results):
        for dataset, faces in _SETS.items():
            columns = [Column(_heading(key), dataset, key) for key in _OF_AUTOENCODERS]
            title = f"## Autoencoders of {size}x{size}, {faces}"
            parts += _section(title, _of(results, size, False), columns, link)
        for dataset, faces in _SETS.items():
            for direction, words in _DIRECTIONS.items():
                keys = [f"{direction}/{name}" for name in _OF_TRANSLATIONS]
                columns = [Column(_heading(key), dataset, key) for key in keys]
                title = f"## {words.capitalize()}, {size}x{size}, {faces}"
                parts += _section(title, _of(results, size, True), columns, link)
    return "\n\n".join(parts) + "\n"


def _section(title: str, models: Results, columns: Iterable[Column], link: str) -> list[str]:
    """The title and a table of the models that have any of the results; nothing without one."""
    shown = [c for c in columns if any(_value(one, c) is not None for one in models.values())]
    models = {
        name: one for name, one in models.items() if any(_value(one, c) is not None for c in shown)
    }
    if not models:
        return []
    priors = [
        next((words for words in map(_prior, map(one.get, _SETS, ({}, {}))) if words), "")
        for one in models.values()
    ]
    head = ["model", "MB", "prior", *(column.heading for column in shown)]
    rows = [
        [f"[{name}]({link}/{name}.md)", _megabytes(name), prior]
        + [formatted(_value(one, column)) for column in shown]
        for (name, one), prior in zip(models.items(), priors, strict=True)
    ]
    for kind, words in ANCHORS.items():
        anchors = [_anchor(models, column, kind) for column in shown]
        if any(anchor is not None for anchor in anchors):
            rows.append([f"*{words}*", "", "", *map(formatted, anchors)])
    if not any(priors):
        head, *rows = ([*row[:2], *row[3:]] for row in (head, *rows))
    return [title, table(head, rows)]


def _heading(key: str) -> str:
    """The metric's name with the images that it is of, and decibels."""
    group, _, name = key.rpartition("/")
    if group in ("reconstructions", "samples"):
        return f"{metric_info(f'samples/standard/{name}').short} of {group}"
    metric = metric_info(key)
    return metric.heading if metric.unit == "dB" else metric.short


def _megabytes(name: str) -> str:
    files = (WEIGHTS / name).rglob("*")
    return f"{sum(file.stat().st_size for file in files if file.is_file()) / 1e6:.1f}"


def _value(results: Mapping[str, Any], column: Column) -> float | None:
    value: float | None = results.get(column.dataset, {}).get(column.key)
    return value


def _anchor(models: Results, column: Column, kind: str) -> float | None:
    """The baselines of a table, which are the same for all its models."""
    group, _, name = column.key.rpartition("/")
    key = f"anchors/{kind}/{column.key if group in _DIRECTIONS else name}"
    values = (_value(one, column._replace(key=key)) for one in models.values())
    return next((value for value in values if value is not None), None)


def _prior(results: Mapping[str, Any]) -> str:
    """The prior that `sample` draws from, with its temperature unless that is 1."""
    if "default_prior" not in results:
        return ""
    temperature = results["default_temperature"]
    words = PRIORS[results["default_prior"]]
    return words if temperature == 1 else f"{words}, temperature {temperature:g}"


def _resolutions(results: Results) -> list[int]:
    return sorted({_recipe(name).data.resolution for name in results})


def _of(results: Results, size: int, translates: bool) -> Results:
    """The results of the models of one family and resolution."""
    return {
        name: one
        for name, one in results.items()
        if _recipe(name).data.resolution == size
        and isinstance(_recipe(name), CycleGANRecipe) == translates
    }


def _recipe(name: str) -> Any:
    return RECIPES[manifest()[name]["recipe"]][1]

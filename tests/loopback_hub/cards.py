"""What the loopback Hub checks in a README.md: some of the rules of the Hub's validate-yaml."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml  # type: ignore[import-untyped]

from .store import RepoType

_HEADER = re.compile(r"^---\r?\n(.*?)\r?\n---(?:\r?\n|$)", re.DOTALL)
_COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
_REPO_ID = re.compile(r"(?:[\w.-]{1,96}/)?[\w.-]{1,96}")


def metadata_of(card: str) -> dict[str, Any]:
    """The YAML header of a card, empty without one.

    Raises:
        ValueError: If it is no YAML mapping.
    """
    header = _HEADER.match(card)
    try:
        metadata = yaml.safe_load(header[1]) if header else {}
    except yaml.YAMLError as error:
        raise ValueError(f"invalid YAML: {error}") from error
    if not isinstance(metadata, dict):
        raise ValueError("metadata must be a mapping")
    return metadata


def _are_ids(value: Any) -> bool:
    listed = value if isinstance(value, list) else [value]
    return all(_REPO_ID.fullmatch(str(one)) for one in listed)


def _are_files_of_ids(value: Any) -> bool:
    return _are_ids([line.partition(" ")[0] for line in value])


def _are_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _are_headers(value: Any) -> bool:
    names = (f"cross-origin-{name}-policy" for name in ("embedder", "opener", "resource"))
    return isinstance(value, dict) and value.keys() <= {*names}


def _is_license(value: Any) -> bool:
    return re.fullmatch(r"[a-z0-9][a-z0-9.-]*", str(value)) is not None


# Field, check, and what the field must be.
_Rule = tuple[str, Callable[[Any], bool], str]
_RULES: tuple[_Rule, ...] = (
    ("license", _is_license, "one of the Hub's license identifiers"),
    ("datasets", _are_ids, "ids on the Hub"),
    ("base_model", _are_ids, "ids on the Hub"),
    *((key, _are_strings, "an array of strings") for key in ("tags", "datasets", "metrics")),
    *((key, lambda v: isinstance(v, str), "a string") for key in ("library_name", "pipeline_tag")),
)
_SPACE_RULES: tuple[_Rule, ...] = (
    *((key, lambda v: v in _COLOURS, f"one of {_COLOURS}") for key in ("colorFrom", "colorTo")),
    ("short_description", lambda v: len(str(v)) <= 60, "at most 60 characters long"),
    *((key, _are_ids, "ids on the Hub") for key in ("models", "datasets")),
    ("custom_headers", _are_headers, "the three cross-origin policies"),
    ("preload_from_hub", _are_files_of_ids, "ids on the Hub with files"),
)


def errors_of(card: str, repo_type: RepoType) -> list[str]:
    """Why the Hub refuses a card, empty if it accepts it."""
    try:
        metadata = metadata_of(card)
    except ValueError as error:
        return [str(error)]
    errors = [
        f'"{key}" must be {rule}, got {metadata[key]!r}'
        for key, is_valid, rule in (_SPACE_RULES if repo_type == "space" else _RULES)
        if key in metadata and not is_valid(metadata[key])
    ]
    if repo_type == "space" and metadata.get("sdk") not in ("gradio", "docker", "static"):
        errors.append(f'"sdk" must be gradio, docker or static, got {metadata.get("sdk")!r}')
    return [*errors, *_result_errors(metadata.get("model-index"))]


def _result_errors(index: Any) -> Iterator[str]:
    for model in index or []:
        if not model.get("name"):
            yield '"model-index[0].name" is required'
        for result in model.get("results", []):
            for part, name in (("task", "type"), ("dataset", "type"), ("dataset", "name")):
                if not (result.get(part) or {}).get(name):
                    yield f'"model-index[0].results[0].{part}.{name}" is required'
            for metric in result.get("metrics") or [{}]:
                if not metric.get("type") or metric.get("value") is None:
                    yield '"model-index[0].results[0].metrics[0]" needs a type and a value'

"""What the loopback Hub checks in a README.md: some of the rules of the Hub's validate-yaml."""

import re
from collections.abc import Iterator
from typing import Any

import yaml  # type: ignore[import-untyped]

from .store import RepoType

_HEADER = re.compile(r"^---\r?\n(.*?)\r?\n---(?:\r?\n|$)", re.DOTALL)
_COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
_SDKS = ("gradio", "docker", "static")
_REPO_ID = re.compile(r"^(?:[\w.-]{1,96}/)?[\w.-]{1,96}$")
_LICENSE = re.compile(r"^[a-z0-9][a-z0-9.-]*$")
_DESCRIPTION_LENGTH = 60


def metadata_of(card: str) -> dict[str, Any]:
    """The YAML header of a card, empty if there is none.

    Raises:
        ValueError: If it is no YAML, or no mapping.
    """
    header = _HEADER.match(card)
    try:
        metadata = yaml.safe_load(header.group(1)) if header else None
    except yaml.YAMLError as error:
        raise ValueError(f"invalid YAML: {error}") from error
    if not isinstance(metadata or {}, dict):
        raise ValueError("metadata must be a mapping")
    return metadata or {}


def errors_of(card: str, repo_type: RepoType) -> list[str]:
    """Why the Hub refuses a card; empty if it does not."""
    try:
        metadata = metadata_of(card)
    except ValueError as error:
        return [str(error)]
    rules = _space_errors if repo_type == "space" else _common_errors
    return [*rules(metadata), *_result_errors(metadata.get("model-index"))]


def warnings_of(card: str) -> list[str]:
    return [] if _HEADER.match(card) else ["empty or missing yaml metadata in repo card"]


def _common_errors(metadata: dict[str, Any]) -> Iterator[str]:
    for name in _strings(metadata.get("license")):
        if not _LICENSE.match(name):
            yield f'"license" must be one of the Hub\'s license identifiers, got {name!r}'
    for key in ("datasets", "base_model"):
        for name in _strings(metadata.get(key)):
            if not _REPO_ID.match(name):
                yield f'"{key}" must be ids on the Hub, got {name!r}'
    for key in ("tags", "datasets", "metrics"):
        value = metadata.get(key, [])
        if not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            yield f'"{key}" must be an array of strings'
    for key in ("library_name", "pipeline_tag"):
        if not isinstance(metadata.get(key, ""), str):
            yield f'"{key}" must be a string'


def _space_errors(metadata: dict[str, Any]) -> Iterator[str]:
    if metadata.get("sdk") not in _SDKS:
        yield f'"sdk" must be one of {", ".join(_SDKS)}, got {metadata.get("sdk")!r}'
    for key in ("colorFrom", "colorTo"):
        if metadata.get(key, "red") not in _COLOURS:
            yield f'"{key}" must be one of {", ".join(_COLOURS)}, got {metadata[key]!r}'
    if len(str(metadata.get("short_description", ""))) > _DESCRIPTION_LENGTH:
        yield f'"short_description" must be at most {_DESCRIPTION_LENGTH} characters long'
    for key in ("models", "datasets", "preload_from_hub"):
        for name in _strings(metadata.get(key)):
            if not _REPO_ID.match(name.partition(" ")[0]):
                yield f'"{key}" must be ids on the Hub, got {name!r}'


def _result_errors(index: Any) -> Iterator[str]:
    for model in index or []:
        if not model.get("name"):
            yield '"model-index[0].name" is required'
        for result in model.get("results", []):
            for part, fields in (("task", ("type",)), ("dataset", ("type", "name"))):
                for name in fields:
                    if not (result.get(part) or {}).get(name):
                        yield f'"model-index[0].results[0].{part}.{name}" is required'
            for metric in result.get("metrics") or [{}]:
                if not metric.get("type") or metric.get("value") is None:
                    yield '"model-index[0].results[0].metrics[0]" needs a type and a value'


def _strings(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, str)]

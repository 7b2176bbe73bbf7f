"""run.json: what a run is, and what makes it the same run."""

import json
from collections.abc import Collection
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

from hf_gen.errors import UserError

FORMAT = 2
# What does not change the weights. Where the images are does not: their pixels are compared.
_FREE_TO_DIFFER = (
    *("output.", "optimisation.num_threads", "data.cache_dir"),
    *("data.dataset_name", "data.train_data_dir"),
    *("domains.dataset_name_b", "domains.train_data_dir_b"),
    *("domains.domain_a", "domains.domain_b"),
)
_END = {"optimisation.num_train_epochs", "optimisation.max_train_steps"}


@dataclass(frozen=True)
class Record:
    """What run.json says."""

    format: int
    command: str  # that started the run, for people
    compiled: bool  # whether the networks are compiled, which a resumed run repeats
    identity: dict[str, Any]  # nested plain values: the recipe's name, its fields, the processes
    versions: dict[str, str]  # of the libraries, for people
    device: str  # what trained it, such as "1 x cpu", for people
    images: list[dict[str, Any]]  # what each domain's images are, as flat values


def read_record(file: Path) -> Record:
    """What a run.json says.

    Raises:
        UserError: If it is damaged or of another format.
    """
    content = read_json(file)
    if content.get("format", FORMAT) != FORMAT:
        raise UserError(
            f"{file.parent} holds a run of format {short(content['format'])}, and this version of "
            f"hf_gen has format {FORMAT}: train into another folder"
        )
    try:
        record = Record(**content)
        check_types(record)
        flat(record.identity)
    except (TypeError, RecursionError) as error:
        raise UserError(f"{file} is damaged ({error}): train into another folder") from error
    return record


def check_same_run(
    folder: Path, saved: dict[str, Any], identity: dict[str, Any], ignored: Collection[str] = ()
) -> None:
    """Checks that two identities train the same weights; an end that they do not need may move.

    Args:
        folder: Of the saved run.
        saved: Flat values.
        identity: Flat values.
        ignored: Fields that are not compared.

    Raises:
        UserError: If they differ; the fields are listed.
    """
    differing = [
        key
        for key in sorted(saved.keys() | identity.keys())
        if saved.get(key) != identity.get(key)
        and not key.startswith(_FREE_TO_DIFFER)
        and key not in ignored
    ]
    schedule = identity.get("optimisation.lr_scheduler")
    if not differing or (_END.issuperset(differing) and schedule == "constant"):
        return
    shown = "; ".join(
        f"{key.rpartition('.')[2]} was {saved.get(key)!r} and is now {identity.get(key)!r}"
        for key in differing
    )
    if _END.issuperset(differing):
        raise UserError(
            f"{folder} has the learning rate schedule {schedule}, which depends on the end of the "
            f"run: {shown}. Give the same end, or another --output-dir; only a run with "
            "--lr-scheduler constant can be prolonged"
        )
    raise UserError(
        f"{folder} holds another run: {shown}. Give the same flags to resume it, or another "
        "--output-dir to start a new one"
    )


def check_types(instance: Any) -> None:
    """Checks that the fields of a dataclass have their types, of which JSON knows nothing.

    Raises:
        TypeError: If one has not.
    """
    for name, hint in get_type_hints(type(instance)).items():
        value = getattr(instance, name)
        if is_dataclass(value):
            check_types(value)
            continue
        try:
            check_type(value, hint, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
        except TypeCheckError as error:
            raise TypeError(f"{name} must be {hint}, got {short(value)}") from error


def read_json(file: Path) -> dict[str, Any]:
    """What a JSON file of a run holds.

    Raises:
        UserError: If that is no JSON object.
    """
    content = parsed(file.read_bytes())
    if not isinstance(content, dict):
        raise UserError(f"{file} is damaged: it holds {short(content)}, and no object of JSON")
    return content


def parsed(content: bytes) -> Any:
    """The JSON value; the bytes themselves where they are none."""
    try:
        return json.loads(content.decode())
    except (ValueError, RecursionError):
        return content


def short(value: Any) -> str:
    """The beginning of a value, for messages."""
    words = repr(value)
    return words if len(words) < 60 else f"{words[:60]}..."


def flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by the path to each, such as "data.resolution"."""
    found: dict[str, Any] = {}
    for key, value in nested.items():
        path = prefix + key
        found |= flat(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return found

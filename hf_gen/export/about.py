"""What people are told of an exported model: its name, its license and its results."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml  # type: ignore[import-untyped]
from huggingface_hub import (
    CardData,
    HfApi,
    ModelCard,
    hf_hub_download,
    try_to_load_from_cache,
)
from huggingface_hub.constants import HF_HUB_OFFLINE

from hf_gen.errors import translate_hub_errors
from hf_gen.pipelines import WEIGHTS
from hf_gen.pipelines.files import MAX_JSON_BYTES, check_no_symlink_escape

BUNDLED_CARDS = WEIGHTS / "cards.json"
"""What the cards of the bundled models say; `python -m tools.results` writes it."""
_CARD = "README.md"
_LONGEST = 300


@dataclass(frozen=True)
class About:
    """A model in words and numbers.

    Attributes:
        name: Such as face-vae or user/mine.
        license: Of the weights, as an identifier of the Hub; None where its card names none.
        training_data: What it was trained on, and its terms, where that is known.
        subject: What its images show: faces or images.
        results: Each with `dataset`, `metric`, `name`, for people, and `value`.
    """

    name: str
    license: str | None = None
    training_data: str | None = None
    subject: str = "images"
    results: tuple[dict[str, Any], ...] = ()

    @classmethod
    def of_card(cls, name: str, card: CardData) -> Self:
        """What the metadata of a card says; what is not as the Hub specifies it is left out."""
        license, tags = card.get("license"), card.get("tags")
        return cls(
            name,
            license=license[:_LONGEST] if isinstance(license, str) else None,
            subject="faces" if isinstance(tags, list) and "faces" in tags else "images",
            results=tuple(_results(card.get("eval_results") or [])),
        )


def about_model(name: str) -> About:
    """What is known of a model that `hf_gen.load` takes, from the card beside it.

    Args:
        name: A bundled model, a run folder or a pipeline folder, or a Hub id.

    Raises:
        UserError: If the Hub cannot be reached.
    """
    folder = Path(name)
    if not folder.is_dir() and (WEIGHTS / name).is_dir():
        return _about_bundled(name)
    card = folder / _CARD if folder.is_dir() else _download_card(name)
    if folder.is_dir():
        check_no_symlink_escape(folder, folder / _CARD)
        name = folder.resolve().name
    if card is None or not card.is_file() or card.stat().st_size > MAX_JSON_BYTES:
        return About(name)
    try:
        return About.of_card(name, ModelCard.load(card, ignore_metadata_errors=True).data)
    except (ValueError, TypeError, AttributeError, yaml.YAMLError):  # no text, or no such header
        return About(name)


def bundled_card(card: CardData) -> dict[str, Any]:
    """What `BUNDLED_CARDS` holds of the card of a bundled model."""
    about = About.of_card("", card)
    return {"license": about.license, "results": list(about.results)}


def _about_bundled(name: str) -> About:
    entries, cards = (
        json.loads(file.read_text(encoding="utf-8"))
        for file in (WEIGHTS / "manifest.json", BUNDLED_CARDS)
    )
    card = cards.get(name, {"license": None, "results": []})
    return About(name, card["license"], entries[name]["data"], "faces", tuple(card["results"]))


def _download_card(repo_id: str) -> Path | None:
    """The card of a repository in the Hub's cache; None if there is none, or a huge one."""
    if HF_HUB_OFFLINE:
        cached = try_to_load_from_cache(repo_id, _CARD)
        return Path(cached) if isinstance(cached, str) else None
    with translate_hub_errors(repo_id, "read"):
        found = HfApi().get_paths_info(repo_id, [_CARD])
        if not found or getattr(found[0], "size", 0) > MAX_JSON_BYTES:
            return None
        return Path(hf_hub_download(repo_id, _CARD))


def _results(listed: Iterable[Any]) -> Iterable[dict[str, Any]]:
    for result in listed:
        value = result.metric_value
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value):
            continue
        yield {
            "dataset": str(result.dataset_name)[:_LONGEST],
            "metric": str(result.metric_type)[:_LONGEST],
            "name": str(result.metric_name or result.metric_type)[:_LONGEST],
            "value": value,
        }

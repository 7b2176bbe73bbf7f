"""Shows model_cards/results.json: cards, docs/results.md, README.md: `python -m tools.results`.

What the cards say goes to hf_gen/weights/cards.json too, for exports.

Nothing is measured here.
"""

import hashlib
import json
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hf_gen.config import CycleGANRecipe, recipe_as_json
from hf_gen.errors import UserError
from hf_gen.evaluation.collapse import Claim, collapse_along_training
from hf_gen.export.about import BUNDLED_CARDS, bundled_card
from hf_gen.hub.cards import SYNTHETIC_FACES, Measured, model_card
from hf_gen.metrics import in_words
from hf_gen.recipes import RECIPES
from hf_gen.runs.atomic import atomic_write_text
from hf_gen.runs.folder import flat
from tools.ship import manifest
from tools.tables import Results, readme_tables, results_tables

REPORT = Claim(40, 90, "The report that the recipe repeats")
PAIRED = "--paired-dataset-name"
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"


class Pages(NamedTuple):
    """Where results are shown.

    Attributes:
        cards: The folder of the cards.
        readme: A file with markers, for the short tables.
        results: Another, for the complete ones.
        bundled: What the cards say, for exports of the bundled models.
    """

    cards: Path
    readme: Path
    results: Path
    bundled: Path = BUNDLED_CARDS


PAGES = Pages(Path("model_cards"), Path("README.md"), Path("docs/results.md"))


def write_pages(results: Results, pages: Pages) -> None:
    """Writes the card of each model, and the tables between the markers of both files.

    Args:
        results: By name of the model.
        pages: Where to.

    Raises:
        UserError: If a file has no markers, or the disk cannot be written.
    """
    check_markers(pages)
    bundled = {}
    for name, result in results.items():
        card = card_of(name, result, pages.cards)
        atomic_write_text(pages.cards / f"{name}.md", str(card))
        bundled[name] = bundled_card(card.data)
    atomic_write_text(pages.bundled, json.dumps(bundled, indent=1) + "\n")
    for file, tables in (
        (pages.readme, readme_tables(results, pages.cards.name)),
        (pages.results, results_tables(results, f"../{pages.cards.name}")),
    ):
        before, _, rest = file.read_text("utf-8").partition(BEGIN)
        atomic_write_text(file, before + BEGIN + tables + END + rest.partition(END)[2])


def check_markers(pages: Pages) -> None:
    """Checks that there is a place for the tables. Raises `UserError` where there is none."""
    for file in (pages.readme, pages.results):
        if not re.search(f"{BEGIN}.*{END}", file.read_text("utf-8"), re.DOTALL):
            raise UserError(
                f"{file} has no {BEGIN.strip()} and {END.strip()}: run this in a checkout of hf_gen"
            )


def card_of(name: str, results: Mapping[str, Any], cards: Path) -> Any:
    """The card of a model.

    Args:
        name: By which it is loaded.
        results: Its part of results.json.
        cards: Folder of the card, which holds figures/.
    """
    entry = manifest()[name]
    recipe = RECIPES[entry["recipe"]][1]
    measured = [Measured(SYNTHETIC_FACES, results["synthetic"])]
    repeat = f"python -m tools.released {name}"
    if "real" in results:
        measured.insert(0, Measured("the real faces named above", results["real"], "real-faces"))
        repeat += " --dataset-name ANIME_FACES"
        if isinstance(recipe, CycleGANRecipe):
            repeat += " --dataset-name-b CARTOON_FACES"
    pictures = sorted((cards / "figures" / name).glob("*.png"))
    values = {"recipe": entry["recipe"], **flat(recipe_as_json(recipe))}
    words = shlex.split(entry["command"])
    if PAIRED in words:
        values["pairs.paired_dataset_name"] = words[words.index(PAIRED) + 1]
    return model_card(
        name,
        values,
        measured,
        load_from=name,
        **{key: entry.get(key) for key in ("steps", "device", "commit", "command", "chosen_on")},
        duration=in_words(60 * entry["minutes"]),
        data_terms=entry["data"],
        figures={path.stem: f"figures/{name}/{path.name}" for path in pictures},
        repeat=repeat,
        collapse=collapse_along_training(
            entry.get("evaluations", []),
            (values["domains.domain_a"], values["domains.domain_b"]),
            REPORT if entry["recipe"].startswith("cyclegan-lambda") else None,
        )
        if isinstance(recipe, CycleGANRecipe)
        else "",
    )


def digest(entry: Mapping[str, Any]) -> str:
    """A hash of the weights of a manifest's entry."""
    return hashlib.sha256(json.dumps(entry["files"]).encode()).hexdigest()[:16]


def known_results(cards: Path) -> dict[str, Any]:
    """The results of an earlier call. Raises `UserError` if the folder holds something else."""
    record = cards / "results.json"
    if not record.exists() and (not cards.exists() or not any(cards.iterdir())):
        return {}
    try:
        known: dict[str, Any] = json.loads(record.read_text("utf-8"))
        if known and all(one["weights"] is not None for one in known.values()):
            return known
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    raise UserError(f"{cards} holds no cards of hf_gen: choose a new folder by --cards")


if __name__ == "__main__":
    try:
        write_pages(known_results(PAGES.cards), PAGES)
    except UserError as error:
        sys.exit(str(error))

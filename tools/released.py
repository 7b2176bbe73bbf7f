"""Evaluates the bundled models and writes their cards: `python -m tools.released [NAMES]`.

Each is evaluated on synthetic test faces, which need no data, and on the test images of
datasets of real faces that are named. Results go to model_cards/results.json, and from there to the
cards and to the README's tables. Figures show synthetic faces only: real ones may not be
redistributed.
"""

import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
import tyro
from diffusers import DiffusionPipeline
from PIL import Image
from PIL.Image import Dither

from hf_gen.config import CycleGANRecipe, Data, Recipe, recipe_as_json
from hf_gen.data.batches import Domain
from hf_gen.data.pixels import Pixels
from hf_gen.errors import UserError
from hf_gen.evaluation.factors import render_faces
from hf_gen.evaluation.reconstruction import evaluate_reconstruction
from hf_gen.evaluation.samples import evaluate_samples, reference
from hf_gen.evaluation.translation import TranslationEvaluator
from hf_gen.experiments import Experiment, experiment_of
from hf_gen.faces import STYLES, TEST_START, face_at
from hf_gen.features import feature_extractor
from hf_gen.hub.cards import (
    CHOSEN_ON,
    SYNTHETIC_FACES,
    TRANSLATION,
    Measured,
    family_of,
    model_card,
)
from hf_gen.images import to_pixels
from hf_gen.metrics import DIRECTIONS, PRIORS, formatted, metric_info
from hf_gen.pipelines import WEIGHTS, load
from hf_gen.recipes import RECIPES
from hf_gen.report import EvaluatedRun, draw_translations, draw_vae_pictures
from hf_gen.runs.atomic import atomic_write_text
from hf_gen.runs.folder import flat
from tools.ship import MANIFEST

FEW = 16
"""Synthetic faces on which a test evaluates each model again."""
FEW_SPLIT = f"first {FEW} of test"
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"
# As many as the test split of a run on the synthetic faces.
_SYNTHETIC = 1_000
_SETS = ("real", "synthetic")
_AUTOENCODER_COLUMNS = (
    *("psnr", "ssim", "perceptual", "samples/kernel_distance", "samples/frechet_distance"),
)
_TRANSLATION_COLUMNS = tuple(
    f"{direction}/{name}"
    for direction in DIRECTIONS
    for name in ("kernel_distance", "diversity", "cycle_l1")
)
_SEED = 0


@dataclass(frozen=True)
class Released:
    """A bundled model.

    Attributes:
        name: By which `hf_gen.load` finds it.
        entry: Its entry in the manifest.
        recipe: That trained it.
        pipeline: In float32.
    """

    name: str
    entry: Mapping[str, Any]
    recipe: Recipe
    pipeline: DiffusionPipeline

    @property
    def is_translation(self) -> bool:
        """Whether it translates between two domains."""
        return isinstance(self.recipe, CycleGANRecipe)


def manifest() -> dict[str, dict[str, Any]]:
    """The entries of the bundled models, by name."""
    entries: dict[str, dict[str, Any]] = json.loads(MANIFEST.read_text("utf-8"))
    return entries


def digest(entry: Mapping[str, Any]) -> str:
    """A hash of the weights of a manifest's entry."""
    return hashlib.sha256(json.dumps(entry["files"]).encode()).hexdigest()[:16]


def open_released(name: str) -> Released:
    """Loads a bundled model.

    Raises:
        UserError: There is none of that name.
    """
    entries = manifest()
    if name not in entries:
        raise UserError(f"no bundled model is named {name!r}: there are {', '.join(entries)}")
    pipeline = load(WEIGHTS / name)
    pipeline.set_progress_bar_config(disable=True)
    return Released(name, entries[name], RECIPES[entries[name]["recipe"]][1], pipeline)


def evaluate_few(model: Released) -> dict[str, Any]:
    """Evaluates a model on the first 16 synthetic test faces, in about a second.

    Returns:
        Of an autoencoder the results of `evaluate_reconstruction`, and those of `evaluate_samples`
        as "samples/PRIOR/NAME"; of a translation those of `TranslationEvaluator`.
    """
    size = model.pipeline.config.resolution
    anime, cartoon = (_synthetic_faces(style, size, FEW) for style in STYLES)
    if model.is_translation:
        evaluator = TranslationEvaluator(anime, cartoon)
        return {"images": evaluator.images} | evaluator(model.pipeline)
    results: dict[str, Any] = dict(evaluate_reconstruction(model.pipeline, anime))
    real = reference(anime.images(torch.arange(FEW)), feature_extractor())
    for prior in model.pipeline.priors:
        generator = torch.Generator().manual_seed(_SEED)
        images = model.pipeline.sample(FEW, generator, "pt", prior)
        scores = evaluate_samples(images.cpu(), real, feature_extractor())
        results |= {f"samples/{prior}/{name}": score for name, score in scores.items()}
    return results


@cache
def _synthetic_faces(style: str, size: int, count: int, start: int = TEST_START) -> Pixels:
    """By default the first test faces, the same as those of a run on the synthetic faces."""
    faces = [face_at(start + index) for index in range(count)]
    rows = torch.from_numpy(to_pixels(render_faces(faces, style, size))).reshape(count, -1)
    return Pixels(rows, torch.arange(count), size)


def main(
    names: tyro.conf.Positional[tuple[str, ...]] = (),
    dataset_name: str | None = None,
    dataset_name_b: str | None = None,
    cards: Path = Path("model_cards"),
    readme: Path = Path("README.md"),
    cache_dir: Path | None = None,
) -> None:
    """Evaluate the bundled models, and write their cards and the README's tables.

    Args:
        names: Which models. Default: all.
        dataset_name: Real anime faces, a Hub id or a folder. Without it the results that unchanged
            weights have on real faces stay.
        dataset_name_b: Real cartoon faces, for the translations.
        cards: Folder of the cards, their figures and results.json.
        readme: The file with the tables.
        cache_dir: Where datasets and decoded pixels are kept.

    Raises:
        UserError: No such model, no tables in the README, or unusable data.
    """
    if not re.search(f"{BEGIN}.*{END}", readme.read_text("utf-8"), re.DOTALL):
        raise UserError(
            f"{readme} has no {BEGIN.strip()} and {END.strip()}: run this in a checkout of hf_gen"
        )
    record, entries = cards / "results.json", manifest()
    known = _known_results(record)
    weights = {name: digest(entry) for name, entry in entries.items()}
    results = {name: one for name, one in known.items() if one["weights"] == weights.get(name)}
    for name in names or entries:
        model = open_released(name)
        kept = {key: value for key, value in results.get(name, {}).items() if key == "real"}
        evaluated = _evaluate(model, dataset_name, dataset_name_b, cards, cache_dir)
        results = dict(sorted({**results, name: kept | evaluated}.items()))
        atomic_write_text(record, json.dumps(results, indent=2) + "\n")
        print(f"{name}: results in {record}", flush=True)
    for name in results:
        atomic_write_text(cards / f"{name}.md", str(card_of(name, results[name], cards)))
    tables = results_table(results, cards)
    before, _, rest = readme.read_text("utf-8").partition(BEGIN)
    atomic_write_text(readme, before + BEGIN + tables + END + rest.partition(END)[2])


def _known_results(record: Path) -> dict[str, Any]:
    """The results of an earlier call. Raises `UserError` if the folder holds something else."""
    if not record.exists() and (not record.parent.exists() or not any(record.parent.iterdir())):
        return {}
    try:
        known: dict[str, Any] = json.loads(record.read_text("utf-8"))
        if known and all(one["weights"] is not None for one in known.values()):
            return known
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    raise UserError(f"{record.parent} holds no cards of hf_gen: choose a new folder by --cards")


def _evaluate(
    model: Released, real_a: str | None, real_b: str | None, cards: Path, cache_dir: Path | None
) -> dict[str, Any]:
    """Draws the figures of a model; returns its results on every dataset there is."""
    results: dict[str, Any] = {"weights": digest(model.entry), "few": evaluate_few(model)}
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pipeline = model.pipeline.to(device)
    synthetic = _on_synthetic_faces(model, cache_dir)
    _draw(model, synthetic, cards / "figures" / model.name)
    experiments = {"synthetic": synthetic, "real": _on_real_faces(model, real_a, real_b, cache_dir)}
    for dataset, experiment in experiments.items():
        if experiment is not None:
            scores = experiment.evaluate(pipeline)
            results[dataset] = {k: v for k, v in scores.items() if not isinstance(v, list)}
    return results


def _on_synthetic_faces(model: Released, cache_dir: Path | None) -> Experiment:
    """The evaluation of the model's recipe on synthetic test faces."""
    size = model.pipeline.config.resolution
    domains = []
    for style in STYLES:
        train, test = (
            _synthetic_faces(style, size, _SYNTHETIC, start) for start in (0, TEST_START)
        )
        domains.append(Domain(train, test, test))
    recipe = replace(model.recipe, data=Data(resolution=size, cache_dir=cache_dir))
    return experiment_of(recipe, tuple(domains if model.is_translation else domains[:1]))


def _on_real_faces(
    model: Released, a: str | None, b: str | None, cache_dir: Path | None
) -> Experiment | None:
    """The same on the test images of datasets; None where one is missing."""
    if a is None or (model.is_translation and b is None):
        return None
    data = Data(dataset_name=a, resolution=model.pipeline.config.resolution, cache_dir=cache_dir)
    recipe = replace(model.recipe, data=data)
    if isinstance(recipe, CycleGANRecipe):
        recipe = replace(recipe, domains=replace(recipe.domains, dataset_name_b=b))
    return experiment_of(recipe)


def _draw(model: Released, synthetic: Experiment, folder: Path) -> None:
    """Writes the figures at half size and with few colours, for light pages."""
    with tempfile.TemporaryDirectory() as place:
        images = tuple(domain.test for domain in synthetic.domains)
        run = EvaluatedRun(model.name, model.recipe, [], {}, model.pipeline, images)
        draw = draw_translations if model.is_translation else draw_vae_pictures
        draw(run, Path(place))
        folder.mkdir(parents=True, exist_ok=True)
        for earlier in folder.glob("*.png"):
            earlier.unlink()
        for file in sorted(Path(place).glob("*.png")):
            if not file.stem.endswith("-dark"):
                with Image.open(file) as picture:
                    small = picture.convert("RGB").reduce(2).quantize(256, dither=Dither.NONE)
                    small.save(folder / file.name, optimize=True)


def card_of(name: str, results: Mapping[str, Any], cards: Path) -> Any:
    """The card of a model.

    Args:
        name: By which it is loaded.
        results: Its part of results.json.
        cards: Folder of the card, beside figures/.
    """
    entry = manifest()[name]
    values = {"recipe": entry["recipe"], **flat(recipe_as_json(RECIPES[entry["recipe"]][1]))}
    measured = [Measured(SYNTHETIC_FACES, results["synthetic"])]
    repeat = f"python -m tools.released {name}"
    if "real" in results:
        split = CHOSEN_ON if family_of(values) is TRANSLATION else "test"
        real = Measured("the real faces named above", results["real"], "real-faces", split)
        measured.insert(0, real)
        repeat += " --dataset-name ANIME_FACES"
        if family_of(values) is TRANSLATION:
            repeat += " --dataset-name-b CARTOON_FACES"
    pictures = sorted((cards / "figures" / name).glob("*.png"))
    return model_card(
        name,
        values,
        measured,
        few=Measured(SYNTHETIC_FACES, results["few"], split=FEW_SPLIT),
        load_from=name,
        **{key: entry.get(key) for key in ("steps", "minutes", "device", "commit", "command")},
        data_terms=entry["data"],
        figures={path.stem: f"figures/{name}/{path.name}" for path in pictures},
        repeat=repeat,
    )


def results_table(results: Mapping[str, Mapping[str, Any]], cards: Path) -> str:
    """The README's tables: autoencoders, then translations; real faces before synthetic ones."""
    entries = manifest()
    recipes = {name: RECIPES[entries[name]["recipe"]][1] for name in results}
    tables = []
    for columns, translates in ((_AUTOENCODER_COLUMNS, False), (_TRANSLATION_COLUMNS, True)):
        head = ["model", "MB", *(_heading(key) for key in columns)]
        rows = [
            _row(name, results[name], columns, cards)
            for name, recipe in recipes.items()
            if isinstance(recipe, CycleGANRecipe) == translates
        ]
        lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
        tables.append("".join(f"| {' | '.join(line)} |\n" for line in lines))
    return "\n".join(tables)


def _heading(key: str) -> str:
    group, _, name = key.partition("/")
    if group == "samples":
        return f"{metric_info(f'samples/standard/{name}').short} of samples"
    metric = metric_info(key, ("anime", "cartoon"))
    return metric.name if name else metric.heading


def _row(name: str, results: Mapping[str, Any], columns: Sequence[str], cards: Path) -> list[str]:
    size = sum(file.stat().st_size for file in (WEIGHTS / name).rglob("*") if file.is_file())
    cells = [
        " / ".join(formatted(_value(results.get(dataset, {}), key)) for dataset in _SETS)
        for key in columns
    ]
    return [f"[{name}]({cards.name}/{name}.md)", f"{size / 1e6:.1f}", *cells]


def _value(results: Mapping[str, Any], key: str) -> float | None:
    """A result; of samples, that of the best prior."""
    group, _, name = key.partition("/")
    if group != "samples":
        return results.get(key)
    scores = [results.get(f"samples/{prior}/{name}") for prior in PRIORS]
    return min((score for score in scores if score is not None), default=None)


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except UserError as error:
        sys.exit(str(error))

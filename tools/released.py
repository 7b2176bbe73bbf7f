"""Evaluates the bundled models and writes their cards: `python -m tools.released [NAMES]`.

Each is evaluated on synthetic test faces, which need no data, and on the test images of
datasets of real faces that are named. Results go to model_cards/results.json, and from there to
what `tools.results` writes. Figures show synthetic faces only: real ones may not be redistributed.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
import tyro
from diffusers import DiffusionPipeline
from PIL import Image
from PIL.Image import Dither

from hf_gen.config import CycleGANRecipe, Data, Recipe
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
from hf_gen.images import to_pixels
from hf_gen.pipelines import WEIGHTS, load
from hf_gen.recipes import RECIPES
from hf_gen.report import EvaluatedRun, draw_translations, draw_vae_pictures
from hf_gen.report.style import save
from hf_gen.report.translation import mode_collapse
from hf_gen.runs.atomic import atomic_write_text
from tools.results import PAGES, Pages, check_markers, digest, known_results, write_pages
from tools.ship import manifest

FEW = 16
"""Synthetic faces on which a test evaluates each model again."""
# As many as the test split of a run on the synthetic faces.
_SYNTHETIC = 1_000
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
    cards: Path = PAGES.cards,
    readme: Path = PAGES.readme,
    results_page: Path = PAGES.results,
    bundled: Path = PAGES.bundled,
    cache_dir: Path | None = None,
) -> None:
    """Evaluate the bundled models, and write their cards and the tables of their results.

    Args:
        names: Which models. Default: all.
        dataset_name: Real anime faces, a Hub id or a folder. Without it the results that unchanged
            weights have on real faces stay.
        dataset_name_b: Real cartoon faces, for the translations.
        cards: Folder of the cards, their figures and results.json.
        readme: The file with the short tables.
        results_page: The file with the complete ones.
        bundled: The file with what the cards say, for exports.
        cache_dir: Where datasets and decoded pixels are kept.

    Raises:
        UserError: No such model, a file without a place for the tables, or unusable data.
    """
    pages = Pages(cards, readme, results_page, bundled)
    check_markers(pages)
    record, entries, known = cards / "results.json", manifest(), known_results(cards)
    weights = {name: digest(entry) for name, entry in entries.items()}
    results = {name: one for name, one in known.items() if one["weights"] == weights.get(name)}
    for name in names or entries:
        model = open_released(name)
        kept = {key: value for key, value in results.get(name, {}).items() if key == "real"}
        evaluated = _evaluate(model, dataset_name, dataset_name_b, cards, cache_dir)
        results = dict(sorted({**results, name: kept | evaluated}.items()))
        atomic_write_text(record, json.dumps(results, indent=2) + "\n")
        print(f"{name}: results in {record}", flush=True)
    write_pages(results, pages)


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
    """The same on the test images of datasets; None where one is missing.

    None too where the checkpoint was chosen on these images.
    """
    is_missing = a is None or (model.is_translation and b is None)
    if is_missing or model.entry.get("chosen_on") == "test":
        return None
    data = Data(dataset_name=a, resolution=model.pipeline.config.resolution, cache_dir=cache_dir)
    recipe = replace(model.recipe, data=data)
    if isinstance(recipe, CycleGANRecipe):
        recipe = replace(recipe, domains=replace(recipe.domains, dataset_name_b=b))
    return experiment_of(recipe)


def _draw(model: Released, synthetic: Experiment, folder: Path) -> None:
    """Writes the figures at half size and with few colours, for light pages."""
    course = model.entry.get("evaluations", [])
    with tempfile.TemporaryDirectory() as place:
        images = tuple(domain.test for domain in synthetic.domains)
        run = EvaluatedRun(model.name, model.recipe, course, {}, model.pipeline, images)
        draw = draw_translations if model.is_translation else draw_vae_pictures
        draw(run, Path(place))
        if len(course) > 1:
            save(Path(place) / "collapse.png", lambda: mode_collapse([run]))
        folder.mkdir(parents=True, exist_ok=True)
        for earlier in folder.glob("*.png"):
            earlier.unlink()
        for file in sorted(Path(place).glob("*.png")):
            if not file.stem.endswith("-dark"):
                with Image.open(file) as picture:
                    small = picture.convert("RGB").reduce(2).quantize(256, dither=Dither.NONE)
                    small.save(folder / file.name, optimize=True)


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except UserError as error:
        sys.exit(str(error))

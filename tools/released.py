"""Measures the models that come with hf_gen: `python -m tools.released`, in a checkout.

Each is loaded by its name and measured on the held-out synthetic faces, which need no data;
where folders of real faces are named, on the held-out ones of those too. Results go to
model_cards/results.json, and from there to the cards and to the README's table. The figures show
synthetic faces alone: real ones may not be passed on.
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

from hf_gen.config import CycleGANRecipe, Data, Recipe
from hf_gen.data.batches import Domain
from hf_gen.data.pixels import Pixels
from hf_gen.errors import UserError
from hf_gen.evaluation.factors import synthetic_image
from hf_gen.evaluation.monitor import TranslationMonitor
from hf_gen.evaluation.reconstruction import evaluate_reconstruction
from hf_gen.evaluation.samples import evaluate_samples, reference
from hf_gen.experiments import Experiment, experiment_of
from hf_gen.faces import STYLES, TEST_START, face_at
from hf_gen.features import feature_extractor
from hf_gen.hub.cards import Measured, released_card
from hf_gen.images import to_pixels, to_tensor
from hf_gen.metrics import PRIORS, formatted, metric_info
from hf_gen.pipelines import WEIGHTS, load
from hf_gen.recipes import RECIPES
from hf_gen.report import draw_translations, draw_vae_pictures
from hf_gen.runs.atomic import atomic_write_text
from tools.ship import MANIFEST

FEW = 16
"""Synthetic faces that a test measures each model on again."""
DRAWN = 1_000
"""Those that it is measured on for its card: as many as a run on the synthetic faces holds out."""
FEW_SPLIT = f"first {FEW} held out"
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"
_ANIME, _CARTOON = "ANIME_FACES", "CARTOON_FACES"
_SEED = 0


@dataclass(frozen=True)
class Released:
    """A model that comes with hf_gen.

    Attributes:
        name: By which it is loaded.
        entry: What the manifest says of it.
        recipe: That trained it.
        pipeline: Its networks, in float32.
    """

    name: str
    entry: Mapping[str, Any]
    recipe: Recipe
    pipeline: DiffusionPipeline


def manifest() -> dict[str, dict[str, Any]]:
    """What is known of each model that comes with hf_gen, by its name."""
    listed: dict[str, dict[str, Any]] = json.loads(MANIFEST.read_text("utf-8"))
    return listed


def digest(entry: Mapping[str, Any]) -> str:
    """Changes with the weights of a model, whose entry in the manifest is given."""
    return hashlib.sha256(json.dumps(entry["files"]).encode()).hexdigest()[:16]


def open_released(name: str) -> Released:
    """Loads a model that comes with hf_gen.

    Raises:
        UserError: If there is none of that name.
    """
    listed = manifest()
    if name not in listed:
        raise UserError(f"no model {name!r} comes with hf_gen: there are {', '.join(listed)}")
    pipeline = load(WEIGHTS / name)
    pipeline.set_progress_bar_config(disable=True)
    return Released(name, listed[name], RECIPES[listed[name]["recipe"]][1], pipeline)


def measure_few(model: Released) -> dict[str, Any]:
    """Its numbers on the first `FEW` held-out synthetic faces, in about a second.

    Returns:
        Of an autoencoder those of `evaluate_reconstruction`, and as "samples/PRIOR/NAME" those of
        `evaluate_samples`; of a translation those of `TranslationMonitor`.
    """
    size = model.pipeline.config.resolution
    anime, cartoon = (_synthetic_faces(style, size, FEW) for style in STYLES)
    if isinstance(model.recipe, CycleGANRecipe):
        monitor = TranslationMonitor(Domain(anime, anime), Domain(cartoon, cartoon))
        return {"images": monitor.images} | monitor(model.pipeline)
    results: dict[str, Any] = dict(evaluate_reconstruction(model.pipeline, anime))
    real = reference(anime.images(torch.arange(FEW)), feature_extractor())
    for prior in model.pipeline.priors:
        generator = torch.Generator().manual_seed(_SEED)
        images = model.pipeline.sample(FEW, generator, "pt", prior)
        measured = evaluate_samples(images.cpu(), real, feature_extractor())
        results |= {f"samples/{prior}/{name}": value for name, value in measured.items()}
    return results


@cache
def _synthetic_faces(style: str, size: int, count: int) -> Pixels:
    """The first held-out faces, as a run on the synthetic faces sees them, and no others."""
    places = range(TEST_START, TEST_START + count)
    pictures = [synthetic_image(face_at(place), style, size) for place in places]
    rows = torch.from_numpy(to_pixels(to_tensor(pictures))).reshape(count, -1)
    return Pixels(rows, torch.arange(count), size)


def main(
    names: tyro.conf.Positional[tuple[str, ...]] = (),
    dataset_name: str | None = None,
    dataset_name_b: str | None = None,
    cards: Path = Path("model_cards"),
    readme: Path = Path("README.md"),
    cache_dir: Path | None = None,
) -> None:
    """Measures models that come with hf_gen, and writes their cards and the README's table.

    Args:
        names: Which of them. Default: all.
        dataset_name: Real anime faces, a Hub id or a folder, to measure on too. Without it the
            numbers that unchanged weights have on real faces stay.
        dataset_name_b: Real cartoon faces, for the translations.
        cards: Where the cards, their figures and results.json go.
        readme: The file with the table.
        cache_dir: Where datasets and decoded pixels are kept.

    Raises:
        UserError: If there is no such model, no table in the README, or data cannot be used.
    """
    if not re.search(f"{BEGIN}.*{END}", readme.read_text("utf-8"), re.DOTALL):
        raise UserError(
            f"{readme} has no {BEGIN.strip()} and {END.strip()}: run this in a checkout of hf_gen"
        )
    record, listed = cards / "results.json", manifest()
    known = _earlier(record)
    weights = {name: digest(entry) for name, entry in listed.items()}
    results = {name: one for name, one in known.items() if one["weights"] == weights.get(name)}
    for name in names or listed:
        model = open_released(name)
        kept = {key: value for key, value in results.get(name, {}).items() if key == "real"}
        measured = _measure(model, dataset_name, dataset_name_b, cards, cache_dir)
        results = dict(sorted({**results, name: kept | measured}.items()))
        atomic_write_text(record, json.dumps(results, indent=2) + "\n")
        print(f"{name} is measured", flush=True)
    for name in results:
        atomic_write_text(cards / f"{name}.md", str(card_of(name, results[name], cards)))
    table = results_table(results, cards)
    before_table, _, rest = readme.read_text("utf-8").partition(BEGIN)
    atomic_write_text(readme, before_table + BEGIN + table + END + rest.partition(END)[2])


def _earlier(record: Path) -> dict[str, Any]:
    """What an earlier call wrote. Raises `UserError` if the cards' folder holds something else."""
    if not record.exists() and (not record.parent.exists() or not any(record.parent.iterdir())):
        return {}
    try:
        known: dict[str, Any] = json.loads(record.read_text("utf-8"))
        digests = [one["weights"] for one in known.values()]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        digests = []
    if not digests:
        raise UserError(f"{record.parent} holds no cards of hf_gen: choose a new folder by --cards")
    return known


def _measure(
    model: Released, real_a: str | None, real_b: str | None, cards: Path, cache_dir: Path | None
) -> dict[str, Any]:
    """Draws the figures of a model; returns its numbers on every set of images there is."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    measured: dict[str, Any] = {"weights": digest(model.entry), "few": measure_few(model)}
    pipeline = model.pipeline.to(device)
    drawn = _on_synthetic_faces(model, cache_dir)
    measured["drawn"] = _numbers(drawn.evaluate(pipeline))
    _draw(model, drawn, cards / "figures" / model.name)
    real = _on_real_faces(model, real_a, real_b, cache_dir)
    if real is not None:
        measured["real"] = _numbers(real.evaluate(pipeline))
    return measured


def _on_synthetic_faces(model: Released, cache_dir: Path | None) -> Experiment:
    """The evaluation of the model's recipe on the synthetic faces, of which none is trained on."""
    size = model.pipeline.config.resolution
    held_out = [_synthetic_faces(style, size, DRAWN) for style in STYLES]
    anime, cartoon = (Domain(pixels, pixels) for pixels in held_out)
    is_translation = isinstance(model.recipe, CycleGANRecipe)
    recipe = replace(model.recipe, data=Data(resolution=size, cache_dir=cache_dir))
    return experiment_of(recipe, domains=(anime, cartoon) if is_translation else (anime,))


def _on_real_faces(
    model: Released, a: str | None, b: str | None, cache_dir: Path | None
) -> Experiment | None:
    """The same on the held-out faces of datasets; None where one is missing."""
    recipe, size = model.recipe, model.pipeline.config.resolution
    if a is None:
        return None
    data = Data(dataset_name=a, resolution=size, cache_dir=cache_dir)
    if not isinstance(recipe, CycleGANRecipe):
        return experiment_of(replace(recipe, data=data))
    if b is None:
        return None
    domains = replace(recipe.domains, dataset_name_b=b)
    return experiment_of(replace(recipe, data=data, domains=domains))


def _numbers(results: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in results.items() if not isinstance(value, list)}


def _draw(model: Released, drawn: Experiment, folder: Path) -> None:
    """What it makes of synthetic faces: at half the size, for light pages, and in few colours."""
    with tempfile.TemporaryDirectory() as place:
        if isinstance(model.recipe, CycleGANRecipe):
            draw_translations(Path(place), model.pipeline, *drawn.domains)
        else:
            held_out = drawn.domains[0].held_out
            draw_vae_pictures(Path(place), model.name, model.pipeline, held_out, _SEED)
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
        results: What results.json says of it.
        cards: Where the card will lie, beside figures/.
    """
    entry = manifest()[name]
    recipe = RECIPES[entry["recipe"]][1]
    measured = [Measured("the faces that hf_gen draws", results["drawn"])]
    repeat = f"python -m tools.released {name}"
    if "real" in results:
        real = "the real faces named above"
        measured.insert(0, Measured(real, results["real"], "real-faces"))
        repeat += f" --dataset-name {_ANIME}"
        if isinstance(recipe, CycleGANRecipe):
            repeat += f" --dataset-name-b {_CARTOON}"
    few = Measured("the faces that hf_gen draws", results["few"], split=FEW_SPLIT)
    drawn = sorted((cards / "figures" / name).glob("*.png"))
    figures = {path.stem: f"figures/{name}/{path.name}" for path in drawn}
    return released_card(name, entry, recipe, measured, few, figures, repeat)


def results_table(results: Mapping[str, Mapping[str, Any]], cards: Path) -> str:
    """The README's tables: autoencoders, then translations; real faces before synthetic ones."""
    listed = manifest()
    families: dict[bool, list[str]] = {False: [], True: []}
    for name in results:
        recipe = RECIPES[listed[name]["recipe"]][1]
        families[isinstance(recipe, CycleGANRecipe)].append(name)
    tables = []
    for translates, keys in (
        (False, ("psnr", "ssim", "perceptual", "samples/kid", "samples/frechet_distance")),
        (True, tuple(f"{way}/{key}" for way in ("a_to_b", "b_to_a") for key in _OF_A_WAY)),
    ):
        rows = [_row(name, results[name], keys, cards) for name in families[translates]]
        head = ["model", "MB", *(_heading(key) for key in keys)]
        tables.append(_markdown([head, ["---", *["---:"] * (len(head) - 1)], *rows]))
    return "\n".join(tables)


_OF_A_WAY = ("kid", "diversity", "cycle")
_SETS = ("real", "drawn")


def _heading(key: str) -> str:
    group, _, name = key.partition("/")
    if group == "samples":
        return f"{metric_info(f'samples/standard/{name}').short} of samples"
    number = metric_info(key, ("anime", "cartoon"))
    return number.name if name else number.heading


def _row(name: str, results: Mapping[str, Any], keys: Sequence[str], cards: Path) -> list[str]:
    size = sum(file.stat().st_size for file in (WEIGHTS / name).rglob("*") if file.is_file())
    cells = []
    for key in keys:
        values = [formatted(_value(results.get(part, {}), key)) for part in _SETS]
        cells.append(" / ".join(values))
    return [f"[{name}]({cards.name}/{name}.md)", f"{size / 1e6:.1f}", *cells]


def _value(results: Mapping[str, Any], key: str) -> float | None:
    """A number; of samples, that of the prior which makes it best."""
    group, _, name = key.partition("/")
    if group != "samples":
        return results.get(key)
    found = [results.get(f"samples/{prior}/{name}") for prior in PRIORS]
    return min((value for value in found if value is not None), default=None)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except UserError as error:
        sys.exit(str(error))

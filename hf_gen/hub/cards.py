"""Model cards: what was measured of a run, or of a model that comes with hf_gen."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from hf_gen.config import CycleGANRecipe, Recipe, recipe_as_json
from hf_gen.metrics import PRIORS, formatted, metric_info
from hf_gen.runs.folder import RunFolder, flat

TEMPLATES = Path(__file__).with_name("templates")


class Family(NamedTuple):
    """What the cards of one family of models have in common.

    Attributes:
        template: The file in templates/.
        pipeline_tag: What the Hub calls such a pipeline.
        numbers: The results to show; those that a run does not have are left out.
        gallery: The figures that the Hub shows first, each with its caption, in which {0} and {1}
            are the domains; those that a run does not have are left out.
    """

    template: str
    pipeline_tag: str
    numbers: tuple[str, ...]
    gallery: tuple[tuple[str, str], ...]


AUTOENCODER = Family(
    "vae.md",
    "unconditional-image-generation",
    (
        *("negative_elbo", "reconstruction", "kl", "importance_weighted_nll", "psnr", "ssim"),
        *("perceptual", "active_units"),
        *(
            f"samples/{prior}/{name}"
            for prior in PRIORS
            for name in ("kernel_distance", "frechet_distance")
        ),
    ),
    (
        ("samples", "Samples from each prior"),
        ("reconstructions", "Held-out images and their reconstructions"),
        ("interpolation", "From one image to another"),
    ),
)
TRANSLATION = Family(
    "cyclegan.md",
    "image-to-image",
    tuple(
        f"{direction}/{name}"
        for direction in ("a_to_b", "b_to_a")
        for name in ("kernel_distance", "diversity", "coverage", "near_duplicates", "cycle_l1")
    ),
    (
        ("a_to_b", "From {0} to {1} and back"),
        ("b_to_a", "From {1} to {0} and back"),
        ("training", "The same images through the training"),
    ),
)
SYNTHETIC_FACES = "the synthetic faces of hf_gen"
_SYNTHETIC_TERMS = (
    "The data is drawn by code under the Apache-2.0 license; no photograph or artwork is in it."
)
_OTHER_TERMS = "The terms of the data are those of its source; none of it is included here."


def family_of(recipe: Recipe) -> Family:
    """The family of a recipe's model."""
    return TRANSLATION if isinstance(recipe, CycleGANRecipe) else AUTOENCODER


@dataclass(frozen=True)
class Measured:
    """Numbers of a model on one set of images.

    Attributes:
        dataset: What the images are, for people.
        results: By key; those that the family does not show are passed over.
        dataset_type: The id on the Hub, or a word for what is not there.
        split: Which of its images.
    """

    dataset: str
    results: Mapping[str, Any]
    dataset_type: str = "faces"
    split: str = "held out"

    @property
    def images(self) -> str:
        """How many there were."""
        return f"{self.results['images']:,}"


def run_card(
    run: RunFolder, family: Family, repo_id: str | None = None, component: str | None = None
) -> ModelCard:
    """The card of a run, from its run.json, metrics.jsonl and results.json.

    Args:
        run: A finished run.
        family: Of its model. The template also gets every field of the recipe.
        repo_id: Where it will be on the Hub. Default: the card is for the run folder itself.
        component: The network that will be there alone, such as "vae"; else the pipeline.
    """
    values, last = run.identity(), run.last_line()
    sources = _sources(values)
    drawn = sources == ["faces"]
    on_the_hub = [] if drawn else [name for name in sources if not _is_folder(name)]
    names = [name if name in on_the_hub else Path(name).name for name in sources]
    dataset = SYNTHETIC_FACES if drawn else " and ".join(f"`{n}`" for n in names)
    kind = "faces" if drawn else "imagefolder"
    measured = Measured(dataset, run.results(), on_the_hub[0] if on_the_hub else kind)
    return _card(
        family,
        run.path.name,
        values,
        [measured],
        subject="faces" if drawn else "images",
        license="apache-2.0" if drawn else None,
        datasets=on_the_hub or None,
        widget=_gallery(run, family, _domains(values)) if repo_id else None,
        name=repo_id or str(run.path),
        on_the_hub=repo_id is not None,
        component=component,
        steps=f"{last['step']:,}",
        epochs=f"{last['epoch']:.4g}",
        dataset=dataset,
        data_terms=_SYNTHETIC_TERMS if drawn else _OTHER_TERMS,
        device=run.device(),
        minutes=f"{run.seconds() / 60:,.3g}" if run.seconds() else "",
        command=without_folders(run.command()),
        figures={path.stem: f"figures/{path.name}" for path in run.figures.glob("*.png")},
    )


def released_card(
    name: str,
    entry: Mapping[str, Any],
    recipe: Recipe,
    measured: Sequence[Measured],
    few: Measured,
    figures: Mapping[str, str],
    repeat: str,
) -> ModelCard:
    """The card of a model that comes with hf_gen, by the template of its family.

    Args:
        name: By which it is loaded.
        entry: What the manifest says of it.
        recipe: That trained it.
        measured: Its numbers, each on its own images.
        few: Its numbers on the images that a test measures again.
        figures: Where its figures lie, by their names.
        repeat: The command that measures and draws all this.
    """
    family, minutes = family_of(recipe), entry.get("minutes")
    values = {"recipe": entry["recipe"], **flat(recipe_as_json(recipe))}
    return _card(
        family,
        name,
        values,
        measured,
        few,
        name=name,
        steps=f"{entry['steps']:,}",
        minutes=f"{minutes:,.3g}" if minutes else "",
        device=entry["device"],
        commit=entry["commit"],
        command=entry["command"],
        data_terms=entry["data"],
        figures=figures,
        repeat=repeat,
    )


def _card(
    family: Family,
    model_name: str,
    values: Mapping[str, Any],
    measured: Sequence[Measured],
    few: Measured | None = None,
    subject: str = "faces",
    license: str | None = None,
    datasets: list[str] | None = None,
    widget: list[dict[str, Any]] | None = None,
    **texts: Any,
) -> ModelCard:
    """The card of a family: what the Hub reads, and around it what people read."""
    domains = _domains(values)

    def rows(one: Measured) -> list[tuple[str, str, str]]:
        shown = [(metric_info(key, domains), one.results[key]) for key in _shown(family, one)]
        return [(number.name, formatted(value), number.unit) for number, value in shown]

    every = [*measured, few] if few else measured
    data = ModelCardData(
        model_name=model_name,
        library_name="diffusers",
        pipeline_tag=family.pipeline_tag,
        license=license,
        datasets=datasets,
        tags=["hf_gen", *(["faces", "anime"] if subject == "faces" else [])],
        metrics=sorted({key.rpartition("/")[2] for one in every for key in _shown(family, one)}),
        widget=widget,
        eval_results=[
            EvalResult(
                task_type=family.pipeline_tag,
                dataset_type=one.dataset_type,
                dataset_name=one.dataset.replace("`", ""),
                dataset_split=one.split,
                metric_type=key,
                metric_name=str(metric_info(key, domains)),
                metric_value=one.results[key],
            )
            for one in every
            for key in _shown(family, one)
        ],
    )
    return ModelCard.from_template(
        data,
        template_path=str(TEMPLATES / family.template),
        model_name=model_name,
        subject=subject,
        measured=[{"dataset": m.dataset, "images": m.images, "rows": rows(m)} for m in measured],
        few=few and {"images": few.images, "rows": rows(few)},
        **{key.replace(".", "_"): value for key, value in values.items()},
        **texts,
    )


def _shown(family: Family, measured: Measured) -> list[str]:
    return [key for key in family.numbers if key in measured.results]


def _domains(values: Mapping[str, Any]) -> tuple[str, str]:
    return values.get("domains.domain_a", "a"), values.get("domains.domain_b", "b")


def _gallery(
    run: RunFolder, family: Family, domains: tuple[str, str]
) -> list[dict[str, Any]] | None:
    """What the Hub's <Gallery /> shows of a run; None where there is nothing.

    Source: https://huggingface.co/docs/hub/model-cards-components
    """
    return [
        {"text": caption.format(*domains), "output": {"url": f"figures/{name}.png"}}
        for name, caption in family.gallery
        if (run.figures / f"{name}.png").is_file()
    ] or None


def without_folders(command: str) -> str:
    """The command with each absolute path cut to its name: a card has many readers."""
    words = []
    for word in shlex.split(command):
        flag, equals, value = word.rpartition("=")
        words.append(flag + equals + (Path(value).name if value.startswith("/") else value))
    return shlex.join(words)


def _is_folder(source: str) -> bool:
    """Whether a dataset is a local folder, also one that has gone since: no id looks like that."""
    return source.startswith(("/", ".", "~")) or Path(source).exists()


def _sources(values: dict[str, Any]) -> list[str]:
    """The datasets of a run, of one domain or of two."""
    first = values.get("data.train_data_dir") or values.get("data.dataset_name", "faces")
    second = values.get("domains.train_data_dir_b") or values.get("domains.dataset_name_b")
    return [first] if second in (None, first) else [first, second]

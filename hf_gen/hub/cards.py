"""Model cards of runs and of the bundled models."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from hf_gen.data.batches import ONE_SET
from hf_gen.evaluation.collapse import collapse_along_training
from hf_gen.hub.card_tables import (
    AUTOENCODER_KEYS,
    TRANSLATION_KEYS,
    autoencoder_tables,
    translation_tables,
)
from hf_gen.metrics import FEATURES_NOTE, in_words, metric_info
from hf_gen.runs.folder import RunFolder

TEMPLATES = Path(__file__).with_name("templates")


class Family(NamedTuple):
    """What the cards of one family of models have in common.

    Attributes:
        pipeline_tag: What the Hub calls such a pipeline.
        metrics: The results that the Hub lists; those that a run lacks are left out.
        gallery: The figures that the Hub shows first, each with its caption, in which {0} and {1}
            are the domains; those that a run lacks are left out.
    """

    pipeline_tag: str
    metrics: tuple[str, ...]
    gallery: tuple[tuple[str, str], ...]


AUTOENCODER = Family(
    "unconditional-image-generation",
    AUTOENCODER_KEYS,
    (
        ("samples", "Samples from each prior"),
        ("reconstructions", "Test images and their reconstructions"),
        ("interpolation", "Interpolation between two images"),
    ),
)
TRANSLATION = Family(
    "image-to-image",
    TRANSLATION_KEYS,
    (
        ("a_to_b", "{0} to {1}, and the cycle reconstruction"),
        ("b_to_a", "{1} to {0}, and the cycle reconstruction"),
        ("training", "Translations of the same images during training"),
    ),
)
SYNTHETIC_FACES = "the synthetic faces of hf_gen"


@dataclass(frozen=True)
class Measured:
    """Results of a model on one set of images.

    Attributes:
        dataset: What the images are, for people.
        results: By key; those that the family does not show are ignored.
        dataset_type: The id on the Hub, or a word for what is not on it.
        split: Which of its images.
    """

    dataset: str
    results: Mapping[str, Any]
    dataset_type: str = "faces"
    split: str = "test"


def run_card(run: RunFolder, repo_id: str | None = None, component: str | None = None) -> ModelCard:
    """The card of a run, from its run.json, metrics.jsonl and results.json.

    Args:
        run: A finished run.
        repo_id: The repository that it describes. Default: the card is for the run folder itself.
        component: The only network that is pushed, such as "vae". Default: the pipeline.
    """
    values, last = run.identity(), run.last_line()
    sources = _sources(values)
    is_synthetic = sources == ["faces"]
    ids = [] if is_synthetic else [name for name in sources if not _is_folder(name)]
    names = [name if name in ids else Path(name).name for name in sources]
    dataset = SYNTHETIC_FACES if is_synthetic else " and ".join(f"`{name}`" for name in names)
    kind = "faces" if is_synthetic else "imagefolder"
    is_one_set = any(one.get(ONE_SET) for one in run.record().images or ())
    return model_card(
        run.path.name,
        values,
        [Measured(dataset, run.results(), ids[0] if ids else kind)],
        subject="faces" if is_synthetic else "images",
        license="apache-2.0" if is_synthetic else None,
        datasets=ids or None,
        widget=_gallery(run, values) if repo_id else None,
        load_from=repo_id or str(run.path),
        on_the_hub=repo_id is not None,
        component=component,
        steps=last["step"],
        images_per_step=values["processes"]
        * values["optimisation.train_batch_size"]
        * values["optimisation.gradient_accumulation_steps"],
        epochs=last["epoch"],
        dataset=dataset,
        is_one_set=is_one_set,
        device=run.record().device,
        duration=in_words(run.seconds()),
        command=without_folders(run.record().command),
        figures={path.stem: f"figures/{path.name}" for path in run.figures.glob("*.png")},
        collapse=collapse_along_training(run.metrics(), _domains(values)),
    )


def model_card(
    name: str,
    values: Mapping[str, Any],
    measured: Sequence[Measured],
    subject: str = "faces",
    license: str | None = None,
    datasets: list[str] | None = None,
    widget: list[dict[str, Any]] | None = None,
    **texts: Any,
) -> ModelCard:
    """The metadata that the Hub reads, and the text of the family's models.

    Args:
        name: Of the model.
        values: "recipe" and the flat fields of the recipe.
        measured: Results, each on its own images.
        subject: What the images are, such as faces.
        license: Of the weights.
        datasets: Their ids on the Hub.
        widget: The gallery.
        texts: What else the template shows.
    """
    family, domains = family_of(values), _domains(values)
    shown = [
        (one, key, one.results[key])
        for one in measured
        for key in family.metrics
        if key in one.results
    ]
    data = ModelCardData(
        model_name=name,
        library_name="diffusers",
        pipeline_tag=family.pipeline_tag,
        license=license,
        datasets=datasets,
        tags=["hf_gen", *(["faces", "anime"] if subject == "faces" else [])],
        metrics=sorted({key.rpartition("/")[2] for _, key, _ in shown}),
        widget=widget,
        eval_results=[
            EvalResult(
                task_type=family.pipeline_tag,
                dataset_type=one.dataset_type,
                dataset_name=one.dataset.replace("`", ""),
                dataset_split=one.split,
                metric_type=key,
                metric_name=str(metric_info(key, domains)),
                metric_value=value,
            )
            for one, key, value in shown
        ],
    )

    def described(one: Measured) -> dict[str, Any]:
        is_translation = family is TRANSLATION
        tables = (
            translation_tables(one.results, domains)
            if is_translation
            else autoencoder_tables(one.results)
        )
        return {
            "dataset": one.dataset,
            "images": one.results["images"],
            "tables": [table for table in tables if table.rows],
        }

    return ModelCard.from_template(
        data,
        template_path=str(TEMPLATES / "model.md"),
        is_translation=family is TRANSLATION,
        has_posterior=any("kl" in one.results for one in measured),
        model_name=name,
        subject=subject,
        features_note=FEATURES_NOTE,
        measured=[described(one) for one in measured],
        **{key.replace(".", "_"): value for key, value in values.items()},
        **texts,
    )


def family_of(values: Mapping[str, Any]) -> Family:
    """The family of a model, from the flat fields of its recipe."""
    return TRANSLATION if "domains.domain_a" in values else AUTOENCODER


def _domains(values: Mapping[str, Any]) -> tuple[str, str]:
    return values.get("domains.domain_a", "a"), values.get("domains.domain_b", "b")


def _gallery(run: RunFolder, values: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """What the Hub's <Gallery /> shows of a run; None if it has no figures.

    Source: https://huggingface.co/docs/hub/model-cards-components
    """
    return [
        {"text": caption.format(*_domains(values)), "output": {"url": f"figures/{name}.png"}}
        for name, caption in family_of(values).gallery
        if (run.figures / f"{name}.png").is_file()
    ] or None


def without_folders(command: str) -> str:
    """The command with each absolute path cut to its name."""
    words = []
    for word in shlex.split(command):
        flag, equals, value = word.rpartition("=")
        words.append(flag + equals + (Path(value).name if value.startswith("/") else value))
    return shlex.join(words)


def _is_folder(source: str) -> bool:
    """Whether a dataset is a local folder, even a deleted one: no id looks like that."""
    return source.startswith(("/", ".", "~")) or Path(source).exists()


def _sources(values: dict[str, Any]) -> list[str]:
    """The datasets of a run, of one domain or of two."""
    found: list[str] = []
    for named in (
        values.get("data.train_data_dir") or values.get("data.dataset_name", "faces"),
        values.get("domains.train_data_dir_b") or values.get("domains.dataset_name_b") or [],
    ):
        found += [named] if isinstance(named, str) else named
    return list(dict.fromkeys(found))

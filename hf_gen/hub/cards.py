"""Model cards: what a run measured about itself, as the Hub shows it."""

import shlex
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from hf_gen.config import CycleGANRecipe, Recipe
from hf_gen.numbers import described, formatted
from hf_gen.runs import RunFolder

TEMPLATES = Path(__file__).parents[2] / "model_cards"


class Family(NamedTuple):
    """What the cards of one family of models have in common.

    Attributes:
        template: The file in model_cards/.
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
        *("perceptual", "active_units", "samples/standard/kid", "samples/gaussian/kid"),
    ),
    (
        ("samples", "Samples from each prior"),
        ("reconstructions", "Held-out faces and their reconstructions"),
        ("interpolation", "From one face to another"),
    ),
)
TRANSLATION = Family(
    "cyclegan.md",
    "image-to-image",
    tuple(
        f"{direction}/{name}"
        for direction in ("a_to_b", "b_to_a")
        for name in ("kid", "diversity", "coverage", "nearest_translation_share", "cycle")
    ),
    (
        ("a_to_b", "From {0} to {1} and back"),
        ("b_to_a", "From {1} to {0} and back"),
        ("training", "The same faces through the training"),
    ),
)
_DRAWN_TERMS = (
    "The data is drawn by code under the Apache-2.0 license; no photograph or artwork is in it."
)
_OTHER_TERMS = "The terms of the data are those of its source; none of it is included here."


def family_of(recipe: Recipe) -> Family:
    """The family of a recipe's model."""
    return TRANSLATION if isinstance(recipe, CycleGANRecipe) else AUTOENCODER


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
    values, results, last = run.identity(), run.results(), run.last_line()
    domains = (values.get("domains.domain_a", "a"), values.get("domains.domain_b", "b"))
    shown = {key: described(key, domains) for key in family.numbers if key in results}
    sources = _sources(values)
    drawn = sources == ["faces"]
    on_the_hub = [] if drawn else [name for name in sources if not _is_folder(name)]
    names = [name if name in on_the_hub else Path(name).name for name in sources]
    dataset = "the faces that hf_gen draws" if drawn else " and ".join(f"`{n}`" for n in names)
    data = ModelCardData(
        model_name=run.path.name,
        library_name="diffusers",
        pipeline_tag=family.pipeline_tag,
        license="apache-2.0" if drawn else None,
        datasets=on_the_hub or None,
        tags=["hf_gen", "faces", "anime"],
        metrics=sorted({key.rpartition("/")[2] for key in shown}),
        widget=_gallery(run, family, domains) if repo_id else None,
        eval_results=[
            EvalResult(
                task_type=family.pipeline_tag,
                dataset_type=on_the_hub[0] if on_the_hub else "faces",
                dataset_name=dataset.replace("`", ""),
                dataset_split="held out",
                metric_type=key,
                metric_name=number.name,
                metric_value=results[key],
            )
            for key, number in shown.items()
        ],
    )
    return ModelCard.from_template(
        data,
        template_path=str(TEMPLATES / family.template),
        model_name=run.path.name,
        name=repo_id or str(run.path),
        on_the_hub=repo_id is not None,
        component=component,
        steps=f"{last['step']:,}",
        epochs=f"{last['epoch']:.4g}",
        dataset=dataset,
        data_terms=_DRAWN_TERMS if drawn else _OTHER_TERMS,
        device=run.device(),
        minutes=f"{run.seconds() / 60:,.3g}" if run.seconds() else "",
        command=without_folders(run.command()),
        images=f"{results['images']:,}",
        results=[
            (number.name, formatted(results[key]), number.unit) for key, number in shown.items()
        ],
        **{key.replace(".", "_"): value for key, value in values.items()},
    )


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

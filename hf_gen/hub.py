"""Model cards: what a run measured about itself, as the Hub shows it."""

from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from hf_gen.atomic import write_whole_text
from hf_gen.numbers import described, formatted
from hf_gen.runs import RunFolder

VAE_NUMBERS = (
    *("negative_elbo", "reconstruction", "kl", "importance_weighted_nll", "psnr", "ssim"),
    *("perceptual", "active_units", "samples/standard/kid", "samples/gaussian/kid"),
)
TRANSLATION_NUMBERS = tuple(
    f"{direction}/{name}"
    for direction in ("a_to_b", "b_to_a")
    for name in ("kid", "diversity", "coverage", "nearest_translation_share", "cycle")
)
_DRAWN_TERMS = (
    "The data is drawn by code under the Apache-2.0 license; no photograph or artwork is in it."
)
_OTHER_TERMS = "The terms of the data are those of its source; none of it is included here."


def write_card(
    run: RunFolder,
    template: Path,
    pipeline_tag: str,
    numbers: tuple[str, ...],
) -> None:
    """Writes the run's README.md from its run.json, metrics.jsonl and results.json.

    Args:
        run: A finished run.
        template: The Jinja template of the card; it also gets every field of the recipe.
        pipeline_tag: What the Hub calls such a pipeline.
        numbers: The results to show; those that the run does not have are left out.
    """
    values, results, last = run.identity(), run.results(), run.metrics()[-1]
    domains = (values.get("domains.domain_a", "a"), values.get("domains.domain_b", "b"))
    shown = {key: described(key, domains) for key in numbers if key in results}
    sources = _sources(values)
    drawn = sources == ["faces"]
    on_the_hub = [] if drawn else [name for name in sources if not Path(name).exists()]
    dataset = "the faces that hf_gen draws" if drawn else " and ".join(f"`{s}`" for s in sources)
    data = ModelCardData(
        model_name=run.path.name,
        library_name="diffusers",
        pipeline_tag=pipeline_tag,
        license="apache-2.0" if drawn else None,
        datasets=on_the_hub or None,
        tags=["hf_gen", "faces", "anime"],
        metrics=sorted({key.rpartition("/")[2] for key in shown}),
        eval_results=[
            EvalResult(
                task_type=pipeline_tag,
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
    card = ModelCard.from_template(
        data,
        template_path=str(template),
        model_name=run.path.name,
        folder=run.path,
        steps=f"{last['step']:,}",
        epochs=f"{last['epoch']:.4g}",
        dataset=dataset,
        data_terms=_DRAWN_TERMS if drawn else _OTHER_TERMS,
        device=f"on {run.device()}",
        command=run.command(),
        images=f"{results['images']:,}",
        results=[
            (number.name, formatted(results[key]), number.unit) for key, number in shown.items()
        ],
        **{key.replace(".", "_"): value for key, value in values.items()},
    )
    write_whole_text(run.path / "README.md", str(card))


def _sources(values: dict[str, Any]) -> list[str]:
    """The datasets of a run, of one domain or of two."""
    first = values["data.train_data_dir"] or values["data.dataset_name"]
    second = values.get("domains.train_data_dir_b") or values.get("domains.dataset_name_b")
    return [first] if second in (None, first) else [first, second]

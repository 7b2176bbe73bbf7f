"""Model cards: what a run measured about itself, as the Hub shows it."""

from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from hf_gen.atomic import write_whole_text
from hf_gen.runs import RunFolder

_SHOWN = {
    "negative_elbo": ("negative ELBO", "nats per image"),
    "reconstruction": ("reconstruction term", "nats per image"),
    "kl": ("KL term", "nats per image"),
    "psnr": ("PSNR", "dB"),
    "ssim": ("SSIM", "1 at most"),
}
_DRAWN_TERMS = (
    "The data is drawn by code under the Apache-2.0 license; no photograph or artwork is in it."
)
_OTHER_TERMS = "The terms of the data are those of its source; none of it is included here."


def write_vae_card(run: RunFolder, template: Path, device: str) -> None:
    """Writes the run's README.md from its run.json, metrics.jsonl and results.json.

    Args:
        run: A finished run.
        template: The Jinja template of the card.
        device: What it was trained on.
    """
    values, results, last = run.identity(), run.results(), run.metrics()[-1]
    drawn = values["data.train_data_dir"] is None and values["data.dataset_name"] == "faces"
    source = values["data.train_data_dir"] or values["data.dataset_name"]
    dataset = "the faces that hf_gen draws" if drawn else f"`{source}`"
    local = not drawn and Path(source).exists()
    metrics = [
        EvalResult(
            task_type="unconditional-image-generation",
            dataset_type="faces" if drawn or local else source,
            dataset_name=dataset.strip("`"),
            dataset_split="held out",
            metric_type=key,
            metric_name=name,
            metric_value=results[key],
        )
        for key, (name, _) in _SHOWN.items()
    ]
    data = ModelCardData(
        model_name=run.path.name,
        library_name="diffusers",
        pipeline_tag="unconditional-image-generation",
        license="apache-2.0" if drawn else None,
        datasets=None if drawn or local else [source],
        tags=["hf_gen", "vae", "faces"],
        metrics=list(_SHOWN),
        eval_results=metrics,
    )
    card = ModelCard.from_template(
        data,
        template_path=str(template),
        model_name=run.path.name,
        recipe=values["recipe"],
        resolution=values["data.resolution"],
        folder=run.path,
        steps=f"{last['step']:,}",
        epochs=f"{last['epoch']:.4g}",
        dataset=dataset,
        data_terms=_DRAWN_TERMS if drawn else _OTHER_TERMS,
        device=device,
        command=run.command(),
        images=f"{results['images']:,}",
        kl_weight=values["objective.kl_weight"],
        results=[(name, f"{results[key]:,.4g}", unit) for key, (name, unit) in _SHOWN.items()],
    )
    write_whole_text(run.path / "README.md", str(card))

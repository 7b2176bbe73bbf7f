"""One network at every KL weight, in numbers and in pictures, beside those trained with one weight.

Source: Bae et al., Multi-Rate VAE, 2022, figure 1.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hf_gen.config import AnyKLVAEConfig, ConvVAEConfig
from hf_gen.evaluation.any_kl import fixed_pipeline
from hf_gen.metrics import PER_KL_WEIGHT, formatted, metric_info
from hf_gen.report.document import table
from hf_gen.report.kl_term import kl_term
from hf_gen.report.run import EvaluatedRun, likelihood_of
from hf_gen.report.style import charts, legend_below, legend_height, look, save

_PANELS = {
    "psnr": "psnr",
    "active_units": "active_units",
    "frechet_distance": "samples/frechet_distance",
}
"""What is drawn along the weights: a name of `evaluate_kl_weights`, and the key of one network."""
_COLUMNS = {"kl": "kl", "reconstruction": "reconstruction"} | _PANELS


def draw_any_kl_figures(run: EvaluatedRun, folder: Path) -> None:
    """Writes kl_weights, the curves of a run, and kl_term, its images at three weights.

    Args:
        run: Of an `AnyKLVAE`.
        folder: Of the figures.

    Raises:
        UserError: If the disk cannot be written.
    """
    config = run.pipeline.vae.config
    weights = dict.fromkeys((config.min_kl_weight, 1.0, config.max_kl_weight))
    fixed = [
        # Results are of weight 1.
        replace(
            run, name=f"KL x{weight:g}", pipeline=fixed_pipeline(run.pipeline, weight), results={}
        )
        for weight in weights
    ]
    save(folder / "kl_weights.png", lambda: along_kl_weights(run))
    save(folder / "kl_term.png", lambda: kl_term(fixed))


def separately_trained(run: EvaluatedRun, runs: Sequence[EvaluatedRun]) -> list[EvaluatedRun]:
    """The runs with the layers and likelihood of an any-KL one, each trained with one weight."""
    model = run.recipe.model
    if not isinstance(model, AnyKLVAEConfig):
        return []
    shared = (model.filters, model.kernel_sizes, model.strides, model.latent_channels)
    of_one_weight = ConvVAEConfig(*shared[:3], "stride", shared[3])
    return [
        other
        for other in runs
        if other.recipe.model == of_one_weight and likelihood_of(other) == likelihood_of(run)
    ]


def along_kl_weights(run: EvaluatedRun, others: Sequence[EvaluatedRun] = ()) -> Figure:
    """The rate-distortion curve of one network, and its numbers along the KL weight.

    Args:
        run: With the results of `evaluate_kl_weights`.
        others: Each trained with one weight, as points; one without a KL term has no place on the
            axis of weights.
    """
    results, names = run.results, [run.name, *(other.name for other in others)]
    shown = {key: name for key, name in _PANELS.items() if f"{key}{PER_KL_WEIGHT}" in results}
    figure, (curve, *panels) = charts(
        "One network for every KL weight", 2, 2, 6.4 + legend_height(names)
    )
    rates = [other.results["kl"] for other in others]
    _draw(curve, run, results[f"kl{PER_KL_WEIGHT}"], "reconstruction", others, rates)
    curve.set_xscale("symlog", linthresh=1.0, linscale=0.5)
    curve.xaxis.set_major_formatter("{x:,g}")
    curve.set(xlim=(0, None), title="Rate against distortion")
    curve.set(xlabel="KL term, nats per image, log scale", ylabel="reconstruction term, nats")
    weights = [other.kl_weight or None for other in others]
    for axes, (key, name) in zip(panels, shown.items(), strict=False):
        metric = metric_info(name)
        _draw(axes, run, results["kl_weights"], key, others, weights)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set(title=metric.name, xlabel="KL weight, log scale", ylabel=metric.unit)
    for axes in panels[len(shown) :]:
        axes.remove()
    legend_below(figure, *curve.get_legend_handles_labels())
    return figure


def _draw(
    axes: Axes,
    run: EvaluatedRun,
    places: Sequence[float],
    key: str,
    others: Sequence[EvaluatedRun],
    other_places: Sequence[float | None],
) -> None:
    """A line of one run, and points of the others that have a place and the number."""
    axes.plot(places, run.results[f"{key}{PER_KL_WEIGHT}"], label=run.name, **look(0))
    for number, (other, place) in enumerate(zip(others, other_places, strict=True), start=1):
        value = other.results.get(_COLUMNS[key])
        if place is not None and value is not None:
            style = look(number) | {"linestyle": "", "markersize": 7}
            axes.plot([place], [value], label=other.name, **style)


def kl_weight_table(run: EvaluatedRun) -> str:
    """The numbers of `along_kl_weights`, a row for each weight."""
    keys = [key for key in _COLUMNS if f"{key}{PER_KL_WEIGHT}" in run.results]
    columns = [
        run.results[name] for name in ("kl_weights", *(f"{key}{PER_KL_WEIGHT}" for key in keys))
    ]
    rows = [[formatted(value) for value in row] for row in zip(*columns, strict=True)]
    return table(["KL weight", *(metric_info(_COLUMNS[key]).heading for key in keys)], rows)

"""One network along the KL weight, beside networks that were trained with one weight."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from hf_gen.metrics import PER_KL_WEIGHT
from hf_gen.models.any_kl_vae import AnyKLVAE
from hf_gen.pipelines import VAEPipeline
from hf_gen.recipes import RECIPES
from hf_gen.report.any_kl import (
    along_kl_weights,
    kl_weight_table,
    separately_trained,
)
from hf_gen.report.curves import ELBO, learning_curves
from hf_gen.report.run import EvaluatedRun
from tests.report.figures import rendered, texts

Make = Callable[..., EvaluatedRun]
WEIGHTS = [0.01, 1.0, 100.0]
ALONG = {
    "kl": [90.0, 30.0, 2.0],
    "reconstruction": [1600.0, 1620.0, 1800.0],
    "psnr": [20.0, 19.0, 14.0],
    "active_units": [50, 40, 3],
    "frechet_distance": [0.5, 0.4, 0.9],
}


def any_kl_run(vae_run: Make, *without: str) -> EvaluatedRun:
    made = vae_run("any")
    torch.manual_seed(0)
    vae = AnyKLVAE(16, filters=(6, 4), latent_channels=5).eval()
    along = {
        f"{name}{PER_KL_WEIGHT}": values for name, values in ALONG.items() if name not in without
    }
    return replace(
        made,
        recipe=RECIPES["conv-vae-any-kl"][1],
        pipeline=VAEPipeline(vae, resolution=16),
        results={"kl_weights": WEIGHTS, **along},
    )


def of_one_weight(vae_run: Make, kl_weight: float, **results: Any) -> EvaluatedRun:
    recipe = RECIPES["conv-vae"][1]
    recipe = replace(recipe, objective=replace(recipe.objective, kl_weight=kl_weight))
    return replace(vae_run(f"x{kl_weight:g}", results=results), recipe=recipe)


def test_a_curve_of_one_network_and_points_of_others(vae_run: Make) -> None:
    found = {"reconstruction": 1610.0, "psnr": 19.2, "active_units": 41}
    others = [
        of_one_weight(vae_run, 0.0, kl=600.0, **found),
        of_one_weight(vae_run, 1.0, kl=31.0, **found, **{"samples/frechet_distance": 0.45}),
    ]
    figure = along_kl_weights(any_kl_run(vae_run), others)
    rendered(figure)
    curves = [[line.get_xydata().tolist() for line in axes.lines] for axes in figure.axes]
    rate = [*map(list, zip(ALONG["kl"], ALONG["reconstruction"], strict=True))]
    along = [
        [*map(list, zip(WEIGHTS, ALONG[name], strict=True))]
        for name in ("psnr", "active_units", "frechet_distance")
    ]
    assert curves == [
        [rate, [[600.0, 1610.0]], [[31.0, 1610.0]]],
        [along[0], [[1.0, 19.2]]],  # no KL term: no place on a log axis
        [along[1], [[1.0, 41.0]]],
        [along[2], [[1.0, 0.45]]],
    ]
    colours = [[line.get_color() for line in axes.lines] for axes in figure.axes]
    assert colours[1] == [colours[0][0], colours[0][2]]
    assert {"any", "x0", "x1", "Rate against distortion"} <= {*texts(figure)}


def test_without_samples_there_is_no_panel_of_them(vae_run: Make) -> None:
    run = any_kl_run(vae_run, "frechet_distance")
    figure = along_kl_weights(run)
    rendered(figure)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        *("Rate against distortion", "PSNR", "active units")
    ]
    head, _, first, *rows = kl_weight_table(run).splitlines()
    assert head.startswith("| KL weight | KL term (nats per image) |")
    assert first == "| 0.01 | 90 | 1,600 | 20 | 50 |"
    assert len(rows) == 2


def test_runs_of_the_same_layers_are_beside_it(vae_run: Make) -> None:
    run, same = any_kl_run(vae_run), of_one_weight(vae_run, 1.0)
    pooled = replace(same, recipe=RECIPES["conv-vae-maxpool"][1])
    dense = replace(same, recipe=RECIPES["dense-vae-z5"][1])
    objective = replace(same.recipe.objective, likelihood="laplace")
    laplace = replace(same, recipe=replace(same.recipe, objective=objective))
    assert separately_trained(run, [run, same, pooled, dense, laplace]) == [same]
    assert separately_trained(same, [run, same]) == []


def test_its_learning_curve_names_the_weight_and_needs_no_training_terms(vae_run: Make) -> None:
    run = any_kl_run(vae_run)
    validated = [
        {key: value for key, value in line.items() if not key.startswith("train/")}
        for line in run.metrics
    ]
    figure = learning_curves([replace(run, metrics=validated), vae_run("plain")], ELBO)
    rendered(figure)
    assert {"any at KL weight 1", "plain"} <= {*texts(figure)}
    assert len(learning_curves([replace(run, metrics=validated)], ELBO).axes) == 3

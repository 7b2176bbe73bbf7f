"""Findings follow from the metrics, and change when the metrics do."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from hf_gen.config import DenseVAEConfig, Objective
from hf_gen.data.pixels import Pixels
from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.vae import DenseVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline
from hf_gen.recipes import CONV_VAE, CYCLEGAN_LAMBDA10
from hf_gen.report import findings
from hf_gen.report.run import EvaluatedRun

PIXELS = Pixels(torch.zeros(1, 192, dtype=torch.uint8), torch.arange(1), 8)
PIPELINE = VAEPipeline(DenseVAE(8, hidden=(2,), latent_channels=1), resolution=8)


def run(
    name: str, recipe: Any = CONV_VAE, metrics: Any = (), pipeline: Any = PIPELINE, **results: float
) -> EvaluatedRun:
    numbers = {key.replace("__", "/"): value for key, value in results.items()}
    return EvaluatedRun(name, recipe, list(metrics), numbers, pipeline, (PIXELS,))


def weighted(name: str, kl_weight: float, **results: float) -> EvaluatedRun:
    return run(name, replace(CONV_VAE, objective=Objective(kl_weight=kl_weight)), **results)


def test_ranking_knows_which_way_is_better() -> None:
    runs = [run("one", psnr=18.0, perceptual=0.5), run("two", psnr=20.0, perceptual=0.6)]
    assert "**two** is best with 20, and **one** worst with 18" in str(
        findings.ranking(runs, "psnr")
    )
    assert "**one** is best with 0.5" in str(findings.ranking(runs, "perceptual"))
    assert findings.ranking([*runs, run("three")], "ssim") == []
    near = [run("one", psnr=18.0), run("two", psnr=18.1)]
    assert "are within 1%: 18.1 to 18" in str(findings.ranking(near, "psnr"))


def test_kl_term_says_all_alike_only_where_the_numbers_do() -> None:
    same = {"latents": 50, "kl": 1.0, "samples__standard__frechet_distance": 9.0}
    alike = weighted(
        "x100",
        100,
        psnr=12.5,
        active_units=0,
        mutual_information=0.1,
        samples__standard__diversity=0.16,
        **same,
    )
    other = weighted(
        "x0", 0, psnr=18.8, active_units=50, mutual_information=7.5,
        samples__standard__diversity=0.6,
        **same | {"samples__standard__frechet_distance": 30.0},
    )  # fmt: skip
    texts = findings.kl_weights([other, alike])
    assert "all outputs are alike" in texts[1]
    assert "**KL x100** (x100): 0 of 50 latents are active" in texts[1]
    assert "alike" not in texts[0]
    assert "closest reconstructions are those of KL x0, with 18.8 dB" in texts[2]
    assert "closest to real images at KL x100" in texts[3]
    assert "farthest from them at KL x0" in texts[3]
    telling = replace(alike, results=alike.results | {"mutual_information": 2.0})
    assert "alike" not in findings.kl_weights([other, telling])[1]


def test_latents_are_compared_from_few_to_many() -> None:
    def dense(count: int, psnr: float) -> EvaluatedRun:
        model = DenseVAEConfig(hidden=(512, 256), latent_channels=count)
        return run(f"z{count}", replace(CONV_VAE, model=model), psnr=psnr)

    (text,) = findings.latent_counts([dense(10, 15.0), dense(5, 14.0)])
    assert text == "With 5 latents and with 10 latents: PSNR 14 and 15 (dB)."


def test_information_at_its_limit_is_named() -> None:
    pixels = Pixels(torch.zeros(100, 192, dtype=torch.uint8), torch.arange(100), 8)
    full = replace(run("full", mutual_information=4.59), test=(pixels,))
    less = replace(run("less", mutual_information=3.0), test=(pixels,))
    (text,) = findings.saturated_information([full, less])
    assert text.startswith("The mutual information of **full** is at the limit")
    assert "(4.605 nats)" in text
    assert findings.saturated_information([less]) == []


@pytest.mark.parametrize(
    ("distances", "sentence"),
    [
        (
            {"standard": 9.0, "gaussian": 3.0, "mixture": 4.0},
            "**one** samples best from the fitted Gaussian prior: Frechet distance (Lite2) 3 "
            "(mixture 4, standard normal 9).",
        ),
        (
            {"standard": 4.0, "gaussian": 4.01, "mixture": 3.99},
            "**one** samples equally well from every prior: Frechet distances (Lite2) 3.99 "
            "to 4.01.",
        ),
    ],
)
def test_the_best_prior_is_the_nearest_unless_all_are_close(
    distances: dict[str, float], sentence: str
) -> None:
    numbers = {f"samples__{name}__frechet_distance": value for name, value in distances.items()}
    assert findings.best_priors([run("one", **numbers), run("none")]) == [sentence]


def test_collapse_names_the_epochs() -> None:
    lines = [
        {
            "epoch": epoch,
            "validation/a_to_b/mode_collapse": float(epoch == 2.5),
            "validation/b_to_a/mode_collapse": 0.0,
        }
        for epoch in (1.0, 2.5)
    ]
    numbers = {"diversity": 0.8, "near_duplicates": 0.25}
    results = {
        f"{way}__{key}": value for way in ("a_to_b", "b_to_a") for key, value in numbers.items()
    }
    network = ResnetGenerator(8, channels=2, num_downsamples=1, num_residual_blocks=1)
    translation = TranslationPipeline(network, network, 8, domain_a="anime", domain_b="cartoon")
    gan = run("gan", CYCLEGAN_LAMBDA10, lines, translation, **results)
    forward, backward = findings.mode_collapse(gan)
    assert (
        "anime to cartoon: mode collapse was detected at 1 of 2 evaluations (epochs 2.5)" in forward
    )
    assert "25% of the translations" in forward
    assert "cartoon to anime: mode collapse was detected at none of 2 evaluations;" in backward


def test_a_collapsed_posterior_is_named() -> None:
    runs = [run("no posterior", psnr=20.0)]
    for active in (0, 12):
        runs.append(run("vae", active_units=active, latents=50, mutual_information=1.2499))
    collapsed, healthy = findings.posteriors(runs)
    information = "the mutual information of latent and image is 1.25 nats."
    dimensions = "of 50 latent dimensions are active"
    assert collapsed == f"**vae**: 0 {dimensions}: the posterior has collapsed; {information}"
    assert healthy == f"**vae**: 12 {dimensions}; {information}"

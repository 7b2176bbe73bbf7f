"""Sentences follow from the numbers, and change when the numbers do."""

from dataclasses import replace
from typing import Any

import torch

from hf_gen.config import CycleGANRecipe, DenseVAEConfig, Objective, VAERecipe
from hf_gen.data.pixels import Pixels
from hf_gen.models.vae import DenseVAE
from hf_gen.pipelines import VAEPipeline
from hf_gen.report.comparison import Shown
from hf_gen.report.sentences import (
    best_priors,
    collapse,
    kl_term,
    latents,
    limited_information,
    ranking,
    verdicts,
)

RECIPE = VAERecipe()
PIXELS = Pixels(torch.zeros(1, 192, dtype=torch.uint8), torch.arange(1), 8)
PIPELINE = VAEPipeline(DenseVAE(8, hidden=(2,), latent_channels=1), resolution=8)


def run(name: str, recipe: Any = RECIPE, metrics: Any = (), **results: float) -> Shown:
    numbers = {key.replace("__", "/"): value for key, value in results.items()}
    return Shown(name, recipe, list(metrics), numbers, PIPELINE, (PIXELS,))


def weighted(name: str, kl_weight: float, **results: float) -> Shown:
    return run(name, VAERecipe(objective=Objective(kl_weight=kl_weight)), **results)


def test_ranking_knows_which_way_is_better() -> None:
    runs = [run("one", psnr=18.0, perceptual=0.5), run("two", psnr=20.0, perceptual=0.6)]
    assert "**two** is best with 20, and **one** worst with 18" in str(ranking(runs, "psnr"))
    assert "**one** is best with 0.5" in str(ranking(runs, "perceptual"))
    assert ranking([*runs, run("three")], "ssim") is None
    near = [run("one", psnr=18.0), run("two", psnr=18.1)]
    assert "lie within 1%: 18.1 to 18" in str(ranking(near, "psnr"))


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
    texts = kl_term([other, alike])
    assert "all outputs are alike" in texts[1]
    assert "**KL x100** (x100): 0 of 50 latents are active" in texts[1]
    assert "alike" not in texts[0]
    assert "closest reconstructions are those of KL x0, with 18.8 dB" in texts[2]
    assert "closest to real images at KL x100" in texts[3]
    assert "farthest from them at KL x0" in texts[3]
    telling = replace(alike, results=alike.results | {"mutual_information": 2.0})
    assert "alike" not in kl_term([other, telling])[1]


def test_latents_are_compared_from_few_to_many() -> None:
    def dense(count: int, psnr: float) -> Shown:
        return run(f"z{count}", VAERecipe(model=DenseVAEConfig(latent_channels=count)), psnr=psnr)

    (text,) = latents([dense(10, 15.0), dense(5, 14.0)])
    assert text == "With 5 latents and with 10 latents: PSNR 14 and 15 (dB)."


def test_information_at_its_limit_is_named() -> None:
    pixels = Pixels(torch.zeros(100, 192, dtype=torch.uint8), torch.arange(100), 8)
    full = replace(run("full", mutual_information=4.59), held_out=(pixels,))
    less = replace(run("less", mutual_information=3.0), held_out=(pixels,))
    (text,) = limited_information([full, less])
    assert text.startswith("The mutual information of **full** is at the limit")
    assert "(4.605 nats)" in text
    assert limited_information([less]) == []


def test_best_prior_is_the_nearest() -> None:
    distances = {"standard": 9.0, "gaussian": 3.0, "mixture": 4.0}
    numbers = {f"samples__{name}__frechet_distance": value for name, value in distances.items()}
    (text,) = best_priors([run("one", **numbers), run("none")])
    assert (
        "from the fitted Gaussian prior: Frechet distance 3 (mixture 4, standard normal 9)" in text
    )


def test_priors_that_differ_little_are_said_to() -> None:
    distances = {"standard": 4.0, "gaussian": 4.01, "mixture": 3.99}
    numbers = {f"samples__{name}__frechet_distance": value for name, value in distances.items()}
    (text,) = best_priors([run("one", **numbers)])
    assert text == "**one** samples equally well from every prior: Frechet distances 3.99 to 4.01."


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
    there, back = collapse(run("gan", CycleGANRecipe(), lines, **results))
    assert (
        "anime to cartoon: mode collapse was detected at 1 of 2 evaluations (epochs 2.5)" in there
    )
    assert "25% of the translations" in there
    assert "cartoon to anime: mode collapse was detected at none of 2 evaluations;" in back


def test_verdicts_need_a_posterior() -> None:
    assert verdicts([run("tiny", psnr=20.0)]) == []
    (text,) = verdicts([run("vae", active_units=0, latents=50, mutual_information=0.1)])
    assert text.startswith("**vae**: 0 of 50 latent dimensions are active")

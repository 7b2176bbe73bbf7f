"""The figures of autoencoders show what they say, of one run and of several."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hf_gen.pipelines import VAEPipeline
from hf_gen.report import draw_vae_figures, vae
from hf_gen.report.run import EvaluatedRun
from tests.pipelines.saved import tiny
from tests.report.figures import drawn_twice, enlarged, image_rows, texts

Make = Callable[..., EvaluatedRun]
FIGURES = {
    "frozen_dims",
    "interpolation",
    "learning_curve",
    "reconstructions",
    "samples",
    "traversal",
}
SCORES = {"samples/standard/frechet_distance": 50.0, "samples/standard/kernel_distance": 1.5}


def test_all_figures_are_written_in_both_themes_and_are_deterministic(
    tmp_path: Path, vae_run: Make
) -> None:
    run = vae_run(results={"kl_per_dimension": [0.1, 2.0, 0.3, 1.0, 0.0, 0.5]}, has_prior=True)
    assert drawn_twice(draw_vae_figures, run, tmp_path) == FIGURES


def test_one_test_image_is_enough(tmp_path: Path, vae_run: Make) -> None:
    draw_vae_figures(vae_run(images=1), tmp_path)
    assert len(list(tmp_path.glob("*.png"))) == 2 * len(FIGURES)


def test_a_latent_map_has_no_traversal(tmp_path: Path, vae_run: Make) -> None:
    run = vae_run(images=3)
    draw_vae_figures(replace(run, pipeline=VAEPipeline(tiny(), resolution=16)), tmp_path)
    assert {path.stem for path in tmp_path.glob("*.png") if "-dark" not in path.stem} == FIGURES - {
        "traversal"
    }


def test_reconstructions_are_below_the_same_real_images(vae_run: Make) -> None:
    runs = [vae_run("one"), vae_run("two", results={}, latents=3)]
    figure = vae.reconstructions(runs, 12)
    rows = image_rows(figure)
    real = runs[0].images(12)
    made = [run.pipeline.reconstruct(real, output_type="pt") for run in runs]
    for row, images in zip(rows, (real, *made), strict=False):
        assert np.array_equal(row, enlarged(images[:10]))
    for row, images in zip(rows[3:], (real, *made), strict=True):
        assert np.array_equal(row, enlarged(images[10:]))
    assert texts(figure).count("PSNR 18.0 dB") == 1


def test_samples_of_every_run_and_prior_start_from_one_seed(vae_run: Make) -> None:
    fitted = vae_run("fitted", has_prior=True, results=SCORES)
    figure = vae.samples([fitted, vae_run("plain")], ("standard", "mixture"), 12, seed=3)
    rows, shown = image_rows(figure), texts(figure)
    assert len(rows) == 6
    for row, prior in zip(rows[::2], ("standard", "mixture"), strict=False):
        made = fitted.pipeline.sample(12, torch.Generator().manual_seed(3), "pt", prior)
        assert np.array_equal(row, enlarged(made[:10]))
    assert "Fréchet distance (Lite2) 50" in " ".join(shown)
    labels = " ".join(text for text in shown if not text.startswith("Fréchet"))
    assert labels.count("fitted, standard") == labels.count("fitted, mixture") == 2
    assert labels.count("plain, standard") == 2
    assert "plain, mixture" not in labels


def test_samples_are_of_the_default_prior_unless_others_are_named(vae_run: Make) -> None:
    run = vae_run("fitted", has_prior=True, results={"samples/frechet_distance": 25.0})
    figure = vae.samples([run], count=12, seed=3)
    made = run.pipeline.sample(12, torch.Generator().manual_seed(3), "pt")
    assert np.array_equal(image_rows(figure)[0], enlarged(made[:10]))
    assert "Fréchet distance (Lite2) 25" in " ".join(texts(figure))


@pytest.mark.parametrize(("runs", "pairs"), [(1, 4), (3, 2)])
def test_every_run_interpolates_the_same_pairs_with_both_methods(
    vae_run: Make, runs: int, pairs: int
) -> None:
    made = [vae_run(f"run-{number}") for number in range(runs)]
    figure = vae.interpolations(made, pairs)
    rows = image_rows(figure)
    assert len(rows) == 2 * runs * pairs
    assert sum("spherical" in text for text in texts(figure)) == runs * pairs
    first, second = vae.image_pairs(made[0], 1)[0]
    expected = made[0].pipeline.interpolate(first, second, 8, "spherical", output_type="pt")
    assert np.array_equal(rows[runs], enlarged(torch.cat((first, expected, second))))


@pytest.mark.parametrize(
    ("latents", "frozen"), [(5, [2, 3, 4]), (10, [0, 2, 4]), (3, [0, 2]), (2, [0])]
)
def test_frozen_dimensions_are_those_of_the_course_report(
    vae_run: Make, latents: int, frozen: list[int]
) -> None:
    run = vae_run(latents=latents)
    figure = vae.frozen_interpolations(run)
    rows = image_rows(figure)
    names = ", ".join(map(str, frozen))
    labels = ["all dimensions", f"{names} frozen"]
    assert [text for text in texts(figure) if text in labels] == labels * 3
    others = [dimension for dimension in range(latents) if dimension not in frozen]
    first, second = vae.image_pairs(run, 1)[0]
    for row, still in zip(rows[1:3], (frozen, others), strict=True):
        expected = vae.walk(run, first, second, frozen=still)
        assert np.array_equal(row, enlarged(expected))


@pytest.mark.parametrize(
    ("latents", "kl", "order"),
    [(4, [0.1, 2.0, 0.0, 0.7], [1, 3, 0, 2]), (60, [], list(range(50)))],
)
def test_the_most_informative_dimensions_are_traversed_first(
    vae_run: Make, latents: int, kl: list[float], order: list[int]
) -> None:
    run = vae_run(latents=latents, results={"kl_per_dimension": kl})
    figure = vae.traversal(run)
    shown = texts(figure)
    dimensions = [text for text in shown if text.startswith("dimension ")]
    assert dimensions == [f"dimension {place}" for place in order]
    nats = [text for text in shown if text.endswith(" nats")]
    assert nats == [f"{kl[place]:.2f} nats" for place in order if kl]
    cell = 128 if latents == 4 else 64
    made = run.pipeline.traverse(run.images(1), order[1:2], span=3, steps=7, output_type="pt")[0]
    assert np.array_equal(image_rows(figure, cell)[1], enlarged(made, cell))

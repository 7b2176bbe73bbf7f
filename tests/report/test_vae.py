"""Every figure of an autoencoder's run is drawn, and shows what it says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from PIL import Image

from hf_gen.data.pixels import Pixels
from hf_gen.images import to_pixels
from hf_gen.pipelines import VAEPipeline
from hf_gen.report import draw_vae_figures
from hf_gen.report.vae import held_walks, pairs, sample_rows, traversal
from hf_gen.runs.folder import RunFolder

FIGURES = ["held", "interpolation", "learning_curve", "reconstructions", "samples", "traversal"]


def make_run(folder: Path, results: dict[str, Any]) -> RunFolder:
    folder.mkdir()
    run = RunFolder(folder)
    for step in range(1, 31):
        values = {"negative_elbo": 100 / step, "reconstruction": 90 / step, "kl": 10 / step}
        numbers = {f"train/{name}": value for name, value in values.items()}
        if step % 10 == 0:
            numbers |= {f"validation/{name}": value for name, value in values.items()}
        run.log({"step": step, "epoch": step / 10, **numbers})
    run.save_results(results)
    return run


def pixels_of(path: Path) -> Any:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_all_figures_are_written_for_light_and_dark_pages_and_the_same_each_time(
    tmp_path: Path, autoencoder: Callable[..., VAEPipeline], noise: Callable[..., Pixels]
) -> None:
    run = make_run(tmp_path / "run", {"kl_per_dimension": [0.1, 2.0, 0.3, 1.0, 0.0, 0.5]})
    drawn = []
    for _ in range(2):
        draw_vae_figures(run, autoencoder(has_prior=True), noise(30), seed=0)
        drawn.append({path.stem: pixels_of(path) for path in run.figures.glob("*.png")})
    assert sorted(drawn[0]) == sorted([*FIGURES, *(f"{name}-dark" for name in FIGURES)])
    for name, pixels in drawn[0].items():
        assert np.array_equal(pixels, drawn[1][name]), name
        assert pixels.shape[1] >= 1000
        assert (pixels[0, 0].max() < 30) == name.endswith("-dark")


@pytest.mark.parametrize("images", [1, 3])
def test_few_held_out_images_are_enough(
    tmp_path: Path,
    autoencoder: Callable[..., VAEPipeline],
    noise: Callable[..., Pixels],
    images: int,
) -> None:
    run = make_run(tmp_path / "run", {})
    draw_vae_figures(run, autoencoder(), noise(images), seed=0)
    assert len(list(run.figures.glob("*.png"))) == 2 * len(FIGURES)


def test_of_a_map_of_latents_no_dimension_is_traversed(
    tmp_path: Path, noise: Callable[..., Pixels]
) -> None:
    tiny = AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
        latent_channels=4,
    )
    run = make_run(tmp_path / "run", {})
    draw_vae_figures(run, VAEPipeline(tiny, resolution=16), noise(4), seed=0)
    names = {path.stem for path in run.figures.glob("*.png")}
    assert {name for name in names if not name.endswith("-dark")} == set(FIGURES) - {"traversal"}


def test_priors_are_sampled_from_the_same_seed_as_the_pipeline_does(
    autoencoder: Callable[..., VAEPipeline],
) -> None:
    pipeline = autoencoder(has_prior=True)
    rows = sample_rows(pipeline, seed=5, count=4)
    assert len(rows) == len(pipeline.priors) == 3
    for row, prior in zip(rows, pipeline.priors, strict=True):
        generator = torch.Generator().manual_seed(5)
        assert torch.equal(row.images, pipeline.sample(4, generator, "pt", prior))


@pytest.mark.parametrize(
    ("latents", "words", "held"),
    [
        (5, "2 to 4", [2, 3, 4]),
        (10, "0, 2 and 4", [0, 2, 4]),
        (3, "0 and 2", [0, 2]),
        (2, "0", [0]),
    ],
)
def test_the_held_dimensions_are_those_of_the_report_and_stay(
    autoencoder: Callable[..., VAEPipeline],
    noise: Callable[..., Pixels],
    latents: int,
    words: str,
    held: list[int],
) -> None:
    pipeline, held_out = autoencoder(latents), noise(6)
    rows = held_walks(pipeline, held_out, latents).args[1]
    moves = "moves" if len(held) == 1 else "move"
    labels = ["all dimensions move", f"{words} held", f"only {words} {moves}"]
    assert [row.label for row in rows] == labels * 3
    first, second = pairs(held_out, 1)[0]
    expected = pipeline.interpolate(first, second, 8, output_type="pt", frozen_dims=held)
    assert torch.equal(rows[1].images, torch.cat((first, expected, second)))
    others = [dimension for dimension in range(latents) if dimension not in held]
    expected = pipeline.interpolate(first, second, 8, output_type="pt", frozen_dims=others)
    assert torch.equal(rows[2].images, torch.cat((first, expected, second)))


def test_dimensions_are_traversed_from_the_most_informative_on(
    autoencoder: Callable[..., VAEPipeline], noise: Callable[..., Pixels]
) -> None:
    pipeline, held_out = autoencoder(4), noise(1)
    rows = traversal(pipeline, held_out, 4, [0.1, 2.0, 0.0, 0.7]).args[1]
    assert [row.label for row in rows] == [f"dimension {place}" for place in (1, 3, 0, 2)]
    assert [row.detail for row in rows] == ["2.00 nats", "0.70 nats", "0.10 nats", "0.00 nats"]
    face = held_out.images(torch.arange(1))
    alone = pipeline.traverse(face, [3], span=3, steps=7, output_type="pt")[0]
    assert np.array_equal(to_pixels(rows[1].images), to_pixels(alone))


def test_without_results_dimensions_are_traversed_in_order_and_fifty_at_most(
    autoencoder: Callable[..., VAEPipeline], noise: Callable[..., Pixels]
) -> None:
    rows = traversal(autoencoder(60), noise(1), 60, []).args[1]
    assert [row.label for row in rows] == [f"dimension {place}" for place in range(50)]
    assert not any(row.detail for row in rows)

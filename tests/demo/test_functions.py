"""What the tabs compute, without a page."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

import hf_gen
from hf_gen.demo import pictures
from hf_gen.demo.latents import draw, prior_of, random_walk
from hf_gen.demo.pictures import enlarge, error_map, grid
from hf_gen.demo.reconstruct import reconstruct
from hf_gen.demo.uploads import example_faces, open_uploads
from hf_gen.errors import UserError
from hf_gen.evaluation.likelihood import evaluate_likelihood
from hf_gen.images import square
from hf_gen.pipelines import VAEPipeline
from hf_gen.recipes import RECIPES
from tests.pipelines.saved import tiny


@pytest.fixture(scope="module")
def pipeline() -> VAEPipeline:
    return hf_gen.load("conv-vae")


@pytest.fixture(scope="module")
def faces() -> list[Image.Image]:
    return open_uploads(example_faces("anime"))


def test_a_reconstruction_is_measured_as_in_an_evaluation(
    pipeline: VAEPipeline, faces: list[Image.Image]
) -> None:
    one = reconstruct(pipeline, faces[0])
    assert one.input.tobytes() == square(faces[0], 32).tobytes()
    assert one.output.tobytes() == pipeline.reconstruct(one.input)[0].tobytes()
    error = np.asarray(one.input, np.float64) - np.asarray(one.output, np.float64)
    assert one.metrics["psnr"] == pytest.approx(
        -10 * np.log10((error**2).mean() / 255**2), abs=0.01
    )
    assert 0 < one.metrics["ssim"] < 1

    class One:
        resolution = 32

        def __len__(self) -> int:
            return 1

        def images(self, _: object) -> torch.Tensor:
            return hf_gen.images.to_tensor([one.input])

    objective = RECIPES["conv-vae"][1].objective
    exact = evaluate_likelihood(pipeline, objective, One(), samples=64)["bits_per_dimension"]
    assert one.metrics["bits_per_dimension"] == pytest.approx(exact, rel=0.05)


def test_latent_maps_are_not_sampled_without_a_fitted_prior() -> None:
    with pytest.raises(UserError, match="needs a fitted prior"):
        draw(VAEPipeline(tiny(), resolution=16), 4, 0, "standard", 1.0)


def test_a_model_without_a_fitted_prior_is_sampled_from_the_standard_normal(
    pipeline: VAEPipeline,
) -> None:
    bare = VAEPipeline(pipeline.vae, resolution=32)
    codes, *used = draw(bare, 3, 7, "mixture", 1.0)
    assert used == ["standard", 1.0]
    assert torch.equal(codes, bare.sample_latents(3, torch.Generator().manual_seed(7)))


def test_latents_are_from_the_default_prior_unless_another_is_chosen(
    pipeline: VAEPipeline,
) -> None:
    chosen = VAEPipeline(pipeline.vae, pipeline.prior, 32, "gaussian", 0.7)
    codes, *used = draw(chosen, 3, 7)
    assert used == ["gaussian", 0.7]
    assert torch.equal(codes, draw(chosen, 3, 7, "gaussian", 0.7)[0])
    assert draw(chosen, 3, 7, "mixture")[1:] == ("mixture", 1.0)
    assert prior_of("mixture") == "mixture"
    assert prior_of("default") is None


def test_a_random_walk_is_closed_and_passes_through_faces_of_the_prior(
    pipeline: VAEPipeline,
) -> None:
    frames = random_walk(pipeline, 7, "gaussian")
    stations = pipeline.decode(draw(pipeline, 6, 7, "gaussian", 1.0)[0])
    assert len(frames) == 60
    for frame, station in zip(frames[::10], stations, strict=True):
        difference = np.asarray(frame, int) - np.asarray(station, int)
        assert abs(difference).max() <= 1


def test_an_error_map_is_black_where_images_agree_and_pale_where_they_differ() -> None:
    black, white = (Image.new("RGB", (4, 4), colour) for colour in ("black", "white"))
    assert set(error_map(black, black).getdata()) == {(0, 0, 4)}
    assert set(error_map(black, white).getdata()) == {(252, 255, 164)}


def test_images_are_enlarged_by_integer_factors() -> None:
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    large = np.asarray(enlarge(image, 10))
    assert large.shape == (8, 8, 3)
    assert (large[::2, ::2] == np.asarray(image)).all()
    assert (large[1::2, 1::2] == np.asarray(image)).all()
    assert grid([[image] * 3, [image]], size=8).size == (3 * 10 + 2, 2 * 10 + 2)


def test_pictures_in_html_are_exact(faces: list[Image.Image]) -> None:
    page = pictures.picture(faces[0], 'a "quoted" <face>')
    assert "<face>" not in page
    (content,) = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert Image.open(io.BytesIO(base64.b64decode(content))).tobytes() == faces[0].tobytes()


def test_an_animation_runs_to_the_end_and_back(faces: list[Image.Image]) -> None:
    frames = [face.resize((16, 16)) for face in faces[:4]]
    for closed, order in ((True, [0, 1, 2, 3]), (False, [0, 1, 2, 3, 2, 1])):
        page = pictures.animation(frames, "a walk", "walk.webp", closed)
        content = re.findall(r"data:image/webp;base64,([^\"]+)", page)
        film = Image.open(io.BytesIO(base64.b64decode(content[0])))
        assert film.n_frames == len(order)
        for place, frame in enumerate(order):
            film.seek(place)
            shown = np.asarray(film.convert("RGB"), int)
            # Lossy, but nearer to its own frame than to any other.
            distances = [abs(shown - np.asarray(one, int)).mean() for one in frames]
            assert distances.index(min(distances)) == frame
            assert min(distances) < 15

"""A face is made again from its reference, and nothing else is taken for one."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import hf_gen
from hf_gen.demo.latents import between_four, change, draw, values_of
from hf_gen.demo.models import ModelCache
from hf_gen.demo.references import (
    FaceSource,
    check,
    counterpart,
    edited,
    edits_of,
    made,
    neighbour,
    sampled,
    words_of,
)
from hf_gen.demo.uploads import EXAMPLES, example_faces
from hf_gen.errors import UserError
from hf_gen.faces import face_at, face_png
from hf_gen.pipelines import WEIGHTS, VAEPipeline
from tests.demo.models import with_directions

SAMPLE = sampled("conv-vae", 7, 12, 3)


@pytest.fixture(scope="module")
def pipeline() -> VAEPipeline:
    return hf_gen.load("conv-vae")


@pytest.fixture(scope="module")
def source() -> FaceSource:
    cache = ModelCache({name: WEIGHTS / name for name in ("conv-vae", "dense-vae-z10")})
    return FaceSource(cache, {4: str(example_faces("anime")[1])})


def difference(first: Image.Image, second: Image.Image) -> int:
    return int(np.abs(np.asarray(first, int) - np.asarray(second, int)).max())


def test_a_sample_is_made_again_exactly(source: FaceSource, pipeline: VAEPipeline) -> None:
    latents, *_ = draw(pipeline, 12, 7)
    assert torch.equal(source.latents(SAMPLE, "conv-vae"), latents[3:4])
    assert difference(source.image(SAMPLE), pipeline.decode(latents)[3]) <= 1
    chosen = sampled("conv-vae", 7, 4, 1, "gaussian", 0.5)
    expected, *_ = draw(pipeline, 4, 7, "gaussian", 0.5)
    assert torch.equal(source.latents(chosen, "conv-vae"), expected[1:2])
    # Another model encodes its picture.
    other = hf_gen.load("dense-vae-z10")
    code = source.latents(SAMPLE, "dense-vae-z10")
    assert torch.allclose(code, other.encode(source.image(SAMPLE)), atol=1e-5)


def test_pictures_are_found_again(source: FaceSource) -> None:
    example = example_faces("anime")[0]
    drawn = source.image(f"example:{example.stem}")
    assert drawn.tobytes() == Image.open(example).convert("RGB").tobytes()
    face = face_at(3)
    again = source.image(made("cartoon", face))
    expected = Image.open(io.BytesIO(face_png(face, "cartoon", 256)))
    assert difference(again, expected) <= 2  # a width of four digits
    upload = source.image("upload:4")
    assert upload.tobytes() == Image.open(example_faces("anime")[1]).convert("RGB").tobytes()
    with pytest.raises(UserError, match="no longer here"):
        source.image("upload:5")


def test_steps_lead_from_face_to_face(source: FaceSource, pipeline: VAEPipeline) -> None:
    near = neighbour(SAMPLE, "conv-vae", 5)
    generator = torch.Generator().manual_seed(0)
    code = source.latents(SAMPLE, "conv-vae")
    expected = pipeline.neighbour_latents(code, 12, 0.5, generator)[5:6]
    assert torch.equal(source.latents(near, "conv-vae"), expected)
    moved = edited(near, "conv-vae", "l3=2,l0=-1")
    assert torch.equal(
        source.latents(moved, "conv-vae"), change(pipeline, expected, {"l3": 2, "l0": -1})
    )
    assert words_of(moved) == "face 4 of seed 7, conv-vae, changed"
    assert difference(source.image(moved), source.image(near)) > 5
    assert edited(near, "conv-vae", "") == near


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "example:../../page",
        "example:anime-1",
        "upload:/etc/passwd",
        "upload:-1",
        "sample:conv-vae:7:12:12",
        "sample:conv-vae:7:400:3",
        "sample:conv-vae:-7:12:3",
        "sample::7:12:3",
        "sample:conv-vae:7:12:3:gaussian:-1",
        "sample:conv-vae:7:12:3:gaussian:nan",
        "sample:conv-vae:7:12:3:x:1",
        "sample:conv-vae",
        "made:anime:0.0.0.0.0.0.0.0:2:0:1",
        "made:anime:-1.0.0.0.0.0.0.0:1:0:1",
        "made:photo:0.0.0.0.0.0.0.0:1:0:1",
        f"{SAMPLE}~like:conv-vae:12",
        f"{SAMPLE}~edit:conv-vae:l0=nan",
        f"{SAMPLE}~edit:conv-vae:l0",
        f"{SAMPLE}~upload:1",
        SAMPLE + "~like:conv-vae:1" * 25,
        "<script>",
    ],
)
def test_nothing_else_is_a_face(reference: str) -> None:
    with pytest.raises(UserError, match="There is no face"):
        check(reference)


def test_synthetic_faces_have_a_counterpart_and_others_stay() -> None:
    anime = f"example:{example_faces('anime')[2].stem}"
    cartoon = f"example:{example_faces('cartoon')[2].stem}"
    assert counterpart(anime, "cartoon") == cartoon
    assert counterpart(cartoon, "anime") == anime
    assert counterpart(anime, "anime") == anime
    assert counterpart(made("anime", face_at(1)), "cartoon") == made("cartoon", face_at(1))
    for other in ("upload:3", SAMPLE, neighbour(anime, "conv-vae", 1)):
        assert counterpart(other, "cartoon") == other
    assert (EXAMPLES / "anime-137.png").is_file()


def test_a_face_is_changed_along_directions_and_stands_where_it_is_read(tmp_path: Path) -> None:
    pipeline = with_directions()
    directions = {one.name: one for one in pipeline.directions}
    wheel = next(name for name, one in directions.items() if one.is_wheel)
    plain = next(name for name, one in directions.items() if not one.is_wheel)
    code = draw(pipeline, 1, 3)[0]
    values = values_of(pipeline, code, [wheel, plain, "l2"])
    assert values[plain] == 0
    assert values["l2"] == pytest.approx(code[0, 2].item(), abs=0.01)
    # What is set on a wheel is read from it, and what is read changes nothing when it is set.
    turned = change(pipeline, code, {wheel: (values[wheel] + 0.5) % 1})
    assert torch.equal(turned, pipeline.editor.move(code, {wheel: (values[wheel] + 0.5) % 1}))
    both = change(pipeline, code, {plain: 1.0, "l2": -2.0})
    expected = pipeline.editor.move(code, {plain: 1.0})
    expected[:, 2] = -2
    assert torch.equal(both, expected)
    for edits in ({plain: 99.0}, {"age": 1.0}, {"l999": 0.0}, {"l0": 99.0}, {"x1": 0.0}):
        with pytest.raises(UserError, match="This model cannot"):
            change(pipeline, code, edits)
    assert edits_of("l3=2,age=-1.5") == {"l3": 2.0, "age": -1.5}


def test_a_pad_lies_between_its_corners(pipeline: VAEPipeline) -> None:
    codes = draw(pipeline, 4, 1)[0].split(1)
    rows = between_four(pipeline, codes)
    assert [len(row) for row in rows] == [9] * 9
    for (top, left), code in zip(((0, 0), (0, -1), (-1, 0), (-1, -1)), codes, strict=True):
        assert difference(rows[top][left], pipeline.decode(code)[0]) <= 1
    middle = sum(codes) / 4
    assert difference(rows[4][4], pipeline.decode(middle)[0]) <= 1

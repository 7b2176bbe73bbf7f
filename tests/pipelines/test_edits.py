"""Named edits and neighbours of faces are decoded from the codes that they say."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from hf_gen.errors import UserError
from hf_gen.models.directions import LatentDirections
from hf_gen.models.prior import AnyKLPrior
from hf_gen.pipelines import VAEPipeline, load
from hf_gen.pipelines.edits import Direction
from tests.pipelines.saved import NETWORKS, change_json, vae_pipeline

SIZE = 16


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def editable() -> VAEPipeline:
    plain = vae_pipeline()
    editor = LatentDirections((5, 1, 1), ("tilt", "hue"), 1)
    editor.load_state_dict(
        {
            "vectors": torch.randn(3, 5, generator=generator()),
            "lows": torch.tensor([-1.5, 0.0]),
            "highs": torch.tensor([2.0, 1.0]),
            "readers": torch.randn(2, 5, generator=generator(1)),
            "offsets": torch.zeros(2),
        }
    )
    return VAEPipeline(plain.vae, plain.prior, SIZE, "gaussian", 0.7, editor)


def faces(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, SIZE, SIZE, generator=generator()) * 2 - 1


def test_an_edit_is_the_image_of_the_moved_code() -> None:
    pipeline, values = editable(), {"tilt": -1.5, "hue": 0.6}
    codes = pipeline.encode(faces())
    expected = pipeline.decode(pipeline.editor.move(codes, values), "pt")
    assert torch.equal(pipeline.edit(faces(), "pt", **values), expected)
    assert torch.equal(pipeline.edit(codes, "pt", **values), expected)
    assert (expected - pipeline.edit(faces(), "pt")).abs().max() > 1e-3
    assert_close(pipeline.edit(faces(), "pt"), pipeline.reconstruct(faces(), output_type="pt"))
    assert [image.size for image in pipeline.edit(faces(), tilt=1)] == [(SIZE, SIZE)] * 2


def test_directions_are_listed_with_their_ranges() -> None:
    expected = [Direction("tilt", -1.5, 2.0, False), Direction("hue", 0.0, 1.0, True)]
    assert editable().directions == expected
    assert vae_pipeline().directions == []


def test_what_cannot_be_edited_is_an_error() -> None:
    with pytest.raises(ValueError, match="has no directions: train with --directions"):
        vae_pipeline().edit(faces(), tilt=1)
    with pytest.raises(ValueError, match=r"tilt must be from -1\.5 to 2"):
        editable().edit(faces(), tilt=-2)
    with pytest.raises(ValueError, match="no direction 'age': choose of tilt, hue"):
        editable().edit(faces(), age=1)
    with pytest.raises(ValueError, match=r"for latents of this vae, \(5, 1, 1\), and it is for"):
        VAEPipeline(vae_pipeline().vae, None, SIZE, editor=LatentDirections((6, 1, 1)))
    with pytest.raises(ValueError, match="editor must be LatentDirections, got ConvVAE"):
        VAEPipeline(vae_pipeline().vae, None, SIZE, editor=vae_pipeline().vae)


def test_neighbours_are_between_a_face_and_samples_of_the_prior() -> None:
    pipeline = editable()
    same = pipeline.neighbours(faces(1), 3, 0.0, generator(), "pt")
    assert_close(same, pipeline.reconstruct(faces(1), output_type="pt").expand(3, -1, -1, -1))
    others = pipeline.neighbours(faces(1), 3, 1.0, generator(), "pt")
    assert_close(others, pipeline.sample(3, generator(), "pt"))
    near = pipeline.neighbours(faces(1), 3, 0.3, generator(), "pt")
    code, mean = pipeline.encode(faces(1)), pipeline.prior.mean.view(1, 5, 1, 1)
    samples = pipeline.sample_latents(3, generator())
    codes = mean + 0.91**0.5 * (code - mean) + 0.3 * (samples - mean)
    assert_close(near, pipeline.decode(codes, "pt"))
    assert_close(near, pipeline.neighbours(code, 3, 0.3, generator(), "pt"))
    assert not torch.equal(near, pipeline.neighbours(code, 3, 0.3, generator(1), "pt"))


def test_neighbours_of_a_standard_normal_code_are_standard_normal() -> None:
    plain = VAEPipeline(vae_pipeline().vae, resolution=SIZE)
    code = torch.full((1, 5, 1, 1), 2.0)
    seen = plain.neighbours(code, 4, 0.6, generator(), "pt")
    codes = 0.8 * code + 0.6 * plain.sample_latents(4, generator())
    assert_close(seen, plain.decode(codes, "pt"))


def test_neighbours_of_a_network_for_every_kl_weight_are_those_of_weight_1() -> None:
    prior = AnyKLPrior((5, 1, 1))
    prior.mean.copy_(torch.randn(prior.mean.shape, generator=generator()))
    pipeline = VAEPipeline(NETWORKS["AnyKLVAE"]().eval(), prior, SIZE, "gaussian")
    code, mean = torch.full((1, 5, 1, 1), 2.0), prior.at(1.0).mean.view(5, 1, 1)
    seen = pipeline.neighbours(code, 4, 0.6, generator(), "pt")
    samples = pipeline.sample_latents(4, generator())
    codes = mean + 0.8 * (code - mean) + 0.6 * (samples - mean)
    assert_close(seen, pipeline.decode(codes, "pt"))


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strengths_out_of_range_and_several_faces_are_errors(strength: float) -> None:
    with pytest.raises(ValueError, match="strength must be from 0 to 1, got"):
        editable().neighbours(faces(1), strength=strength)
    with pytest.raises(ValueError, match="it takes one image, or the latents of one, got 2"):
        editable().neighbours(faces(2))
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        editable().neighbours(faces(1), 0)


def test_directions_come_back_with_the_pipeline(tmp_path: Path) -> None:
    editable().save_pretrained(tmp_path)
    expected = editable().edit(faces(), "pt", tilt=1, hue=0.2)
    again = load(tmp_path)
    assert again.directions == editable().directions
    assert_close(again.edit(faces(), "pt", tilt=1, hue=0.2), expected)
    assert again.resolve_prior() == ("gaussian", 0.7)
    # The saved source needs no other file.
    source = tmp_path / "pipeline_hf_gen_vae.py"
    assert "hf_gen.pipelines.edits" not in source.read_text()
    spec = importlib.util.spec_from_file_location("saved_pipeline", source)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    there = module.VAEPipeline(again.vae, again.prior, SIZE, editor=again.editor)
    assert_close(there.edit(faces(), "pt", tilt=1, hue=0.2), expected)
    there.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / source.name).read_text() == source.read_text()


def test_a_damaged_editor_is_an_error(tmp_path: Path) -> None:
    editable().save_pretrained(tmp_path)
    for changes, sentence in (
        ({"names": ["../tilt", "hue"]}, "names must be 1 to 64 names"),
        ({"names": ["tilt"]}, "not those of its network"),
        ({"num_wheels": 3}, "at least as many as the wheels"),
        ({"_class_name": "LatentPrior"}, "hf_gen loads LatentDirections here"),
    ):
        config = (tmp_path / "editor" / "config.json").read_text()
        change_json(tmp_path / "editor" / "config.json", **changes)
        with pytest.raises(UserError, match=sentence):
            load(tmp_path)
        (tmp_path / "editor" / "config.json").write_text(config)

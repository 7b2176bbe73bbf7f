"""Models are found, loaded once, dropped for others, and those that visitors name are checked."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from hf_gen import pipelines
from hf_gen.demo.answers import sentence
from hf_gen.demo.shelf import Shelf, find_models
from hf_gen.errors import UserError
from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import WEIGHTS, TranslationPipeline, VAEPipeline


def save_vae(folder: Path, latents: int = 4) -> Path:
    torch.manual_seed(latents)
    network = ConvVAE(16, filters=(4, 4), latent_channels=latents)
    VAEPipeline(network, resolution=16).save_pretrained(folder)
    return folder


def save_translation(folder: Path) -> Path:
    generators = [ResnetGenerator(16, channels=4) for _ in range(2)]
    TranslationPipeline(*generators, resolution=16).save_pretrained(folder)
    return folder


def test_shipped_models_runs_and_ids_are_found(tmp_path: Path) -> None:
    save_vae(tmp_path / "mine" / "pipeline")
    (tmp_path / "not-ended").mkdir()
    found = find_models(tmp_path, ["user/name"])
    shipped = {index.parent.name for index in WEIGHTS.glob("*/model_index.json")}
    assert shipped
    assert set(found) == shipped | {"runs/mine", "user/name"}
    assert found["runs/mine"] == tmp_path / "mine" / "pipeline"
    assert found["user/name"] == "user/name"


def test_families_are_known_before_anything_is_loaded(tmp_path: Path) -> None:
    shelf = Shelf({"a": save_vae(tmp_path / "a"), "b": save_translation(tmp_path / "b")})
    assert shelf.bytes == 0
    assert shelf.names("VAEPipeline") == ["a"]
    assert shelf.names("TranslationPipeline") == ["b"]
    with pytest.raises(UserError, match="b does not reconstruct and sample: choose another"):
        shelf.get("b", "VAEPipeline")
    with pytest.raises(UserError, match="There is no model 'c': choose one of a, b"):
        shelf.get("c")


def test_a_model_is_loaded_once_by_many_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[Any] = []
    load = pipelines.load_any
    monkeypatch.setattr(
        pipelines, "load_any", lambda *given, **named: loads.append(given) or load(*given, **named)
    )
    shelf = Shelf({"a": save_vae(tmp_path / "a")})
    got: list[Any] = []
    threads = [threading.Thread(target=lambda: got.append(shelf.get("a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert len(got) == 8
    assert all(one is got[0] for one in got)


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    places = {name: save_vae(tmp_path / name) for name in "abc"}
    one = Shelf({"a": places["a"]})
    one.get("a")
    shelf = Shelf(places, most_bytes=2 * one.bytes)
    first, second = shelf.get("a"), shelf.get("b")
    assert shelf.get("a") is first
    shelf.get("c")
    assert shelf.bytes == 2 * one.bytes
    assert shelf.get("a") is first
    assert shelf.get("b") is not second


def test_a_damaged_model_is_left_out_and_names_no_folder(tmp_path: Path) -> None:
    places = {"good": save_vae(tmp_path / "good"), "bad": save_vae(tmp_path / "bad")}
    weights = places["bad"] / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    shelf = Shelf(places)
    shelf.load_all()
    assert shelf.names("VAEPipeline") == ["good"]
    assert list(shelf.failures) == ["bad"]
    assert str(tmp_path) not in str(sentence(shelf.failures["bad"]))


@pytest.mark.parametrize("index", ["", "[]", "{}", "{"])
def test_a_damaged_index_does_not_keep_the_others_from_starting(tmp_path: Path, index: str) -> None:
    places = {"good": save_vae(tmp_path / "good"), "bad": save_vae(tmp_path / "bad")}
    (places["bad"] / "model_index.json").write_text(index)
    shelf = Shelf(places)
    shelf.load_all()
    assert shelf.names("VAEPipeline") == ["good"]
    assert list(shelf.failures) == ["bad"]


def test_no_path_and_no_token_is_in_a_sentence() -> None:
    said = str(sentence("/srv/app/runs/x/vae/config.json of user/name with hf_abcdefghijkl fails"))
    assert said == "'... of user/name with hf_... fails'"


def test_every_shipped_model_is_whole_and_listed() -> None:
    for index in WEIGHTS.glob("*/model_index.json"):
        assert json.loads(index.read_text())["_class_name"][1] in (
            "VAEPipeline",
            "TranslationPipeline",
        )
        shelf = Shelf({"it": index.parent})
        shelf.load_all()
        assert not shelf.failures

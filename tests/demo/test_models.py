"""Models are found, loaded once, and dropped when memory is needed."""

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from hf_gen import pipelines
from hf_gen.demo import models
from hf_gen.demo.models import ModelCache, find_models, memory_bytes
from hf_gen.demo.requests import as_gradio_error
from hf_gen.errors import UserError
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import WEIGHTS, VAEPipeline


def save_vae(folder: Path, latents: int = 4) -> Path:
    torch.manual_seed(latents)
    network = ConvVAE(16, filters=(4, 4), latent_channels=latents)
    VAEPipeline(network, resolution=16).save_pretrained(folder)
    return folder


def test_models_are_found_and_their_families_known_before_any_is_loaded(tmp_path: Path) -> None:
    save_vae(tmp_path / "mine" / "pipeline")
    (tmp_path / "not-ended").mkdir()
    found = find_models(tmp_path, ["user/name"])
    bundled = {index.parent.name for index in WEIGHTS.glob("*/model_index.json")}
    assert set(found) == bundled | {"runs/mine", "user/name"}
    assert found["runs/mine"] == tmp_path / "mine" / "pipeline"
    assert found.pop("user/name") == "user/name"
    cache = ModelCache(found)
    families = [cache.names("VAEPipeline"), cache.names("TranslationPipeline")]
    assert {*families[0], *families[1]} == set(found)
    assert families[0][0] == "face-vae", "the best first"
    assert "runs/mine" in families[0]
    assert "cyclegan" in families[1]
    assert cache.bytes == 0
    with pytest.raises(
        UserError, match="cyclegan does not reconstruct and sample: choose one of face-vae"
    ):
        cache.get("cyclegan", "VAEPipeline")


def test_a_model_is_loaded_once_by_many_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[Any] = []
    load = pipelines.load
    monkeypatch.setattr(
        pipelines, "load", lambda *given, **named: loads.append(given) or load(*given, **named)
    )
    cache = ModelCache({"a": save_vae(tmp_path / "a")})
    got: list[Any] = []
    threads = [threading.Thread(target=lambda: got.append(cache.get("a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert len(got) == 8
    assert all(one is got[0] for one in got)


def test_the_least_recently_used_model_is_dropped_first(tmp_path: Path) -> None:
    places = {name: save_vae(tmp_path / name) for name in "abc"}
    one = ModelCache({"a": places["a"]})
    one.get("a")
    cache = ModelCache(places, max_bytes=2 * one.bytes)
    first, second = cache.get("a"), cache.get("b")
    assert cache.get("a") is first
    cache.get("c")
    assert cache.bytes == 2 * one.bytes
    assert cache.get("a") is first
    assert cache.get("b") is not second


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("vae/diffusion_pytorch_model.safetensors", "cut short"),
        *(("model_index.json", index) for index in ("", "[]", "{")),
    ],
)
def test_a_damaged_model_is_left_out_and_its_error_names_no_folder(
    tmp_path: Path, file: str, content: str
) -> None:
    places = {"good": save_vae(tmp_path / "good"), "bad": save_vae(tmp_path / "bad")}
    (places["bad"] / file).write_text(content)
    cache = ModelCache(places)
    cache.load_all()
    assert cache.names("VAEPipeline") == ["good"]
    assert list(cache.failures) == ["bad"]
    # Folders and arguments are in the log of whoever runs the demo.
    assert cache.failures["bad"].startswith("bad cannot be loaded here: choose another model")


def test_a_run_that_ends_is_offered_and_a_failure_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "RETRY_SECONDS", 0.0)
    bad = save_vae(tmp_path / "bad" / "pipeline")
    weights = bad / "vae" / "diffusion_pytorch_model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(b"cut short")
    cache = ModelCache(find_models(tmp_path, []), runs=tmp_path)
    cache.load_all(["runs/bad"])
    assert "runs/bad" not in cache.names("VAEPipeline")
    save_vae(tmp_path / "later" / "pipeline")
    weights.write_bytes(content)
    cache.refresh()
    assert "runs/later" in cache.names("VAEPipeline")
    deadline = time.monotonic() + 60
    while "runs/bad" not in cache.names("VAEPipeline"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_memory_of_a_container_is_its_limit(tmp_path: Path) -> None:
    (tmp_path / "limited").write_text("123456789\n")
    (tmp_path / "free").write_text("max\n")
    free = memory_bytes([str(tmp_path / "free"), str(tmp_path / "none")])
    assert free == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert memory_bytes([str(tmp_path / "limited")]) == 123456789


def test_errors_contain_no_path_and_no_token() -> None:
    error = as_gradio_error(
        "/srv/app/runs/x/vae/config.json of user/name with hf_abcdefghijkl fails"
    )
    assert str(error) == "'... of user/name with hf_... fails'"

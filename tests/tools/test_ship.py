"""The bundled models are those of the manifest, small, and load by name."""

import json
from pathlib import Path

import pytest
import torch

import hf_gen
from hf_gen.config import recipe_as_json
from hf_gen.errors import UserError
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import WEIGHTS, VAEPipeline
from hf_gen.recipes import RECIPES
from hf_gen.runs.folder import RunFolder
from tools import ship as ship_module
from tools.ship import hashes, manifest, ship

MANY_BYTES = 40 * 2**20


def test_the_manifest_lists_every_file_with_its_hash() -> None:
    folders = {path.name for path in WEIGHTS.iterdir() if path.is_dir()}
    assert set(manifest()) == folders
    for name, entry in manifest().items():
        assert entry["files"] == hashes(WEIGHTS / name), name
        assert entry["recipe"] in RECIPES
        assert entry["data"]
        assert "/" not in entry["command"]
    assert sum(file.stat().st_size for file in WEIGHTS.rglob("*") if file.is_file()) < MANY_BYTES


def test_a_run_is_shipped_in_half_precision_and_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    monkeypatch.setattr(ship_module, "WEIGHTS", weights)
    monkeypatch.setattr(ship_module, "MANIFEST", weights / "manifest.json")
    run = RunFolder(tmp_path / "secret" / "small")
    identity = {"recipe": "conv-vae", "processes": 1, **recipe_as_json(RECIPES["conv-vae"][1])}
    run.start(identity, f"train conv-vae --output-dir {run.path}", "1 x cpu", {})
    run.log({"step": 7, "epoch": 0.5, "train/kl": 1.0})
    translated = {"epoch_of_smaller_domain": 2.0, "validation/a_to_b/mode_collapse": 1.0}
    run.log({"step": 7, "epoch": 0.5, "validation/kl": 1.0} | translated)
    run.add_seconds(90)
    network = ConvVAE(16, filters=(4, 4), latent_channels=3)
    VAEPipeline(network, resolution=16).save_pretrained(run.pipeline)

    ship(run.path, data="synthetic faces", commit="abc", name="other")
    ship(run.path, data="synthetic faces", commit="def")
    (weights / "mine").mkdir()
    for name, message in (("mine", "hf_gen did not make it"), ("../secret", "name must be")):
        with pytest.raises(UserError, match=message):
            ship(run.path, data="synthetic faces", commit="abc", name=name)
    listed = json.loads((weights / "manifest.json").read_text("utf-8"))
    assert list(listed) == ["conv-vae", "other"]
    assert listed["other"] | {"files": None} == {
        "recipe": "conv-vae",
        "command": "train conv-vae --output-dir small",
        "steps": 7,
        "device": "1 x cpu",
        "minutes": 1.5,
        "commit": "abc",
        "data": "synthetic faces",
        "files": None,
        "evaluations": [{"step": 7, **translated}],
    }
    assert listed["conv-vae"]["files"] == hashes(weights / "conv-vae")
    assert not list(weights.rglob("*.py"))
    stored = weights / "other" / "vae" / "diffusion_pytorch_model.safetensors"
    original = run.pipeline / "vae" / "diffusion_pytorch_model.safetensors"
    assert stored.stat().st_size < 0.7 * original.stat().st_size
    assert hf_gen.load(weights / "other").vae.dtype == torch.float32

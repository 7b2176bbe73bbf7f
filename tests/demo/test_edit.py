"""The Edit tab: sliders for whatever a model has."""

from pathlib import Path

import torch

from hf_gen.demo.edit import Knobs
from hf_gen.demo.models import ModelCache
from hf_gen.demo.opening import render
from hf_gen.models.directions import LatentDirections
from hf_gen.models.vae import DenseVAE
from hf_gen.pipelines import VAEPipeline


def test_a_face_vae_of_any_size_has_its_sliders_and_opens_the_page(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = DenseVAE(16, hidden=(8,), latent_channels=3).eval()
    editor = LatentDirections((3, 1, 1), ("open_mouth", "hair"), num_wheels=1)
    for tensor in (editor.vectors, editor.readers, editor.offsets):
        torch.nn.init.normal_(tensor)
    editor.lows.copy_(torch.tensor([-1.5, 0.0]))
    editor.highs.copy_(torch.tensor([2.0, 1.0]))
    VAEPipeline(network, resolution=16, editor=editor).save_pretrained(tmp_path / "face-vae")
    cache = ModelCache({"face-vae": tmp_path / "face-vae"})
    sliders = Knobs(cache).sliders("face-vae", {"open_mouth": 9.0, "l1": -0.25})
    shown = {
        one["label"]: (one["minimum"], one["maximum"], one["value"])
        for one in sliders
        if one["visible"]
    }
    assert shown == {
        "open mouth": (-1.5, 2.0, 2.0),
        "hair": (0.0, 1.0, 0.0),
        "latent 0": (-4.0, 4.0, 0.0),
        "latent 1": (-4.0, 4.0, -0.25),
        "latent 2": (-4.0, 4.0, 0.0),
    }
    assert render(cache, tmp_path / "made")["faces"].count("data-face=") == 12

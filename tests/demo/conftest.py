"""A demo in a process of its own with every kind of model, and visits to it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import torch

from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.vae import DenseVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline
from tests.browser import Visit
from tests.demo.models import with_directions, with_every_kl_weight
from tests.demo.serving import serving
from tests.launching import ROOT
from tests.loopback_hub import LoopbackHub
from tests.pipelines import saved

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Adds up how far what a visitor sees is moved, without being asked to: `window.shift`.
_SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
  if (!entry.hadRecentInput) window.shift += entry.value;
})).observe({ type: "layout-shift", buffered: true });
"""
HUB_MODEL = "tester/tiny-faces"
# What the browser logs about an upload that the server refuses.
REFUSED = ("Failed to load resource", "Response")


class Demo(NamedTuple):
    """The address of a demo that is being served, and the folder of its runs, which is secret."""

    url: str
    folder: Path


@pytest.fixture
def visit(visit: Visit, demo: Demo) -> Visit:
    """Opens the demo in a fresh window, as `tests.browser.visit` does any address."""

    def open_demo(query: str = "", ready: bool = True, **options: Any) -> "Page":
        page = visit(f"{demo.url}/?{query}", script=_SHIFTS, wait_until="commit", **options)
        if ready:
            page.locator("body.ready").wait_for()
        return page

    return open_demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The bundled models, small ones as runs, and a small VAE on a loopback Hub."""
    runs, home = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("home")
    torch.manual_seed(0)
    for name in ("lambda10", "lambda5"):
        generators = [ResnetGenerator(32, channels=4, num_residual_blocks=1) for _ in range(2)]
        pipeline = TranslationPipeline(*generators, 32, "anime", "cartoon")
        pipeline.save_pretrained(runs / name / "pipeline")
    with_directions().save_pretrained(runs / "named" / "pipeline")
    with_every_kl_weight().save_pretrained(runs / "any-kl" / "pipeline")
    tiny = home / "tiny"
    network = DenseVAE(16, hidden=(8,), latent_channels=4).eval()
    VAEPipeline(network, resolution=16).save_pretrained(tiny)
    with LoopbackHub() as hub:
        hub.create(HUB_MODEL, files=saved.files(tiny))
        environment = {**os.environ, **hub.environment(home, token=""), "PYTHONPATH": str(ROOT)}
        arguments = ("--runs", str(runs), "--models", HUB_MODEL, "--mcp")
        with serving(home, *arguments, environment=environment) as (url, _):
            yield Demo(url, runs)

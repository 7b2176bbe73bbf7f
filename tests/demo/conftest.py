"""A demo in a process of its own with every kind of model, and a real browser."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import torch

from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.vae import DenseVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline
from tests.demo.models import with_directions, with_every_kl_weight
from tests.demo.serving import serving
from tests.launching import ROOT
from tests.loopback_hub import LoopbackHub
from tests.pipelines import saved

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

# Adds up how far what a visitor sees is moved, without being asked to: `window.shift`.
_SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
  if (!entry.hadRecentInput) window.shift += entry.value;
})).observe({ type: "layout-shift", buffered: true });
"""
HUB_MODEL = "tester/tiny-faces"
SIZES = {"desktop": (1360, 900), "phone": (390, 844)}
# Tests that run at the same time may use the same core.
PATIENCE = 60.0
# What the browser logs about an upload that the server refuses.
REFUSED = ("Failed to load resource", "Response")


class Demo(NamedTuple):
    """The address of a demo that is being served, and the folder of its runs, which is secret."""

    url: str
    folder: Path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator["Browser"]:
    """Not for the whole session: as long as it is open, no other test can start an event loop."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=1000 * PATIENCE)
    with sync_playwright() as playwright:
        # A camera that shows a moving pattern.
        camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", *camera]
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: "Browser", demo: Demo) -> Iterator[Callable[..., "Page"]]:
    """Opens the demo in a fresh window.

    At the end no window may have logged an error, except those that it allows, or have sent a
    request to anything but the server.
    """
    wrong: list[str] = []
    windows = []

    def visit(
        query: str = "",
        size: tuple[int, int] = SIZES["desktop"],
        theme: str = "light",
        allowed: tuple[str, ...] = ("\0",),
        ready: bool = True,
    ) -> "Page":
        window = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            permissions=["clipboard-read", "clipboard-write"],
        )
        windows.append(window)
        window.add_init_script(_SHIFTS)
        window.set_default_timeout(1000 * PATIENCE)
        page = window.new_page()

        def on_console(message: "ConsoleMessage") -> None:
            if message.type == "error" and not message.text.startswith(allowed):
                wrong.append(message.text)

        def on_request(request: "Request") -> None:
            if not request.url.startswith((demo.url, "data:", "blob:")):
                wrong.append(request.url)

        page.on("console", on_console)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", on_request)
        page.goto(f"{demo.url}/?__theme={theme}{query and '&' + query}", wait_until="commit")
        if ready:
            page.locator("body.ready").wait_for()
        return page

    yield visit
    for window in windows:
        window.close()
    assert wrong == []


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, from the npm registry."""
    npm = shutil.which("npm")
    if npm is None:
        assert not os.environ.get("HF_GEN_REQUIRE_ALL"), "npm is not installed"
        pytest.skip("axe is not run: npm is not installed")
    folder = tmp_path_factory.mktemp("axe")
    for file in (ROOT / "tests" / "demo" / "axe").iterdir():
        shutil.copy2(file, folder)
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=240)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


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

"""A real demo in a process of its own, with all that a visitor can meet, and a real browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.vae import DenseVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline
from tests.loopback_hub import LoopbackHub

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
HUB_MODEL = "tester/tiny-faces"
SIZES = {"desktop": (1360, 900), "phone": (390, 844)}
# A training may take the same core.
PATIENCE = 60.0
# What the browser tells its console about an upload that the server refuses.
REFUSED = ("Failed to load resource", "Response")


@dataclass(frozen=True)
class Demo:
    """A demo that is being served.

    Attributes:
        url: Its address.
        folder: That of its runs; no visitor may read it.
    """

    url: str
    folder: Path


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser of this machine."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        assert not os.environ.get("HF_GEN_REQUIRE_ALL"), "chromium is needed, and not here"
        pytest.skip("the demo is not looked at: there is no chromium on this machine")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator["Browser"]:
    """Not for the whole session: as long as it is open, no other test can start an event loop."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=1000 * PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: "Browser", demo: Demo) -> Iterator[Callable[..., "Page"]]:
    """Opens the demo in a fresh window.

    At the end the consoles of all windows must be free of errors, but for what a window forgives,
    and nobody else than the server may have been asked for anything.
    """
    wrong: list[str] = []
    windows = []

    def visit(
        query: str = "",
        size: tuple[int, int] = SIZES["desktop"],
        theme: str = "light",
        forgives: tuple[str, ...] = (),
    ) -> "Page":
        window = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            permissions=["clipboard-read", "clipboard-write"],
        )
        windows.append(window)
        window.set_default_timeout(1000 * PATIENCE)
        page = window.new_page()
        page.on(
            "console",
            lambda message: (
                wrong.append(message.text)
                if message.type == "error" and not message.text.startswith(forgives or "\0")
                else None
            ),
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((demo.url, "data:", "blob:"))
                else wrong.append(request.url)
            ),
        )
        page.goto(f"{demo.url}/?__theme={theme}{query and '&' + query}")
        return page

    yield visit
    for window in windows:
        window.close()
    assert wrong == []


@pytest.fixture(scope="session")
def demo(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The bundled autoencoders, two CycleGANs as runs, and a small VAE on a loopback Hub."""
    runs = tmp_path_factory.mktemp("runs")
    torch.manual_seed(0)
    for name in ("lambda10", "lambda5"):
        generators = [ResnetGenerator(32, channels=4, num_residual_blocks=1) for _ in range(2)]
        pipeline = TranslationPipeline(*generators, 32, "anime", "cartoon")
        pipeline.save_pretrained(runs / name / "pipeline")
    home = tmp_path_factory.mktemp("home")
    with LoopbackHub() as hub:
        VAEPipeline(DenseVAE(16, hidden=(8,), latent_channels=4).eval(), None, 16).save_pretrained(
            home / "tiny"
        )
        files = [path for path in (home / "tiny").rglob("*") if path.is_file()]
        hub.create(
            HUB_MODEL,
            files={path.relative_to(home / "tiny").as_posix(): path.read_bytes() for path in files},
        )
        with _serving(runs, home, hub.environment(home, token="")) as url:
            yield Demo(url, runs)


@contextmanager
def _serving(runs: Path, home: Path, environment: dict[str, str]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}", home / "log.txt"
    app = (sys.executable, ROOT / "app.py")
    with log.open("w") as output:
        server = subprocess.Popen(
            [*app, "--runs", runs, "--port", str(port), "--models", HUB_MODEL],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=home,
            env={
                **os.environ,
                **environment,
                "PYTHONPATH": str(ROOT),
                "GRADIO_TEMP_DIR": str(home / "gradio"),
            },
        )
    try:
        deadline = time.monotonic() + 2 * PATIENCE
        while not _answers(url):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"no answer from {url}: {log.read_text()}"
            time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(PATIENCE)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False

"""A page with small networks, served on this machine, and a real browser."""

import functools
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import pytest
import torch

from hf_gen.export.page import write_page
from hf_gen.models.any_kl_vae import AnyKLVAE
from hf_gen.models.directions import LatentDirections
from hf_gen.models.prior import AnyKLPrior, LatentPrior
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline
from tests.pipelines.saved import translation_pipeline

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route

HERE = Path(__file__).parent
SIZES = {"desktop": (1360, 900), "phone": (390, 844)}
PATIENCE = 60.0
# What the browser logs about a file that is missing, and about a server that is gone.
FAILED = ("Failed to load resource",)


class Site:
    """Serves a folder as any static web server would, on a port of its own, until it is closed."""

    def __init__(self, folder: Path, headers: dict[str, str] | None = None) -> None:
        class Handler(SimpleHTTPRequestHandler):
            def end_headers(self) -> None:
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                super().end_headers()

            def log_message(self, *_: Any) -> None:
                """The output of a test is for its failures."""

        handler = functools.partial(Handler, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Made(NamedTuple):
    """A page, and the pipelines that it runs."""

    folder: Path
    pipelines: dict[str, VAEPipeline | TranslationPipeline]
    content: dict[str, Any]


@pytest.fixture(scope="session")
def npm() -> Path:
    """The folder of the pinned packages, which npm installs."""
    modules = HERE / "node_modules"
    required = os.environ.get("HF_GEN_REQUIRE_ALL")
    if shutil.which("npm") is None:
        assert not required, "npm is not installed"
        pytest.skip("no test of the page: there is no npm on this machine")
    lock, installed = HERE / "package-lock.json", modules / ".package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
        if done.returncode:
            assert not required, done.stderr
            pytest.skip(f"no test of the page: npm ci failed: {done.stderr.strip()[-200:]}")
    return modules


@pytest.fixture(scope="session")
def made(npm: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """One autoencoder with a mixture, one with directions for any KL weight, one translation."""
    if not os.environ.get("HF_GEN_REQUIRE_ALL"):
        for library in ("onnx", "onnxruntime", "onnxscript"):
            pytest.importorskip(library)
    torch.manual_seed(0)
    pipelines = {"tiny/any <i>KL</i>": _any_kl(), "plain": _plain(), "styles": _translation()}
    folder = tmp_path_factory.mktemp("page") / "page"
    runtime = npm / "onnxruntime-web/dist"
    content = write_page(folder, pipelines, True, title="<i>Faces</i>", runtime=runtime)
    return Made(folder, pipelines, content)


def _any_kl() -> VAEPipeline:
    vae = AnyKLVAE(16, filters=(6, 4), latent_channels=5)
    prior = AnyKLPrior((5, 1, 1), 3)
    for tensor in (prior.mean, prior.means, prior.cholesky):
        torch.nn.init.normal_(tensor)
    prior.cholesky.tril_()
    editor = LatentDirections((5, 1, 1), ("head_tilt", "hair"), 1)
    for tensor in (editor.vectors, editor.readers, editor.offsets):
        torch.nn.init.normal_(tensor)
    editor.lows.copy_(torch.tensor([-2.0, 0.0]))
    editor.highs.copy_(torch.tensor([1.5, 1.0]))
    return _vivid(VAEPipeline(vae, prior, 16, "mixture", editor=editor))


def _plain() -> VAEPipeline:
    prior = LatentPrior((5, 1, 1), 3)
    for tensor in (prior.mean, prior.means, prior.cholesky):
        torch.nn.init.normal_(tensor)
    prior.cholesky.tril_()
    prior.weights.copy_(torch.tensor([0.6, 0.1, 0.3]))
    return _vivid(VAEPipeline(ConvVAE(16, filters=(6, 4), latent_channels=5), prior, 16, "mixture"))


def _vivid(pipeline: VAEPipeline) -> VAEPipeline:
    """With images that differ, of an untrained network; its weights are exact in half precision."""
    with torch.no_grad():
        for name, weight in pipeline.vae.named_parameters():
            if name.startswith("decoder") and weight.ndim > 1:
                weight.mul_(2.5)
    pipeline.vae.half().float().eval()
    return pipeline


def _translation() -> TranslationPipeline:
    pipeline = translation_pipeline()
    for network in pipeline.components.values():
        network.half().float()
    return pipeline


@pytest.fixture(scope="module")
def site(made: Made) -> Iterator[Site]:
    with Site(made.folder) as site:
        yield site


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
def visit(browser: "Browser") -> Iterator[Callable[..., "Page"]]:
    """Opens an address in a fresh window.

    At the end no window may have logged an error, except those that it allows, or have sent a
    request to anything but the server and, where it is given with its files, the CDN.
    """
    wrong: list[str] = []
    windows = []

    def visit(
        url: str,
        size: str = "desktop",
        theme: str = "light",
        allowed: tuple[str, ...] = ("\0",),
        script: str = "",
        cdn: tuple[str, Path] | None = None,
        **options: Any,
    ) -> "Page":
        width, height = SIZES[size]
        window = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            has_touch=size == "phone",
            permissions=["clipboard-read", "clipboard-write"],
            **options,
        )
        windows.append(window)
        window.set_default_timeout(1000 * PATIENCE)
        page = window.new_page()
        page.add_init_script(script)
        known = [url[: url.index("/", 8)], "data:", "blob:"]
        if cdn is not None:
            known.append(cdn[0])
            page.route(f"{cdn[0]}*", lambda route: _answer(route, cdn[1]))

        def on_console(message: "ConsoleMessage") -> None:
            if message.type == "error" and not message.text.startswith(allowed):
                wrong.append(message.text)

        def on_request(request: "Request") -> None:
            if not request.url.startswith(tuple(known)):
                wrong.append(request.url)

        page.on("console", on_console)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        window.on("request", on_request)
        page.goto(url)
        return page

    yield visit
    for window in windows:
        window.close()
    assert wrong == []


def _answer(route: "Route", folder: Path) -> None:
    """Of the CDN: a file with the name."""
    path = folder / route.request.url.rpartition("/")[2]
    route.fulfill(path=path, headers={"Access-Control-Allow-Origin": "*"})

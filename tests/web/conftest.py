"""A page with small networks, served on this machine."""

import functools
import os
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest
import torch

from hf_gen.export.page import write_page
from hf_gen.models.any_kl_vae import AnyKLVAE
from hf_gen.models.directions import LatentDirections
from hf_gen.models.prior import AnyKLPrior, LatentPrior
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline
from tests.pipelines.saved import translation_pipeline


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

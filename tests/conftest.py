"""What several tests share: folders of small random images, a Hub, fresh Python processes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState, GradientState
from huggingface_hub import constants
from PIL import Image

from tests.browser import axe as axe
from tests.browser import browser as browser
from tests.browser import chromium as chromium
from tests.browser import npm as npm
from tests.browser import visit as visit
from tests.launching import ROOT, without_figures
from tests.loopback_hub import LoopbackHub
from tests.reliability import injected as injected
from tests.reliability import keep_only_these
from tests.reliability import pytest_runtest_makereport as pytest_runtest_makereport


def pytest_configure() -> None:
    """Gives each worker its own cores: threads that share one wait for each other by spinning."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker or not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    workers = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    own = cores[int(worker.removeprefix("gw")) :: workers] or cores
    os.sched_setaffinity(0, own)
    os.environ.setdefault("OMP_NUM_THREADS", str(len(own)))
    torch.set_num_threads(len(own))


LONGEST = (
    *("test_train", "test_page.py", "test_compare.py", "test_browser.py", "test_onnx_files.py"),
    *("test_push.py", "test_hub_loading.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no worker waits for the other in the end."""
    keep_only_these(items)
    items.sort(key=lambda item: not item.path.name.startswith(LONGEST))


@pytest.fixture(scope="session")
def image_folder() -> Callable[..., Path]:
    """Fills a folder with `count` PNGs of noise and returns it."""

    def fill(folder: Path, count: int, size: int = 16, seed: int = 0) -> Path:
        folder.mkdir(parents=True)
        numbers = np.random.default_rng(seed)
        for index in range(count):
            rows = numbers.integers(0, 256, (size, size, 3), dtype=np.uint8)
            Image.fromarray(rows).save(folder / f"{index:03d}.png")
        return folder

    return fill


@pytest.fixture
def start_python(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a program in a fresh process that sees this hf_gen and caches in `tmp_path`."""
    started: list[subprocess.Popen[str]] = []

    def start(
        program: str, *arguments: object, cwd: Path | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        caches = {"HF_HOME": str(tmp_path / "hf_home"), "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env={**os.environ, **caches, **environment},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def loopback_hub() -> Iterator[LoopbackHub]:
    """A fresh, empty Hub of the user "tester"."""
    with LoopbackHub() as hub:
        yield hub


@pytest.fixture
def loopback_only(
    loopback_hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clients of this process know the loopback Hub, an empty cache and no stored token."""
    template = f"{loopback_hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "ENDPOINT", loopback_hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The flags that keep datasets and pixels in one temporary folder for all tests."""
    return "--cache-dir", str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def no_figures() -> Iterator[None]:
    """For runs whose figures nobody looks at."""
    with without_figures():
        yield


@pytest.fixture(autouse=True)
def _fresh_accelerate() -> Iterator[None]:
    """Accelerate keeps its state between two trainings of one process."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()

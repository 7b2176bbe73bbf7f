"""What several tests share: small random images, folders of them, and fresh Python processes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState, GradientState
from PIL import Image

import hf_gen
from tests.loopback_hub.fixture import loopback_hub as loopback_hub
from tests.reliability import injected as injected
from tests.reliability import keep_only_these
from tests.reliability import pytest_runtest_makereport as pytest_runtest_makereport

ROOT = Path(hf_gen.__file__).parents[1]


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no worker waits for the other in the end."""
    keep_only_these(items)
    items.sort(key=lambda item: not item.path.name.startswith("test_train"))


def _random_images(count: int, size: int = 16, seed: int = 0) -> list[Image.Image]:
    numbers = np.random.default_rng(seed)
    return [
        Image.fromarray(numbers.integers(0, 256, (size, size, 3), dtype=np.uint8))
        for _ in range(count)
    ]


@pytest.fixture(scope="session")
def random_images() -> Callable[..., list[Image.Image]]:
    """Makes `count` RGB images of noise; the same ones for the same arguments."""
    return _random_images


@pytest.fixture(scope="session")
def image_folder() -> Callable[..., Path]:
    """Fills a folder with `count` PNGs of noise and returns it."""

    def fill(folder: Path, count: int, size: int = 16, seed: int = 0) -> Path:
        folder.mkdir(parents=True)
        for index, image in enumerate(_random_images(count, size, seed)):
            image.save(folder / f"{index:03d}.png")
        return folder

    return fill


@pytest.fixture
def start_python(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a program in a fresh process that sees this hf_gen and caches in `tmp_path`."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
        caches = {"HF_HOME": str(tmp_path / "hf_home"), "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **caches, **environment},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The flags that keep datasets and pixels in one temporary folder for all tests."""
    return "--cache-dir", str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _fresh_accelerate() -> Iterator[None]:
    """Accelerate keeps its state between two trainings of one process."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()

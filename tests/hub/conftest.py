"""A small trained run, and `hf-gen` on the loopback Hub."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hf_gen.cli import main
from tests.loopback_hub import LoopbackHub
from train_accelerate import main as train

TINY = (
    *("--max-train-samples", "120", "--train-batch-size", "12", "--resolution", "16"),
    *("--max-train-steps", "12", "--validation-steps", "4", "--logging-steps", "2"),
)
Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="session")
def finished(cache: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small finished run, in a folder whose name must not be published."""
    run = tmp_path_factory.mktemp("secret-place") / "small"
    arguments = ["conv-vae", *TINY, *cache, "--latent-channels", "4", "--output-dir", str(run)]
    assert train(arguments) == 0
    return run


@pytest.fixture
def api(loopback_hub: LoopbackHub) -> HfApi:
    """A client that may write."""
    return HfApi(endpoint=loopback_hub.url, token=loopback_hub.write_token)


@pytest.fixture
def fresh(
    loopback_hub: LoopbackHub, tmp_path: Path, start_python: Callable[..., subprocess.Popen[str]]
) -> Run:
    """A program in a fresh process that knows the loopback Hub only."""

    def run(program: str, *arguments: str) -> tuple[int, str]:
        environment = loopback_hub.environment(tmp_path)
        process = start_python(program, *arguments, cwd=tmp_path, **environment)
        output, errors = process.communicate(timeout=240)
        return process.returncode, errors + output

    return run


@pytest.fixture
def in_process(
    loopback_hub: LoopbackHub,
    loopback_only: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Run:
    """Runs a command in this process; returns its exit code and output."""

    def run(
        program: Callable[[], int | None], *arguments: str, token: str | None = None
    ) -> tuple[int, str]:
        for name, value in loopback_hub.environment(tmp_path, token).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["hf-gen", *arguments])
        try:
            code = program()
        except SystemExit as end:
            code = int(end.code or 0)
        return code or 0, "".join(capfd.readouterr())

    return run


@pytest.fixture
def push(in_process: Run) -> Run:
    """`hf-gen push`."""
    return lambda *arguments, **options: in_process(main, "push", *arguments, **options)


@pytest.fixture
def train_and_push(
    in_process: Run, cache: tuple[str, str], tmp_path: Path, no_figures: None
) -> Run:
    """Trains the run `mine` in `tmp_path`, without figures, and uploads it."""
    arguments = ("conv-vae", *TINY, *cache, "--latent-channels", "4", "--push-to-hub")

    def run(*flags: str, **options: str) -> tuple[int, str]:
        places = ("--output-dir", str(tmp_path / "mine"))
        return in_process(lambda: train(sys.argv[1:]), *arguments, *places, *flags, **options)

    return run

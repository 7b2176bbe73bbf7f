"""The fixtures of the loopback Hub's own tests."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from tests.loopback_hub import LoopbackHub


@pytest.fixture
def api(loopback_hub: LoopbackHub) -> HfApi:
    """A client in this process that may do all; it does not go through HF_ENDPOINT."""
    return HfApi(endpoint=loopback_hub.url, token=loopback_hub.write_token)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """Runs a program, or a command, in a fresh process that knows this Hub only; its output."""

    def run(hub: LoopbackHub, program: str | list[str], *arguments: object, **more: str) -> str:
        command = [sys.executable, "-c", program] if isinstance(program, str) else program
        finished = subprocess.run(
            [*command, *map(str, arguments)],
            env={**os.environ, **hub.environment(tmp_path), **more},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert finished.returncode == 0, finished.stdout
        return finished.stdout

    return run

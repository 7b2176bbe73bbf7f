"""The training command as a process: started, waited for, compared."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from unittest import mock

import pytest

ROOT = Path(__file__).parents[1]
ACCELERATE = (sys.executable, "-m", "accelerate.commands.launch")


def start(*arguments: str, launcher: tuple[str, ...] = (), **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*(launcher or (sys.executable,)), str(ROOT / "train_accelerate.py"), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    output, _ = process.communicate(timeout=240)
    assert process.returncode == code, output
    return output


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def wait_for(process: subprocess.Popen[str], *places: Path) -> None:
    """Until one of `places` exists; name a lasting one besides one that exists briefly."""
    while not any(place.exists() for place in places):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.001)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def same_numbers(
    first: Path, second: Path, tolerance: float = 1e-4, lines: int | None = None
) -> None:
    """Asserts that two logs agree, all of them or their first lines."""
    for one, two in zip(metrics(first)[:lines], metrics(second)[:lines], strict=True):
        assert one.keys() == two.keys()
        assert list(one.values()) == pytest.approx(list(two.values()), rel=tolerance)


def without_figures() -> AbstractContextManager[object]:
    """Runs that end in this context draw no figures, which take longer than a small training."""
    names = ("draw_vae_figures", "draw_any_kl_figures", "draw_translation_figures")
    return mock.patch.multiple("hf_gen.report", **dict.fromkeys(names, lambda *_: None))

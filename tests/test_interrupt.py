"""Ctrl-C at any moment is one line and exit code 130."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hf_gen.interrupt import OF_TRAINING, WORDS
from hf_gen.training.signals import Interrupted, stop_signals
from tests.launching import ROOT, free_port

# Runs a program, and sends it SIGINT when it imports a module for the first time.
AT_IMPORT = """
import os, runpy, signal, sys
class Moment:
    def find_spec(self, name, path=None, target=None):
        if name == moment:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
moment, program, *arguments = sys.argv[1:]
sys.meta_path.insert(0, Moment())
sys.argv = [program, *arguments]
run = runpy.run_path if program.endswith(".py") else runpy.run_module
run(program, run_name="__main__")
"""
SMALL = (
    *("conv-vae", "--max-train-samples", "40", "--train-batch-size", "4", "--max-train-steps", "1"),
    *("--report-to", "none", "--torch-compile", "off", "--cache-dir", "cache"),
)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize(
    ("program", "arguments", "moment", "message"),
    [
        ("train_accelerate.py", SMALL, "torch", OF_TRAINING),
        ("train_accelerate.py", SMALL, "joblib", OF_TRAINING),  # it makes the faces
        ("hf_gen", ("sample", "conv-vae"), "tyro", WORDS),
        ("hf_gen", ("draw-faces", "faces"), "hf_gen.faces.dataset", WORDS),
        ("app.py", (), "gradio", WORDS),
        ("hf_gen", ("demo",), "gradio", WORDS),
    ],
)
def test_an_interrupted_program_ends_with_one_line(
    tmp_path: Path,
    start_python: Callable[..., subprocess.Popen[str]],
    program: str,
    arguments: tuple[str, ...],
    moment: str,
    message: str,
) -> None:
    script = ROOT / program if program.endswith(".py") else program
    process = start_python(AT_IMPORT, moment, script, *arguments, cwd=tmp_path)
    _, errors = process.communicate(timeout=240)
    assert (process.returncode, errors.splitlines()[-1:]) == (130, [message]), errors
    assert "Traceback" not in errors


def test_an_interrupted_demo_ends_without_a_traceback(tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "app.py"), "--port", str(port)],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None:
        with socket.socket() as visitor:
            if visitor.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    time.sleep(1)  # gradio requests a page of its own server before it waits
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, output + errors
    assert "Traceback" not in errors


def test_an_error_after_ctrl_c_is_an_interrupt() -> None:
    def work(error: Exception, is_interrupted: bool) -> None:
        with stop_signals():
            if is_interrupted:
                os.kill(os.getpid(), signal.SIGINT)
            raise error

    with pytest.raises(KeyboardInterrupt):
        work(RuntimeError("the compiler was interrupted too"), True)
    with pytest.raises(Interrupted):
        work(Interrupted(signal.SIGINT, 1, Path("run")), True)
    with pytest.raises(RuntimeError):
        work(RuntimeError("out of memory"), False)

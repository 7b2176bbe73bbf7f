"""Ctrl-C at any moment is one line and exit code 130."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hf_gen.training.signals import Interrupted, stop_signals
from tests.launching import ROOT, free_port

TRAINING = "interrupted: the same command goes on from the last checkpoint, if there is one"
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
    *("--report-to", "none", "--torch-compile", "off"),
)


@pytest.mark.parametrize(
    ("program", "arguments", "moment", "line"),
    [
        ("train_accelerate.py", SMALL, "tyro", TRAINING),
        ("train_accelerate.py", SMALL, "torch", TRAINING),
        ("train_accelerate.py", SMALL, "joblib", TRAINING),  # it draws the faces
        ("train_accelerate.py", SMALL, "hf_gen.evaluation.autoencoder", TRAINING),
        ("hf_gen", ("sample", "conv-vae"), "tyro", "interrupted"),
        ("hf_gen", ("sample", "conv-vae"), "hf_gen.pipelines.loading", "interrupted"),
        ("hf_gen", ("draw-faces", "faces"), "hf_gen.faces.dataset", "interrupted"),
        ("app.py", (), "gradio", "interrupted"),
    ],
)
def test_a_program_ends_with_one_line(
    tmp_path: Path,
    cache: tuple[str, str],
    program: str,
    arguments: tuple[str, ...],
    moment: str,
    line: str,
) -> None:
    script = str(ROOT / program) if program.endswith(".py") else program
    ended = subprocess.run(
        [sys.executable, "-c", AT_IMPORT, moment, script, *arguments]
        + [*cache] * (arguments == SMALL),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    said = [row for row in ended.stderr.splitlines() if "images/s" not in row and "it/s" not in row]
    assert (ended.returncode, said[-1:]) == (130, [line]), ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_served_page_ends_with_one_line(tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "app.py"), "--port", str(port)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None:
        with socket.socket() as visitor:
            if visitor.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    time.sleep(1)  # gradio asks its own server before it waits
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, output + errors
    assert "Traceback" not in errors


def test_what_fails_after_ctrl_c_has_been_interrupted_by_it() -> None:
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

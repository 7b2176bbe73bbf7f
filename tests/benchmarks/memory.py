"""The most memory that the main job holds at once."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from tests.benchmarks.demo import ROOT
from tests.benchmarks.table import Row, bounded


def rows() -> Iterator[Row]:
    """Of a whole `quickstart`, from drawing the faces to the card."""
    with tempfile.TemporaryDirectory() as place:
        flags = ["--output-dir", f"{place}/run", "--cache-dir", f"{place}/cache"]
        training = subprocess.Popen(
            [sys.executable, str(ROOT / "train_accelerate.py"), "quickstart", *flags],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(training.pid, 0)
        training.returncode = os.waitstatus_to_exitcode(status)
    if training.returncode:
        raise RuntimeError(f"quickstart ended with {training.returncode}")
    gigabytes = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
    yield bounded("`train_accelerate.py quickstart`, peak memory", 1.5, [gigabytes], "GB")

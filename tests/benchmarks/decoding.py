"""`python -m tests.benchmarks.decoding FOLDER`: two processes that decode a dataset, against one.

Each process has one core and one thread, and starts when everything is imported.
"""

import os
import subprocess
import sys
import tempfile
import time
from statistics import median

PROGRAM = """
import sys
from pathlib import Path
import datasets.packaged_modules.parquet.parquet
from PIL import Image
from hf_gen.config import Data
from hf_gen.data.sources import load_domain
Image.init()
data = Data(train_data_dir=Path(sys.argv[1]), resolution=64, cache_dir=Path(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
load_domain(data)
"""
ROUNDS = 3


def seconds(folder: str, processes: int) -> float:
    """How long so many processes take until all of them have the pixels."""
    with tempfile.TemporaryDirectory() as cache:
        started = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, folder, cache],
                env={**os.environ, "LOCAL_WORLD_SIZE": str(os.cpu_count()), "OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                preexec_fn=lambda core=number: os.sched_setaffinity(0, {core}),
            )
            for number in range(processes)
        ]
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        since = time.perf_counter()
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        assert all(process.wait() == 0 for process in started)
        return time.perf_counter() - since


def main() -> None:
    """Prints the median ratio of some rounds in turn."""
    rounds = [(seconds(sys.argv[1], 1), seconds(sys.argv[1], 2)) for _ in range(ROUNDS)]
    ratios = [one / two for one, two in rounds]
    one, two = (median(times) for times in zip(*rounds, strict=True))
    print(
        f"two processes {median(ratios):.2f} times as fast as one ({min(ratios):.2f} to "
        f"{max(ratios):.2f}): {two:.1f} s in place of {one:.1f} s"
    )


if __name__ == "__main__":
    main()

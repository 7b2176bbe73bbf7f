"""`python -m tests.benchmarks.demo`: how soon the demo responds, its memory, and a crowd.

Each number is of a fresh `python app.py` on this machine; nothing else should run at the same time.
"""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from gradio_client import Client, handle_file

from hf_gen.demo.uploads import example_faces
from hf_gen.pipelines import WEIGHTS
from tests.demo.serving import serving as served
from tests.launching import ROOT
from tests.untrusted.limits import memory

VISITORS = 50
FACE, OTHER = (handle_file(face) for face in example_faces("anime")[:2])
REQUESTS = {
    "/reconstruct": (FACE, "conv-vae"),
    "/sample": ("conv-vae", 12, 0, "mixture", 1.0),
    "/interpolate": (FACE, OTHER, "conv-vae"),
    "/translate": (FACE, "cyclegan"),
}


@contextmanager
def serving(models: int | None = None) -> Iterator[tuple[str, int, float]]:
    """A demo with so many more models: its address, its process, and when it was started."""
    with tempfile.TemporaryDirectory() as place:
        runs = Path(place) / "runs"
        for number in range(models or 0):
            shutil.copytree(WEIGHTS / "cyclegan", runs / f"{number}" / "pipeline")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        began = time.perf_counter()
        with served(Path(place), "--runs", str(runs), environment=environment) as (url, process):
            yield url, process, began


def megabytes(process: int) -> float:
    """The memory of a process."""
    return memory("VmRSS", process) / 2**20


def request(client: Client, endpoint: str) -> float:
    """Seconds that one request takes."""
    began = time.perf_counter()
    client.predict(*REQUESTS[endpoint], api_name=endpoint)
    return time.perf_counter() - began


def main() -> None:
    """Prints everything."""
    for endpoint in REQUESTS:
        with serving() as (url, _, began):
            page = time.perf_counter() - began
            client = Client(url, verbose=False)
            request(client, endpoint)
            first = time.perf_counter() - began
            warm = statistics.median(request(client, endpoint) for _ in range(9))
        print(
            f"{endpoint:14} page {page:5.2f} s  first response {first:5.2f} s  warm {warm:5.3f} s"
        )
    for models in (1, 4, 8):
        with serving(models) as (url, process, _):
            client = Client(url, verbose=False)
            empty = megabytes(process)
            for number in range(models):
                client.predict(FACE, f"runs/{number}", api_name="/translate")
            print(f"{models} CycleGANs more: {empty:,.0f} MB, then {megabytes(process):,.0f} MB")
    with serving() as (url, process, _):
        clients = [Client(url, verbose=False) for _ in range(VISITORS)]
        request(clients[0], "/reconstruct")
        with ThreadPoolExecutor(VISITORS) as crowd:  # an error of one is the error of all
            seconds = [*crowd.map(lambda client: request(client, "/reconstruct"), clients)]
        slow = statistics.quantiles(seconds, n=20)[-1]
        print(
            f"{VISITORS} at once: median {statistics.median(seconds):.2f} s, 95th percentile "
            f"{slow:.2f} s, {megabytes(process):,.0f} MB"
        )


if __name__ == "__main__":
    main()

"""`python -m tests.benchmarks.demo`: how soon the demo answers, what it holds, and in a crowd.

Each number is of a fresh `python app.py` on this machine; nothing else should run beside it.
"""

import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from gradio_client import Client, handle_file

from hf_gen.demo.uploads import example_faces
from hf_gen.pipelines import WEIGHTS

ROOT = Path(__file__).parents[2]
VISITORS = 50
FACE, OTHER = (handle_file(face) for face in example_faces("anime")[:2])
QUESTIONS = {
    "/reconstruct": (FACE, "conv-vae"),
    "/sample": ("conv-vae", 12, 0, "mixture", 1.0),
    "/interpolate": (FACE, OTHER, "conv-vae"),
    "/translate": (FACE, "cyclegan"),
}


@contextmanager
def serving(models: int | None = None) -> Iterator[tuple[str, int, float]]:
    """A demo of so many models, of all that ship by default: address, process, when it started."""
    with tempfile.TemporaryDirectory() as place, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        runs = Path(place) / "runs"
        for number in range(models or 0):
            shutil.copytree(WEIGHTS / "cyclegan", runs / f"{number}" / "pipeline")
        environment = {"PYTHONPATH": str(ROOT), "GRADIO_TEMP_DIR": place}
        program = [sys.executable, str(ROOT / "app.py"), "--port", str(port), "--runs", str(runs)]
        began = time.perf_counter()
        server = subprocess.Popen(
            program, env={**os.environ, **environment}, stdout=subprocess.DEVNULL
        )
        url = f"http://127.0.0.1:{port}"
        try:
            while not _answers(url):
                time.sleep(0.05)
            yield url, server.pid, began
        finally:
            server.terminate()
            server.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def megabytes(process: int) -> float:
    """What a process holds in memory."""
    status = Path(f"/proc/{process}/status").read_text()
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(kilobytes) / 1024


def ask(client: Client, endpoint: str) -> float:
    """Seconds that one question takes."""
    began = time.perf_counter()
    client.predict(*QUESTIONS[endpoint], api_name=endpoint)
    return time.perf_counter() - began


def main() -> None:
    """Prints everything."""
    for endpoint in QUESTIONS:
        with serving() as (url, _, began):
            page = time.perf_counter() - began
            client = Client(url, verbose=False)
            ask(client, endpoint)
            first = time.perf_counter() - began
            warm = statistics.median(ask(client, endpoint) for _ in range(9))
        print(f"{endpoint:14} page {page:5.2f} s  first answer {first:5.2f} s  warm {warm:5.3f} s")
    for models in (1, 4, 8):
        with serving(models) as (url, process, _):
            client = Client(url, verbose=False)
            empty = megabytes(process)
            for number in range(models):
                client.predict(FACE, f"runs/{number}", api_name="/translate")
            print(f"{models} CycleGANs more: {empty:,.0f} MB, then {megabytes(process):,.0f} MB")
    with serving() as (url, process, _):
        clients = [Client(url, verbose=False) for _ in range(VISITORS)]
        ask(clients[0], "/reconstruct")
        seconds, errors = [], 0
        with ThreadPoolExecutor(VISITORS) as crowd:
            for job in [crowd.submit(ask, client, "/reconstruct") for client in clients]:
                try:
                    seconds.append(job.result())
                except Exception as error:  # whatever a visitor would have seen
                    print(error)
                    errors += 1
        slow = statistics.quantiles(seconds, n=20)[-1]
        print(
            f"{VISITORS} at once: median {statistics.median(seconds):.2f} s, 95th percentile "
            f"{slow:.2f} s, {errors} errors, {megabytes(process):,.0f} MB"
        )


if __name__ == "__main__":
    main()

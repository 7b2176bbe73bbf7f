"""`python -m tests.benchmarks.demo`: what a visitor waits for, how soon the API responds, a crowd.

Its parts by name: `visit`, which needs Chromium, `answers`, `memory` and `crowd`. Each number is
of a fresh `python app.py` on this machine; nothing else should run at the same time.
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gradio_client import Client, handle_file

from hf_gen.demo.uploads import example_faces
from hf_gen.pipelines import WEIGHTS
from tests.browser import SIZES
from tests.demo.serving import serving as served
from tests.launching import ROOT
from tests.untrusted.limits import memory

if TYPE_CHECKING:
    from playwright.sync_api import Page

# The script of a window: when the first picture was painted, and how far what is seen has moved.
_WATCH = """
window.shift = 0;
new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
  if (!entry.hadRecentInput) window.shift += entry.value;
})).observe({ type: "layout-shift", buffered: true });
const look = () => {
  const image = document.querySelector("#poster img, .walls img");
  if (image?.complete && image.naturalWidth) window.picture = performance.now();
  else requestAnimationFrame(look);
};
requestAnimationFrame(look);
addEventListener("DOMContentLoaded", () => new MutationObserver((_, watch) => {
  if (!document.body.classList.contains("ready")) return;
  window.ready = performance.now();
  watch.disconnect();
}).observe(document.body, { attributes: true }));
"""
# What a visitor does, in which tab, with what, and which picture is then another one.
ACTIONS = {
    "other faces": ("sample", ".dice:visible", ".walls img"),
    "another face to edit": ("edit", ".thumbnails button.face", ".large img"),
    "faces like it": ("edit", ".like button.face", ".like img"),
    "reconstruct": ("reconstruct", ".thumbnails button.face", ".pair:visible .after"),
    "translate": ("translate", ".thumbnails button.face", ".pair:visible .after"),
    "make": ("make", ".dice:visible", ".figures img"),
}
_TIMES = 7
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


def visit() -> None:
    """Prints what a visitor sees when, and how soon after each action."""
    from playwright.sync_api import sync_playwright

    with serving() as (url, *_), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for size, (width, height) in SIZES.items():
            seen = []
            for _ in range(_TIMES):
                page = browser.new_page(viewport={"width": width, "height": height})
                page.add_init_script(_WATCH)
                page.goto(url, wait_until="commit")
                page.locator("body.ready").wait_for()
                page.wait_for_timeout(1000)
                seen.append(page.evaluate("[window.picture, window.ready, window.shift]"))
                page.close()
            picture, ready, shift = map(statistics.median, zip(*seen, strict=True))
            print(
                f"{size:8} first picture {picture / 1000:.2f} s  interactive {ready / 1000:.2f} s  "
                f"layout shift {shift:.3f}"
            )
        for action, (tab, what, picture) in ACTIONS.items():
            page = browser.new_page()
            page.goto(f"{url}/?tab={tab}")
            page.locator(picture).first.wait_for()
            seconds = [_act(page, what, number, picture) for number in range(_TIMES + 1)]
            print(f"{action:22} {statistics.median(seconds[1:]):.3f} s")
            page.close()


def _act(page: "Page", what: str, number: int, picture: str) -> float:
    """Seconds from a click until the first picture is another."""
    page.wait_for_timeout(1000)
    before = page.locator(picture).first.get_attribute("src")
    buttons = page.locator(what)
    began = time.perf_counter()
    buttons.nth((number + 1) % buttons.count()).click()
    page.wait_for_function(
        "([what, before]) => document.querySelector(what)?.src !== before",
        arg=[picture.replace(":visible", ""), before],
    )
    return time.perf_counter() - began


def answers() -> None:
    """Prints how soon each endpoint responds."""
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


def memory_of_models() -> None:
    """Prints the memory with more models."""
    for models in (1, 4, 8):
        with serving(models) as (url, process, _):
            client = Client(url, verbose=False)
            empty = megabytes(process)
            for number in range(models):
                client.predict(FACE, f"runs/{number}", api_name="/translate")
            print(f"{models} CycleGANs more: {empty:,.0f} MB, then {megabytes(process):,.0f} MB")


def crowd() -> None:
    """Prints how long many visitors wait who come at once."""
    with serving() as (url, process, _):
        clients = [Client(url, verbose=False) for _ in range(VISITORS)]
        request(clients[0], "/reconstruct")
        with ThreadPoolExecutor(VISITORS) as threads:  # an error of one is the error of all
            seconds = [*threads.map(lambda client: request(client, "/reconstruct"), clients)]
        slow = statistics.quantiles(seconds, n=20)[-1]
        print(
            f"{VISITORS} at once: median {statistics.median(seconds):.2f} s, 95th percentile "
            f"{slow:.2f} s, {megabytes(process):,.0f} MB"
        )


PARTS = {"visit": visit, "answers": answers, "memory": memory_of_models, "crowd": crowd}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()

"""The tab of the runs, in a real browser."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client

from hf_gen.demo.runs import build_runs_tab
from hf_gen.runs.folder import RunFolder
from tests.demo.run_folders import finish_line, log_cyclegan, log_vae, several_runs, start_run

CHROMIUM = Path("/usr/bin/chromium")


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    with gr.Blocks(analytics_enabled=False) as page, gr.Tabs(), gr.Tab("Runs") as tab:
        build_runs_tab(folder, tab)
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True)
    try:
        yield address
    finally:
        page.close()


@contextmanager
def chromium() -> Iterator[Any]:
    if not CHROMIUM.exists():
        assert not os.environ.get("HF_GEN_REQUIRE_ALL"), f"{CHROMIUM} is needed"
        pytest.skip(f"there is no {CHROMIUM} to look at the page with")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def test_the_page_draws_the_curves_and_follows_a_training(tmp_path: Path) -> None:
    folder = several_runs(tmp_path / "runs")
    wrong: list[str] = []
    with serving(folder) as address, chromium() as browser:
        for width, theme in ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("request", lambda r: wrong.append(r.url) if _is_outside(r.url) else None)
            page.goto(f"{address}?__theme={theme}")
            page.locator(".runs-plot .mark-line path").first.wait_for(timeout=60_000)
            assert page.locator(".runs-plot svg:visible").count() == 1
            assert page.locator(".runs-plot .mark-line path").count() == 6
            assert page.get_by_text("Negative ELBO").count() > 0
            assert page.locator(".runs-table mark").count() > 0
            assert page.get_by_text("Mode collapse").is_hidden()
            body = "document.documentElement"
            assert page.evaluate(f"{body}.scrollWidth <= {body}.clientWidth")
            assert str(folder) not in page.content()
            page.screenshot(path=tmp_path / f"{width}-{theme}.png", full_page=True)
            if (width, theme) != (390, "dark"):
                page.close()
        finish_line(folder / "now")
        log_vae(RunFolder(folder / "now"), 32, 41)
        page.locator(".runs-legend").get_by_text("step 800").wait_for(timeout=30_000)
        RunFolder(folder / "now").save_results({"images": 50, "psnr": 20.0})
        page.locator(".runs-table mark", has_text="20").wait_for(timeout=30_000)
        page.get_by_label("Runs", exact=True).click()
        page.get_by_role("option", name="reproduce/gan").click()
        page.get_by_text("Mode collapse").wait_for(timeout=30_000)
        page.locator(".runs-plot svg").nth(9).wait_for(timeout=30_000)
        page.screenshot(path=tmp_path / "collapse.png", full_page=True)
    assert wrong == []


def test_what_a_training_logs_later_joins_unless_numbers_were_picked(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    run = start_run(folder / "gan", "cyclegan", 60)
    log_cyclegan(run, (), end=6)
    with serving(folder) as address, chromium() as browser:
        untouched, picking = (browser.new_page() for _ in range(2))
        for page in (untouched, picking):
            page.goto(address)
            page.locator(".runs-plot svg:visible").nth(1).wait_for(timeout=60_000)
        picking.get_by_label("Numbers", exact=True).click()
        picking.keyboard.press("Backspace")
        picking.locator(".runs-plot svg:visible").nth(1).wait_for(state="hidden", timeout=30_000)
        log_cyclegan(run, (), start=6, end=21)
        kid = "mean of both directions, 0 at best"
        untouched.locator(".runs-plot", has_text=kid).wait_for(timeout=30_000)
        picking.locator(".runs-legend").get_by_text("step 400").wait_for(timeout=30_000)
        picking.get_by_text("Mode collapse").wait_for(timeout=30_000)
        assert picking.locator(".runs-plot", has_text="error of there and back").count() == 0
        assert picking.locator(".runs-plot", has_text=kid).count() == 0
        run.save_results({"images": 40, "a_to_b/kid": 4.0})
        untouched.locator(".runs-legend").get_by_text("finished").wait_for(timeout=30_000)
        untouched.get_by_label("Runs", exact=True).click()
        log_vae(start_run(folder / "later", "conv-vae", 0), 1, 3)
        untouched.get_by_role("option", name="later").wait_for(timeout=30_000)


def test_without_a_run_the_page_says_how_to_train_one(tmp_path: Path) -> None:
    with serving(tmp_path / "runs") as address:
        client = Client(address, verbose=False)
        assert "train_accelerate.py quickstart" in str(client.config)
        assert client.view_api(return_format="dict")["named_endpoints"] == {}


def _is_outside(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1", "http://localhost", "data:", "blob:"))

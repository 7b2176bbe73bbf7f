"""A real browser, and windows of it that are watched, for the tests of the page and of the demo."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route

Visit = Callable[..., "Page"]
SIZES = {"desktop": (1360, 900), "phone": (390, 844)}
# Tests that run at the same time may use the same core.
PATIENCE = 60.0
# What the browser logs about a file that is missing, and about a server that is gone.
FAILED = ("Failed to load resource",)
_PACKAGES = Path(__file__).parent / "web"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser of this machine."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        assert not os.environ.get("HF_GEN_REQUIRE_ALL"), "chromium is not installed"
        pytest.skip("no browser test: there is no chromium on this machine")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator["Browser"]:
    """Not for the whole session: as long as it is open, no other test can start an event loop."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=1000 * PATIENCE)
    with sync_playwright() as playwright:
        # A camera that shows a moving pattern.
        camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", *camera]
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: "Browser") -> Iterator[Visit]:
    """Opens an address in a fresh window.

    At the end no window may have logged an error, except those that it allows, or have sent a
    request to anything but the server and, where it is given with its files, the CDN.
    """
    wrong: list[str] = []
    windows = []

    def visit(
        url: str,
        size: str = "desktop",
        theme: str = "light",
        allowed: tuple[str, ...] = ("\0",),
        script: str = "",
        cdn: tuple[str, Path] | None = None,
        wait_until: Any = "load",
        **options: Any,
    ) -> "Page":
        width, height = SIZES[size]
        window = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            has_touch=size == "phone",
            permissions=["clipboard-read", "clipboard-write"],
            **options,
        )
        windows.append(window)
        window.set_default_timeout(1000 * PATIENCE)
        page = window.new_page()
        page.add_init_script(script)
        known = [url[: url.index("/", 8)], "data:", "blob:"]
        if cdn is not None:
            known.append(cdn[0])
            page.route(f"{cdn[0]}*", lambda route: _answer(route, cdn[1]))

        def on_console(message: "ConsoleMessage") -> None:
            if message.type == "error" and not message.text.startswith(allowed):
                wrong.append(message.text)

        def on_request(request: "Request") -> None:
            if not request.url.startswith(tuple(known)):
                wrong.append(request.url)

        page.on("console", on_console)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        window.on("request", on_request)
        page.goto(url, wait_until=wait_until)
        return page

    yield visit
    for window in windows:
        window.close()
    assert wrong == []


def _answer(route: "Route", folder: Path) -> None:
    """Of the CDN: a file with the name."""
    path = folder / route.request.url.rpartition("/")[2]
    route.fulfill(path=path, headers={"Access-Control-Allow-Origin": "*"})


@pytest.fixture(scope="session")
def npm() -> Path:
    """The folder of the pinned packages, which npm installs."""
    modules = _PACKAGES / "node_modules"
    required = os.environ.get("HF_GEN_REQUIRE_ALL")
    if shutil.which("npm") is None:
        assert not required, "npm is not installed"
        pytest.skip("no test of the page: there is no npm on this machine")
    lock, installed = _PACKAGES / "package-lock.json", modules / ".package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=_PACKAGES, capture_output=True, text=True)
        if done.returncode:
            assert not required, done.stderr
            pytest.skip(f"no test of the page: npm ci failed: {done.stderr.strip()[-200:]}")
    return modules


@pytest.fixture(scope="session")
def axe(npm: Path) -> str:
    """The script of axe-core."""
    return (npm / "axe-core" / "axe.min.js").read_text(encoding="utf-8")

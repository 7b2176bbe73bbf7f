"""What a visitor of the demo does and sees, for the tests in a browser."""

import base64
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import FilePayload, Locator, Page, expect


def open_tab(page: Page, name: str) -> Locator:
    """Chooses a tab, and waits until it is there; what it shows."""
    page.get_by_role("tab", name=name, exact=True).click()
    return opened_tab(page, name)


def opened_tab(page: Page, name: str) -> Locator:
    """What the tab shows that has to be the chosen one."""
    expect(page.get_by_role("tab", name=name, exact=True)).to_have_attribute(
        "aria-selected", "true"
    )
    return page.locator('[role="tabpanel"]:visible')


def titles(panel: Locator) -> Locator:
    """The names above the cards."""
    return panel.locator(".card:visible .title")


def measured(panel: Locator, name: str) -> Locator:
    """The values of a number, a card each, folded or not."""
    exactly = re.compile(f"^{re.escape(name)}$")
    pairs = panel.locator(".card:visible .numbers > div")
    return pairs.filter(has=panel.page.locator("dt", has_text=exactly)).locator("dd")


def use(face: Locator, action: str) -> None:
    """Takes a face somewhere by its menu."""
    face.click()
    face.page.locator("#face-menu").get_by_role("button", name=action).click()


def choose_models(panel: Locator, *names: str) -> None:
    """Ticks these models, and no others."""
    boxes = panel.locator(".models input[type=checkbox]")
    for name in boxes.evaluate_all("boxes => boxes.map(box => box.name)"):
        panel.locator(f'.models input[name="{name}"]').set_checked(name in names)


def thumbnails(page: Page) -> Locator:
    """The visitor's own faces, newest first, and the examples."""
    return page.locator(".thumbnails button.face")


def send(page: Page, files: Sequence[FilePayload] | Sequence[Path]) -> None:
    """Sends files, all at once."""
    page.locator(".tray input[type=file]").set_input_files(list(files))


def sources(images: Locator) -> list[str]:
    """Where images come from."""
    found: list[str] = images.evaluate_all("images => images.map(image => image.src)")
    return found


def pictures(page: Page, images: Locator) -> list[bytes]:
    """The pixels of images."""
    return [pixels(page, source, 32).tobytes() for source in sources(images)]


def content(page: Page, source: str) -> bytes:
    """What is at an address, or in it."""
    if source.startswith("data:"):
        return base64.b64decode(source.partition(",")[2])
    return page.request.get(source).body()


def pixels(page: Page, source: str, size: int) -> np.ndarray:
    """The image at an address, shrunk to what it was before it was enlarged."""
    with Image.open(io.BytesIO(content(page, source))) as image:
        small = image.convert("RGB").resize((size, size), Image.Resampling.NEAREST)
        return np.asarray(small, dtype=np.int64)


def frames(page: Page, film: Locator) -> int:
    """Of how many pictures a film is made."""
    with Image.open(io.BytesIO(content(page, sources(film)[0]))) as image:
        return getattr(image, "n_frames", 1)


def wait_for_rest(page: Page) -> None:
    """Until nothing is computed and all images are there."""
    expect(page.locator('[data-testid="status-tracker"]:not(.hide):visible')).to_have_count(0)
    page.wait_for_function(
        """() => [...document.images].every(image => {
          image.loading = "eager";
          return !image.checkVisibility() || (image.complete && image.naturalWidth > 0);
        })"""
    )

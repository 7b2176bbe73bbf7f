"""The demo in a real browser: what visitors see, click and send."""

import io
import os
import re
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hf_gen.demo.uploads import example_faces
from tests.demo.conftest import HUB_MODEL, REFUSED, ROOT, SIZES, Demo
from tests.untrusted.pictures import hostile_images, valid_images

if find_spec("playwright") is None and not os.environ.get("HF_GEN_REQUIRE_ALL"):
    pytest.skip("no browser test: playwright is not installed", allow_module_level=True)

from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.demo.browsing import (
    choose_models,
    clear,
    click_example,
    content,
    frames,
    measured,
    open_tab,
    opened_tab,
    pictures,
    pixels,
    send,
    sources,
    titles,
    wait_for_rest,
)

Visit = Callable[..., Page]
TWO = [
    FilePayload(name=f"mine-{place}.png", mimeType="image/png", buffer=path.read_bytes())
    for place, path in enumerate(example_faces("anime")[-2:])
]
DECIBELS = re.compile(r"^\d+\.\d dB$")
FIRST = ["face-vae", "conv-vae", "dense-vae-z10"]
CYCLEGANS = ["runs/lambda10", "runs/lambda5"]
both_sizes = pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)


def _reconstructed(page: Page) -> Locator:
    panel = opened_tab(page, "Reconstruct")
    expect(measured(panel, "PSNR")).to_have_text([DECIBELS] * 3)
    return panel


def _sampled(page: Page, count: int = 24) -> Locator:
    panel = opened_tab(page, "Sample")
    expect(panel.locator(".samples:visible img")).to_have_count(count)
    expect(panel.get_by_label("range slider for latent").first).to_be_visible()
    wait_for_rest(page)
    return panel


@both_sizes
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_tab_shows_results_before_a_click(
    visit: Visit, demo: Demo, size: tuple[int, int], theme: str
) -> None:
    page = visit(size=size, theme=theme)
    panel = _reconstructed(page)
    expect(titles(panel)).to_contain_text(FIRST)
    expect(panel.locator(".card:visible .image-container img")).to_have_count(6)
    assert page.evaluate("document.body.classList.contains('dark')") == (theme == "dark")
    _look(page)

    open_tab(page, "Sample")
    _sampled(page)
    _look(page)

    panel = open_tab(page, "Translate")
    expect(measured(panel, "cycle-consistency L1").first).to_have_text(re.compile(r"^\d\.\d+$"))
    _look(page)

    assert str(demo.folder) not in page.content()


def _look(page: Page) -> None:
    wait_for_rest(page)
    wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window, "nothing may stand out to the right"


def test_the_cards_follow_the_face_and_the_models(visit: Visit) -> None:
    page = visit()
    panel = _reconstructed(page)
    before = measured(panel, "PSNR").all_inner_texts()
    click_example(panel, 4)
    expect(measured(panel, "PSNR")).not_to_have_text(before)
    expect(measured(panel, "PSNR")).to_have_text([DECIBELS] * 3)
    panel.get_by_role("button", name="5 or 10 latents").click()
    expect(titles(panel)).to_contain_text(["dense-vae-z5", "dense-vae-z10"])
    expect(measured(panel, "PSNR")).to_have_text([DECIBELS] * 2)
    choose_models(panel)
    expect(panel.get_by_text("Choose a face and a model to reconstruct.")).to_be_visible()
    expect(titles(panel)).to_have_count(0)
    choose_models(panel, "dense-vae-z5")
    expect(titles(panel)).to_contain_text(["dense-vae-z5"])


@both_sizes
def test_several_faces_are_shown_on_one_sheet(visit: Visit, size: tuple[int, int]) -> None:
    page = visit(size=size)
    panel = _reconstructed(page)
    shown = pictures(page, panel.locator(".card:visible .image-container img"))
    send(panel, TWO)
    sheet = panel.locator(".sheet", has=page.get_by_alt_text("all faces"))
    expect(sheet.locator("li")).to_contain_text(["input", *FIRST])
    # Four rows of two, not of three: the example is removed.
    image = sheet.get_by_alt_text("all faces")
    expect(image).to_have_js_property("naturalWidth", 2 * 130 + 2)
    expect(image).to_have_js_property("naturalHeight", 4 * 130 + 2)
    cards = panel.locator(".card:visible .image-container img")
    assert not set(shown) & set(pictures(page, cards))
    _look(page)
    saved = sheet.get_by_role("link", name="Save as PNG").get_attribute("href") or ""
    with Image.open(io.BytesIO(content(page, saved))) as saved_image:
        assert saved_image.size == (2 * 130 + 2, 4 * 130 + 2)


@both_sizes
def test_the_interpolation_leads_to_a_second_face(visit: Visit, size: tuple[int, int]) -> None:
    page = visit(size=size)
    panel = _reconstructed(page)
    panel.get_by_role("button", name="Interpolate to a second face").click()
    expect(panel.get_by_text("Choose a second face to interpolate")).to_be_visible()
    panel.locator(".examples").nth(1).locator(".gallery-item").nth(2).click()
    films, strips = panel.locator(".film img"), panel.get_by_alt_text("interpolation, step by step")
    expect(films).to_have_count(3)
    expect(strips).to_have_count(3)
    _look(page)
    assert frames(page, films.first) == 16
    straight = sources(strips)
    panel.get_by_label("spherical", exact=True).check()
    expect(strips.first).not_to_have_attribute("src", straight[0])
    spherical = sources(strips)
    panel.get_by_label("Frozen latents").click()
    panel.get_by_role("option").first.click()
    expect(strips.first).not_to_have_attribute("src", spherical[0])
    _look(page)


def _expect_error(page: Page, words: str) -> None:
    """Waits for the only message, which shows no path and no traceback, and closes it."""
    toast = page.locator(".toast-body")
    expect(toast).to_have_count(1)
    expect(toast).to_contain_text(words)
    assert not re.search(r"/(tmp|work|home|root)\b|Traceback|\.py|gradio", toast.inner_text())
    toast.get_by_test_id("toast-close").click()
    expect(toast).to_have_count(0)


def test_an_unusable_file_is_a_clear_error(visit: Visit, tmp_path: Path) -> None:
    page = visit(allowed=REFUSED)
    panel = _reconstructed(page)
    valid, hostile = valid_images(), hostile_images()
    reasons = {
        "text.png": (b"not an image", "not an image of a known format"),
        "drawing.svg": (hostile["drawing.svg"], "not an image"),
        "cut.png": (valid["rgb.png"][:60], "damaged or cut short"),
        "film.gif": (valid["film.gif"], "it is an animation, and one picture is needed"),
        "large.png": (hostile["large.png"], "at most 50 megapixels are read"),
    }
    for name, (sent, reason) in reasons.items():
        clear(panel)
        (tmp_path / name).write_bytes(sent)
        send(panel, [tmp_path / name])
        _expect_error(page, f"{name} cannot be used: {reason}")
    clear(panel)
    expect(panel.get_by_text("Choose a face and a model to reconstruct.")).to_be_visible()
    (tmp_path / "long.png").write_bytes(bytes(21 * 2**20))
    send(panel, [tmp_path / "long.png"])
    _expect_error(page, "long.png is larger than 20 MB: save it smaller and try again")
    click_example(panel, 0)
    _reconstructed(page)


def test_the_same_seed_gives_the_same_faces(visit: Visit) -> None:
    page = visit()
    open_tab(page, "Sample")
    panel = _sampled(page)
    faces, seed = panel.locator(".samples:visible img"), panel.get_by_label("Seed")
    first, place = pictures(page, faces), sources(faces)[0]
    assert len(set(first)) == 24
    panel.get_by_role("button", name="Random seed").click()
    expect(seed).not_to_have_value("7")
    expect(faces.first).not_to_have_attribute("src", place)
    assert not set(first) & set(pictures(page, faces))
    place = sources(faces)[0]
    seed.fill("7")
    expect(faces.first).not_to_have_attribute("src", place)
    assert pictures(page, faces) == first
    place = sources(faces)[0]
    panel.get_by_label("standard normal").check()
    expect(faces.first).not_to_have_attribute("src", place)
    place = sources(faces)[0]
    panel.get_by_label("number input for Temperature").fill("0")
    expect(faces.first).not_to_have_attribute("src", place)
    usual = pictures(page, faces)
    assert len(set(usual[:12])) == len(set(usual[12:])) == 1


def test_all_faces_are_downloaded_as_one_zip(visit: Visit) -> None:
    page = visit()
    open_tab(page, "Sample")
    panel = _sampled(page)
    packed = _zip(page, panel)
    grids = [f"{name}/grid.png" for name in ("face-vae", "conv-vae")]
    assert len(packed.namelist()) == 2 * 13
    assert set(grids) < set(packed.namelist())
    for name in packed.namelist():
        with packed.open(name) as file, Image.open(file) as image:
            size = 64 if name.startswith("face-vae") else 32
            assert image.size[0] > 300 if name in grids else image.size == (size, size)


def _zip(page: Page, panel: Locator) -> zipfile.ZipFile:
    link = panel.get_by_role("link", name="Download all")
    return zipfile.ZipFile(io.BytesIO(content(page, link.get_attribute("href") or "")))


def test_a_face_is_edited_latent_by_latent(visit: Visit) -> None:
    page = visit()
    open_tab(page, "Sample")
    panel = _sampled(page)
    front = panel.locator(".explorer .image-frame img")
    knobs = panel.get_by_label("number input for latent")
    before, numbers = sources(front)[0], knobs.first.input_value()
    chosen = panel.locator(".samples:visible").nth(1).locator("img").nth(5)
    chosen.click()
    expect(panel.get_by_text("A face of conv-vae")).to_be_visible()
    expect(front).not_to_have_attribute("src", before)
    expect(knobs.first).not_to_have_value(numbers)
    face = sources(front)[0]
    shown = pixels(page, face, 32), pixels(page, sources(chosen)[0], 32)
    assert np.abs(shown[0] - shown[1]).max() <= 1
    panel.get_by_label("range slider for latent").first.press("PageUp")
    expect(front).not_to_have_attribute("src", face)
    panel.get_by_role("button", name="Random walk").click()
    film = panel.get_by_alt_text("a random walk of conv-vae")
    expect(film).to_be_visible()
    assert frames(page, film) == 60
    _look(page)


@both_sizes
def test_faces_are_translated_with_their_cycle_reconstructions(
    visit: Visit, size: tuple[int, int]
) -> None:
    page = visit(size=size)
    panel = open_tab(page, "Translate")
    choose_models(panel, *CYCLEGANS)
    expect(titles(panel)).to_contain_text(CYCLEGANS)
    errors = measured(panel, "cycle-consistency L1")
    expect(errors).to_have_text([re.compile(r"^\d\.\d+$")] * 2)
    expect(panel.locator(".card:visible .image-container img")).to_have_count(4)
    expect(panel.get_by_alt_text("cycle reconstruction")).to_have_count(2)
    anime, drawn = errors.all_inner_texts(), panel.locator(".examples img")
    faces = sources(drawn)
    panel.get_by_label("cartoon → anime").check()
    expect(drawn.first).not_to_have_attribute("src", faces[0])
    expect(errors).not_to_have_text(anime)
    assert all("cartoon-" in source for source in sources(drawn))
    clear(panel)
    send(panel, TWO)
    expect(panel.get_by_alt_text("all faces")).to_be_visible()
    wait_for_rest(page)
    names = _zip(page, panel).namelist()
    assert len(names) == 2 * 2 * 3
    assert "runs-lambda10/01-cycle.png" in names
    _look(page)


def test_a_copied_link_restores_the_page(visit: Visit) -> None:
    page = visit()
    open_tab(page, "Sample")
    panel = _sampled(page)
    choose_models(panel, "conv-vae-kl0")
    panel.get_by_label("Seed").fill("123")
    panel.get_by_label("fitted Gaussian").check()
    _sampled(page, 12)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Link copied")).to_be_visible()
    address = page.evaluate("navigator.clipboard.readText()")
    assert address == page.url
    again = visit(address.partition("?")[2])
    found = _sampled(again, 12)
    expect(titles(found)).to_contain_text(["conv-vae-kl0"])
    expect(found.get_by_label("Seed")).to_have_value("123")
    expect(found.get_by_label("fitted Gaussian")).to_be_checked()
    images = panel.locator(".samples:visible img"), found.locator(".samples:visible img")
    assert pictures(page, images[0]) == pictures(again, images[1])


def test_a_link_opens_any_tab(visit: Visit) -> None:
    panel = opened_tab(visit("tab=translate&direction=b_to_a"), "Translate")
    expect(panel.get_by_label("cartoon → anime")).to_be_checked()
    expect(measured(panel, "cycle-consistency L1").first).to_be_visible()
    expect(panel.locator(".examples img").first).to_have_attribute("src", re.compile("cartoon-"))


def test_invalid_values_in_a_link_are_ignored(visit: Visit) -> None:
    nonsense = (
        "tab=<script>&seed=abc&count=1e99&temperature=nan&prior=x&sample=../../etc&direction=up"
    )
    page = visit(f"{nonsense}&reconstruct=nobody,%3Cb%3E")
    expect(titles(_reconstructed(page))).to_contain_text(FIRST)
    open_tab(page, "Sample")
    panel = _sampled(page)
    expect(panel.get_by_label("Seed")).to_have_value("7")
    expect(panel.get_by_label("number input for Temperature")).to_have_value("1")
    expect(page.locator(".toast-body")).to_have_count(0)


def test_a_hub_model_of_the_operator_can_be_chosen(visit: Visit) -> None:
    page = visit()
    while not page.get_by_label(HUB_MODEL).count():  # it is loaded in the background
        page.wait_for_timeout(1000)
        page.reload()
        _reconstructed(page)
    choose_models(opened_tab(page, "Reconstruct"), HUB_MODEL)
    expect(titles(page.locator("body"))).to_contain_text([f"{HUB_MODEL} 16×16 pixels"])


if os.environ.get("HF_GEN_README_PICTURES"):

    @pytest.mark.parametrize(("theme", "name"), [("light", "demo.png"), ("dark", "demo-dark.png")])
    def test_the_readme_shows_the_demo(visit: Visit, theme: str, name: str) -> None:
        page = visit(size=(1280, 800), theme=theme)
        shots = []
        for tab, is_there in (("Reconstruct", _reconstructed), ("Sample", _sampled)):
            open_tab(page, tab)
            is_there(page)
            wait_for_rest(page)
            page.mouse.move(0, 0)
            shots.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
        both = Image.new("RGB", (1280, 1600))
        for place, shot in enumerate(shots):
            both.paste(shot, (0, 800 * place))
        file = ROOT / ".github" / name
        both.save(file, optimize=True)
        if file.stat().st_size > 400_000:
            both.quantize(256).save(file, optimize=True)

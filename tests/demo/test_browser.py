"""The demo in a real browser: what visitors see, click and send."""

import base64
import io
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image

from hf_gen import load
from hf_gen.demo.uploads import example_faces
from tests.browser import SIZES, Visit
from tests.demo.conftest import HUB_MODEL, REFUSED, Demo
from tests.launching import ROOT
from tests.untrusted.pictures import hostile_images, valid_images

if find_spec("playwright") is None and not os.environ.get("HF_GEN_REQUIRE_ALL"):
    pytest.skip("no browser test: playwright is not installed", allow_module_level=True)

from playwright.sync_api import Download, FilePayload, Locator, Page, expect

from tests.demo.browsing import (
    choose_models,
    content,
    frames,
    measured,
    open_tab,
    opened_tab,
    pictures,
    pixels,
    send,
    sources,
    thumbnails,
    titles,
    use,
    wait_for_rest,
)

DECIBELS = re.compile(r"^\d+\.\d dB$")
FIRST = ["face-vae", "conv-vae", "dense-vae-z10"]


def _payloads(*names: str) -> list[FilePayload]:
    files = {path.stem: path for style in ("anime", "cartoon") for path in example_faces(style)}
    return [
        FilePayload(name=f"mine-{name}.png", mimeType="image/png", buffer=files[name].read_bytes())
        for name in names
    ]


def _sampled(page: Page, count: int = 12) -> Locator:
    panel = opened_tab(page, "Sample")
    expect(panel.locator(".walls button.face")).to_have_count(count)
    wait_for_rest(page)
    return panel


def _edited(page: Page) -> Locator:
    panel = opened_tab(page, "Edit")
    expect(panel.locator(".large img")).to_be_visible()
    expect(panel.locator(".like button.face")).to_have_count(12)
    return panel


def _look(page: Page) -> None:
    wait_for_rest(page)
    wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window, "nothing may stand out to the right"


def _address(page: Page) -> dict[str, str]:
    query = parse_qs(urlsplit(page.url).query)
    return {name: values[0] for name, values in query.items() if name != "__theme"}


def _expect_in_address(page: Page, **values: str) -> None:
    for name, value in values.items():
        pattern = re.compile(rf"[?&]{name}={value}")
        expect(page).to_have_url(pattern)


def _serious(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate(
        """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
        .filter((one) => ["serious", "critical"].includes(one.impact))
        .map((one) => [one.id, one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160))])"""
    )
    return [f"{name}: {nodes}" for name, nodes in found]


@pytest.mark.parametrize(("size", "theme"), [("desktop", "light"), ("phone", "dark")])
def test_faces_are_there_at_once_and_every_tab_shows_its_pictures_first(
    visit: Visit, demo: Demo, axe: str, size: str, theme: str
) -> None:
    page = visit(size=size, theme=theme, ready=False)
    expect(page.locator("#poster img")).to_have_count(13)
    place = page.locator("#poster .wall img").first.bounding_box()
    page.locator("body.ready").wait_for()
    panel = _sampled(page)
    # They are where they were, and nothing is computed.
    there = panel.locator(".walls img").first.bounding_box()
    assert place is not None
    assert there is not None
    assert abs(place["x"] - there["x"]) < 24
    assert abs(place["y"] - there["y"]) < 40
    assert frames(page, panel.get_by_alt_text("a random walk of face-vae")) == 60
    assert page.evaluate("window.shift") < 0.02
    assert page.evaluate("document.body.classList.contains('dark')") == (theme == "dark")
    wrong = []
    for name, picture in (
        ("Sample", ".walls img"),
        ("Edit", ".large img"),
        ("Reconstruct", ".pair img"),
        ("Translate", ".pair img"),
        ("Make", ".both img"),
    ):
        panel = open_tab(page, name)
        first = panel.locator(picture).first
        expect(first).to_be_visible()
        _look(page)
        box = first.bounding_box()
        assert box is not None
        assert box["y"] + min(box["height"], 120) < SIZES[size][1], f"{name}: no picture is seen"
        wrong += [f"{name}: {one}" for one in _serious(page, axe)]
    assert wrong == []
    assert str(demo.folder) not in page.content()


def test_one_face_goes_through_all_tabs_and_back(visit: Visit) -> None:
    page = visit()
    face = _sampled(page).locator(".walls button.face").nth(3)
    chosen = pixels(page, sources(face.locator("img"))[0], 64)
    use(face, "Edit")
    panel = _edited(page)
    large = panel.locator(".large img")
    shown = pixels(page, sources(large)[0], 64)
    assert np.abs(shown - chosen).max() <= 1
    _expect_in_address(page, tab="edit", face="sample%3Aface-vae%3A7%3A12%3A3")
    first = sources(large)[0]
    slider = panel.get_by_label("range slider for latent").first
    value = slider.input_value()
    slider.press("PageUp")
    expect(large).not_to_have_attribute("src", first)
    _expect_in_address(page, edits="l[0-9]+")
    panel.get_by_role("button", name="Reset").click()
    expect(large).to_have_attribute("src", first)
    expect(slider).to_have_value(value)
    like = panel.locator(".like button.face").nth(4)
    near = pixels(page, sources(like.locator("img"))[0], 64)
    like.click()
    expect(large).not_to_have_attribute("src", first)
    assert np.abs(pixels(page, sources(large)[0], 64) - near).max() <= 1
    _expect_in_address(page, face=".*%7Elike%3Aface-vae%3A4")
    page.go_back()
    expect(large).to_have_attribute("src", first)
    assert "like" not in page.url
    use(panel.locator(".large button.face"), "As a cartoon")
    panel = opened_tab(page, "Translate")
    before = panel.locator(".pair .before").first
    expect(before).to_be_visible()
    assert np.abs(pixels(page, sources(before)[0], 64) - chosen).max() <= 1
    page.go_back()
    _edited(page)
    use(page.locator(".large button.face"), "Through the models")
    panel = opened_tab(page, "Reconstruct")
    expect(titles(panel)).to_contain_text(FIRST)


def test_a_walk_leads_from_one_face_to_another_and_all_is_saved(visit: Visit) -> None:
    page = visit()
    use(_sampled(page).locator(".walls button.face").nth(1), "Walk to")
    expect(page.locator("#say")).to_have_text("Now click on the face to walk to.")
    page.locator(".walls button.face").nth(8).click()
    panel = _edited(page)
    film = panel.get_by_alt_text("a walk by face-vae")
    expect(film).to_be_visible()
    assert frames(page, film) == 64
    straight = sources(film)[0]
    panel.get_by_label("on an arc").check()
    expect(film).not_to_have_attribute("src", straight)
    saved = _download(page, lambda: panel.get_by_role("button", name="Save this anim").click())
    assert saved.suggested_filename == "face-vae-walk.webp"
    with Image.open(saved.path()) as animation:
        assert animation.n_frames == 64
    card = _download(page, lambda: panel.get_by_role("button", name="Share card").click())
    with Image.open(card.path()) as shared:
        assert shared.size == (640, 760)
        small = np.asarray(shared.crop((0, 0, 640, 640)).resize((64, 64)), int)[..., :3]
    face = pixels(page, sources(panel.locator(".large img"))[0], 64)
    assert np.abs(small - face).mean() < 3
    panel.get_by_role("button", name="Four faces", exact=True).click()
    pad, tiles = panel.get_by_role("slider", name="Between four faces"), panel.locator(".tiles")
    expect(pad.locator("img")).to_have_count(4)
    middle = tiles.evaluate("one => getComputedStyle(one).backgroundPosition")
    pad.click(position={"x": 10, "y": 10})
    expect(pad).to_have_attribute("aria-valuenow", "0")
    pad.press("ArrowDown")
    expect(pad).to_have_attribute("aria-valuenow", "9")
    assert tiles.evaluate("one => getComputedStyle(one).backgroundPosition") != middle
    _look(page)


def _download(page: Page, start: Callable[[], None]) -> Download:
    with page.expect_download() as waiting:
        start()
    return waiting.value


def test_sliders_have_the_names_of_what_they_change(visit: Visit, demo: Demo) -> None:
    page = visit("tab=edit&model=runs/named")
    panel = _edited(page)
    names = [
        one.name.replace("_", " ") for one in load(demo.folder / "named" / "pipeline").directions
    ]
    for name in names:
        expect(panel.get_by_label(f"range slider for {name}")).to_be_visible()
    expect(panel.get_by_label("range slider for latent").first).to_be_hidden()
    large = panel.locator(".large img")
    before = sources(large)[0]
    slider = panel.get_by_label(f"range slider for {names[0]}")
    slider.press("End")
    expect(large).not_to_have_attribute("src", before)
    _expect_in_address(page, edits=names[0].replace(" ", "_"))
    again = visit(urlsplit(page.url).query)
    found = _edited(again)
    expect(found.get_by_label(f"range slider for {names[0]}")).to_have_value(slider.input_value())
    assert pictures(page, large) == pictures(again, found.locator(".large img"))
    panel.get_by_role("button", name="Reset").click()
    expect(large).to_have_attribute("src", before)


def test_the_cards_follow_the_face_the_models_and_the_kl_weight(visit: Visit) -> None:
    page = visit("tab=reconstruct")
    panel = opened_tab(page, "Reconstruct")
    expect(measured(panel, "PSNR")).to_have_text([DECIBELS] * 3)
    # Bits of different likelihoods are not side by side.
    expect(measured(panel, "bits per dimension")).to_have_count(0)
    before = sources(panel.locator(".pair .after"))
    thumbnails(page).nth(4).click()
    expect(panel.locator(".pair .after").first).not_to_have_attribute("src", before[0])
    divider = panel.get_by_label(re.compile("^Divider")).first
    divider.fill("80")
    positions = panel.locator(".pair input").evaluate_all("all => all.map(one => one.value)")
    assert positions == ["80"] * 3
    clips = panel.locator(".pair .after").evaluate_all(
        "all => all.map(one => getComputedStyle(one).clipPath)"
    )
    assert len(set(clips)) == 1
    assert "80%" in clips[0]
    panel.get_by_role("button", name="5 or 10 latents").click()
    expect(titles(panel)).to_contain_text(["dense-vae-z5", "dense-vae-z10"])
    expect(measured(panel, "bits per dimension")).to_have_count(2)
    choose_models(panel)
    expect(panel.get_by_text("Choose a model to reconstruct.")).to_be_visible()
    choose_models(panel, "runs/any-kl")
    weight = panel.get_by_label("range slider for KL weight, power of ten")
    expect(weight).to_be_visible()
    output = panel.locator(".pair .after")
    first = sources(output)[0]
    weight.press("End")
    expect(output).not_to_have_attribute("src", first)
    _expect_in_address(page, kl="2", reconstruct="runs%2Fany-kl")


def test_unusable_files_are_named_once_and_the_others_are_kept(
    visit: Visit, tmp_path: Path
) -> None:
    page = visit("tab=reconstruct", size="phone", allowed=REFUSED)
    panel = opened_tab(page, "Reconstruct")
    expect(titles(panel)).to_have_count(3)
    valid, hostile = valid_images(), hostile_images()
    bad = {
        "notes.txt": b"not an image",
        "drawing.svg": hostile["drawing.svg"],
        "cut.png": valid["rgb.png"][:60],
        "film.gif": valid["film.gif"],
        "large.png": hostile["large.png"],
        "long.png": bytes(21 * 2**20),
    }
    for name, sent in bad.items():
        (tmp_path / name).write_bytes(sent)
    mine = _payloads("anime-29", "anime-95")
    for payload in mine:
        (tmp_path / payload["name"]).write_bytes(payload["buffer"])
    before, shown = thumbnails(page).count(), panel.locator(".pair .before").first
    old = sources(shown)[0]
    send(page, [tmp_path / name for name in [*bad, *(one["name"] for one in mine)]])
    toast = page.locator(".toast-body")
    expect(toast).to_have_count(1)
    said = toast.inner_text()
    for words in (
        "notes.txt cannot be used: not an image of a known format",
        "cut.png cannot be used: damaged or cut short",
        "film.gif cannot be used: it is an animation",
        "large.png cannot be used: at most 50 megapixels",
        "long.png is larger than 20 MB: save it smaller",
    ):
        assert said.count(words) == 1
    assert not re.search(r"/(tmp|work|home|root)\b|Traceback|\.py|gradio", said)
    toast.get_by_test_id("toast-close").dispatch_event("click")
    # The newest is shown large, and all good ones on a sheet with the names beside its rows.
    expect(thumbnails(page)).to_have_count(before + 2)
    expect(shown).not_to_have_attribute("src", old)
    newest = sources(shown)[0]
    rows = panel.locator(".sheet tr")
    expect(rows).to_have_count(4)
    for row, name in zip(rows.all(), ["input", *FIRST], strict=True):
        expect(row.locator("th")).to_contain_text(name)
        expect(row.locator("img")).to_have_count(2)
    thumbnails(page).nth(1).click()
    expect(shown).not_to_have_attribute("src", newest)
    assert "upload" not in page.url
    _look(page)
    # Another good file brings no old sentence with it.
    send(page, _payloads("cartoon-29"))
    expect(thumbnails(page)).to_have_count(before + 3)
    expect(rows.first.locator("img")).to_have_count(3)
    expect(toast).to_have_count(0)
    panel = open_tab(page, "Translate")
    choose_models(panel, "runs/lambda10")
    before_turn = panel.locator(".pair .before").first
    after_turn = panel.locator(".pair .after").first
    expect(titles(panel)).to_contain_text(["runs/lambda10"])
    mine_shown, translated = sources(before_turn)[0], sources(after_turn)[0]
    panel.get_by_label("cartoon → anime").check()
    expect(after_turn).not_to_have_attribute("src", translated)
    assert sources(before_turn)[0] == mine_shown, "the upload stays"
    names = _zip(page, panel).namelist()
    assert len(names) == 3 * 3
    assert "runs-lambda10/02-cycle.png" in names


def test_a_photo_of_the_camera_and_dropped_files_are_faces(visit: Visit) -> None:
    page = visit()
    _sampled(page)
    before = thumbnails(page).count()
    page.get_by_role("button", name="Camera").click()
    expect(page.locator("video")).to_be_visible()
    page.wait_for_function("document.querySelector('video').videoWidth > 0")
    page.get_by_role("button", name="Take the photo").click()
    expect(thumbnails(page)).to_have_count(before + 1)
    _edited(page)
    expect(thumbnails(page).first).to_have_attribute("aria-pressed", "true")
    payload = base64.b64encode(example_faces("anime")[0].read_bytes()).decode()
    page.evaluate(
        """(data) => {
          const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
          window.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
        }""",
        payload,
    )
    expect(thumbnails(page)).to_have_count(before + 2)


def test_the_same_seed_gives_the_same_faces(visit: Visit) -> None:
    page = visit()
    panel = _sampled(page)
    faces, seed = panel.locator(".walls button.face img"), panel.get_by_label("Seed", exact=True)
    film = panel.locator(".film img")
    first, place, walk = pictures(page, faces), sources(faces)[0], sources(film)[0]
    assert len(set(first)) == 12
    panel.get_by_role("button", name="Other faces").click()
    expect(seed).not_to_have_value("7")
    expect(faces.first).not_to_have_attribute("src", place)
    expect(film).not_to_have_attribute("src", walk)
    assert not set(first) & set(pictures(page, faces))
    page.go_back()
    expect(seed).to_have_value("7")
    expect(faces.first).to_have_attribute("src", place)
    expect(film).to_have_attribute("src", walk)
    choose_models(panel, "face-vae", "conv-vae")
    expect(titles(panel)).to_contain_text(["face-vae", "conv-vae"])
    expect(faces).to_have_count(24)
    assert pictures(page, faces)[:12] == first
    packed = _zip(page, panel)
    grids = [f"{name}/grid.png" for name in ("face-vae", "conv-vae")]
    assert len(packed.namelist()) == 2 * 13
    for name in packed.namelist():
        with packed.open(name) as file, Image.open(file) as image:
            side = 64 if name.startswith("face-vae") else 32
            assert image.size[0] > 300 if name in grids else image.size == (side, side)
    place = sources(faces)[0]
    panel.get_by_label("standard normal").check()
    expect(faces.first).not_to_have_attribute("src", place)
    place = sources(faces)[0]
    panel.get_by_label("number input for Temperature").fill("0")
    expect(faces.first).not_to_have_attribute("src", place)
    usual = pictures(page, faces)
    assert len(set(usual[:12])) == len(set(usual[12:])) == 1


def _zip(page: Page, panel: Locator) -> zipfile.ZipFile:
    link = panel.get_by_role("link", name="Download all")
    return zipfile.ZipFile(io.BytesIO(content(page, link.get_attribute("href") or "")))


def test_a_synthetic_face_is_made_by_its_factors(visit: Visit) -> None:
    page = visit("tab=make")
    panel = opened_tab(page, "Make")
    both = panel.locator(".both img")
    expect(panel.locator(".figures img")).not_to_have_count(0)
    expect(panel.get_by_alt_text("true counterpart")).to_have_count(2)
    before = sources(both)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    panel.get_by_label("Glasses").click()
    panel.get_by_role("option", name="none").click()
    expect(both.first).not_to_have_attribute("src", before[0])
    _expect_in_address(page, glasses="none")
    changed = sources(both)
    assert changed[1] != before[1]
    wait_for_rest(page)
    assert sum("queue/join" in one for one in asked) == 1, "it is computed once"
    true = panel.get_by_alt_text("true counterpart").first
    cartoon = pixels(page, changed[1], 64)
    assert np.abs(pixels(page, sources(true)[0], 64) - cartoon).mean() < 12
    panel.get_by_role("button", name="Dice").click()
    expect(both.first).not_to_have_attribute("src", changed[0])
    _look(page)
    use(panel.locator(".both button.face").nth(1), "As an anime face")
    panel = opened_tab(page, "Translate")
    expect(panel.get_by_label("cartoon → anime")).to_be_checked()
    expect(panel.locator(".pair").first).to_be_visible()


def test_a_copied_link_opens_to_what_was_seen(visit: Visit) -> None:
    page = visit()
    panel = _sampled(page)
    choose_models(panel, "conv-vae-kl0")
    panel.get_by_label("Seed", exact=True).fill("123")
    panel.get_by_label("fitted Gaussian").check()
    expect(titles(panel)).to_contain_text(["conv-vae-kl0"])
    _expect_in_address(page, sample="conv-vae-kl0", seed="123", prior="gaussian")
    wait_for_rest(page)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    expect(page.get_by_role("button", name="Copy link")).to_be_visible()  # after a moment
    address = page.evaluate("navigator.clipboard.readText()")
    assert address == page.url
    again = visit(urlsplit(address).query)
    found = _sampled(again)
    expect(titles(found)).to_contain_text(["conv-vae-kl0"])
    expect(found.get_by_label("Seed", exact=True)).to_have_value("123")
    expect(found.get_by_label("fitted Gaussian")).to_be_checked()
    images = panel.locator(".walls button.face img"), found.locator(".walls button.face img")
    assert pictures(page, images[0]) == pictures(again, images[1])


def test_what_an_address_has_that_is_unknown_is_said(visit: Visit) -> None:
    nonsense = (
        "tab=<script>&seed=abc&count=1e99&temperature=nan&prior=x&sample=../../etc&direction=up"
        "&face=upload:/etc/passwd&edits=l0&utm_source=y"
    )
    page = visit(f"{nonsense}&reconstruct=nobody,conv-vae")
    toast = page.locator(".toast-body")
    expect(toast).to_have_count(1)
    for words in ("tab=<script>", "count", "seed=abc", "face=upload", "reconstruct=nobody"):
        expect(toast).to_contain_text(words)
    expect(toast).not_to_contain_text("utm_source")
    panel = _sampled(page)
    expect(panel.get_by_label("Seed", exact=True)).to_have_value("7")
    expect(panel.get_by_label("number input for Temperature")).to_have_value("1")
    toast.get_by_test_id("toast-close").dispatch_event("click")
    expect(titles(open_tab(page, "Reconstruct"))).to_contain_text(["conv-vae"])


def test_models_that_come_later_are_offered(visit: Visit, demo: Demo) -> None:
    page = visit("tab=reconstruct")
    while not page.get_by_label(HUB_MODEL).count():  # it is loaded in the background
        page.wait_for_timeout(1000)
        page.reload()
        expect(titles(opened_tab(page, "Reconstruct"))).to_have_count(3)
    panel = opened_tab(page, "Reconstruct")
    choose_models(panel, HUB_MODEL)
    expect(titles(panel)).to_contain_text([HUB_MODEL])
    assert not page.get_by_label("runs/later").count()
    shutil.copytree(demo.folder / "named", demo.folder / "later")
    page = visit("tab=reconstruct&reconstruct=runs/later")
    expect(titles(opened_tab(page, "Reconstruct"))).to_contain_text(["runs/later"])


def test_keys_and_the_switch_for_pixels(visit: Visit) -> None:
    page = visit()
    panel = _sampled(page)
    face = panel.locator(".walls button.face img").first
    rendering = "one => getComputedStyle(one).imageRendering"
    assert face.evaluate(rendering) == "auto"
    page.get_by_label("Show pixels").check()
    assert face.evaluate(rendering) == "pixelated"
    box = page.get_by_label("Show pixels")
    box.press("Tab")
    page.get_by_role("tab", name="Sample", exact=True).focus()
    page.keyboard.press("ArrowRight")
    _edited(page)
    page.keyboard.press("ArrowRight")
    panel = opened_tab(page, "Reconstruct")
    expect(panel.locator(".pair").first).to_be_visible()
    # What is measured stays on pixels in any case.
    page.get_by_label("Show pixels").uncheck()
    errors = panel.locator(".details img").first
    assert errors.evaluate(rendering) == "pixelated"
    page.get_by_role("tab", name="Reconstruct", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    large = _edited(page).locator(".large button.face")
    large.focus()
    page.keyboard.press("Enter")
    menu = page.locator("#face-menu")
    expect(menu.get_by_role("button", name="Edit")).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()


if os.environ.get("HF_GEN_README_PICTURES"):

    @pytest.mark.parametrize(("theme", "name"), [("light", "demo.png"), ("dark", "demo-dark.png")])
    def test_the_readme_shows_the_demo(visit: Visit, theme: str, name: str) -> None:
        page = visit(theme=theme)
        page.set_viewport_size({"width": 1280, "height": 800})
        shots = []
        for tab, is_there in (("Sample", _sampled), ("Edit", _edited)):
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

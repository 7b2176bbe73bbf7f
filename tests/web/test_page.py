"""The page in a real browser: what visitors see, use and take along, and that it equals PyTorch."""

import gzip
import io
import json
import math
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hf_gen.export.graphs import graphs_of
from hf_gen.export.opening import FACES, SEED, derive, mean_of, noise, uniform
from hf_gen.export.page import write_page
from hf_gen.images import to_pixels, to_tensor
from hf_gen.pipelines import VAEPipeline
from tests.browser import FAILED, Visit
from tests.web.conftest import Made, Site

if find_spec("playwright") is None and not os.environ.get("HF_GEN_REQUIRE_ALL"):
    pytest.skip("no browser test: playwright is not installed", allow_module_level=True)

from playwright.sync_api import FilePayload, Locator, Page, expect

ANY_KL, PLAIN, STYLES = "tiny/any <i>KL</i>", "plain", "styles"
TOLERANCE = 2  # of 255
READY = "Ready, without a network connection too."


def wait_until_ready(page: Page) -> None:
    expect(page.locator("#status")).to_have_text(READY)


def pixels(canvases: Locator) -> np.ndarray:
    """(canvases, height, width, 3), in bytes."""
    read = canvases.evaluate_all(
        """all => all.map(one => {
          const { width, height } = one;
          return Array.from(one.getContext("2d").getImageData(0, 0, width, height).data);
        })"""
    )
    side = math.isqrt(len(read[0]) // 4)
    return np.array(read, dtype=np.int64).reshape(len(read), side, side, 4)[..., :3]


def expect_pixels(canvases: Locator, expected: np.ndarray) -> None:
    """Waits until the canvases show what is expected."""
    assert expected.std() > 10  # images that differ from grey, and from each other
    for _ in range(200):
        shown = pixels(canvases)
        if shown.shape == expected.shape:
            difference = np.abs(shown - expected).max()
            if difference <= TOLERANCE:
                return
        canvases.page.wait_for_timeout(100)
    raise AssertionError(f"{shown.shape} {expected.shape} {difference}")


def codes_of(pipeline: VAEPipeline, keys: list[int], kl_weight: float = 1.0) -> Tensor:
    """What the prior makes of the noise of these keys."""
    size = math.prod(pipeline.latent_shape)
    given = {
        "noise": torch.from_numpy(np.stack([noise(key, size) for key in keys])),
        "uniform": torch.tensor([uniform(key, np.arange(1))[0] for key in keys]).float(),
        "kl_weight": torch.full((len(keys),), kl_weight),
    }
    graph = graphs_of(pipeline)["prior"]
    with torch.no_grad():
        return graph.network(**{name: given[name] for name in graph.inputs})


def decoded(pipeline: VAEPipeline, codes: Tensor, kl_weight: float | None = None) -> np.ndarray:
    return to_pixels(pipeline.decode(codes, "pt", kl_weight=kl_weight)).astype(np.int64)


def mixed(pipeline: VAEPipeline, codes: Tensor, weights: list[float]) -> Tensor:
    mean = mean_of(pipeline).view(1, -1, 1, 1)
    shares = torch.tensor(weights) / math.hypot(*weights)
    return mean + ((codes - mean) * shares.view(-1, 1, 1, 1)).sum(0, keepdim=True)


def any_kl(made: Made) -> VAEPipeline:
    pipeline = made.pipelines[ANY_KL]
    assert isinstance(pipeline, VAEPipeline)
    return pipeline


def address(site: Site, **values: object) -> str:
    return f"{site.url}#{urlencode(values)}"


def open_face(page: Page, place: int) -> Locator:
    page.locator("#pause").click()
    page.locator("#wall button").nth(place).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def face_file(side: int = 40) -> FilePayload:
    """A picture that is no square, of two colours."""
    image = Image.new("RGB", (side + 20, side), (30, 60, 200))
    image.paste((230, 180, 90), (10, side // 2, side + 10, side))
    file = io.BytesIO()
    image.save(file, "PNG")
    return FilePayload(name="mine.png", mimeType="image/png", buffer=file.getvalue())


def test_types(npm: Path) -> None:
    compiler = str(npm / ".bin/tsc")
    done = subprocess.run([compiler, "-p", npm.parent], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_walls_equal_pytorch(made: Made, site: Site, visit: Visit) -> None:
    pipeline = any_kl(made)
    page = visit(address(site, seed=11))
    wait_until_ready(page)
    wall = page.locator("#wall canvas")
    codes = codes_of(pipeline, [derive(11, place) for place in range(FACES)])
    expect_pixels(wall, decoded(pipeline, codes))
    # Other weights of the KL term.
    weight = 10**1.5
    page.get_by_role("slider", name="KL weight").evaluate(
        "one => { one.value = 1.5; one.dispatchEvent(new Event('input'));"
        " one.dispatchEvent(new Event('change')); }"
    )
    codes = codes_of(pipeline, [derive(11, place) for place in range(FACES)], weight)
    expect_pixels(wall, decoded(pipeline, codes, weight))
    assert "kl=31.6228" in page.url
    # Another model, whose opening pictures are there first.
    plain = made.pipelines[PLAIN]
    page.get_by_role("combobox", name="Model").select_option(PLAIN)
    expect(page.locator("#kl-field")).to_be_hidden()
    page.goto(address(site, model=PLAIN, seed=12))
    expect_pixels(
        wall, decoded(plain, codes_of(plain, [derive(12, place) for place in range(FACES)]))
    )


def test_the_opening_pictures_are_the_faces_of_the_model(
    made: Made, site: Site, visit: Visit
) -> None:
    pipeline = any_kl(made)
    page = visit(site.url, reduced_motion="reduce")
    expect(page.locator("#pause")).to_have_text("Move")
    expected = decoded(pipeline, codes_of(pipeline, [derive(SEED, i) for i in range(FACES)]))
    shown = pixels(page.locator("#wall canvas"))
    # WebP blurs colours, and small images most of all.
    assert np.corrcoef(shown.mean((1, 2)).ravel(), expected.mean((1, 2)).ravel())[0, 1] > 0.98
    assert np.corrcoef(shown.mean(3).ravel(), expected.mean(3).ravel())[0, 1] > 0.8
    page.wait_for_timeout(700)
    assert (pixels(page.locator("#wall canvas")) == shown).all()
    page.locator("#pause").click()
    expect(page.locator("#pause")).to_have_text("Pause")
    for _ in range(100):
        page.wait_for_timeout(100)
        if (pixels(page.locator("#wall canvas")) != shown).any():
            return
    raise AssertionError("nothing moves")


def test_a_changed_face_equals_pytorch(made: Made, site: Site, visit: Visit) -> None:
    pipeline = any_kl(made)
    edits = {"head_tilt": -1.25, "hair": 0.4}
    values = {"seed": 5, "face": 3, "near": "2.7", "corners": "9.8.1", "pad": "0.25~0.5"}
    values |= {f"do-{name}": value for name, value in edits.items()}
    page = visit(address(site, **values))
    base = codes_of(pipeline, [derive(5, 3)])
    for path in ((2,), (2, 7)):
        sample = codes_of(pipeline, [derive(5, 3, *path)])
        base = mixed(pipeline, torch.cat([base, sample]), [math.sqrt(0.75), 0.5])
    corners = torch.cat([base, codes_of(pipeline, [derive(5, place) for place in (9, 8, 1)])])
    weights = [0.75 * 0.5, 0.25 * 0.5, 0.75 * 0.5, 0.25 * 0.5]
    shown = mixed(pipeline, corners, weights)
    editor = pipeline.editor
    expect_pixels(page.locator("#portrait"), decoded(pipeline, editor.move(shown, edits)))
    expect_pixels(page.locator("#corners canvas"), decoded(pipeline, corners))
    samples = codes_of(pipeline, [derive(5, 3, 2, 7, place) for place in range(12)])
    near = torch.cat(
        [
            mixed(pipeline, torch.stack([base[0], sample]), [math.sqrt(0.75), 0.5])
            for sample in samples
        ]
    )
    expect_pixels(page.locator("#near canvas"), decoded(pipeline, editor.move(near, edits)))
    # Names are text.
    expect(page.locator("#sliders label")).to_contain_text(["Head tilt", "Hair"])
    assert page.locator("h1 i, option i, footer i").count() == 0
    expect(page.get_by_role("heading", level=1, include_hidden=True)).to_have_text("<i>Faces</i>")


def test_translations_equal_pytorch(made: Made, site: Site, visit: Visit) -> None:
    page = visit(address(site, model=PLAIN, seed=12, face=2))
    wait_until_ready(page)
    plain, styles = made.pipelines[PLAIN], made.pipelines[STYLES]
    face = decoded(plain, codes_of(plain, [derive(12, 2)]))
    expect_pixels(page.locator("#portrait"), face)
    page.get_by_role("button", name="As cartoon").click()
    source = to_tensor([Image.fromarray(face[0].astype(np.uint8))])
    cartoon = styles.translate(source, "a_to_b", "pt")
    tolerant = np.abs(pixels_when_there(page, "As cartoon") - to_pixels(cartoon).astype(np.int64))
    assert tolerant.max() <= 2 * TOLERANCE  # of a picture that is itself rounded
    page.get_by_role("button", name="As anime").click()
    anime = to_pixels(styles.translate(source, "b_to_a", "pt")).astype(np.int64)
    assert np.abs(pixels_when_there(page, "As anime") - anime).max() <= 2 * TOLERANCE
    expect(page.locator("#cycle")).to_have_attribute("aria-label", "And back as cartoon")


def pixels_when_there(page: Page, name: str) -> np.ndarray:
    canvas = page.locator("#translation")
    expect(canvas).to_have_attribute("aria-label", name)
    return pixels(canvas)


@pytest.mark.parametrize(("size", "theme"), [("desktop", "light"), ("phone", "dark")])
def test_a_visitor_uses_every_control(
    size: str, theme: str, made: Made, site: Site, visit: Visit, tmp_path: Path
) -> None:
    page = visit(site.url, size, theme)
    expect(page.locator("#take-label")).to_be_visible(visible=size == "phone")
    expect(page.locator("#models option")).to_have_text([ANY_KL, PLAIN])
    wait_until_ready(page)
    before = pixels(page.locator("#wall canvas"))
    page.get_by_role("button", name="New faces").click()
    expect(page.locator("#pause")).to_be_hidden()
    assert (pixels(page.locator("#wall canvas")) != before).any()
    # One face: its sliders, neighbours and mixtures change what is shown.
    page.locator("#wall button").nth(5).click()
    portrait = page.locator("#portrait")
    seen = [pixels(portrait).tobytes()]

    def expect_change() -> None:
        for _ in range(100):
            if pixels(portrait).tobytes() not in seen:
                seen.append(pixels(portrait).tobytes())
                return
            page.wait_for_timeout(50)
        raise AssertionError("the face is the same")

    slider = page.get_by_role("slider", name="Head tilt")
    slider.focus()
    slider.press("End")
    expect_change()
    assert "do-head_tilt=1.5" in page.url
    page.locator("#near button").nth(3).click()
    expect_change()
    field = page.locator("#field")
    field.scroll_into_view_if_needed()
    box = field.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.6, steps=4)
    expect_change()
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"pad=0\.7\d*%7E0\.6"))
    page.get_by_role("slider", name="Mix from top to bottom").press("Home")
    expect_change()
    page.get_by_role("button", name="Another face, top right").click()
    expect_change()
    check_what_is_saved(page)
    # The link shows the same face; Back and Reset take changes away.
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#said")).to_contain_text("Copied")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url
    expect_pixels(visit(link, size, theme).locator("#portrait"), pixels(portrait))
    page.get_by_role("button", name="Reset").click()
    expect_change()
    page.get_by_role("button", name="Back").click()
    expect_change()
    assert "near=" not in page.url
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#wall button").nth(5)).to_be_focused()
    check_layout(page)


def check_what_is_saved(page: Page) -> None:
    kinds = {
        "Save face": (512, 512, 1),
        "Save animation": (256, 256, 32),
        "Share card": (1200, 630, 1),
    }
    for name, expected in kinds.items():
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        with Image.open(download.value.path()) as image:
            assert image.format == "PNG"
            assert (*image.size, getattr(image, "n_frames", 1)) == expected
            assert np.asarray(image.convert("RGB")).std() > 10
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.get_by_role("button", name="Stop").click()


def check_layout(page: Page) -> None:
    """Nothing is wider than the window."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_picture_of_the_visitor(made: Made, site: Site, visit: Visit) -> None:
    pipeline = any_kl(made)
    page = visit(site.url)
    wait_until_ready(page)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.locator("#choose").set_input_files([face_file()])
    expect(page.get_by_text("It stays on this device")).to_be_visible()
    for _ in range(100):
        picture = pixels(page.locator("#original-picture"))
        if picture.shape[1] == 256 and picture.std() > 10:
            break
        page.wait_for_timeout(50)
    assert np.abs(picture[0, 40, 128] - (30, 60, 200)).max() <= 2
    assert np.abs(picture[0, 216, 128] - (230, 180, 90)).max() <= 2
    # The reconstruction, of the picture in the size that the browser gave it.
    shown = page.locator("#portrait")
    small = Image.fromarray(picture[0].astype(np.uint8)).resize((16, 16), Image.Resampling.BOX)
    expected = decoded(pipeline, pipeline.encode(to_tensor([small])))
    for _ in range(100):
        if pixels(shown).shape == expected.shape and np.abs(pixels(shown) - expected).mean() < 6:
            break
        page.wait_for_timeout(50)
    assert np.abs(pixels(shown) - expected).mean() < 6
    assert "face=" not in page.url
    page.locator("#near button").first.click()
    page.get_by_role("button", name="As anime").click()
    pixels_when_there(page, "As anime")
    read = {url.removeprefix(site.url) for url in requests if not url.startswith("blob:")}
    assert read <= {"icon.svg"}


@pytest.mark.parametrize(
    ("name", "content"),
    [("text.png", b"not a picture"), ("empty.png", b""), ("page.svg", b"<svg></svg>")],
)
def test_a_file_that_is_no_picture(name: str, content: bytes, site: Site, visit: Visit) -> None:
    page = visit(site.url)
    page.locator("#choose").set_input_files(
        [FilePayload(name=name, mimeType="image/png", buffer=content)]
    )
    expect(page.get_by_role("alert")).to_contain_text("not a picture that your browser can open")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_link_with_nonsense(site: Site, visit: Visit) -> None:
    page = visit(f"{site.url}#seed=<script>alert(1)</script>&face=99&<b>x</b>=1")
    expect(page.get_by_role("alert")).to_have_text(
        "This link says something that the page does not know: seed, face, <b>x</b>."
    )
    expect(page.get_by_role("dialog")).to_be_hidden()
    wait_until_ready(page)
    page.get_by_role("button", name="New faces").click()
    expect(page.locator("#pause")).to_be_hidden()


def test_the_keyboard(site: Site, visit: Visit) -> None:
    page = visit(site.url)
    tiles = page.locator("#wall button")
    expect(tiles).to_have_count(FACES)
    page.locator("#pause").focus()
    page.keyboard.press("Tab")
    expect(tiles.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(tiles.nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    columns = page.locator("#wall").evaluate(
        "one => getComputedStyle(one).gridTemplateColumns.split(' ').length"
    )
    expect(tiles.nth(1 + columns)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.parametrize(("size", "theme"), [("desktop", "dark"), ("phone", "light")])
def test_accessibility(size: str, theme: str, axe: str, site: Site, visit: Visit) -> None:
    page = visit(site.url, size, theme, bypass_csp=True, reduced_motion="reduce")
    wait_until_ready(page)
    page.evaluate(axe)
    found = [page.evaluate("axe.run()")]
    page.locator("#wall button").first.click()
    page.get_by_role("button", name="As cartoon").click()
    pixels_when_there(page, "As cartoon")
    found.append(page.evaluate("axe.run()"))
    violations = [one for result in found for one in result["violations"]]
    assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in violations] == []
    check_layout(page)


def test_without_a_network_after_the_first_load(made: Made, visit: Visit) -> None:
    # Nothing comes from the cache of the browser itself.
    with Site(made.folder, {"Cache-Control": "no-store"}) as site:
        page = visit(site.url, allowed=FAILED)
        wait_until_ready(page)
    page.reload()
    wait_until_ready(page)
    page.get_by_role("button", name="New faces").click()
    expect(page.locator("#pause")).to_be_hidden()
    page.locator("#wall button").first.click()
    page.get_by_role("button", name="As cartoon").click()
    pixels_when_there(page, "As cartoon")
    page.keyboard.press("Escape")
    page.locator("#choose").set_input_files([face_file()])
    expect(page.get_by_text("It stays on this device")).to_be_visible()


def test_without_simd_there_are_pictures_and_a_message(site: Site, visit: Visit) -> None:
    page = visit(site.url, script="WebAssembly.validate = () => false")
    expect(page.get_by_role("alert")).to_contain_text("Safari 16.4 and later")
    assert pixels(page.locator("#wall canvas")).std() > 10
    page.locator("#wall button").nth(2).click()
    expect(page.locator("#said")).to_contain_text("Safari 16.4 and later")
    assert pixels(page.locator("#portrait")).std() > 10
    expect(page.locator("#controls")).to_be_hidden()


def test_threads_where_the_server_isolates_the_page(made: Made, visit: Visit) -> None:
    headers = {
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
    }
    with Site(made.folder, headers) as site:
        page = visit(site.url)
        wait_until_ready(page)
        assert page.evaluate("crossOriginIsolated")
        page.get_by_role("button", name="New faces").click()
        expect(page.locator("#pause")).to_be_hidden()


BROKEN: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "a damaged network": (
        "models/tiny-any-i-kl-i/decoder.onnx",
        lambda content: bytes(len(content)),
        "decoder.onnx of tiny/any <i>KL</i> is damaged: it holds no network",
    ),
    "a network that is cut": (
        "models/tiny-any-i-kl-i/prior.onnx",
        lambda content: content[:100],
        "prior.onnx has 100 bytes in place of",
    ),
    "another runtime": (
        "vendor/ort.wasm.min.mjs.gzip",
        lambda content: gzip.compress(bytes(len(gzip.decompress(content)))),
        "is not the file that this page was made for",
    ),
    "no JSON": ("models/tiny-any-i-kl-i/manifest.json", lambda content: b"<html>", "is not JSON"),
    "no page": (
        "page.json",
        lambda content: b'{"format_version": 9}',
        "format_version of page.json",
    ),
}


@pytest.mark.parametrize("kind", [*BROKEN])
def test_a_broken_file_is_named(kind: str, made: Made, visit: Visit, tmp_path: Path) -> None:
    file, change, message = BROKEN[kind]
    folder = tmp_path / "page"
    shutil.copytree(made.folder, folder)
    (folder / file).write_bytes(change((folder / file).read_bytes()))
    with Site(folder) as site:
        page = visit(site.url)
        expect(page.get_by_role("alert")).to_contain_text(message)
        if kind != "no page":
            assert pixels(page.locator("#wall canvas")).std() > 10


def test_a_page_of_a_translation_alone_and_the_pinned_file_of_the_cdn(
    made: Made, npm: Path, visit: Visit, tmp_path: Path
) -> None:
    content = write_page(tmp_path / "page", {STYLES: made.pipelines[STYLES]})
    assert content["runtime"]["url"].startswith(
        "https://cdn.jsdelivr.net/npm/onnxruntime-web@1.30.0"
    )
    assert not (tmp_path / "page/vendor").exists()
    with Site(tmp_path / "page") as site:
        # The CDN is not reached from here: the files of the npm package have the pinned hashes.
        runtime = content["runtime"]["url"], npm / "onnxruntime-web/dist"
        page = visit(site.url, cdn=runtime, service_workers="block")
        expect(page.get_by_role("button", name="New faces")).to_be_hidden()
        page.locator("#wall button").nth(1).click()
        page.get_by_role("button", name="As cartoon").click()
        pixels_when_there(page, "As cartoon")
        expect(page.locator("#controls")).to_be_hidden()


def test_the_files_of_a_page(made: Made) -> None:
    written = {path.relative_to(made.folder).as_posix() for path in made.folder.rglob("*.*")}
    assert json.loads((made.folder / "page.json").read_text()) == made.content
    assert {"index.html", "page.json", "models/plain/decoder.onnx"} <= written
    assert {*made.content["files"]} <= written
    first = [made.folder / name for name in ("index.html", "style.css", "worker.js", "page.json")]
    first += [*(made.folder / "js").iterdir(), *(made.folder / "models/plain").glob("*.webp")]
    assert sum(file.stat().st_size for file in first) < 300_000
    index = (made.folder / "index.html").read_text()
    assert "{{" not in index
    assert "connect-src 'self';" in index
    assert "<title>&lt;i&gt;Faces&lt;/i&gt;</title>" in index

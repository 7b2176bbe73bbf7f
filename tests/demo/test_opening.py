"""What is in the page when it arrives."""

import io
import json
import re
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from hf_gen.demo.models import ModelCache
from hf_gen.demo.opening import TITLE, render
from hf_gen.demo.sample import OPENING, faces_of
from hf_gen.pipelines import WEIGHTS
from tests.demo.conftest import Demo


def test_the_opening_is_rendered_once_and_read_from_its_file(tmp_path: Path) -> None:
    cache = ModelCache({"face-vae": WEIGHTS / "face-vae"})
    made = render(cache, tmp_path)
    assert made["faces"] == faces_of(cache, *OPENING)
    assert made["faces"].count("data-face=") == 12
    (file,) = tmp_path.iterdir()
    file.write_text(json.dumps(made | {"film": "kept"}))
    unloaded = ModelCache({"face-vae": WEIGHTS / "face-vae"})
    assert render(unloaded, tmp_path)["film"] == "kept"
    assert unloaded.bytes == 0
    file.write_text("{")
    assert render(cache, tmp_path) == made
    assert render(ModelCache({"cyclegan": WEIGHTS / "cyclegan"}), tmp_path) == {}


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = ModelCache({"face-vae": WEIGHTS / "face-vae"})
    assert set(render(cache, tmp_path / "file" / "below")) == {"faces", "film", "picture"}


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as response:
        content: bytes = response.read()
    return content


def test_faces_are_in_the_page_and_a_shared_link_shows_them(demo: Demo) -> None:
    page = fetch(demo.url).decode()
    assert page.index('id="poster"') < page.index("window.gradio_config = "), "pictures first"
    poster = page.partition('id="poster"')[2].partition("<gradio-app")[0]
    assert poster.count('src="data:image/png;base64,') == 12
    assert poster.count('src="data:image/webp;base64,') == 1
    tags = dict(re.findall(r'<meta property="(og:\w+)" content="([^"]*)"', page))
    assert tags["og:title"] == TITLE
    assert page.count('"og:title"') == page.count('"og:image"') == 1
    assert "gradio-app/gradio/main" not in page.partition("<script")[0]
    assert tags["og:image"] == f"{demo.url}/opening.jpg"
    with Image.open(io.BytesIO(fetch(tags["og:image"]))) as shared:
        assert shared.size == (1200, 630)
    with Image.open(io.BytesIO(fetch(f"{demo.url}/favicon.ico"))) as icon:
        assert icon.size[0] == icon.size[1]


@pytest.mark.parametrize("query", ["?seed=8", "?tab=make", "?__theme=dark&face=example:anime-29"])
def test_a_link_to_something_else_does_not_show_these_faces_first(demo: Demo, query: str) -> None:
    page = fetch(f"{demo.url}/{query}").decode()
    assert 'id="poster"' in page
    assert "data:image/webp" not in page.partition('id="poster"')[2].partition("<gradio-app")[0]

"""The package: its imports, its version, its files and the documentation of them."""

import re
import subprocess
import sys
import tomllib

import pytest
import yaml

import hf_gen
from tests.launching import ROOT
from tools.file_map import BEGIN, END, PAGE, file_map

DEMO_PAGE = """
from pathlib import Path
from hf_gen.demo.page import build_page
from hf_gen.demo.models import ModelCache, find_models
cache = ModelCache(find_models(Path("runs"), []))
build_page(cache)
assert len(cache.names("VAEPipeline")) > 5
"""


def test_every_public_name_exists() -> None:
    assert [getattr(hf_gen, name).__name__ for name in hf_gen.__all__] == hf_gen.__all__


@pytest.mark.parametrize(
    ("script", "absent"),
    [
        (
            "import hf_gen, hf_gen.recipes",
            {"torch", "diffusers", "datasets", "accelerate", "matplotlib"},
        ),
        (DEMO_PAGE, {"torch", "diffusers", "torchmetrics", "matplotlib"}),
    ],
    ids=["hf_gen", "the demo's page"],
)
def test_import_loads_no_heavy_library(script: str, absent: set[str]) -> None:
    script = f"import sys\n{script}\nprint(*sys.modules)"
    command = [sys.executable, "-c", script]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not absent & set(output.splitlines()[-1].split())


def test_the_architecture_page_maps_every_file() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.partition(BEGIN)[2].partition(END)[0] == file_map(), "python -m tools.file_map"


def test_links_in_the_documentation_lead_to_files() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)|(?:src|srcset)=\"([^\"]+)", text):
            assert (page.parent / "".join(target)).is_file(), f"{page.name}: {target}"
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(readme) <= 200


def test_the_wheel_takes_every_file_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["hf_gen"]
    taken = {path for pattern in patterns for path in (ROOT / "hf_gen").glob(pattern)}
    files = [path for path in (ROOT / "hf_gen").rglob("*") if path.is_file()]
    sources = {path for path in files if path.suffix == ".py"}
    others = {path for path in files if path.parent.name != "__pycache__"} - sources
    assert others <= taken
    assert all((path.parent / "__init__.py").is_file() for path in sources)


def test_the_version_is_the_same_everywhere() -> None:
    patterns = {"CITATION.cff": r"^version: (.+)$", "CHANGELOG.md": r"^## (\d\S+)"}
    for name, pattern in patterns.items():
        found = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
        assert found is not None
        assert found[1] == hf_gen.__version__, name
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()

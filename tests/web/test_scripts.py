"""The modules of the page by themselves, in Node's test runner; their noise is that of Python."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hf_gen.export.opening import derive, noise, uniform
from tests.launching import ROOT

PLACES = [(0,), (7, 0), (7, 23), (2**32 - 1, 3, 11, 4)]
PROGRAM = f"""
const keys = {json.dumps(PLACES)}.map((places) => derive(...places));
console.log(JSON.stringify(keys.map((key) => [key, uniform(key, 0), [...noise(key, 193)]])));
"""


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        assert not os.environ.get("HF_GEN_REQUIRE_ALL"), "node is not installed"
        pytest.skip("no test of JavaScript: there is no node on this machine")
    return found


def test_modules(node: str, tmp_path: Path) -> None:
    # A package.json says that these are modules, to Node 20 too: browsers need none.
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for folder in ("tests/web/unit", "hf_gen/web/js"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    tests = sorted((tmp_path / "tests/web/unit").glob("*.test.js"))
    command = [node, "--test", "--test-reporter=tap", *tests]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(r"^# pass [1-9]", done.stdout, re.MULTILINE)
    assert "\n# fail 0\n" in done.stdout


def test_noise_is_that_of_the_opening_pictures(node: str) -> None:
    source = (ROOT / "hf_gen/web/js/random.js").read_text()
    command = [node, "--input-type=module", "--eval", source + PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for places, (key, first, numbers) in zip(PLACES, json.loads(done.stdout), strict=True):
        assert derive(*places) == key
        assert uniform(key, np.arange(1))[0] == first
        np.testing.assert_allclose(noise(key, 193), numbers, rtol=1e-6, atol=1e-7)

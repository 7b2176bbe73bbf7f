"""`python -m tests.wheel`: builds the wheel and uses it where there is no source tree.

The wheel is installed into an empty folder, next to the libraries of this Python, and tried: the
help, a picture of new faces, every bundled model, and a card.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
LEAST_SETUPTOOLS = 77
USE = """
import json, pathlib, sys
import hf_gen
from hf_gen.faces import STYLES, face_at, face_svg
from hf_gen.hub.faces import faces_card
from hf_gen.pipelines import WEIGHTS

assert pathlib.Path(hf_gen.__file__).is_relative_to(sys.argv[1]), hf_gen.__file__
names = sorted(json.loads((WEIGHTS / "manifest.json").read_text()))
for name in names:
    hf_gen.load(name)
assert all(face_svg(face_at(0), style).startswith("<svg") for style in STYLES)
assert "drawn" in str(faces_card("user/faces", 10, 1, 1)).lower()
print("hf_gen", hf_gen.__version__, "loads", *names)
"""


def main() -> None:
    """Ends with the error of the first step that fails."""
    with tempfile.TemporaryDirectory() as place:
        source, site, empty = (Path(place) / name for name in ("source", "site", "empty"))
        empty.mkdir()
        # A copy, so that nothing of an earlier build is taken, and nothing left in the checkout.
        caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "hf_gen", source / "hf_gen", ignore=caches)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy2(ROOT / name, source / name)
        pip = [sys.executable, "-m", "pip"]
        wheels = Path(place) / "dist"
        build = [*pip, "wheel", "-q", str(source), "--no-deps", "-w", str(wheels)]
        # Without a download, where setuptools is new enough.
        is_new = int(version("setuptools").partition(".")[0]) >= LEAST_SETUPTOOLS
        _run([*build, *["--no-build-isolation"] * is_new], Path(place))
        (wheel,) = wheels.glob("*.whl")
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB")
        _run([*pip, "install", "-q", "--no-deps", "--target", str(site), str(wheel)], Path(place))
        command = str(site / "bin" / "hf-gen")
        _run([command, "--help"], empty, site)
        _run([command, "sample", "conv-vae"], empty, site)
        _run([sys.executable, "-c", USE, str(site)], empty, site)
        assert (empty / "samples.png").stat().st_size > 10_000


def _run(command: list[str], folder: Path, site: Path | None = None) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if site is not None:
        environment |= {"PYTHONPATH": str(site), "HF_HUB_OFFLINE": "1"}
    subprocess.run(command, cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    main()

"""`python -m tests.wheel`: builds what the package index gets, and uses it without the sources.

Wheel and sdist are built from the files of the checkout, checked by twine, and compared with the
package. The wheel is installed into a fresh environment and tried in an empty folder: the help, new
faces, every bundled model, the page of the demo. `uvx` samples faces too. Packages come from the
index that pip is set up for, in the versions of requirements.txt.

What lacks its tool is skipped, which is said; with HF_GEN_REQUIRE_ALL=1 it is an error.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
LARGEST = 40_000_000
SAMPLE = ["hf-gen", "sample", "face-vae"]
USE = """
import json, pathlib, sys
import hf_gen
from hf_gen.demo.models import ModelCache, find_models
from hf_gen.demo.page import build_page
from hf_gen.export.about import about_model
from hf_gen.pipelines import WEIGHTS

assert pathlib.Path(hf_gen.__file__).is_relative_to(sys.prefix), hf_gen.__file__
names = sorted(json.loads((WEIGHTS / "manifest.json").read_text()))
for name in names:
    hf_gen.load(name)
    assert about_model(name).results, name
build_page(ModelCache(find_models(pathlib.Path("runs"), [])))
print("hf_gen", hf_gen.__version__, "shows", *names)
"""


def main() -> None:
    """Ends with the error of the first step that fails."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        source, dist, tools = (place / part for part in ("source", "dist", "tools"))
        _copy_checkout(source)
        venv.create(tools, with_pip=True)
        wheel = _build(source, dist, tools)
        pins = _write_pins(source / "requirements.txt", place / "pins.txt")
        if _has(tools, "twine"):
            files = [str(file) for file in sorted(dist.iterdir())]
            _run([str(tools / "bin" / "twine"), "check", "--strict", *files], place)
        _use(wheel, pins, place / "environment", place / "empty")
        if _has(tools, "uv"):
            _use_uvx(wheel, pins, tools, place / "uv")


def _copy_checkout(folder: Path) -> None:
    """What git would commit: nothing of an earlier build is taken, and nothing left behind."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())


def _build(source: Path, dist: Path, tools: Path) -> Path:
    """Builds the sdist and, from what is in that, the wheel; returns the wheel."""
    python = str(tools / "bin" / "python")
    if _has(tools, "build"):
        _run([python, "-m", "build", "--outdir", str(dist), str(source)], source, quiet=True)
    else:
        _run([python, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(dist), "."], source)
    package = {
        path.relative_to(source).as_posix()
        for path in (source / "hf_gen").rglob("*")
        if path.is_file()
    }
    for file in sorted(dist.iterdir()):
        if file.suffix == ".whl":
            inside = {*zipfile.ZipFile(file).namelist()}
        else:
            with tarfile.open(file) as archive:
                inside = {name.partition("/")[2] for name in archive.getnames()}
        size = file.stat().st_size
        print(f"{file.name}: {size / 1e6:.1f} MB, {len(package)} files of the package")
        assert package <= inside, f"{file.name} lacks {sorted(package - inside)[:5]}"
        assert size <= LARGEST, f"{file.name} may have {LARGEST / 1e6:.0f} MB"
    (wheel,) = dist.glob("*.whl")
    return wheel


def _write_pins(requirements: Path, pins: Path) -> list[str]:
    """The versions of the checkout as constraints; without its editable self, which pip refuses."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    pins.write_text("\n".join(line for line in lines if "==" in line) + "\n", encoding="utf-8")
    return ["--constraint", str(pins)]


def _use(wheel: Path, pins: list[str], environment: Path, empty: Path) -> None:
    """Installs the wheel with the demo into a fresh environment, and uses both."""
    venv.create(environment, with_pip=True)
    empty.mkdir()
    binaries = environment / "bin"
    pip = [str(binaries / "python"), "-m", "pip", "install", "-qq"]
    _run([*pip, *pins, f"{wheel}[demo]"], empty)
    offline = {"HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
    _run([str(binaries / "hf-gen"), "--help"], empty, quiet=True, **offline)
    _run([str(binaries / SAMPLE[0]), *SAMPLE[1:]], empty, **offline)
    assert (empty / "samples.png").stat().st_size > 10_000
    _run([str(binaries / "python"), "-c", USE], empty, **offline)


def _use_uvx(wheel: Path, pins: list[str], tools: Path, empty: Path) -> None:
    """One command from the file to new faces, in an environment of uv."""
    empty.mkdir()
    command = [str(tools / "bin" / "uvx"), *pins, "--from", str(wheel), *SAMPLE]
    places = {"UV_CACHE_DIR": str(empty / ".cache"), "UV_PYTHON": sys.executable}
    _run(command, empty, **places, **_uv_settings(), HF_HUB_OFFLINE="1")
    assert (empty / "samples.png").stat().st_size > 10_000
    print("uvx made", empty / "samples.png")


def _uv_settings() -> dict[str, str]:
    """Where pip takes packages from, as uv is told of it."""
    names = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "cert": "SSL_CERT_FILE",
    }
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    settings = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        if found := names.get(key.rpartition(".")[2]):
            settings[found] = value.strip("'\"")
    return {"UV_INDEX_STRATEGY": "unsafe-best-match"} | settings


def _has(tools: Path, package: str) -> bool:
    """Installs a tool from the package index; says so where that fails."""
    command = [str(tools / "bin" / "python"), "-m", "pip", "install", "-q", package]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        words = f"skipped what needs {package}, which pip cannot install: {reason}"
        if os.environ.get("HF_GEN_REQUIRE_ALL"):
            sys.exit(words)
        print(words, flush=True)
    return not done.returncode


def _run(command: list[str], folder: Path, quiet: bool = False, **variables: str) -> None:
    """Runs a step; the output of a quiet one is shown only if it fails."""
    print("+", *(Path(part).name for part in command if "\n" not in part), flush=True)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env=environment | variables, capture_output=quiet, text=True
    )
    if done.returncode:
        sys.exit(f"{done.stdout or ''}{done.stderr or ''}failed with {done.returncode}: {command}")


if __name__ == "__main__":
    main()

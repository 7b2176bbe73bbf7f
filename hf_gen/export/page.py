"""A static page that runs exported models in the browser: its files, and its opening pictures."""

import base64
import gzip
import hashlib
import html
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hf_gen.errors import UserError
from hf_gen.export.about import About
from hf_gen.export.onnx_files import WeightsDType, check_installed, export_onnx
from hf_gen.export.opening import write_pictures
from hf_gen.pipelines import TranslationPipeline, VAEPipeline
from hf_gen.runs.atomic import atomic_dir, atomic_write_text

FORMAT_VERSION = 1
RUNTIME_VERSION = "1.30.0"
RUNTIME = {
    "ort.wasm.min.mjs": (
        50126,
        "sha384-SfFfy/pvthiOsgaw3KX0bV5TfQ6Iq+oY9KutMe4SxIuHH4cl+DCSD4rTsYOoG1tJ",
    ),
    "ort-wasm-simd-threaded.mjs": (
        24381,
        "sha384-XcXA/MtAf0WpB8e023xQH9CM7RIjiugakT7x99DIwpFf7k56BIFFcAPerIF7FDad",
    ),
    "ort-wasm-simd-threaded.wasm": (
        14239897,
        "sha384-vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM",
    ),
}
"""Bytes and hash of the files of onnxruntime-web that the page runs."""
_PACKAGE = f"onnxruntime-web@{RUNTIME_VERSION}"
_CDN = f"https://cdn.jsdelivr.net/npm/{_PACKAGE}/dist/"
_VENDOR = "vendor/"
_MAX_BYTES = 20_000_000


def write_page(
    folder: Path,
    models: Mapping[str, VAEPipeline | TranslationPipeline],
    vendor: bool = False,
    dtype: WeightsDType = "float16",
    about: Mapping[str, About] = MappingProxyType({}),
    title: str | None = None,
    runtime: Path | None = None,
) -> dict[str, Any]:
    """Writes a page that samples, edits, mixes and translates faces in the visitor's browser.

    Any web server can serve the folder. The page reads its own files alone, and without `vendor`
    those of onnxruntime-web from jsdelivr.net, of a pinned version and with pinned hashes.

    Args:
        folder: A new or an empty folder.
        models: Pipelines on the CPU and in float32, by the names that visitors see; the page opens
            with the first autoencoder. A translation is offered for the faces of all of them.
        vendor: Put onnxruntime-web beside the page, too: 3.7 MB, compressed.
        dtype: Of the weights in the files.
        about: What the manifests say of the models, by name. Default: their names alone.
        title: Of the page. Default: from the name of the first model.
        runtime: With `vendor`, the folder `dist` of onnxruntime-web. Default: npm downloads it.

    Returns:
        What page.json holds.

    Raises:
        UserError: If an export fails, there is no model, the folder is not empty, or
            onnxruntime-web cannot be had or is not the pinned version.
    """
    check_installed()
    if not models:
        raise UserError("a page needs a model: name one, such as face-vae")
    with suppress(OSError):
        folder.rmdir()  # if it is empty
    title = title or f"Faces of {next(iter(models))}"
    with atomic_dir(folder) as staged:
        if vendor:
            _copy_runtime(staged / _VENDOR, runtime)
        listed: list[dict[str, Any]] = []
        for name, pipeline in models.items():
            place = f"models/{_folder_name(name, listed)}"
            export_onnx(pipeline, staged / place, dtype, about.get(name) or About(name))
            is_translation = isinstance(pipeline, TranslationPipeline)
            listed.append(
                {
                    "name": name,
                    "kind": "translation" if is_translation else "autoencoder",
                    "folder": place,
                    "pictures": write_pictures(pipeline, staged / place),
                }
            )
        shown = [model for model in listed if model["kind"] == "autoencoder"] or listed
        _copy_static(staged, title, vendor, shown[0]["folder"])
        page: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "title": title,
            "runtime": {
                "url": _VENDOR if vendor else _CDN,
                "compressed": vendor,
                "files": {
                    name: {"bytes": size, "integrity": integrity}
                    for name, (size, integrity) in RUNTIME.items()
                },
            },
            "models": listed,
        }
        page["files"] = sorted(
            path.relative_to(staged).as_posix()
            for path in staged.rglob("*")
            if path.is_file() and path.suffix not in (".onnx", ".gzip", ".mjs")
        )
        atomic_write_text(staged / "page.json", json.dumps(page) + "\n")
        _check_size(staged)
    return page


def _copy_static(folder: Path, title: str, vendor: bool, opening: str) -> None:
    """The files of hf_gen/web; in index.html what differs between pages is filled in."""
    source = files("hf_gen") / "web"
    for path in ("style.css", "worker.js", "icon.svg"):
        (folder / path).write_bytes((source / path).read_bytes())
    (folder / "js").mkdir()
    modules = sorted(path.name for path in (source / "js").iterdir() if path.name.endswith(".js"))
    for name in modules:
        (folder / "js" / name).write_bytes((source / "js" / name).read_bytes())
    index = (source / "index.html").read_text(encoding="utf-8")
    preloads = [f'  <link rel="modulepreload" href="js/{name}">' for name in modules]
    filled = {
        "title": html.escape(title),
        "runtime": "" if vendor else f" {_CDN}",
        "opening": opening,
        "modules": "\n".join(preloads),
    }
    for name, value in filled.items():
        index = index.replace(f"{{{{{name}}}}}", value)
    (folder / "index.html").write_text(index, encoding="utf-8")


def _copy_runtime(folder: Path, runtime: Path | None) -> None:
    """The files of onnxruntime-web, of which the pinned hashes hold, compressed."""
    with tempfile.TemporaryDirectory() as place:
        source = runtime or _unpack_package(Path(place))
        folder.mkdir()
        for name, (_, integrity) in RUNTIME.items():
            path = source / name
            content = path.read_bytes() if path.is_file() else b""
            digest = base64.b64encode(hashlib.sha384(content).digest()).decode()
            if f"sha384-{digest}" != integrity:
                raise UserError(
                    f"{path} is not the file of {_PACKAGE}: give the folder dist of that version"
                )
            # Not .gz: some servers would declare that as an encoding, and browsers unpack it.
            (folder / f"{name}.gzip").write_bytes(gzip.compress(content, mtime=0))


def _unpack_package(folder: Path) -> Path:
    """What npm downloads, in `folder`."""
    npm = shutil.which("npm")
    if npm is None:
        raise UserError("--vendor downloads onnxruntime-web by npm, which is not installed")
    command = [npm, "pack", _PACKAGE, "--silent", "--pack-destination", str(folder)]
    packed = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if packed.returncode:
        said = (packed.stderr.strip() or "no message").splitlines()[-1]
        raise UserError(f"npm cannot download {_PACKAGE}: {said}")
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as opened:
        for name in RUNTIME:
            opened.extract(f"package/dist/{name}", folder, filter="data")
    return folder / "package" / "dist"


def _folder_name(name: str, listed: list[dict[str, Any]]) -> str:
    """A name for a folder that no other model has."""
    plain = re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-").lower()[:60] or "model"
    taken = {Path(model["folder"]).name for model in listed}
    names = (plain, *(f"{plain}-{count}" for count in range(2, len(listed) + 2)))
    return next(one for one in names if one not in taken)


def _check_size(folder: Path) -> None:
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if total > _MAX_BYTES:
        raise UserError(
            f"the page takes {total / 1e6:.0f} MB and may take {_MAX_BYTES / 1e6:.0f} MB, or it "
            "is slow on a phone: choose fewer or smaller models"
        )

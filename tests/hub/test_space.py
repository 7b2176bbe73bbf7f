"""A Gradio Space: its files, its push, and that it starts with nothing but its requirements."""

import os
import re
import subprocess
import sys
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from huggingface_hub import HfApi, SpaceCard
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

import hf_gen
from hf_gen.errors import UserError
from hf_gen.hub.space import (
    ShownModel,
    checkout,
    look_up_model,
    push_space,
    space_card,
    stage_space,
)
from hf_gen.pipelines import VAEPipeline
from tests.demo.serving import serving
from tests.hub.conftest import Run
from tests.launching import ROOT
from tests.loopback_hub import LoopbackHub
from tests.pipelines import saved
from tests.pipelines.saved import WEIGHTS

MODEL, SPACE = "tester/faces", "tester/demo"
ENDPOINTS = ("reconstruct", "sample", "interpolate", "translate")
TRAINING_ONLY = {"accelerate", "datasets", "matplotlib", "tensorboard", "scikit-learn"}


@pytest.fixture(scope="module")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A tiny pipeline as `hf-gen push` uploads one: in float32, and in half precision."""
    folder = tmp_path_factory.mktemp("model")
    pipeline = VAEPipeline(saved.vae_pipeline().vae, resolution=16)
    pipeline.save_pretrained(folder)
    pipeline.save_pretrained(folder, variant="fp16")
    return saved.files(folder)


def pins(text: str) -> dict[str, str]:
    lines = (line.partition("==") for line in text.splitlines())
    return {canonicalize_name(name): version for name, equals, version in lines if equals}


def test_the_readme_describes_the_space_to_the_hub_and_to_people() -> None:
    files = ("model_index.json", "vae/config.json", f"vae/{WEIGHTS}")
    shown = [ShownModel(MODEL, files), ShownModel("tester/secret", ())]
    card = space_card(SPACE, checkout(), shown)
    metadata = card.data.to_dict()
    assert {
        "sdk": "gradio",
        "sdk_version": pins((ROOT / "requirements.txt").read_text())["gradio"],
        "python_version": "3.12",
        "app_file": "app.py",
        "license": "apache-2.0",
        "models": [MODEL, "tester/secret"],
        "preload_from_hub": [f"{MODEL} {','.join(files)}"],
        "suggested_hardware": "zero-a10g",
    }.items() <= metadata.items()
    assert len(metadata["short_description"]) <= 60
    assert {"title", "emoji", "colorFrom", "colorTo", "tags"} <= set(metadata)
    assert f'Client("{SPACE}")' in card.text
    assert all(f"/{name}" in card.text for name in ENDPOINTS)
    assert f"[{MODEL}](https://huggingface.co/{MODEL})" in card.text
    assert "tester/secret can be read with a token only" in " ".join(card.text.split())
    assert not {"{{", "{%", "None"} & set(card.text.split())
    alone = space_card(SPACE, checkout(), [])
    assert not {"models", "preload_from_hub"} & set(alone.data.to_dict())
    assert "The models are those bundled with hf_gen." in alone.text


def test_only_what_the_demo_needs_is_staged(tmp_path: Path) -> None:
    folder = tmp_path / "space"
    stage_space(folder, checkout(), [MODEL, "tester/b"])
    assert (folder / "models.txt").read_text() == f"{MODEL}\ntester/b\n"
    assert {path.name for path in folder.iterdir()} == {
        *("app.py", "hf_gen", "LICENSE", "models.txt", "requirements.txt")
    }
    staged = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    assert not [name for name in staged if "__pycache__" in name or "/." in name or ".pyi" in name]
    weights = {path.relative_to(ROOT).as_posix() for path in (ROOT / "hf_gen/weights").rglob("*")}
    assert {"hf_gen/py.typed", "hf_gen/pipelines/vae.py", *weights} <= staged
    for path in folder.rglob("*"):
        if path.is_file():
            assert str(ROOT).encode() not in path.read_bytes(), path
    # Its requirements are the project's pins but for torch.
    asked = pins((folder / "requirements.txt").read_text())
    project = pins((ROOT / "requirements.txt").read_text())
    assert {"diffusers", "huggingface-hub", "numpy", "pillow", "safetensors", "torch"} <= set(asked)
    assert not (TRAINING_ONLY | {"gradio", "hf-gen"}) & set(asked)
    assert {name: project[name] for name in asked if name != "torch"} == {
        name: version for name, version in asked.items() if name != "torch"
    }
    assert asked["torch"] in ("2.8.0", "2.9.1", "2.10.0", "2.11.0")  # what ZeroGPU lists


def test_a_pushed_space_preloads_its_models_and_contains_nothing_private(
    loopback_hub: LoopbackHub, push: Run, model_files: dict[str, bytes]
) -> None:
    loopback_hub.create(MODEL, files=model_files)
    code, output = push("--space", SPACE, "--sdk", "gradio", "--models", MODEL, "--private")
    assert code == 0, output
    assert loopback_hub.repository(SPACE, "space").private
    assert len(loopback_hub.commits(SPACE, "space")) == 2  # the Hub's own first one, and ours
    files = loopback_hub.files(SPACE, "space")
    expected = {"app.py", "LICENSE", "README.md", "requirements.txt", "hf_gen/__init__.py"}
    assert expected <= set(files)
    assert files["models.txt"] == f"{MODEL}\n".encode()
    metadata = SpaceCard(files["README.md"].decode()).data
    assert metadata.preload_from_hub == [f"{MODEL} model_index.json,vae/config.json,vae/{WEIGHTS}"]
    for name, content in files.items():
        assert loopback_hub.write_token.encode() not in content, name
        assert str(ROOT).encode() not in content, name


def test_models_that_do_not_exist_stop_the_push(loopback_hub: LoopbackHub, api: HfApi) -> None:
    loopback_hub.create("tester/pickle", files={"config.json": b"{}", "model.bin": b"pickle"})
    for name, message in (
        ("tester/nothing", "tester/nothing does not exist, or the token has no access"),
        ("no good name", "'no good name' is not a repository id"),
        ("tester/pickle", "tester/pickle holds no model that the demo shows"),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            push_space(SPACE, [name], False, api)
    assert not loopback_hub.exists(SPACE, "space")


def test_the_files_that_the_demo_reads_are_preloaded_unless_private(
    loopback_hub: LoopbackHub, api: HfApi, model_files: dict[str, bytes]
) -> None:
    loopback_hub.create(MODEL, files=model_files, private=True)
    assert look_up_model(MODEL, api) == ShownModel(MODEL, ())
    alone = ("config.json", WEIGHTS)
    loopback_hub.create("tester/kl", files=dict.fromkeys((*alone, "model.bin", "x.py"), b""))
    assert look_up_model("tester/kl", api) == ShownModel("tester/kl", alone)
    read = ("model_index.json", "vae/config.json", f"vae/{WEIGHTS}")
    others = ("unet/config.json", f"unet/{WEIGHTS}", "vae/diffusion_pytorch_model.fp16.safetensors")
    loopback_hub.create("tester/foreign", files=dict.fromkeys((*read, *others), b"{}"))
    assert look_up_model("tester/foreign", api) == ShownModel("tester/foreign", read)


def test_a_gradio_space_is_pushed_from_a_checkout_only(
    loopback_hub: LoopbackHub, push: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a wheel is installed: the package alone."""
    monkeypatch.setattr(hf_gen, "__file__", str(tmp_path / "hf_gen" / "__init__.py"))
    code, output = push("--space", SPACE, "--sdk", "gradio")
    assert code == 2
    assert "push a Gradio Space from a checkout of hf_gen" in output
    assert not loopback_hub.exists(SPACE, "space")


@pytest.mark.timeout(600)
def test_a_pushed_space_starts_with_nothing_but_its_requirements(
    loopback_hub: LoopbackHub, push: Run, model_files: dict[str, bytes], tmp_path: Path
) -> None:
    """In an environment with what the Hub would install, without this project."""
    loopback_hub.create(MODEL, files=model_files)
    assert push("--space", SPACE, "--sdk", "gradio", "--models", MODEL)[0] == 0
    folder = tmp_path / "space"
    for name, content in loopback_hub.files(SPACE, "space").items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    python = environment_of(folder, tmp_path / "environment")
    hub = loopback_hub.environment(tmp_path / "cache", token="")
    face = next((folder / "hf_gen" / "demo" / "examples").glob("*.png"))
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with serving(folder, environment=kept | hub, python=python, app=folder / "app.py") as (url, _):
        client = Client(url, verbose=False, httpx_kwargs={"timeout": 120})
        endpoints = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
        faces = client.predict(MODEL, 3, 0, api_name="/sample")
        copy, numbers = client.predict(handle_file(face), MODEL, api_name="/reconstruct")
    assert {f"/{name}" for name in ENDPOINTS} <= set(endpoints)
    assert len(faces) == 3
    for path in (copy, *(face["image"] for face in faces)):
        assert Image.open(path).width % 16 == 0
    assert numbers["psnr"] > 0


def environment_of(folder: Path, place: Path) -> Path:
    """A virtual environment with links to what a Space installs; returns its Python.

    Nothing is downloaded: the distributions are those of this environment, whatever their versions.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    site = next(place.glob("lib/python*/site-packages"))
    asked = pins((folder / "requirements.txt").read_text())
    gradio = SpaceCard.load(folder / "README.md").data.sdk_version
    needed = closure([*asked, f"gradio=={gradio}"])
    owners: dict[str, set[str]] = {}  # of each entry of site-packages
    for of in distributions():
        for entry in {file.parts[0] for file in of.files or []} - {"..", "__pycache__"}:
            owners.setdefault(entry, set()).add(canonicalize_name(of.name))
    for entry, names in owners.items():
        if names & needed.keys():
            assert names <= needed.keys(), f"{entry} is of {names}: link its files one by one"
            found = needed[min(names)].locate_file(entry)
            (site / entry).symlink_to(Path(str(found)))
    return place / "bin" / "python"


def closure(requirements: list[str]) -> dict[str, Distribution]:
    """The distributions that requirements need, and those that they need in turn."""
    found: dict[tuple[str, str], Distribution] = {}
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        asked = waiting.pop()
        for extra in {"", *asked.extras}:
            key = canonicalize_name(asked.name), extra
            if key not in found:
                found[key] = distribution(asked.name)
                lines = map(Requirement, found[key].requires or [])
                waiting += [
                    one for one in lines if not one.marker or one.marker.evaluate({"extra": extra})
                ]
    return {name: found[name, extra] for name, extra in found}

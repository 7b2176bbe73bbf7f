"""Nothing that a stranger sends is run, unpickled or imported, nor leads out of its folder."""

import base64
import io
import itertools
import json
import pickle
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from diffusers import AutoModel
from diffusers.utils import dynamic_modules_utils
from huggingface_hub import HfApi, ModelCard
from PIL import Image
from safetensors.torch import load_file, save_file

from hf_gen.demo.models import ModelCache
from hf_gen.demo.translate import Translation, _all_of_them
from hf_gen.errors import UserError
from hf_gen.hub.push import push_run
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import VAEPipeline, load
from hf_gen.runs.folder import RunFolder

WEIGHTS = "diffusion_pytorch_model.safetensors"
_LOADS: dict[str, Callable[[Path], object]] = {
    "load": load,
    "the network's class": lambda folder: ConvVAE.from_pretrained(folder, subfolder="vae"),
    "the demo": lambda folder: ModelCache({"it": folder}).get("it"),
}


class _Trap:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pipeline in which every file of Python, and a pickle, would leave a mark."""
    network = ConvVAE(16, filters=(6, 4), latent_channels=5).eval()
    VAEPipeline(network, None, 16).save_pretrained(tmp_path / "pipeline")
    network.save_pretrained(tmp_path / "secret")
    folder, mark = tmp_path / "pipeline", tmp_path / "mark"
    trap = f"from pathlib import Path\nPath({str(mark)!r}).touch()\n"
    for place in (folder, folder / "vae"):
        for name in ("trap", "pipeline", "modeling_hf_gen_vae", "pipeline_hf_gen_vae", "hf_gen"):
            (place / f"{name}.py").write_text(trap)
        for name in ("diffusion_pytorch_model.bin", "pytorch_model.bin", "model.pkl"):
            (place / name).write_bytes(pickle.dumps(_Trap(mark)))
    _change(folder / "model_index.json", trust_remote_code=True, custom_pipeline="pipeline")
    places = {"AutoModel": "trap.Trap", "AutoencoderKL": "user/trap--trap.Trap"}
    _change(folder / "vae" / "config.json", trust_remote_code=True, auto_map=places)
    return folder


def _change(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def _shards(folder: Path, shard: str, metadata: object = None, **names: str) -> None:
    """Replaces the weights by an index of shards, which all are in one file."""
    weights = load_file(folder / "vae" / WEIGHTS)
    named = {"metadata": metadata or {}, "weight_map": dict.fromkeys(weights, shard) | names}
    (folder / "vae" / f"{WEIGHTS}.index.json").write_text(json.dumps(named))
    (folder / "vae" / WEIGHTS).unlink()


@pytest.mark.parametrize("how", _LOADS)
def test_code_that_lies_beside_a_model_is_not_run(folder: Path, tmp_path: Path, how: str) -> None:
    _LOADS[how](folder)
    assert not (tmp_path / "mark").exists()


def test_the_trap_springs_for_those_who_trust_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else the test above could not fail.
    monkeypatch.setattr(dynamic_modules_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("sys.path", [*sys.path])
    with pytest.raises(Exception, match="Trap"):
        AutoModel.from_pretrained(str(folder / "vae"), trust_remote_code=True)
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize("how", _LOADS)
def test_a_class_of_elsewhere_is_refused_and_not_imported(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(folder)
    names = ("Trap", "os.system", "AutoModel", "UNet2DModel")
    for module, name in itertools.product(("trap", "pipeline", "diffusers"), names):
        _change(folder / "model_index.json", vae=[module, name])
        _change(folder / "vae" / "config.json", _class_name=name)
        with pytest.raises((UserError, ValueError)):
            _LOADS[how](folder)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("how", _LOADS)
def test_an_index_of_shards_cannot_name_a_pickle_or_another_folder(
    folder: Path, tmp_path: Path, how: str
) -> None:
    _shards(folder, "diffusion_pytorch_model.bin")
    with pytest.raises((UserError, ValueError), match="never read"):
        _LOADS[how](folder)
    assert not (tmp_path / "mark").exists()
    secret = f"../../secret/{WEIGHTS}"
    for shard in (secret, str(tmp_path / "secret" / WEIGHTS), "..", "", "\0"):
        shutil.copy(tmp_path / "secret" / WEIGHTS, folder / "vae" / WEIGHTS)
        _shards(folder, shard)
        with pytest.raises((UserError, ValueError, OSError)):
            _LOADS[how](folder)


@pytest.mark.parametrize("how", _LOADS)
def test_shards_that_are_whole_are_read_and_others_not(folder: Path, how: str) -> None:
    shard = "diffusion_pytorch_model-00001-of-00001.safetensors"
    weights = load_file(folder / "vae" / WEIGHTS)
    save_file(weights, folder / "vae" / shard, {"format": "pt"})
    _shards(folder, shard, {"total_size": 1})
    _LOADS[how](folder)
    # The index says of each weight that it is there.
    lacking = dict(list(weights.items())[1:])
    save_file(lacking, folder / "vae" / shard, {"format": "pt"})
    with pytest.raises((UserError, ValueError), match=r"lack|missing key"):
        _LOADS[how](folder)


@pytest.mark.parametrize("index", ["[]", "{}", '{"weight_map": []}', "3", "[" * 9999, "{"])
def test_a_broken_index_of_shards_is_a_sentence(folder: Path, index: str) -> None:
    (folder / "vae" / f"{WEIGHTS}.index.json").write_text(index)
    with pytest.raises((OSError, ValueError)):
        _LOADS["the network's class"](folder)
    load(folder)  # which does not read it


@pytest.mark.parametrize("name", ["model_index.json", "vae", "vae/config.json", f"vae/{WEIGHTS}"])
def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    # The same file, which loads, but elsewhere.
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    for how in ("load", "the demo"):
        with pytest.raises(UserError, match=r"is a link that leads out of"):
            _LOADS[how](folder)
    (folder / name).unlink()
    (folder / name).symlink_to(folder / name)
    with pytest.raises(UserError):
        load(folder)


def test_the_cache_of_the_hub_may_link_to_its_blobs(folder: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "models--user--name" / "snapshots" / "0123"
    blobs = tmp_path / "models--user--name" / "blobs"
    shutil.copytree(folder, snapshot)
    blobs.mkdir()
    for place, name in enumerate(("model_index.json", "vae/config.json", f"vae/{WEIGHTS}")):
        (snapshot / name).rename(blobs / f"{place}")
        (snapshot / name).symlink_to(blobs / f"{place}")
    load(snapshot)
    (tmp_path / "latest").symlink_to(snapshot)
    load(tmp_path / "latest")


def test_a_component_cannot_have_a_place_outside(folder: Path) -> None:
    for place in ("../secret", "/etc", "..", "vae/../../secret"):
        whole = (folder / "model_index.json").read_text()
        _change(folder / "model_index.json", **{place: ["modeling_hf_gen_vae", "ConvVAE"]})
        with pytest.raises(UserError):
            load(folder)
        (folder / "model_index.json").write_text(whole)


@pytest.mark.parametrize("name", ["../a", "/etc", "a/../b", "~/x", ".", "..", "user/..", "a\0/b"])
def test_a_visitor_cannot_name_a_place_on_the_disk(name: str) -> None:
    with pytest.raises(UserError, match="There is no model"):
        ModelCache({}).get(name)


def test_a_run_is_not_pushed_with_files_of_elsewhere(folder: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    (run.figures / "progress").mkdir(parents=True)
    for name in ("README.md", "results.json", "metrics.jsonl"):
        (run.path / name).write_text("{}")
    (tmp_path / "key").write_text("nobody's business")
    (run.figures / "progress" / "step.png").symlink_to(tmp_path / "key")
    with pytest.raises(UserError, match=r"step\.png is a link that leads out of"):
        push_run(run, load(folder), ModelCard("---\n---\n"), "user/name", HfApi())


def test_the_zip_that_we_write_holds_plain_names() -> None:
    image = Image.new("RGB", (8, 8))
    names = ("../../etc", "/etc/passwd", "..\\..\\windows", "user/name", "C:\\x", "..")
    html = _all_of_them({name: [Translation(image, image, image, 0.0, 1.0)] for name in names})
    content = re.search(r"base64,([^\"]+)\" *>Download all|zip;base64,([^\"]+)", html)
    assert content is not None
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(content[1] or content[2]))) as packed:
        assert len(packed.namelist()) == 3 * len(names)
        for path in packed.namelist():
            assert re.fullmatch(r"[\w-][\w.-]*/00-(seen|made|back)\.png", path), path

"""Nothing of an untrusted file is run, unpickled or imported, nor leads out of its folder."""

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

from hf_gen.demo.compare import Result
from hf_gen.demo.models import ModelCache
from hf_gen.demo.translate import summary
from hf_gen.errors import UserError
from hf_gen.hub.push import push_run
from hf_gen.hub.upload import Repository
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import VAEPipeline, load
from hf_gen.runs.folder import RunFolder
from tests.pipelines.saved import WEIGHTS, change_json

ERRORS = (UserError, ValueError, OSError)


def _load_in_the_demo(folder: Path) -> object:
    """As a demo does, whose visitors are told less: the error is that of its log."""
    try:
        return ModelCache({"it": folder}).get("it")
    except UserError as error:
        raise error.__cause__ or error from None


_LOADS: dict[str, Callable[[Path], object]] = {
    "load": load,
    "the network's class": lambda folder: ConvVAE.from_pretrained(folder, subfolder="vae"),
    "the demo": _load_in_the_demo,
}
each_way_of_loading = pytest.mark.parametrize("load_it", _LOADS.values(), ids=_LOADS)


class _Trap:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pipeline in which every file of Python, and every pickle, would leave a mark."""
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
    change_json(folder / "model_index.json", trust_remote_code=True, custom_pipeline="pipeline")
    places = {"AutoModel": "trap.Trap", "AutoencoderKL": "user/trap--trap.Trap"}
    change_json(folder / "vae" / "config.json", trust_remote_code=True, auto_map=places)
    return folder


def _write_index(folder: Path, shard: str) -> None:
    """Replaces the weights by an index of shards, in which all of them are in one file."""
    weights = load_file(folder / "vae" / WEIGHTS)
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(weights, shard)}
    (folder / "vae" / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    (folder / "vae" / WEIGHTS).unlink()


@each_way_of_loading
def test_code_in_a_model_folder_is_not_run(
    folder: Path, tmp_path: Path, load_it: Callable[[Path], object]
) -> None:
    load_it(folder)
    assert not (tmp_path / "mark").exists()


def test_a_pickle_is_never_read(folder: Path, tmp_path: Path) -> None:
    (folder / "vae" / WEIGHTS).unlink()
    for options in ({}, {"use_safetensors": False}):
        with pytest.raises(OSError, match="safetensors"):
            ConvVAE.from_pretrained(folder / "vae", **options)
    assert not (tmp_path / "mark").exists()
    pickle.loads((folder / "vae" / "pytorch_model.bin").read_bytes())
    assert (tmp_path / "mark").exists()


def test_the_planted_code_runs_with_trust_remote_code(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else the test above could not fail.
    monkeypatch.setattr(dynamic_modules_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("sys.path", [*sys.path])
    with pytest.raises(Exception, match="Trap"):
        AutoModel.from_pretrained(str(folder / "vae"), trust_remote_code=True)
    assert (tmp_path / "mark").exists()


@each_way_of_loading
def test_an_unknown_class_is_rejected_and_not_imported(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    load_it: Callable[[Path], object],
) -> None:
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(folder)
    names = ("Trap", "os.system", "AutoModel", "UNet2DModel")
    for module, name in itertools.product(("trap", "pipeline", "diffusers"), names):
        change_json(folder / "model_index.json", vae=[module, name])
        change_json(folder / "vae" / "config.json", _class_name=name)
        with pytest.raises(ERRORS):
            load_it(folder)
    assert not (tmp_path / "mark").exists()


@each_way_of_loading
def test_an_index_of_shards_names_only_safetensors_of_its_folder(
    folder: Path, tmp_path: Path, load_it: Callable[[Path], object]
) -> None:
    vae, shard = folder / "vae", "diffusion_pytorch_model-00001-of-00001.safetensors"
    weights = load_file(vae / WEIGHTS)
    _write_index(folder, "diffusion_pytorch_model.bin")
    with pytest.raises((UserError, ValueError), match="never read"):
        load_it(folder)
    assert not (tmp_path / "mark").exists()
    secret = tmp_path / "secret" / WEIGHTS
    for outside in (f"../../secret/{WEIGHTS}", str(secret), "..", "", "\0"):
        shutil.copy(secret, vae / WEIGHTS)
        _write_index(folder, outside)
        with pytest.raises(ERRORS):
            load_it(folder)
    shutil.copy(secret, vae / WEIGHTS)
    _write_index(folder, shard)
    save_file(weights, vae / shard, {"format": "pt"})
    load_it(folder)
    # The index lists every weight.
    save_file(dict(list(weights.items())[1:]), vae / shard, {"format": "pt"})
    with pytest.raises((UserError, ValueError), match=r"lack|missing key"):
        load_it(folder)


@pytest.mark.parametrize("index", ["[]", "{}", '{"weight_map": []}', "3", "[" * 9999, "{"])
def test_a_broken_index_of_shards_is_a_clear_error(folder: Path, index: str) -> None:
    (folder / "vae" / f"{WEIGHTS}.index.json").write_text(index)
    with pytest.raises((OSError, ValueError)):
        _LOADS["the network's class"](folder)
    load(folder)  # which does not read it


@pytest.mark.parametrize("name", ["model_index.json", "vae", "vae/config.json", f"vae/{WEIGHTS}"])
def test_a_link_out_of_the_folder_is_rejected(folder: Path, tmp_path: Path, name: str) -> None:
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


@pytest.mark.parametrize("place", ["../secret", "/etc", "..", "vae/../../secret"])
def test_a_component_is_not_loaded_from_outside(folder: Path, place: str) -> None:
    change_json(folder / "model_index.json", **{place: ["modeling_hf_gen_vae", "ConvVAE"]})
    with pytest.raises(UserError):
        load(folder)


@pytest.mark.parametrize("name", ["../a", "/etc", "a/../b", "~/x", ".", "..", "user/..", "a\0/b"])
def test_a_visitor_cannot_read_a_path_of_the_server(name: str) -> None:
    with pytest.raises(UserError, match="There is no model"):
        ModelCache({}).get(name)


def test_a_run_is_not_pushed_with_files_from_outside(folder: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    (run.figures / "progress").mkdir(parents=True)
    for name in ("README.md", "results.json", "metrics.jsonl"):
        (run.path / name).write_text("{}")
    (tmp_path / "key").write_text("private")
    (run.figures / "progress" / "step.png").symlink_to(tmp_path / "key")
    with pytest.raises(UserError, match=r"step\.png is a link that leads out of"):
        push_run(run, load(folder), ModelCard("---\n---\n"), Repository(HfApi(), "user/name"))


def test_the_zip_of_translations_holds_plain_names() -> None:
    image = Image.new("RGB", (8, 8))
    names = ("../../etc", "/etc/passwd", "..\\..\\windows", "user/name", "C:\\x", "..")
    html = summary({name: [Result(image, image, image, "", {})] for name in names})
    content = re.search(r"base64,([^\"]+)\" *>Download all|zip;base64,([^\"]+)", html)
    assert content is not None
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(content[1] or content[2]))) as packed:
        assert len(packed.namelist()) == 3 * len(names)
        for path in packed.namelist():
            assert re.fullmatch(r"[\w-][\w.-]*/00-(input|output|cycle)\.png", path), path

"""A saved folder, here or on the Hub, loads in four ways; what is wrong is a clear error.

A process that imports diffusers takes seconds: each of them here loads many models.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save

from hf_gen.errors import UserError
from hf_gen.pipelines import VAEPipeline, load
from tests.loopback_hub import LoopbackHub
from tests.pipelines.saved import (
    NETWORKS,
    WEIGHTS,
    files,
    kl,
    tiny,
    translation_pipeline,
    vae_pipeline,
)

Run = Callable[..., list[Any]]
HALF = "diffusion_pytorch_model.fp16.safetensors"
# Each way in its own words; the first three need hf_gen, the others do without.
WAYS = {
    "model": "hf_gen.ConvVAE.from_pretrained(name, subfolder='vae', **options)",
    "class": "hf_gen.VAEPipeline.from_pretrained(name, **options)",
    "load": "hf_gen.load(name, **options)",
    "remote": "DiffusionPipeline.from_pretrained(name, trust_remote_code=True, **options)",
    "auto": "AutoModel.from_pretrained(name, trust_remote_code=True, **options)",
}
WITH, WITHOUT = ("model", "class", "load"), ("remote", "auto")
# Loads one model after the other: a line of JSON for each.
PROGRAM = """
import json
import sys
import torch
from diffusers import AutoModel, DiffusionPipeline
import_hf_gen = WITH_HF_GEN
if import_hf_gen:
    import hf_gen
def seed():
    return torch.Generator().manual_seed(0)
for way, name, options in json.loads(sys.argv[1]):
    save_to = options.pop("save_to", None)
    if "dtype" in options:
        options["dtype"] = getattr(torch, options["dtype"])
    made = eval(WAYS[way])
    shown = {"class": type(made).__name__}
    if hasattr(made, "cycle"):
        pixels = torch.linspace(-1, 1, 768).view(1, 3, 16, 16)
        images = torch.cat(made.cycle(pixels, output_type="pt"))
    elif hasattr(made, "priors"):
        kinds = (*made.priors, None)  # None for the default
        images = torch.cat([made.sample(2, seed(), "pt", prior) for prior in kinds])
    else:
        with torch.no_grad():
            codes = torch.randn(2, 5, 1, 1, generator=seed()).to(made.dtype)
            images = made.decode(codes).sample
    shown["dtype"] = str(made.dtype)
    shown["mean"] = images.double().mean().item()
    if save_to:
        made.save_pretrained(save_to)
    print(json.dumps(shown))
assert import_hf_gen or not any(module.partition(".")[0] == "hf_gen" for module in sys.modules)
"""
# As if it had never been installed, as a package or as a link to the checkout.
WITHOUT_HF_GEN = """
import importlib.util, os, sys
sys.path = [place for place in sys.path if not os.path.isdir(os.path.join(place, "hf_gen"))]
sys.meta_path = [
    finder for finder in sys.meta_path
    if not str(getattr(finder, "__module__", "")).startswith("__editable__")
]
assert importlib.util.find_spec("hf_gen") is None, "hf_gen is here"
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline and the network in it alone, in two precisions, and a translation."""
    folder = tmp_path_factory.mktemp("saved")
    vae_pipeline().save_pretrained(folder / "faces")
    load(folder / "faces", dtype=torch.float16).save_pretrained(folder / "faces", variant="fp16")
    vae_pipeline().vae.save_pretrained(folder / "bare")
    half = load(folder / "faces", dtype=torch.float16).vae
    half.save_pretrained(folder / "bare", variant="fp16")
    translation_pipeline().save_pretrained(folder / "translation")
    # Without a prior.
    VAEPipeline(vae_pipeline().vae, resolution=16).save_pretrained(folder / "plain")
    return folder


@pytest.fixture
def run(tmp_path: Path, start_python: Callable[..., subprocess.Popen[str]]) -> Run:
    """Loads models in a fresh process with its caches in `tmp_path`, with hf_gen or without."""

    def start(
        jobs: list[tuple[str, object, dict[str, Any]]],
        environment: dict[str, str],
        with_hf_gen: bool = True,
    ) -> list[Any]:
        begin = "" if with_hf_gen else WITHOUT_HF_GEN
        program = PROGRAM.replace("WITH_HF_GEN", str(with_hf_gen)).replace("WAYS", repr(WAYS))
        here = {} if with_hf_gen else {"PYTHONPATH": "", "PYTHONSAFEPATH": "1"}
        asked = json.dumps([(way, str(name), options) for way, name, options in jobs])
        process = start_python(begin + program, asked, cwd=tmp_path, **here, **environment)
        output, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
        responses = [json.loads(line) for line in output.splitlines()]
        assert len(responses) == len(jobs)
        return responses

    return start


@pytest.fixture
def load_here(
    loopback_hub: LoopbackHub,
    loopback_only: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., VAEPipeline | str]:
    """Loads a model in this process, without a token; returns it, or the error."""
    for name, value in loopback_hub.environment(tmp_path, token="").items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def load_it(name: str, **options: Any) -> VAEPipeline | str:
        started = time.monotonic()
        try:
            return load(name, **options)
        except UserError as error:
            assert time.monotonic() - started < 60
            return str(error)

    return load_it


def put(hub: LoopbackHub, saved: Path) -> None:
    for folder in saved.iterdir():
        hub.create(f"tester/{folder.name}", files=files(folder))


def downloaded(hub: LoopbackHub, name: str) -> set[str]:
    """The files of a repository whose bytes were requested."""
    paths = [asked.path for asked in hub.asked("resolve", "GET")]
    parts = [path.partition(f"/tester/{name}/resolve/")[2] for path in paths]
    return {part.partition("/")[2] for part in parts if part}


def test_the_layout_is_a_format(saved: Path, tmp_path: Path) -> None:
    def network(folder: str, source: str, *weights: str) -> set[str]:
        return {f"{folder}/{name}" for name in ("config.json", f"{source}.py", *weights)}

    assert set(files(saved / "faces")) == {
        "model_index.json",
        "pipeline_hf_gen_vae.py",
        *network("vae", "modeling_hf_gen_vae", WEIGHTS, HALF),
        *network("prior", "modeling_hf_gen_prior", WEIGHTS, HALF),
    }
    assert set(files(saved)) >= network("bare", "modeling_hf_gen_vae", WEIGHTS, HALF)
    assert set(files(saved / "translation")) == {
        "model_index.json",
        "pipeline_hf_gen_translation.py",
        *network("a_to_b", "modeling_hf_gen_cyclegan", WEIGHTS),
        *network("b_to_a", "modeling_hf_gen_cyclegan", WEIGHTS),
    }
    index = json.loads((saved / "faces" / "model_index.json").read_text())
    assert index["_class_name"] == ["pipeline_hf_gen_vae", "VAEPipeline"]
    assert index["vae"] == ["modeling_hf_gen_vae", "ConvVAE"]
    assert index["prior"] == ["modeling_hf_gen_prior", "LatentPrior"]
    index = json.loads((saved / "translation" / "model_index.json").read_text())
    assert index["_class_name"] == ["pipeline_hf_gen_translation", "TranslationPipeline"]
    assert index["b_to_a"] == ["modeling_hf_gen_cyclegan", "ResnetGenerator"]
    config = json.loads((saved / "bare" / "config.json").read_text())
    assert config["_class_name"] == "ConvVAE"
    assert config["auto_map"] == {"AutoModel": "modeling_hf_gen_vae.ConvVAE"}
    VAEPipeline(kl(), resolution=16).save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert index["vae"] == ["diffusers", "AutoencoderKL"]
    assert index["prior"] == [None, None]
    assert set(files(tmp_path)) == {
        "model_index.json",
        "pipeline_hf_gen_vae.py",
        "vae/config.json",
        f"vae/{WEIGHTS}",
    }


@pytest.fixture(scope="module")
def means() -> dict[str, float]:
    """Of the images that each saved model makes in `PROGRAM`."""

    def seed() -> torch.Generator:
        return torch.Generator().manual_seed(0)

    pipeline = vae_pipeline()
    drawn = [pipeline.sample(2, seed(), "pt", prior) for prior in (*pipeline.priors, None)]
    pixels = torch.linspace(-1, 1, 768).view(1, 3, 16, 16)
    with torch.no_grad():
        alone = pipeline.vae.decode(torch.randn(2, 5, 1, 1, generator=seed())).sample
    cycle = translation_pipeline().cycle(pixels, output_type="pt")
    images = {"faces": drawn, "plain": drawn[:1] * 2, "bare": [alone], "translation": cycle}
    return {name: torch.cat(made).double().mean().item() for name, made in images.items()}


@pytest.mark.parametrize("ways", [WITH, WITHOUT], ids=["with hf_gen", "without"])
def test_every_way_loads_a_folder_a_repository_and_a_variant_of_an_old_revision(
    saved: Path,
    means: dict[str, float],
    loopback_hub: LoopbackHub,
    tmp_path: Path,
    run: Run,
    ways: tuple[str, ...],
) -> None:
    put(loopback_hub, saved)
    environment = loopback_hub.environment(tmp_path)
    names = {way: "bare" if way == "auto" else "faces" for way in ways}
    half: list[tuple[str, Path, dict[str, Any]]] = []
    for way, name in names.items():
        old, content = f"tester/old-{way}", files(saved / name)
        loopback_hub.create(old, files=content)
        revision = loopback_hub.commits(old)[0].sha
        loopback_hub.put(old, {path: b"{}" for path in content if "json" in path})
        options = {"revision": revision, "variant": "fp16", "dtype": "float16"}
        half.append((way, Path(old), options))
    any_pipeline = {"load", "remote"} & {*ways}
    first: list[tuple[str, Path, dict[str, Any]]] = [
        *((way, place / names[way], {}) for place in (saved, Path("tester")) for way in ways),
        *((way, saved / "translation", {}) for way in any_pipeline),
        *(
            (way, Path("tester", name), {})
            for way in any_pipeline
            for name in ("translation", "plain")
        ),
    ]
    if ways == WITHOUT:  # what came as remote code can be saved again
        first = [
            (way, name, {"save_to": str(tmp_path / f"{i}" / name.name)})
            for i, (way, name, _) in enumerate(first)
        ]
    again = [(way, name, {"local_files_only": True}) for way, name, _ in first]
    again += [(way, Path(options["save_to"]), {}) for way, _, options in first if options]
    classes = {"bare": "ConvVAE", "translation": "TranslationPipeline"}
    for step, jobs in enumerate((first, again)):
        responses = run([*jobs, *(half if step == 0 else ())], environment, ways == WITH)
        for (way, name, _), response in zip(jobs, responses, strict=False):
            made = "bare" if way == "model" else name.name
            assert response["class"] == classes.get(made, "VAEPipeline")
            assert response["dtype"] == "torch.float32"
            # Pipelines of the installed hf_gen use kernels that round otherwise.
            assert response["mean"] == pytest.approx(means[made], rel=1e-5), (way, name)
        if step == 0:
            assert {one["dtype"] for one in responses[len(first) :]} == {"torch.float16"}
            if ways == WITH:
                read = {Path(path).name for path in downloaded(loopback_hub, "old-load")}
                assert read == {"model_index.json", "config.json", HALF}
                network = {"config.json", WEIGHTS}
                assert downloaded(loopback_hub, "faces") == {
                    "model_index.json",
                    *(f"{part}/{name}" for part in ("vae", "prior") for name in network),
                }
            loopback_hub.forget()
    # For remote code diffusers asks which commit it is of, even so.
    asked = {asked.endpoint for asked in loopback_hub.asked()}
    assert asked <= (set() if ways == WITH else {"info", "resolve"})
    for _, name, options in first if ways == WITHOUT else []:
        old, new = files(saved / name.name), files(Path(options["save_to"]))
        assert str(tmp_path).encode() not in b"".join(new.values())
        assert new == {name: content for name, content in old.items() if not name.endswith(HALF)}


def test_repositories_are_read_only_as_far_as_they_are_safe_and_small(
    saved: Path,
    loopback_hub: LoopbackHub,
    tmp_path: Path,
    load_here: Callable[..., VAEPipeline | str],
) -> None:
    trap = f"from pathlib import Path\nPath({str(tmp_path / 'sprung')!r}).touch()\n".encode()
    unsafe = {"diffusion_pytorch_model.bin": b"a pickle", "modeling_hf_gen_vae.py": trap}
    faces = files(saved / "faces")
    traps = {path: trap if path.endswith(".py") else content for path, content in faces.items()}
    for name, network in (
        ("kl", kl(sample_size=64)),
        ("tiny", tiny()),
        ("own", NETWORKS["ConvVAE"]()),
    ):
        network.save_pretrained(tmp_path / name)
    index = {"_class_name": "StableDiffusionPipeline", "vae": ["diffusers", "AutoencoderKL"]}
    stable = {
        **{f"vae/{path}": content for path, content in files(tmp_path / "kl").items()},
        "model_index.json": json.dumps(index).encode(),
        "unet/config.json": b"{",
        f"unet/{WEIGHTS}": b"no weights" * 1000,
        "vae/diffusion.ckpt": b"a pickle",
        "v1-5-pruned.safetensors": b"no weights" * 1000,
    }
    exact = len(json.dumps(index)) + sum(
        len(stable[f"vae/{name}"]) for name in ("config.json", WEIGHTS)
    )
    weights = {"extra": torch.zeros(1), **load_file(saved / "faces" / "vae" / WEIGHTS)}
    pickled = files(tmp_path / "kl")
    pickled["diffusion_pytorch_model.bin"] = pickled.pop(WEIGHTS)
    alone = {"config.json", WEIGHTS}
    in_vae = {"model_index.json", "vae/config.json", f"vae/{WEIGHTS}"}
    complete = {*in_vae, "prior/config.json", f"prior/{WEIGHTS}"}
    # The files of a repository, how it is loaded, the response, and the files that are downloaded.
    vae = "VAEPipeline"
    cases: dict[str, tuple[dict[str, bytes], dict[str, Any], Any, set[str]]] = {
        "kl": (files(tmp_path / "kl") | unsafe, {}, [vae, "AutoencoderKL", 64], alone),
        "tiny": (files(tmp_path / "tiny") | unsafe, {}, [vae, "AutoencoderTiny", 256], alone),
        "own": (files(tmp_path / "own") | unsafe, {}, [vae, "ConvVAE", 16], alone),
        "stable": (stable | unsafe, {}, [vae, "AutoencoderKL", 64], in_vae),
        "pipeline": (
            traps | {"pipeline.py": trap, "vae/diffusion_pytorch_model.bin": b"", "x.json": b""},
            {},
            [vae, "ConvVAE", 16],
            complete,
        ),
        "exact": (stable, {"max_bytes": exact}, [vae, "AutoencoderKL", 64], in_vae),
        "large": (stable, {"max_bytes": exact - 1}, "MB are loaded from the Hub here", set()),
        "long": (files(tmp_path / "kl") | {"config.json": b" " * 1_000_001}, {}, "1 MB", set()),
        "pickled": (pickled, {}, f"has no safetensors, it needs a {WEIGHTS}", set()),
        "nothing": ({"text_encoder/config.json": b"{}"}, {}, "there is no config.json in", set()),
        "extra": (
            faces | {f"vae/{WEIGHTS}": save(weights)},
            {},
            "unexpected key extra",
            complete,
        ),
    }
    for name, (content, *_) in cases.items():
        loopback_hub.create(f"tester/{name}", files=content)
    for name, (_, options, expected, read) in cases.items():
        response = load_here(f"tester/{name}", **options)
        if isinstance(response, str):
            assert isinstance(expected, str), response
            assert expected in response, name
            assert f"tester/{name}" in response
            assert str(tmp_path) not in response  # not the folder of the cache
        else:
            shown = [type(response).__name__, type(response.vae).__name__]
            assert [*shown, response.config.resolution] == expected, name
        assert downloaded(loopback_hub, name) == read, name
    assert not (tmp_path / "sprung").exists()


def test_a_hub_that_does_not_give_a_model_is_a_clear_error(
    saved: Path,
    loopback_hub: LoopbackHub,
    tmp_path: Path,
    load_here: Callable[..., VAEPipeline | str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(loopback_hub, saved)
    for name in ("damaged", "cut"):
        loopback_hub.create(f"tester/{name}", files=files(saved / "faces"))
    loopback_hub.create("tester/hidden", files=files(saved / "faces"), private=True)
    faults = loopback_hub.faults
    for name, status, code in (("gated", 403, "GatedRepo"), ("broken", 500, None)):
        faults.fail("GET", "info", path=f"*/{name}*", status=status, error_code=code, times=None)
    faults.corrupt_download(f"*/damaged/*/vae/{WEIGHTS}", times=1)
    faults.cut_download(f"*/cut/*/vae/{WEIGHTS}", after=1000, times=None)
    local = {"local_files_only": True}
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("nothing", {}, "'tester/nothing' is not a folder, and the Hub has no model"),
        ("faces", {"revision": "no-such"}, "the Hub has no tester/faces at revision no-such"),
        ("a/b", {}, "'tester/a/b' is neither a folder nor the id"),
        ("faces", {"token": "hf_wrong"}, "the token has no read access to tester/faces"),
        ("hidden", {}, "'tester/hidden' is not a folder, and the Hub has no model"),
        ("hidden", {"token": loopback_hub.other_user_token}, "or log in with `hf auth login`"),
        ("hidden", {"token": loopback_hub.read_token}, ""),
        ("gated", {}, "tester/gated is gated: ask for access"),
        ("broken", {}, "the Hub failed to serve tester/broken"),
        ("damaged", {}, f"vae/{WEIGHTS} of tester/damaged arrived damaged, and has been deleted"),
        ("damaged", local, "no complete copy of it"),
        ("damaged", {}, ""),
        ("cut", {}, "tester/cut is not a folder, and it cannot be downloaded"),
        ("cut", local, "no complete copy of it"),
        ("faces", local, "no complete copy of it"),
    ]

    def check(cases: list[tuple[str, dict[str, Any], str]]) -> None:
        for name, options, message in cases:
            response = load_here(f"tester/{name}", **options)
            if message:
                assert isinstance(response, str), name
                assert message in response, name
            else:
                assert isinstance(response, VAEPipeline), (name, response)

    check(cases)
    faults.clear()
    check([("cut", {}, "")])
    shutil.copytree(saved / "faces", tmp_path / "tester" / "folder")
    loopback_hub.forget()
    offline = [
        ("cut", {}, ""),
        ("faces", {}, "no complete copy of it"),
        ("folder", {}, ""),
    ]
    with monkeypatch.context() as patch:
        for module in ("huggingface_hub.constants", "hf_gen.pipelines.download"):
            patch.setattr(f"{module}.HF_HUB_OFFLINE", True)
        check(offline)
    assert loopback_hub.asked() == []
    loopback_hub.stop()
    unreachable = "tester/faces is not a folder, and it cannot be downloaded from the Hub"
    check([("folder", {}, ""), ("faces", {}, unreachable), ("cut", local, "")])

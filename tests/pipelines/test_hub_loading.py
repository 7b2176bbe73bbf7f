"""A saved folder, here or on the Hub, loads in four ways, and what is wrong with it is said."""

import inspect
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, DiffusionPipeline
from safetensors.torch import load_file, save_file

from hf_gen.errors import UserError
from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.prior import LatentPrior
from hf_gen.models.vae import ConvVAE, DenseVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline, download, load, translation, vae
from tests.loopback_hub import LoopbackHub

Run = Callable[..., str]
ROOT = Path(download.__file__).parents[2]
NAME = "tester/faces"
WEIGHTS = "diffusion_pytorch_model.safetensors"
HALF = "diffusion_pytorch_model.fp16.safetensors"

BARE = "tester/bare"

# Each way in its own words; what follows is the same for all.
WAYS = {
    "model": "from hf_gen import ConvVAE\n"
    "made = ConvVAE.from_pretrained(name, subfolder='vae', **options)",
    "class": "from hf_gen import VAEPipeline\nmade = VAEPipeline.from_pretrained(name, **options)",
    "load": "import hf_gen\nmade = hf_gen.load(name, **options)",
    "remote": "from diffusers import DiffusionPipeline\n"
    "made = DiffusionPipeline.from_pretrained(name, trust_remote_code=True, **options)",
    "auto": "from diffusers import AutoModel\n"
    "made = AutoModel.from_pretrained(name, trust_remote_code=True, **options)",
}
# The first need hf_gen, the others do without; those of one line share a process.
GROUPS = (("model", "class", "load"), ("remote", "auto"))
BEGIN = """
import json
import sys
import torch
names, options = json.loads(sys.argv[1]), json.loads(sys.argv[2])
if "dtype" in options:
    options["dtype"] = getattr(torch, options["dtype"])
"""
END = """
vae = getattr(made, "vae", made)
codes = torch.randn(2, 5, 1, 1, generator=torch.Generator().manual_seed(0))
with torch.no_grad():
    images = vae.decode(codes.to(vae.dtype)).sample
print(json.dumps({
    "classes": [type(made).__name__, type(vae).__name__],
    "dtype": str(vae.dtype),
    "mean": images.double().mean().item(),
    "hf_gen": any(module.partition(".")[0] == "hf_gen" for module in sys.modules),
}))
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
def pipeline() -> VAEPipeline:
    torch.manual_seed(0)
    prior = LatentPrior((5, 1, 1), 3)
    prior.means.normal_()
    return VAEPipeline(ConvVAE(16, filters=(6, 4), latent_channels=5).eval(), prior, 16)


@pytest.fixture(scope="module")
def saved(pipeline: VAEPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline folder with weights in two precisions, and a bare model in the folder beside."""
    folder = tmp_path_factory.mktemp("saved") / "pipeline"
    pipeline.save_pretrained(folder)
    load(folder, dtype=torch.float16).save_pretrained(folder, variant="fp16")
    pipeline.vae.save_pretrained(folder.parent / "bare")
    load(folder, dtype=torch.float16).vae.save_pretrained(folder.parent / "bare", variant="fp16")
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of the pipeline folder, to be changed."""
    return Path(shutil.copytree(saved, tmp_path / "pipeline"))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a program in a fresh process with its caches in `tmp_path`, with hf_gen or without."""

    def start(
        program: str, *arguments: object, with_hf_gen: bool = True, **environment: str
    ) -> str:
        begin = "" if with_hf_gen else WITHOUT_HF_GEN
        clean = {key: os.environ[key] for key in os.environ if key != "PYTHONPATH"}
        here = {"PYTHONPATH": str(ROOT)} if with_hf_gen else {"PYTHONSAFEPATH": "1"}
        process = subprocess.run(
            [sys.executable, "-c", begin + program, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
            env={**clean, "HF_HOME": str(tmp_path / "hf_home"), **here, **environment},
        )
        assert process.returncode == 0, process.stderr
        return process.stdout

    return start


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def put(hub: LoopbackHub, folder: Path, name: str = NAME, **more: Any) -> None:
    hub.create(name, files=files(folder), **more)


def expected_mean(pipeline: VAEPipeline) -> float:
    codes = torch.randn(2, 5, 1, 1, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mean: float = pipeline.vae.decode(codes).sample.double().mean().item()
    return mean


def check(answer: dict[str, Any], way: str, pipeline: VAEPipeline) -> None:
    outer = "VAEPipeline" if way in ("class", "load", "remote") else "ConvVAE"
    assert answer["classes"] == [outer, "ConvVAE"]
    assert answer["hf_gen"] == (way in ("model", "class", "load"))
    assert answer["dtype"] == "torch.float32"
    # Pipelines of the installed hf_gen decode on a CPU with kernels that round otherwise.
    assert answer["mean"] == pytest.approx(expected_mean(pipeline), rel=1e-6)


def start_ways(
    run: Run,
    ways: tuple[str, ...],
    saved: object,
    bare: object,
    environment: dict[str, str],
    **options: Any,
) -> dict[str, Any]:
    """What each way, all of one group, tells of the pipeline `saved` or of the model `bare`."""
    names = {way: str(bare if way == "auto" else saved) for way in ways}
    program = BEGIN + "".join(f"name = names[{way!r}]\n{WAYS[way]}{END}" for way in ways)
    arguments = (json.dumps(names), json.dumps(options))
    output = run(program, *arguments, with_hf_gen=ways[0] in GROUPS[0], **environment)
    return dict(zip(ways, map(json.loads, output.splitlines()[-len(ways) :]), strict=True))


def source_of(saved: Path, way: str) -> Path:
    return saved.parent / "bare" if way == "auto" else saved


def test_the_layout_is_a_format(saved: Path) -> None:
    assert set(files(saved)) == {
        "model_index.json",
        "pipeline_hf_gen_vae.py",
        *(
            f"{part}/{name}"
            for part, source in (("vae", "modeling_hf_gen_vae"), ("prior", "modeling_hf_gen_prior"))
            for name in ("config.json", f"{source}.py", WEIGHTS, HALF)
        ),
    }
    index = json.loads((saved / "model_index.json").read_text())
    assert index["_class_name"] == ["pipeline_hf_gen_vae", "VAEPipeline"]
    assert index["vae"] == ["modeling_hf_gen_vae", "ConvVAE"]
    assert index["prior"] == ["modeling_hf_gen_prior", "LatentPrior"]
    config = json.loads((saved / "vae" / "config.json").read_text())
    assert config["_class_name"] == "ConvVAE"
    assert config["auto_map"] == {"AutoModel": "modeling_hf_gen_vae.ConvVAE"}
    bare = saved.parent / "bare"
    assert set(files(bare)) == {"config.json", "modeling_hf_gen_vae.py", WEIGHTS, HALF}


def test_the_layout_of_a_translation_and_of_diffusers_networks(tmp_path: Path) -> None:
    generators = ResnetGenerator(16, 4), ResnetGenerator(16, 4)
    TranslationPipeline(*generators, 16, "anime", "cartoon").save_pretrained(tmp_path / "cyclegan")
    assert set(files(tmp_path / "cyclegan")) == {
        "model_index.json",
        "pipeline_hf_gen_translation.py",
        *(
            f"{part}/{name}"
            for part in ("a_to_b", "b_to_a")
            for name in ("config.json", "modeling_hf_gen_cyclegan.py", WEIGHTS)
        ),
    }
    index = json.loads((tmp_path / "cyclegan" / "model_index.json").read_text())
    assert index["_class_name"] == ["pipeline_hf_gen_translation", "TranslationPipeline"]
    assert index["b_to_a"] == ["modeling_hf_gen_cyclegan", "ResnetGenerator"]
    network = AutoencoderKL(block_out_channels=(4,), norm_num_groups=2)
    VAEPipeline(network, resolution=16).save_pretrained(tmp_path / "kl")
    index = json.loads((tmp_path / "kl" / "model_index.json").read_text())
    assert index["vae"] == ["diffusers", "AutoencoderKL"]
    assert index["prior"] == [None, None]
    assert set(files(tmp_path / "kl")) == {
        "model_index.json",
        "pipeline_hf_gen_vae.py",
        "vae/config.json",
        f"vae/{WEIGHTS}",
    }


def test_both_pipelines_are_portable_by_the_same_text() -> None:
    here, there = (inspect.getsource(file.PortablePipeline) for file in (vae, translation))
    assert here == there


@pytest.mark.parametrize("ways", GROUPS)
def test_a_folder_loads(
    saved: Path, pipeline: VAEPipeline, run: Run, ways: tuple[str, ...]
) -> None:
    offline = {"HF_HUB_OFFLINE": "1"}
    for way, answer in start_ways(run, ways, saved, saved.parent / "bare", offline).items():
        check(answer, way, pipeline)


@pytest.mark.parametrize("ways", GROUPS)
def test_a_repository_loads_and_again_without_asking(
    saved: Path,
    pipeline: VAEPipeline,
    loopback_hub: LoopbackHub,
    tmp_path: Path,
    run: Run,
    ways: tuple[str, ...],
) -> None:
    put(loopback_hub, saved)
    put(loopback_hub, saved.parent / "bare", BARE)
    environment = loopback_hub.environment(tmp_path)
    for way, answer in start_ways(run, ways, NAME, BARE, environment).items():
        check(answer, way, pipeline)
    if ways == GROUPS[0]:
        assert downloaded(loopback_hub) == {
            "model_index.json",
            *(f"{part}/{name}" for part in ("vae", "prior") for name in ("config.json", WEIGHTS)),
        }
    loopback_hub.forget()
    again = start_ways(run, ways, NAME, BARE, environment, local_files_only=True)
    for way, answer in again.items():
        check(answer, way, pipeline)
    # For remote code diffusers asks which commit it is of, even so.
    assert {asked.endpoint for asked in loopback_hub.asked()} <= (
        set() if ways == GROUPS[0] else {"info", "resolve"}
    )


def downloaded(hub: LoopbackHub) -> set[str]:
    """The files of NAME whose bytes were asked for."""
    places = [asked.path.partition("/resolve/")[2] for asked in hub.asked("resolve", "GET")]
    return {place.partition("/")[2] for place in places}


@pytest.mark.parametrize("ways", [GROUPS[0], ("remote",), ("auto",)])
def test_a_variant_of_an_old_revision_loads(
    saved: Path, loopback_hub: LoopbackHub, tmp_path: Path, run: Run, ways: tuple[str, ...]
) -> None:
    put(loopback_hub, source_of(saved, ways[0]))
    old = loopback_hub.commits(NAME)[0].sha
    loopback_hub.put(NAME, {path: b"{}" for path in loopback_hub.files(NAME) if "json" in path})
    environment = loopback_hub.environment(tmp_path)
    options = {"revision": old, "variant": "fp16", "dtype": "float16"}
    answers = start_ways(run, ways, NAME, NAME, environment, **options)
    assert {answer["dtype"] for answer in answers.values()} == {"torch.float16"}
    if ways == GROUPS[0]:
        assert {Path(path).name for path in downloaded(loopback_hub)} == {
            "model_index.json",
            "config.json",
            HALF,
        }


def test_what_came_as_remote_code_is_saved_and_loads_again(
    saved: Path, pipeline: VAEPipeline, tmp_path: Path, run: Run
) -> None:
    again = {way: tmp_path / way for way in GROUPS[1]}
    program = BEGIN + "".join(
        f"name = names[{way!r}]\n{WAYS[way]}\nmade.save_pretrained({str(folder)!r})\n"
        for way, folder in again.items()
    )
    names = {way: str(source_of(saved, way)) for way in again}
    run(program, json.dumps(names), "{}", with_hf_gen=False)
    for way, folder in again.items():
        old, new = files(source_of(saved, way)), files(folder)
        assert str(tmp_path).encode() not in b"".join(new.values())
        assert new == {name: content for name, content in old.items() if not name.endswith(HALF)}
    for way, answer in start_ways(run, GROUPS[1], again["remote"], again["auto"], {}).items():
        check(answer, way, pipeline)
    assert isinstance(load(tmp_path / "remote"), VAEPipeline)
    assert isinstance(ConvVAE.from_pretrained(tmp_path / "auto"), ConvVAE)


TRANSLATE = """
import json
import sys
import torch
from diffusers import DiffusionPipeline
made = DiffusionPipeline.from_pretrained(sys.argv[1], trust_remote_code=True)
there, back = made.cycle(torch.linspace(-1, 1, 768).view(1, 3, 16, 16), output_type="pt")
print(json.dumps([made.config.domain_b, there.double().mean().item(), back.double().mean().item()]))
"""


def test_a_translation_loads_from_the_hub_too(
    loopback_hub: LoopbackHub, tmp_path: Path, run: Run
) -> None:
    torch.manual_seed(0)
    made = TranslationPipeline(
        ResnetGenerator(16, 4).eval(),
        ResnetGenerator(16, 4, upsample="transposed").eval(),
        16,
        "anime",
        "cartoon",
    )
    made.save_pretrained(tmp_path / "cyclegan")
    put(loopback_hub, tmp_path / "cyclegan")
    pixels = torch.linspace(-1, 1, 768).view(1, 3, 16, 16)
    there, back = made.cycle(pixels, output_type="pt")
    expected = ["cartoon", there.double().mean().item(), back.double().mean().item()]
    environment = loopback_hub.environment(tmp_path)
    output = run(TRANSLATE, NAME, with_hf_gen=False, **environment)
    assert json.loads(output.splitlines()[-1]) == expected
    program = TRANSLATE.replace("from diffusers import DiffusionPipeline", "import hf_gen").replace(
        "DiffusionPipeline.from_pretrained(sys.argv[1], trust_remote_code=True)",
        "hf_gen.TranslationPipeline.from_pretrained(sys.argv[1])",
    )
    output = run(program, NAME, **environment)
    assert json.loads(output.splitlines()[-1]) == expected


def test_a_class_loads_its_own_pipeline_only(saved: Path) -> None:
    with pytest.raises(UserError, match="holds a VAEPipeline, not a TranslationPipeline"):
        TranslationPipeline.from_pretrained(saved)

    class Larger(VAEPipeline):
        """Somebody's own."""

    assert isinstance(Larger.from_pretrained(saved), Larger)
    with pytest.raises(UserError, match="has no unet: it takes vae, prior, revision, variant"):
        VAEPipeline.from_pretrained(saved, unet=None)


def test_a_folder_gives_the_variant_and_the_dtype_that_are_asked_for(folder: Path) -> None:
    (folder / "vae" / WEIGHTS).unlink()
    half = load(folder, variant="fp16", dtype=torch.float16)
    assert half.vae.dtype == half.prior.dtype == torch.float16
    assert load(folder, variant="fp16").vae.dtype == torch.float32
    with pytest.raises(UserError, match=f"{folder}/vae cannot be loaded"):
        load(folder)
    with pytest.raises(UserError, match=f"{folder}/prior cannot be loaded"):
        load(folder, variant="bf16")


def test_weights_that_are_pickled_are_refused(folder: Path) -> None:
    for part in ("vae", "prior"):
        for name in (WEIGHTS, HALF):
            (folder / part / name).rename(folder / part / name.replace(".safetensors", ".bin"))
    with pytest.raises(UserError, match=r"cannot be loaded.*safetensors"):
        load(folder)
    with pytest.raises(UserError, match=r"cannot be loaded.*safetensors"):
        VAEPipeline.from_pretrained(folder)
    with pytest.raises(OSError, match="safetensors"):
        ConvVAE.from_pretrained(folder, subfolder="vae")


# What `load` does of a repository, in a process of its own: the class, or the sentence.
TRY = """
import sys
import time
import hf_gen
from hf_gen.errors import UserError
started = time.monotonic()
for index, name in enumerate(sys.argv[1:]):
    name, _, revision = name.partition("@")
    token, _, name = name.rpartition("#")
    try:
        made = type(hf_gen.load(name, revision=revision or None, token=token or None)).__name__
    except UserError as error:
        made = error
    print(made)
assert time.monotonic() - started < 20
"""


def test_code_that_lies_there_is_neither_downloaded_nor_run(
    folder: Path, loopback_hub: LoopbackHub, tmp_path: Path, run: Run
) -> None:
    trap = f"from pathlib import Path\nPath({str(tmp_path / 'sprung')!r}).touch()\n"
    for source in [*folder.rglob("*.py"), folder / "pipeline.py", folder / "vae" / "extra.py"]:
        source.write_text(trap)
    (folder / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "results.json").write_text("{}")
    put(loopback_hub, folder)
    environment = loopback_hub.environment(tmp_path)
    assert run(TRY, NAME, **environment) == "VAEPipeline\n"
    assert run(TRY, folder, **environment) == "VAEPipeline\n"
    asked = {Path(path).suffix for path in downloaded(loopback_hub)}
    assert asked == {".json", ".safetensors"}
    assert "results.json" not in downloaded(loopback_hub)
    assert not (tmp_path / "sprung").exists()


def changed_index(saved: Path, **changes: Any) -> dict[str, bytes]:
    index = json.loads((saved / "model_index.json").read_text())
    return files(saved) | {"model_index.json": json.dumps(index | changes).encode()}


def changed_weights(saved: Path, tmp_path: Path, add: str | None) -> dict[str, bytes]:
    weights = load_file(saved / "vae" / WEIGHTS)
    if add:
        weights[add] = torch.zeros(1)
    else:
        weights.pop(sorted(weights)[0])
    save_file(weights, tmp_path / "changed")
    return files(saved) | {f"vae/{WEIGHTS}": (tmp_path / "changed").read_bytes()}


def test_what_does_not_belong_in_a_repository_is_refused_with_a_sentence(
    saved: Path, loopback_hub: LoopbackHub, tmp_path: Path, run: Run
) -> None:
    dense = tmp_path / "dense"
    DenseVAE(16, hidden=(12,), latent_channels=5).save_pretrained(dense)
    bin_only = {
        path.replace(".safetensors", ".bin"): content for path, content in files(saved).items()
    }
    refused = {
        "foreign": (
            changed_index(saved, _class_name=["pipeline_evil", "VAEPipeline"]),
            "holds a ['pipeline_evil', 'VAEPipeline'], and hf_gen loads VAEPipeline and",
        ),
        "stable": (changed_index(saved, _class_name="StableDiffusionPipeline"), "hf_gen loads"),
        "network": (changed_index(saved, vae=["diffusers", "UNet2DModel"]), "does not load"),
        "file": (changed_index(saved, vae=["modeling_evil", "ConvVAE"]), "does not load"),
        "missing": (changed_weights(saved, tmp_path, None), "missing keys"),
        "unexpected": (changed_weights(saved, tmp_path, "extra"), "unexpected keys"),
        "config": (
            files(saved) | {f"vae/{path}": content for path, content in files(dense).items()},
            "holds a DenseVAE",
        ),
        "pickled": (bin_only, "safetensors"),
        "bare": (files(saved.parent / "bare"), "holds no pipeline: there is no model_index.json"),
    }
    for name, (content, _) in refused.items():
        loopback_hub.create(f"tester/{name}", files=content)
    names = [f"tester/{name}" for name in refused]
    output = run(TRY, *names, **loopback_hub.environment(tmp_path)).splitlines()
    assert len(output) == len(refused)
    for line, (name, (_, sentence)) in zip(output, refused.items(), strict=True):
        assert sentence in line, (name, line)
    assert "modeling_evil.py" not in "".join(downloaded(loopback_hub))


def test_a_repository_that_cannot_be_had_is_one_sentence_at_once(
    saved: Path, loopback_hub: LoopbackHub, tmp_path: Path, run: Run
) -> None:
    put(loopback_hub, saved)
    put(loopback_hub, saved, "tester/hidden", private=True)
    faults = loopback_hub.faults
    for name, status, code in (("gated", 403, "GatedRepo"), ("broken", 500, None)):
        faults.fail("GET", "info", path=f"*/{name}*", status=status, error_code=code, times=None)
    environment = loopback_hub.environment(tmp_path, token="")
    expected = {
        "tester/nothing": "'tester/nothing' is not a folder, and the Hub has no model",
        f"{NAME}@no-such-branch": f"the Hub has no {NAME} at revision no-such-branch",
        "a/b/c": "'a/b/c' is neither a folder nor the id",
        f"hf_wrong#{NAME}": f"the token has no read access to {NAME}",
        "tester/hidden": "'tester/hidden' is not a folder, and the Hub has no model",
        f"{loopback_hub.stranger_token}#tester/hidden": "or log in with `hf auth login`",
        f"{loopback_hub.read_token}#tester/hidden": "VAEPipeline",
        "tester/gated": "tester/gated is gated: ask for access",
        "tester/broken": "the Hub failed to serve tester/broken",
    }
    output = run(TRY, *expected, **environment).splitlines()
    assert len(output) == len(expected)
    for line, sentence in zip(output, expected.values(), strict=True):
        assert sentence in line
    loopback_hub.stop()
    unreachable = run(TRY, NAME, **environment)
    assert f"{NAME} is not a folder, and it cannot be downloaded from the Hub" in unreachable
    assert "HF_HUB_OFFLINE=1" in unreachable


def test_offline_what_is_not_here_is_one_sentence(
    saved: Path, loopback_hub: LoopbackHub, tmp_path: Path, run: Run
) -> None:
    put(loopback_hub, saved)
    environment = loopback_hub.environment(tmp_path) | {"HF_HUB_OFFLINE": "1"}
    assert "the cache has no complete copy of it" in run(TRY, NAME, **environment)
    assert loopback_hub.asked() == []
    shutil.copytree(saved, tmp_path / NAME)  # a folder of that name is never asked for
    assert run(TRY, NAME, **environment | {"HF_HUB_OFFLINE": "0"}) == "VAEPipeline\n"
    assert loopback_hub.asked() == []


def test_a_download_that_breaks_off_is_said_and_then_goes_on(
    saved: Path, loopback_hub: LoopbackHub, tmp_path: Path, run: Run
) -> None:
    put(loopback_hub, saved)
    environment = loopback_hub.environment(tmp_path)
    loopback_hub.faults.cut_download(f"*/vae/{WEIGHTS}", after=1000, times=None)
    first = run(TRY, NAME, **environment)
    assert f"{NAME} is not a folder, and it cannot be downloaded" in first
    offline = run(TRY, NAME, **environment | {"HF_HUB_OFFLINE": "1"})
    assert "the cache has no complete copy of it" in offline
    loopback_hub.faults.clear()
    assert run(TRY, NAME, **environment) == "VAEPipeline\n"


def test_weights_that_arrive_damaged_are_said_and_fetched_anew(
    saved: Path, loopback_hub: LoopbackHub, tmp_path: Path, run: Run
) -> None:
    put(loopback_hub, saved)
    environment = loopback_hub.environment(tmp_path)
    loopback_hub.faults.corrupt_download(f"*/vae/{WEIGHTS}", times=1)
    told = run(TRY, NAME, **environment)
    assert f"vae/{WEIGHTS} of {NAME} arrived damaged, and has been deleted: load it again" in told
    offline = run(TRY, NAME, **environment | {"HF_HUB_OFFLINE": "1"})
    assert "VAEPipeline" not in offline
    assert run(TRY, NAME, **environment) == "VAEPipeline\n"


def test_a_repository_that_is_too_large_is_refused_before_the_download(
    saved: Path, loopback_hub: LoopbackHub, tmp_path: Path, run: Run
) -> None:
    put(loopback_hub, saved)
    small = TRY.replace("token=token or None", "token=token or None, most_bytes=1000")
    told = run(small, NAME, **loopback_hub.environment(tmp_path))
    assert "MB of weights, and at most 0.0 MB are loaded from the Hub here" in told
    assert downloaded(loopback_hub) == set()


def test_diffusers_alone_asks_for_trust(saved: Path) -> None:
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        DiffusionPipeline.from_pretrained(saved)

"""`load_any` makes a pipeline of any autoencoder, and asks how large it is before it takes it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, ModelMixin

from hf_gen.errors import UserError
from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline, load_any
from tests.loopback_hub import LoopbackHub

WEIGHTS = "diffusion_pytorch_model.safetensors"
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.42.1",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def kl(**config: Any) -> AutoencoderKL:
    blocks = {"down_block_types": ("DownEncoderBlock2D",), "up_block_types": ("UpDecoderBlock2D",)}
    given = {key: kind * 2 for key, kind in blocks.items()} | {"norm_num_groups": 2} | config
    return AutoencoderKL(block_out_channels=(4, 4), **given)


def tiny(**config: Any) -> AutoencoderTiny:
    blocks = {"num_encoder_blocks": (1, 1), "num_decoder_blocks": (1, 1)}
    widths = {"encoder_block_out_channels": (4, 4), "decoder_block_out_channels": (4, 4)}
    return AutoencoderTiny(**widths, **(blocks | config))


# What lies there, and the resolution of the pipeline that it becomes.
NETWORKS: dict[str, tuple[Callable[[], ModelMixin], int]] = {
    "kl": (lambda: kl(sample_size=64), 64),
    "kl, odd": (lambda: kl(sample_size=37), 36),
    "kl, huge": (lambda: kl(sample_size=1024), 256),
    "tiny": (tiny, 256),
    "own": (lambda: ConvVAE(16, filters=(6, 4), latent_channels=5), 16),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.manual_seed(0)
    folders = {name: tmp_path_factory.mktemp("saved") / "network" for name in NETWORKS}
    for name, folder in folders.items():
        NETWORKS[name][0]().save_pretrained(folder)
    return folders


def stable_diffusion(network: Path, folder: Path) -> Path:
    """A foreign pipeline around a saved network; the rest of it is not what it says."""
    shutil.copytree(network, folder / "vae")
    (folder / "model_index.json").write_text(json.dumps(INDEX))
    (folder / "unet").mkdir()
    (folder / "unet" / "config.json").write_text("{")
    (folder / "unet" / WEIGHTS).write_bytes(b"no weights" * 1000)
    (folder / "v1-5-pruned.safetensors").write_bytes(b"no weights" * 1000)
    return folder


def check(pipeline: Any, network: ModelMixin, resolution: int) -> None:
    assert type(pipeline) is VAEPipeline
    assert type(pipeline.vae) is type(network)
    assert pipeline.config.resolution == resolution
    weights = pipeline.vae.state_dict()
    assert weights.keys() == network.state_dict().keys()
    assert all(torch.equal(weights[key], value) for key, value in network.state_dict().items())
    assert not pipeline.vae.training
    if resolution <= 64:  # attention over a larger image takes seconds
        image = torch.zeros(1, 3, resolution, resolution)
        assert pipeline.reconstruct(image, output_type="pt").shape == image.shape


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("in_a_pipeline", [False, True])
def test_a_folder_with_an_autoencoder_becomes_a_pipeline(
    saved: dict[str, Path], tmp_path: Path, name: str, in_a_pipeline: bool
) -> None:
    network = type(NETWORKS[name][0]()).from_pretrained(str(saved[name]))
    folder = saved[name]
    if in_a_pipeline:
        folder = stable_diffusion(folder, tmp_path / "stable")
    check(load_any(folder), network, NETWORKS[name][1])


def test_pipelines_of_hf_gen_are_loaded_as_by_load(tmp_path: Path) -> None:
    own = ConvVAE(16, filters=(6, 4), latent_channels=5).eval()
    VAEPipeline(own, resolution=16).save_pretrained(tmp_path / "run" / "pipeline")
    for folder in (tmp_path / "run", tmp_path / "run" / "pipeline"):
        check(load_any(folder), own, 16)
    made = TranslationPipeline(ResnetGenerator(16, 4), ResnetGenerator(16, 4), 16)
    made.save_pretrained(tmp_path / "cyclegan")
    assert isinstance(load_any(str(tmp_path / "cyclegan")), TranslationPipeline)
    (tmp_path / "cyclegan" / "model_index.json").write_text("[]")
    with pytest.raises(UserError, match=r"model_index\.json is damaged"):
        load_any(tmp_path / "cyclegan")


def test_a_saved_foreign_pipeline_is_one_of_hf_gen(saved: dict[str, Path], tmp_path: Path) -> None:
    pipeline = load_any(saved["kl"])
    pipeline.save_pretrained(tmp_path)
    check(load_any(tmp_path), pipeline.vae, 64)


# What a config says, what of it is refused, and the network whose weights lie beside it.
LIES: dict[str, tuple[str, dict[str, Any], str]] = {
    "width": ("kl", {"block_out_channels": [2_000_000, 2_000_000]}, "a tensor of .* numbers"),
    "depth": ("kl", {"layers_per_block": 10**9}, "more than 5,000 operations"),
    "many": ("kl", {"block_out_channels": [512, 512], "layers_per_block": 9}, "weights take"),
    "exponent": ("tiny", {"out_channels": 10**12}, "a tensor of .* numbers"),
    "number": ("kl", {"in_channels": 10**100}, "does not describe a network"),
    "zero": ("kl", {"norm_num_groups": 0}, "does not describe a network"),
    "text": ("kl", {"block_out_channels": "wide"}, "does not describe a network"),
    "nested": ("kl", {"down_block_types": [["DownEncoderBlock2D"]] * 2}, "does not describe"),
    "upsampling": ("tiny", {"upsampling_scaling_factor": 90_000}, "at resolution 256: it has a"),
    "scale": ("tiny", {"upsampling_scaling_factor": 3}, "at resolution 256: it makes"),
    "quantized": ("kl", {"quantization_config": {"quant_method": "torchao"}}, "is quantized"),
    "class": ("kl", {"_class_name": "UNet2DModel"}, "holds a UNet2DModel, and hf_gen loads ConvV"),
    "no class": ("kl", {"_class_name": None}, "holds a None, and hf_gen loads ConvVAE, DenseVAE"),
    "list": ("kl", {"_class_name": ["AutoencoderKL"]}, "cannot be loaded"),
    "other": ("kl", {"_class_name": "AutoencoderTiny"}, "not those of its network"),
    "long": ("kl", {"scaling_factor": "0" * 10**6}, r"must not be larger than 1 MB, and has 1\.0"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_config_that_lies_is_refused_before_anything_is_built(
    saved: dict[str, Path], tmp_path: Path, lie: str
) -> None:
    name, change, sentence = LIES[lie]
    folder = Path(shutil.copytree(saved[name], tmp_path / "network"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(UserError, match=sentence) as told:
        load_any(folder)
    assert str(folder) in str(told.value)
    if lie not in ("quantized", "no class"):  # a pipeline is the same folder with an index
        pipeline = tmp_path / "pipeline"
        VAEPipeline(ConvVAE(16, filters=(6, 4)), resolution=16).save_pretrained(pipeline)
        shutil.rmtree(pipeline / "vae")
        folder.rename(pipeline / "vae")
        index = json.loads((pipeline / "model_index.json").read_text())
        index |= {"vae": ["diffusers", type(NETWORKS[name][0]()).__name__], "resolution": 256}
        (pipeline / "model_index.json").write_text(json.dumps(index))
        with pytest.raises(UserError):
            load_any(pipeline)


@pytest.mark.parametrize("content", [b"[]", b"null", b"{", b"\xff", b"", b"[" * 10**5])
def test_a_damaged_config_is_refused(
    saved: dict[str, Path], tmp_path: Path, content: bytes
) -> None:
    folder = Path(shutil.copytree(saved["kl"], tmp_path / "network"))
    (folder / "config.json").write_bytes(content)
    with pytest.raises(UserError, match=f"{folder} cannot be loaded"):
        load_any(folder)


def test_networks_that_ask_too_much_of_an_image_are_refused(tmp_path: Path) -> None:
    attention = kl(
        down_block_types=("AttnDownEncoderBlock2D",) * 2,
        up_block_types=("AttnUpDecoderBlock2D",) * 2,
        sample_size=512,
    )
    attention.save_pretrained(tmp_path / "attention")
    with pytest.raises(UserError, match="at resolution 512: it has a tensor"):
        load_any(tmp_path / "attention")
    kl(in_channels=1, out_channels=1).save_pretrained(tmp_path / "grey")
    with pytest.raises(UserError, match="does not take images at resolution 32"):
        load_any(tmp_path / "grey")


def test_folders_without_a_model_or_safe_weights_are_refused(
    saved: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"holds no model .* no config\.json in it"):
        load_any(tmp_path)
    (tmp_path / "model_index.json").write_text(json.dumps(INDEX))
    with pytest.raises(UserError, match=r"holds no model .* no config\.json in it"):
        load_any(tmp_path)
    folder = Path(shutil.copytree(saved["kl"], tmp_path / "pickled"))
    (folder / WEIGHTS).rename(folder / "diffusion_pytorch_model.bin")
    with pytest.raises(UserError, match=f"{folder} has no safetensors, it needs a {WEIGHTS}"):
        load_any(folder)
    with pytest.raises(UserError, match=rf"{tmp_path}/nowhere holds no model"):
        load_any(tmp_path / "nowhere")


# What `load_any` makes of repositories, in a process of its own: a line of JSON for each.
TRY = """
import json
import sys
from hf_gen.errors import UserError
from hf_gen.pipelines import load_any
for name, options in json.loads(sys.argv[1]):
    try:
        made = load_any(name, **options)
        told = [type(made).__name__, type(made.vae).__name__, made.config.resolution]
    except UserError as error:
        told = str(error)
    print(json.dumps(told))
"""


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def taken(hub: LoopbackHub, name: str) -> set[str]:
    """The files of a repository whose bytes were asked for."""
    paths = [asked.path for asked in hub.asked("resolve", "GET")]
    parts = [path.partition(f"/tester/{name}/resolve/")[2] for path in paths]
    return {part.partition("/")[2] for part in parts if part}


def try_out(
    start_python: Callable[..., Any], environment: dict[str, str], jobs: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    process = start_python(
        TRY, json.dumps([(f"tester/{name}", jobs[name]) for name in jobs]), **environment
    )
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return dict(zip(jobs, map(json.loads, output.splitlines()), strict=True))


def repositories(saved: dict[str, Path], tmp_path: Path) -> dict[str, dict[str, bytes]]:
    """What is put on the Hub, with traps in everything that must not be run."""
    trap = f"from pathlib import Path\nPath({str(tmp_path / 'sprung')!r}).touch()\n".encode()
    unsafe = {"diffusion_pytorch_model.bin": b"a pickle", "modeling_hf_gen_vae.py": trap}
    pickled = files(saved["kl"])
    pickled["diffusion_pytorch_model.bin"] = pickled.pop(WEIGHTS)
    ResnetGenerator(16, 4).save_pretrained(tmp_path / "generator")
    own = VAEPipeline(ConvVAE(16, filters=(6, 4), latent_channels=5), resolution=16)
    own.save_pretrained(tmp_path / "pipeline")
    stable = files(stable_diffusion(saved["kl"], tmp_path / "stable"))
    there = {
        **{name: files(saved[name]) | unsafe for name in ("kl", "tiny", "own")},
        "stable": stable | unsafe | {"pipeline.py": trap, "vae/diffusion.ckpt": b"a pickle"},
        "pipeline": files(tmp_path / "pipeline") | {"pipeline.py": trap},
        "pickled": pickled,
        "generator": files(tmp_path / "generator"),
        "nothing": {"model.safetensors": b"", "text_encoder/config.json": b"{}"},
        "long": files(saved["kl"]) | {"config.json": b" " * 1_000_001},
    }
    there |= {f"large-{name}": there[name] for name in ("kl", "stable", "pipeline")}
    there["exact"] = there["stable"]
    return there


def test_repositories_are_taken_only_as_far_as_they_are_safe_and_small(
    saved: dict[str, Path],
    loopback_hub: LoopbackHub,
    tmp_path: Path,
    start_python: Callable[..., Any],
) -> None:
    there = repositories(saved, tmp_path)
    for name, content in there.items():
        loopback_hub.create(f"tester/{name}", files=content)
    needed = {name: len(there["stable"][f"vae/{name}"]) for name in ("config.json", WEIGHTS)}
    jobs: dict[str, dict[str, Any]] = {name: {} for name in [*there, "no-such-model"]}
    jobs |= {name: {"most_bytes": 5000} for name in jobs if name.startswith("large-")}
    jobs["exact"] = {"most_bytes": sum(needed.values())}
    environment = loopback_hub.environment(tmp_path)
    told = try_out(start_python, environment, jobs)
    own = ["config.json", WEIGHTS]
    expected: dict[str, tuple[Any, set[str]]] = {
        "kl": (["VAEPipeline", "AutoencoderKL", 64], {*own}),
        "tiny": (["VAEPipeline", "AutoencoderTiny", 256], {*own}),
        "own": (["VAEPipeline", "ConvVAE", 16], {*own}),
        "stable": (
            ["VAEPipeline", "AutoencoderKL", 64],
            {"model_index.json", *(f"vae/{name}" for name in own)},
        ),
        "pipeline": (
            ["VAEPipeline", "ConvVAE", 16],
            {"model_index.json", *(f"vae/{name}" for name in own)},
        ),
        "pickled": (f"has no safetensors, it needs a {WEIGHTS}", {"config.json"}),
        "generator": (
            "holds a ResnetGenerator, and hf_gen loads ConvVAE, DenseVAE",
            {"config.json"},
        ),
        "nothing": ("no config.json in it or in its folder vae", set()),
        "long": ("config.json in tester/long must not be larger than 1 MB", set()),
        "large-kl": ("are loaded from the Hub here", {"config.json"}),
        "large-stable": ("are loaded from the Hub", {"model_index.json", "vae/config.json"}),
        "large-pipeline": ("are loaded from the Hub", {"model_index.json", "vae/config.json"}),
        "exact": (told["stable"], {"model_index.json", *(f"vae/{name}" for name in own)}),
        "no-such-model": ("the Hub has no model of that name", set()),
    }
    assert told.keys() == expected.keys()
    for name, (answer, asked) in expected.items():
        if isinstance(answer, str):
            assert answer in told[name], name
            assert f"tester/{name}" in told[name], name
            assert str(tmp_path) not in told[name], name  # nothing of the machine's folders
        else:
            assert told[name] == answer, name
        assert taken(loopback_hub, name) == asked, name
    assert not (tmp_path / "sprung").exists()

    loopback_hub.stop()
    local = {"local_files_only": True}
    jobs = {"kl": local, "stable": local, "pipeline": local, "large-kl": local, "generator": {}}
    told = try_out(start_python, environment, jobs)
    for name in ("kl", "stable", "pipeline"):
        assert told[name] == expected[name][0]
    assert "the cache has no complete copy of it" in told["large-kl"]
    assert "cannot be downloaded from the Hub" in told["generator"]

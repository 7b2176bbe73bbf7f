"""`load` returns what was saved; whatever is wrong with a folder is a clear error."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ModelMixin
from safetensors.torch import load_file, save_file

from hf_gen.errors import UserError
from hf_gen.models.cyclegan import PatchDiscriminator
from hf_gen.models.prior import LatentPrior
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline, load
from tests.pipelines.saved import (
    NETWORKS,
    WEIGHTS,
    change_json,
    kl,
    tiny,
    translation_pipeline,
    vae_pipeline,
)

INDEX = "model_index.json"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline of each network, one with a prior, and one of two generators."""
    folder = tmp_path_factory.mktemp("saved")
    for name, make in NETWORKS.items():
        VAEPipeline(make().eval(), resolution=16).save_pretrained(folder / name)
    vae_pipeline().save_pretrained(folder / "prior")
    translation_pipeline().save_pretrained(folder / "translation")
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of one of them, by default of the one with a prior, to be changed."""
    name = getattr(request, "param", "prior")
    return Path(shutil.copytree(saved / name, tmp_path / name))


def sample(pipeline: Any, prior: str = "standard") -> torch.Tensor:
    made: torch.Tensor = pipeline.sample(3, torch.Generator().manual_seed(0), "pt", prior)
    return made


@pytest.mark.parametrize("name", [*NETWORKS, "prior", "translation"])
def test_every_network_is_loaded_bit_exactly(saved: Path, name: str) -> None:
    pipeline = load(str(saved / name))
    index = json.loads((saved / name / INDEX).read_text())
    assert type(pipeline).__name__ == index["_class_name"][1]
    for component, network in pipeline.components.items():
        if network is None:
            continue
        assert type(network).__name__ == index[component][1]
        weights = load_file(saved / name / component / WEIGHTS)
        assert weights.keys() == network.state_dict().keys()
        for key, weight in network.state_dict().items():
            assert torch.equal(weight, weights[key]), key
        assert all(p.requires_grad for p in network.parameters())
        assert not network.training
        again = type(network).from_pretrained(str(saved / name / component))
        arguments = {key: again.config[key] for key in again.config if not key.startswith("_")}
        assert network.config.items() >= arguments.items()
    if name == "prior":
        for prior in ("standard", "gaussian", "mixture"):
            torch.testing.assert_close(sample(pipeline, prior), sample(vae_pipeline(), prior))
    if name == "translation":
        assert (pipeline.config.domain_a, pipeline.config.domain_b) == ("anime", "cartoon")


@pytest.mark.parametrize("load_it", [load, VAEPipeline.from_pretrained])
@pytest.mark.parametrize("name", ["dtype", "torch_dtype"])
def test_a_data_type_goes_by_both_names_of_diffusers(folder: Path, load_it: Any, name: str) -> None:
    assert load_it(folder, **{name: torch.bfloat16}).vae.dtype == torch.bfloat16
    assert load_it(folder, **{name: {"vae": torch.float16}}).vae.dtype == torch.float16
    assert load_it(folder, **{name: {"default": torch.float16}}).vae.dtype == torch.float16
    assert load_it(folder, **{name: {"prior": torch.float16}}).vae.dtype == torch.float32
    with pytest.raises(
        UserError, match=r"must be a torch\.dtype such as torch.float16, got 'bf16'"
    ):
        load_it(folder, **{name: "bf16"})
    with pytest.raises(UserError, match="two names of one argument"):
        load_it(folder, dtype=torch.float16, torch_dtype=torch.float16)


def test_a_variant_is_loaded_in_the_data_type_that_is_given(folder: Path) -> None:
    load(folder, dtype=torch.float16).save_pretrained(folder, variant="fp16")
    (folder / "vae" / WEIGHTS).unlink()
    half = load(folder, variant="fp16", dtype=torch.float16)
    assert half.vae.dtype == half.prior.dtype == torch.float16
    assert load(folder, variant="fp16").vae.dtype == torch.float32
    for variant, message in (
        (None, "vae cannot be loaded: it has no safetensors"),
        ("bf16", "cannot be loaded: it has no safetensors"),
        ("../fp16", r"variant must be a word such as fp16, got '\.\./fp16'"),
    ):
        with pytest.raises(UserError, match=message):
            load(folder, variant=variant)


@pytest.mark.parametrize("name", NETWORKS)
def test_loading_and_casting_warn_of_nothing(
    saved: Path, name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("diffusers"), "propagate", True)
    load(saved / name).to(torch.bfloat16)
    load(saved / name, dtype=torch.bfloat16).to("cpu", torch.float32)
    assert caplog.messages == []


def test_a_class_loads_its_own_pipeline_only(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds a VAEPipeline, not a TranslationPipeline"):
        TranslationPipeline.from_pretrained(saved / "prior")
    with pytest.raises(UserError, match="no component and no argument 'unet': its components are"):
        VAEPipeline.from_pretrained(saved / "prior", unet=None)

    class Larger(VAEPipeline):
        """A subclass of a user, which is saved as what others can load."""

    larger = Larger.from_pretrained(saved / "prior")
    assert isinstance(larger, Larger)
    larger.save_pretrained(tmp_path)
    assert torch.equal(sample(VAEPipeline.from_pretrained(tmp_path)), sample(larger))
    assert (tmp_path / "pipeline_hf_gen_vae.py").read_bytes() == (
        saved / "prior" / "pipeline_hf_gen_vae.py"
    ).read_bytes()


# A copy of which pipeline, what changes in its index, and the error.
WRONG_INDEX: list[tuple[str, dict[str, Any], str]] = [
    ("prior", {"spare": ["diffusers", "AutoencoderKL"]}, "has no component .*'spare'"),
    ("prior", {"vae": ...}, "'vae'"),
    ("prior", {"vae": "text"}, "'vae'"),
    ("prior", {"resolution": "16"}, "resolution .* integer from 1 to 1024, got '16'"),
    ("prior", {"resolution": ...}, "resolution .* integer from 1 to 1024, got None"),
    ("prior", {"resolution": 4096}, "resolution .* got 4096"),
    ("prior", {"default_prior": "uniform"}, "default_prior must be .*standard or gaussian or mixt"),
    ("prior", {"default_prior": 3}, "default_prior must be .*, got 3: choose"),
    ("prior", {"default_prior": ["mixture"]}, "has no component .*'default_prior'"),
    ("prior", {"default_prior": "x" * 100_000}, r"default_prior must be .{0,200}\.\.\.x*': choose"),
    ("ConvVAE", {"default_prior": "mixture"}, "default_prior must be .* has, standard, got 'mixt"),
    ("prior", {"default_temperature": -0.1}, "default_temperature must be .* at least 0, got -0.1"),
    ("prior", {"default_temperature": "0.7"}, "default_temperature must be .*, got '0.7': try 1"),
    ("prior", {"default_temperature": [0.7]}, "has no component .*'default_temperature'"),
    ("prior", {"default_temperature": float("nan")}, "default_temperature must be .*, got nan"),
    ("prior", {"default_temperature": 10**400}, "default_temperature must be .*, got 1000"),
    ("prior", {"resolution": 24}, "vae cannot be loaded: it does not take .* resolution 24"),
    ("translation", {"resolution": 24}, "resolution must be that of the generators"),
    ("translation", {"b_to_a": ...}, "'b_to_a'"),
    ("translation", {"domain_b": 3}, "domain_b must be a name such as 'anime', got 3"),
    ("translation", {"prior": ["modeling_hf_gen_prior", "LatentPrior"]}, "has no .*'prior'"),
    ("translation", {"_class_name": "VAEPipeline"}, "has no component .*'a_to_b'"),
]


@pytest.mark.parametrize(("folder", "changes", "message"), WRONG_INDEX, indirect=["folder"])
def test_an_index_that_does_not_fit_is_an_error(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    change_json(folder / INDEX, **changes)
    with pytest.raises(UserError, match=message):
        load(folder)


@pytest.mark.parametrize("entry", [..., None, [None, None], []])
def test_a_pipeline_without_a_prior_loads(folder: Path, entry: Any) -> None:
    expected = sample(load(folder))
    shutil.rmtree(folder / "prior")
    change_json(folder / INDEX, prior=entry, default_prior=...)
    pipeline = load(folder)
    assert pipeline.priors == ("standard",)
    assert pipeline.config.default_prior == "standard"
    assert torch.equal(sample(pipeline), expected)


@pytest.mark.parametrize("file", [INDEX, "vae/config.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 10**5])
def test_damaged_json_is_an_error(folder: Path, file: str, content: bytes) -> None:
    (folder / file).write_bytes(content)
    with pytest.raises(UserError, match=f"{folder / file} is damaged"):
        load(folder)


def keep(changes: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    """Weights of which some are changed."""

    def damage(file: Path) -> None:
        weights = load_file(file)
        changes(weights)
        save_file({key: weight.contiguous() for key, weight in weights.items()}, file)

    return damage


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "absent": (Path.unlink, "it has no safetensors, it needs a"),
    "cut": (lambda file: file.write_bytes(file.read_bytes()[:-9]), "header"),
    "missing": (keep(lambda weights: weights.pop(min(weights))), "network, missing key"),
    "extra": (keep(lambda weights: weights.update(x=torch.zeros(3))), "unexpected key x"),
    "shape": (
        keep(lambda weights: weights.update({min(weights): torch.zeros(2, 7)})),
        r"has shape \(2, 7\), not",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "folder",
    ["DenseVAE", "AutoencoderKL", "AutoencoderTiny", "prior", "translation"],
    indirect=True,
)
def test_weights_that_are_not_those_of_the_network_are_an_error(folder: Path, damage: str) -> None:
    component = {"prior": "prior", "translation": "b_to_a"}.get(folder.name, "vae")
    damage_it, message = DAMAGES[damage]
    damage_it(folder / component / WEIGHTS)
    with pytest.raises(UserError, match=f"{folder / component} cannot be loaded.*{message}"):
        load(folder)


def test_a_component_is_of_its_own_kind_only(saved: Path, folder: Path, tmp_path: Path) -> None:
    """By its config; what else the index says of it does not matter."""
    networks = {
        "vae": saved / "ConvVAE" / "vae",
        "prior": saved / "prior" / "prior",
        "a_to_b": saved / "translation" / "a_to_b",
        "discriminator": tmp_path / "discriminator",
    }
    PatchDiscriminator(4).save_pretrained(networks["discriminator"])
    for pipeline, component, allowed in (
        ("prior", "vae", "ConvVAE, AnyKLVAE, DenseVAE, PatchVAE, AutoencoderKL, AutoencoderTiny"),
        ("prior", "prior", "LatentPrior, AnyKLPrior"),
        ("translation", "a_to_b", "ResnetGenerator, PatchGenerator"),
    ):
        for other in networks.keys() - {component}:
            changed = Path(shutil.copytree(saved / pipeline, tmp_path / f"{component} {other}"))
            shutil.rmtree(changed / component)
            shutil.copytree(networks[other], changed / component)
            with pytest.raises(UserError, match=rf"holds a \w+, and hf_gen loads {allowed} here$"):
                load(changed)
    change_json(folder / INDEX, vae=["os", "system"])
    assert isinstance(load(folder).vae, ConvVAE)


def test_a_prior_that_does_not_fit_is_an_error(folder: Path) -> None:
    for weights in ([1.0, 1.0, -0.1], [0.0, 0.0, 0.0]):
        changed = load_file(folder / "prior" / WEIGHTS) | {"weights": torch.tensor(weights)}
        save_file(changed, folder / "prior" / WEIGHTS)
        with pytest.raises(UserError, match="the mixture weights of the prior must be at least 0"):
            load(folder)
    LatentPrior((6, 1, 1)).save_pretrained(folder / "prior")
    with pytest.raises(UserError, match=r"this vae, \(5, 1, 1\), and it is for \(6, 1, 1\)"):
        load(folder)


# An autoencoder alone, and the resolution of the pipeline that it becomes.
ALONE: dict[str, tuple[Callable[[], ModelMixin], int]] = {
    "kl": (lambda: kl(sample_size=64), 64),
    "kl, odd": (lambda: kl(sample_size=37), 36),
    "kl, huge": (lambda: kl(sample_size=1024), 256),
    "tiny": (tiny, 256),
    "own": (NETWORKS["ConvVAE"], 16),
}
STABLE_DIFFUSION = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.42.1",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


@pytest.mark.parametrize("name", ALONE)
def test_an_autoencoder_alone_or_in_another_pipeline_becomes_a_pipeline(
    tmp_path: Path, name: str
) -> None:
    make, resolution = ALONE[name]
    network = make()
    network.save_pretrained(tmp_path / "alone")
    network.save_pretrained(tmp_path / "stable" / "vae")
    (tmp_path / "stable" / INDEX).write_text(json.dumps(STABLE_DIFFUSION))
    for folder in (tmp_path / "alone", tmp_path / "stable"):
        pipeline = load(folder)
        assert isinstance(pipeline, VAEPipeline)
        assert type(pipeline.vae) is type(network)
        assert pipeline.config.resolution == resolution
        for key, weight in network.state_dict().items():
            assert torch.equal(pipeline.vae.state_dict()[key], weight), key
    pipeline.save_pretrained(tmp_path / "again")
    assert load(tmp_path / "again").config.resolution == resolution


def test_the_attention_of_stable_diffusion_1_has_other_names(tmp_path: Path) -> None:
    network = kl(sample_size=16)
    network.save_pretrained(tmp_path)
    old = {
        key.replace("to_q", "query")
        .replace("to_k", "key")
        .replace("to_v", "value")
        .replace("to_out.0", "proj_attn"): weight
        for key, weight in load_file(tmp_path / WEIGHTS).items()
    }
    assert old.keys() != network.state_dict().keys()
    save_file(old, tmp_path / WEIGHTS)
    weights = load(tmp_path).vae.state_dict()
    assert all(torch.equal(weights[key], weight) for key, weight in network.state_dict().items())


# What a config says, the error, and the network whose weights are in its folder.
ATTENTION = {
    "down_block_types": ["AttnDownEncoderBlock2D"] * 2,
    "up_block_types": ["AttnUpDecoderBlock2D"] * 2,
    "sample_size": 512,
}
HOSTILE: dict[str, tuple[str, dict[str, Any], str]] = {
    "width": ("kl", {"block_out_channels": [2_000_000, 2_000_000]}, "a tensor of .* numbers"),
    "depth": ("kl", {"layers_per_block": 10**9}, "more than 5,000 operations"),
    "many": ("kl", {"block_out_channels": [512, 512], "layers_per_block": 9}, "not those of its"),
    "exponent": ("tiny", {"out_channels": 10**12}, "a tensor of .* numbers"),
    "number": ("kl", {"in_channels": 10**100}, "does not describe a network"),
    "zero": ("kl", {"norm_num_groups": 0}, "does not describe a network"),
    "upsampling": ("tiny", {"upsampling_scaling_factor": 90_000}, "resolution 256: it has a"),
    "scale": ("tiny", {"upsampling_scaling_factor": 3}, "at resolution 256: the output has shape"),
    "attention": ("kl", ATTENTION, "at resolution 512: it has a tensor"),
    "grey": ("kl", {"in_channels": 1, "out_channels": 1}, "does not take images at resolution 64"),
    "class": ("kl", {"_class_name": "UNet2DModel"}, "holds a UNet2DModel, and hf_gen loads ConvV"),
    "no class": ("kl", {"_class_name": None}, "holds a None, and hf_gen loads ConvVAE, AnyKLVAE"),
    "other": ("kl", {"_class_name": "AutoencoderTiny"}, "not those of its network"),
    "long": ("kl", {"scaling_factor": "0" * 10**6}, r"must not be larger than 1 MB, and has 1\.0"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_config_is_an_error(tmp_path: Path, name: str) -> None:
    network, changes, message = HOSTILE[name]
    ALONE[network][0]().save_pretrained(tmp_path / "vae")
    change_json(tmp_path / "vae" / "config.json", **changes)
    with pytest.raises(UserError, match=message) as raised:
        load(tmp_path / "vae")
    assert str(tmp_path) in str(raised.value)
    index = {"_class_name": ["x", "VAEPipeline"], "vae": ["y", "z"], "resolution": 512}
    (tmp_path / INDEX).write_text(json.dumps(index))
    with pytest.raises(UserError):
        load(tmp_path)


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "run" / "pipeline").mkdir(parents=True)
    (tmp_path / "stable").mkdir()
    (tmp_path / "stable" / INDEX).write_text(json.dumps(STABLE_DIFFUSION))
    with pytest.raises(UserError, match=rf"^'{tmp_path}/nothing' is no folder: name a run folder"):
        load(tmp_path / "nothing")
    for name in ("run", "stable"):
        with pytest.raises(UserError, match=rf"^{tmp_path / name}.* holds no pipeline"):
            load(tmp_path / name)

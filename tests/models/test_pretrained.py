"""Every network loads exactly what was saved, with or without hf_gen, or raises a clear error."""

import ast
import importlib.util
import json
import logging
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor

from hf_gen.models.any_kl_vae import AnyKLVAE
from hf_gen.models.cyclegan import PatchDiscriminator, ResnetGenerator
from hf_gen.models.directions import LatentDirections
from hf_gen.models.patch_generator import PatchGenerator
from hf_gen.models.pretrained import StrictModel
from hf_gen.models.prior import AnyKLPrior, LatentPrior
from hf_gen.models.vae import ConvVAE, DenseVAE, PatchVAE

Start = Callable[..., subprocess.Popen[str]]
WEIGHTS = "diffusion_pytorch_model.safetensors"
RELOAD = """
import importlib, sys
from pathlib import Path
from safetensors.torch import load_file, save_file
folder = Path(sys.argv[1])
images, made = load_file(folder / "images.safetensors")["images"], {}
for name in sys.argv[2:]:
    kind, _, class_name = name.partition(".")
    network_class = getattr(importlib.import_module(f"hf_gen.models.{kind}"), class_name)
    made[name] = getattr(out := network_class.from_pretrained(folder / name)(images), "sample", out)
save_file({name: value.detach().contiguous() for name, value in made.items()},
          folder / "made.safetensors")
"""


class MyVAE(ConvVAE):
    """A subclass in a user's file, which is saved with the source of its parent."""


def networks() -> dict[str, StrictModel]:
    torch.manual_seed(0)
    made = (
        ConvVAE(16, filters=(6, 4), latent_channels=5),
        AnyKLVAE(16, filters=(6, 4), latent_channels=5),
        DenseVAE(16, (4,), 2),
        PatchVAE(16, 4, (4,), (1,), 4, 2),
        ResnetGenerator(16, 4, 1, 1),
        PatchDiscriminator(4, 2),
        PatchGenerator(16, 8, 8, 4, 1),
        LatentPrior((2, 1, 1), 3, 2, 8),
        AnyKLPrior((2, 1, 1), 3),
        LatentDirections((2, 1, 1), ("tilt", "hue"), 1),
        MyVAE(16, filters=(6, 4), latent_channels=5),
    )
    return {type(network).__name__: network.eval() for network in made}


NAMES = [*networks()]


def save(network: StrictModel, folder: Path, **config: Any) -> None:
    network.save_pretrained(folder)
    saved = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(saved | config))


@pytest.mark.parametrize("name", NAMES)
def test_the_saved_source_needs_no_other_file_and_saves_itself(name: str, tmp_path: Path) -> None:
    network = networks()[name]
    network.save_pretrained(tmp_path / "first")
    (source,) = (tmp_path / "first").glob("*.py")
    assert source.stem == network.source_name
    nodes = list(ast.walk(ast.parse(source.read_text())))
    imported = {
        alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    packages = {name.partition(".")[0] for name in imported} - set(sys.stdlib_module_names)
    assert packages == {"torch", "diffusers", "safetensors"}

    spec = importlib.util.spec_from_file_location(f"saved_{name}", source)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert hasattr(module, "ModelMixin")  # by which diffusers knows a component
    if isinstance(network, MyVAE):
        return
    again = getattr(module, name).from_pretrained(tmp_path / "first")
    again.save_pretrained(tmp_path / "second")
    assert (tmp_path / "second" / source.name).read_text() == source.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_the_saved_state_and_config_are_loaded(name: str, tmp_path: Path) -> None:
    network = networks()[name]
    network.save_pretrained(tmp_path)
    loaded = type(network).from_pretrained(tmp_path)
    assert isinstance(loaded, StrictModel)
    assert load_file(tmp_path / WEIGHTS).keys() == loaded.state_dict().keys()
    for key, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)
    hidden = {key for key in {*loaded.config, *network.config} if key.startswith("_")}
    before, after = (
        {key: list(value) if isinstance(value, tuple) else value for key, value in config.items()}
        for config in (network.config, loaded.config)
    )
    assert {**before, **dict.fromkeys(hidden)} == {**after, **dict.fromkeys(hidden)}


def test_loaded_networks_are_bit_identical_in_another_process(
    tmp_path: Path, start_python: Start
) -> None:
    images = torch.rand(3, 3, 16, 16) * 2 - 1
    save_file({"images": images}, tmp_path / "images.safetensors")
    expected = {}
    for name, network in networks().items():
        if name not in ("LatentPrior", "AnyKLPrior", "LatentDirections", "MyVAE"):
            module = type(network).__module__.rpartition(".")[2]
            network.train()(images)  # a power iteration of a spectral norm is saved too
            network.eval().save_pretrained(tmp_path / f"{module}.{name}")
            output = network(images)
            expected[f"{module}.{name}"] = getattr(output, "sample", output)
    process = start_python(RELOAD, tmp_path, *expected)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    made = load_file(tmp_path / "made.safetensors")
    assert made.keys() == expected.keys()
    for name, value in made.items():
        # A spectral norm is computed again: its last bit depends on where in memory weights are.
        tolerance = 1e-6 if name == "cyclegan.PatchDiscriminator" else 0
        torch.testing.assert_close(value, expected[name], rtol=0, atol=tolerance)


def test_diffusers_own_options_of_loading_work(tmp_path: Path) -> None:
    networks()["ConvVAE"].save_pretrained(tmp_path / "vae", variant="fp16")
    network, information = ConvVAE.from_pretrained(
        tmp_path,
        subfolder="vae",
        variant="fp16",
        torch_dtype=torch.bfloat16,
        output_loading_info=True,
    )
    assert network.dtype == torch.bfloat16
    assert not network.training
    assert information["missing_keys"] == []


@pytest.mark.parametrize(
    ("network", "changes", "error"),
    [
        (ConvVAE, {"sample_size": 30}, "a multiple of 4 with strides .*got 30: try 28 or 32"),
        (ConvVAE, {"sample_size": 3}, "sample_size must be a multiple of 4 .*got 3: try 4"),
        (ConvVAE, {"sample_size": 0}, "sample_size must be an integer from 1 to 4096, got 0"),
        (ConvVAE, {"sample_size": 32.0}, "sample_size must be an integer .*got 32.0"),
        (ConvVAE, {"filters": ()}, "filters must be one or more integers .*got "),
        (ConvVAE, {"filters": (1,) * 65}, "filters must be one or more integers"),
        (ConvVAE, {"filters": (64,)}, "must have the same length, got 1, 2 and 2"),
        (ConvVAE, {"filters": (64, 0)}, "filters must be one or more integers from 1"),
        (ConvVAE, {"filters": 64}, "filters must be .*got 64"),
        (ConvVAE, {"kernel_sizes": (4, 3)}, "kernel_sizes must be odd, got 4: try 5"),
        (ConvVAE, {"downsample": "average"}, "one of stride, max_pool, got 'average'"),
        (ConvVAE, {"likelihood_scale": 0.0}, "likelihood_scale must be a positive number, got 0"),
        (ConvVAE, {"likelihood_scale": math.nan}, "likelihood_scale must be .*got nan"),
        (DenseVAE, {"latent_channels": True}, "latent_channels must be an integer .*got True"),
        (DenseVAE, {"likelihood": None}, "likelihood must be one of .*got None"),
        (PatchVAE, {"num_blocks": (0, -1)}, "num_blocks must be .* from 0 to 64"),
        (PatchVAE, {"num_blocks": (1,)}, "a number for each of the 2 filters"),
        (
            PatchVAE,
            {"patch_size": 1, "num_head_channels": 4},
            "must be even with num_head_ch.*got 1",
        ),
        (
            ResnetGenerator,
            {"sample_size": 66},
            "^sample_size must be a multiple of 4 and at least 8 with num_downsamples=2, got 66: "
            "try 64 or 68$",
        ),
        (ResnetGenerator, {"sample_size": 4}, "at least 8 with num_downsamples=2, got 4: try 8$"),
        (
            ResnetGenerator,
            {"sample_size": 2, "num_downsamples": 0},
            "multiple of 1 and at least 4 with num_downsamples=0, got 2: try 4$",
        ),
        (ResnetGenerator, {"num_downsamples": -1}, "from 0 to 64, got -1$"),
        (ResnetGenerator, {"num_residual_blocks": 10**9}, "from 0 to 64, got 1000000000$"),
        (ResnetGenerator, {"normalization": ["none"]}, "normalization must be one of"),
        (PatchDiscriminator, {"num_layers": 0}, "num_layers must be at least 1, got 0$"),
        (PatchDiscriminator, {"spectral_norm": 1}, "spectral_norm must be true or false, got 1$"),
        (LatentPrior, {"num_components": 10**9}, "num_components must be an integer from 0"),
        (LatentPrior, {"latent_shape": [50]}, "latent_shape must be 3 integers .*got .50.$"),
        (LatentPrior, {"latent_shape": [50, 1, 1.5]}, "from 1 to 4096"),
        (LatentPrior, {"latent_shape": "abc"}, "got 'abc'"),
    ],
)
def test_arguments_that_make_no_network_raise(
    network: type[StrictModel], changes: dict[str, Any], error: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=error):
        network(**changes)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ConvVAE", {"sample_size": 4096, "latent_channels": 50}),
        ("DenseVAE", {"sample_size": 4096}),
        ("PatchVAE", {"patch_size": 1, "sample_size": 4096}),
        ("ResnetGenerator", {"channels": 4096, "num_residual_blocks": 64}),
        ("PatchDiscriminator", {"channels": 4096}),
        ("LatentPrior", {"latent_shape": [4096, 4096, 4096], "num_components": 0}),
        ("LatentPrior", {"latent_shape": [4096, 1, 1], "num_components": 10}),
    ],
)
def test_a_config_of_too_many_weights_raises_before_they_take_memory(
    name: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    network = networks()[name]
    save(network, tmp_path, **changes)
    with pytest.raises(ValueError, match=r"not have more than 134,217,728 weights, got .*lower"):
        type(network).from_pretrained(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_another_network_raise_by_their_names(name: str, tmp_path: Path) -> None:
    network = networks()[name]
    key = [*network.state_dict()][-1]
    changes: dict[str, Callable[[dict[str, Tensor]], object]] = {
        f"do not fit its config: missing keys .*{key}": lambda weights: weights.pop(key),
        "do not fit its config: unexpected keys .*extra": lambda weights: weights.update(
            extra=torch.zeros(1)
        ),
        key: lambda weights: weights.update({key: torch.zeros(91)}),
        "not all finite numbers": lambda weights: weights[key].view(-1)[:1].fill_(math.inf),
    }
    for error, change in changes.items():
        network.save_pretrained(tmp_path)
        weights = load_file(tmp_path / WEIGHTS)
        change(weights)
        save_file(weights, tmp_path / WEIGHTS)
        with pytest.raises(ValueError, match=error):
            type(network).from_pretrained(tmp_path)


def test_a_network_of_another_class_raises(tmp_path: Path) -> None:
    networks()["ConvVAE"].save_pretrained(tmp_path / "vae")
    for other in (DenseVAE, PatchDiscriminator, LatentPrior):
        with pytest.raises(ValueError, match=r"holds a ConvVAE, not a .*ConvVAE\.from_pretrained"):
            other.from_pretrained(tmp_path / "vae")
    AutoencoderKL(block_out_channels=(4,), norm_num_groups=2).save_pretrained(tmp_path / "kl")
    with pytest.raises(ValueError, match="holds a AutoencoderKL, not a ConvVAE"):
        ConvVAE.from_pretrained(tmp_path / "kl")


@pytest.mark.parametrize("kept", [0, 20, 0.5, 0.99])
def test_a_truncated_file_raises(tmp_path: Path, kept: float) -> None:
    networks()["ConvVAE"].save_pretrained(tmp_path)
    content = (tmp_path / WEIGHTS).read_bytes()
    (tmp_path / WEIGHTS).write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    with pytest.raises((OSError, ValueError), match=f"{tmp_path}"):
        ConvVAE.from_pretrained(tmp_path)


def test_a_folder_without_a_config_raises(tmp_path: Path) -> None:
    networks()["ConvVAE"].save_pretrained(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(OSError, match=r"config\.json"):
        ConvVAE.from_pretrained(tmp_path)


def test_another_dtype_is_no_reason_to_warn(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("diffusers")
    logger.addHandler(caplog.handler)
    try:
        assert ConvVAE().to(torch.float16).dtype == torch.float16
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.messages == []

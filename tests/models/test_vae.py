"""The networks of the reports in diffusers' protocol; weights load exactly or not at all."""

import io
import json
import math
import pickle
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor

from hf_gen.models.vae import (
    ConvVAE,
    DenseVAE,
    PatchVAE,
    VectorVAE,
)

Start = Callable[..., subprocess.Popen[str]]

SMALL: dict[str, Callable[[], VectorVAE]] = {
    "stride": lambda: ConvVAE(16, filters=(6, 4), latent_channels=5),
    "max_pool": lambda: ConvVAE(16, filters=(6, 4), latent_channels=5, downsample="max_pool"),
    "dense": lambda: DenseVAE(16, hidden=(12, 8), latent_channels=5),
    "residual": lambda: PatchVAE(
        16, 2, filters=(6, 8), num_blocks=(1, 2), bottleneck_channels=3, latent_channels=5
    ),
}
WEIGHTS = "diffusion_pytorch_model.safetensors"
RELOAD = """
import sys
from safetensors.torch import load_file, save_file
from hf_gen.models import vae
folder = sys.argv[1]
images = load_file(f"{folder}/images.safetensors")["images"]
made = {}
kinds = {"dense": vae.DenseVAE, "residual": vae.PatchVAE}
for name in ("stride", "max_pool", *kinds):
    kind = kinds.get(name, vae.ConvVAE)
    network = kind.from_pretrained(f"{folder}/{name}")
    code = network.encode(images).latent_dist.mode()
    made |= {f"{name}.code": code, f"{name}.sample": network.decode(code).sample}
made = {name: value.detach().contiguous() for name, value in made.items()}
save_file(made, f"{folder}/made.safetensors")
"""


def small(name: str) -> VectorVAE:
    torch.manual_seed(0)
    return SMALL[name]().eval()


def images(count: int = 3, size: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, size, size, generator=generator) * 2 - 1


def shapes(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in network.named_parameters()}


@pytest.mark.parametrize("name", SMALL)
def test_the_transforms_of_torch_func_go_through_a_network(name: str) -> None:
    network, codes = small(name), torch.randn(3, 1, 5, 1, 1)

    def brightness(code: Tensor) -> Tensor:
        return network.decode(code).sample.sum()

    decoded = torch.func.vmap(lambda code: network.decode(code).sample)(codes)
    torch.testing.assert_close(decoded[:, 0], network.decode(codes[:, 0]).sample)
    through = torch.func.vmap(lambda image: network(image).sample)(images()[:, None])
    torch.testing.assert_close(through[:, 0], network(images()).sample)
    leaf = codes[:, 0].clone().requires_grad_()
    brightness(leaf).backward()
    assert leaf.grad is not None
    torch.testing.assert_close(torch.func.grad(brightness)(codes[:, 0]), leaf.grad)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(brightness))(codes)[:, 0], leaf.grad)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(
    "shape", [(1, 3, 17, 17), (1, 3, 32, 32), (1, 3, 16, 12), (1, 1, 16, 16), (3, 16, 16)]
)
def test_images_of_another_size_are_refused(name: str, shape: tuple[int, ...]) -> None:
    network = small(name)
    for call in (network, network.encode):
        with pytest.raises(ValueError, match=r"must be \(batch, 3, 16, 16\), got \("):
            call(torch.zeros(shape))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("shape", [(1, 4, 1, 1), (1, 5, 2, 2), (1, 5), (5, 1, 1)])
def test_codes_of_another_shape_are_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"codes must be \(batch, 5, 1, 1\), got \("):
        small(name).decode(torch.zeros(shape))


def test_the_default_network_is_the_one_of_the_report() -> None:
    assert shapes(ConvVAE()) == {
        "encoder.0.0.weight": (64, 3, 5, 5),
        "encoder.0.0.bias": (64,),
        "encoder.1.0.weight": (32, 64, 3, 3),
        "encoder.1.0.bias": (32,),
        "encoder.3.weight": (100, 32 * 8 * 8),
        "encoder.3.bias": (100,),
        "decoder.1.weight": (32 * 8 * 8, 50),
        "decoder.1.bias": (32 * 8 * 8,),
        "decoder.3.1.weight": (32, 64, 3, 3),
        "decoder.3.1.bias": (64,),
        "decoder.4.1.weight": (64, 3, 5, 5),
        "decoder.4.1.bias": (3,),
    }


def test_max_pooling_has_the_same_weights_and_other_strides() -> None:
    strided, pooled = ConvVAE(), ConvVAE(downsample="max_pool")
    assert shapes(strided) == shapes(pooled)

    def strides(network: ConvVAE) -> list[tuple[int, ...]]:
        found = network.encoder.modules()
        return [tuple(m.stride) for m in found if isinstance(m, torch.nn.Conv2d)]

    assert strides(strided) == [(2, 2), (2, 2)]
    assert strides(pooled) == [(1, 1), (1, 1)]
    pools = [m for m in pooled.encoder.modules() if isinstance(m, torch.nn.MaxPool2d)]
    assert [pool.kernel_size for pool in pools] == [2, 2]


@pytest.mark.parametrize("latents", [5, 10])
def test_the_dense_networks_of_the_report(latents: int) -> None:
    assert shapes(DenseVAE(latent_channels=latents)) == {
        "encoder.1.0.weight": (512, 3072),
        "encoder.1.0.bias": (512,),
        "encoder.2.0.weight": (256, 512),
        "encoder.2.0.bias": (256,),
        "encoder.3.weight": (2 * latents, 256),
        "encoder.3.bias": (2 * latents,),
        "decoder.1.weight": (256, latents),
        "decoder.1.bias": (256,),
        "decoder.2.1.weight": (512, 256),
        "decoder.2.1.bias": (512,),
        "decoder.3.1.weight": (3072, 512),
        "decoder.3.1.bias": (3072,),
    }


@pytest.mark.parametrize(
    "network",
    [
        ConvVAE(
            12, filters=(4, 5, 6), kernel_sizes=(7, 1, 3), strides=(3, 1, 2), latent_channels=2
        ),
        ConvVAE(
            12,
            filters=(4, 5, 6),
            kernel_sizes=(7, 1, 3),
            strides=(3, 1, 2),
            latent_channels=2,
            downsample="max_pool",
        ),
        ConvVAE(8, filters=(4,), kernel_sizes=(3,), strides=(8,), latent_channels=2),
        DenseVAE(9, hidden=(4,), latent_channels=2),
    ],
)
def test_other_sizes_come_back_at_their_size(network: VectorVAE) -> None:
    size = network.config.sample_size
    code = network.encode(images(2, size)).latent_dist.mean
    assert code.shape == (2, 2, 1, 1)
    assert network.decode(code).sample.shape == (2, 3, size, size)


@pytest.mark.parametrize("name", SMALL)
def test_a_code_is_a_map_of_one_by_one_with_means_before_log_variances(name: str) -> None:
    network = small(name)
    posterior = network.encode(images()).latent_dist
    raw = network.encoder(images())
    assert raw.shape == (3, 10, 1, 1)
    assert torch.equal(posterior.mean, raw[:, :5])
    assert torch.equal(posterior.logvar, raw[:, 5:])


@pytest.mark.parametrize("name", SMALL)
def test_the_sample_is_the_mean_of_the_logits_in_the_range_of_images(name: str) -> None:
    network = small(name)
    decoded = network.decode(torch.randn(4, 5, 1, 1) * 20)
    assert decoded.logits.shape == decoded.sample.shape == (4, 3, 16, 16)
    torch.testing.assert_close(decoded.sample, 2 * decoded.logits.sigmoid() - 1)
    assert decoded.sample.abs().max() <= 1


@pytest.mark.parametrize("name", SMALL)
def test_a_forward_is_encode_then_decode_and_a_generator_repeats_it(name: str) -> None:
    network = small(name)
    mean = network.encode(images()).latent_dist.mode()
    assert torch.equal(network(images()).sample, network.decode(mean).sample)
    assert torch.equal(network(images()).sample, small(name)(images()).sample)
    first, second, third = (
        network(images(), sample_posterior=True, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first.sample, second.sample)
    assert not torch.equal(first.sample, third.sample)


@pytest.mark.parametrize("name", [*SMALL, "AutoencoderKL"])
def test_the_protocol_is_that_of_an_autoencoder_kl(name: str) -> None:
    network = (
        AutoencoderKL(block_out_channels=(4,), norm_num_groups=2, latent_channels=5)
        if name == "AutoencoderKL"
        else small(name)
    )
    posterior = network.encode(images()).latent_dist
    (as_tuple,) = network.encode(images(), return_dict=False)
    assert torch.equal(posterior.mode(), as_tuple.mode())
    code = posterior.sample(torch.Generator().manual_seed(0))
    assert code.ndim == 4
    assert code.shape[:2] == (3, 5)
    assert posterior.kl().shape == (3,)
    decoded = network.decode(code).sample
    (decoded_as_tuple,) = network.decode(code, return_dict=False)
    assert torch.equal(decoded, decoded_as_tuple)
    assert network(images(), sample_posterior=False).sample.shape == (3, 3, 16, 16)
    assert network.config.latent_channels == 5
    factor = network.config.scaling_factor  # as code reads it that trains a diffusion model
    torch.testing.assert_close(network.decode(code * factor / factor).sample, decoded)
    assert network.dtype == torch.float32


@pytest.mark.parametrize("name", SMALL)
def test_the_gradient_reaches_every_weight(name: str) -> None:
    network = small(name)
    posterior = network.encode(images(8)).latent_dist
    network.decode(posterior.sample()).logits.square().sum().backward()
    for key, weight in network.named_parameters():
        assert weight.grad is not None, key
        assert weight.grad.abs().sum() > 0, key


@pytest.mark.parametrize("name", SMALL)
def test_bf16_follows_float32(name: str) -> None:
    exact = small(name)(images()).sample
    network = small(name).to(torch.bfloat16)
    rough = network(images().bfloat16()).sample
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, atol=0.03, rtol=0)


def test_saved_networks_are_the_same_to_the_bit_in_another_process(
    tmp_path: Path, start_python: Start
) -> None:
    save_file({"images": images()}, tmp_path / "images.safetensors")
    expected = {}
    for name in SMALL:
        network = small(name)
        network.save_pretrained(tmp_path / name)
        code = network.encode(images()).latent_dist.mode()
        expected |= {f"{name}.code": code, f"{name}.sample": network.decode(code).sample}
    process = start_python(RELOAD, tmp_path)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    made = load_file(tmp_path / "made.safetensors")
    assert made.keys() == expected.keys()
    assert all(torch.equal(made[name], expected[name]) for name in made)


def test_the_config_is_kept(tmp_path: Path) -> None:
    network = ConvVAE(16, (6, 4), likelihood="laplace", likelihood_scale=0.5, latent_channels=3)
    network.save_pretrained(tmp_path)
    config = ConvVAE.from_pretrained(tmp_path).config
    assert (config.sample_size, config.latent_channels) == (16, 3)
    assert (config.likelihood, config.likelihood_scale) == ("laplace", 0.5)
    assert list(config.filters) == [6, 4]


def test_diffusers_own_options_of_loading_work(tmp_path: Path) -> None:
    small("stride").save_pretrained(tmp_path / "vae", variant="fp16")
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
    ("network", "changes", "sentence"),
    [
        (
            ConvVAE,
            {"sample_size": 30},
            r"sample_size must be a multiple of 4 .*got 30: try 28 or 32",
        ),
        (ConvVAE, {"sample_size": 3}, "sample_size must be a multiple of 4 .*got 3: try 4"),
        (ConvVAE, {"sample_size": 0}, "sample_size must be a whole number from 1 to 4096, got 0"),
        (ConvVAE, {"sample_size": 32.0}, "sample_size must be a whole number .*got 32.0"),
        (ConvVAE, {"sample_size": 8192}, "sample_size must be a whole number .*got 8192"),
        (ConvVAE, {"filters": ()}, "filters must name at least one layer"),
        (ConvVAE, {"filters": (64,)}, "must have the same length, got 1, 2 and 2"),
        (ConvVAE, {"filters": (64, 0)}, "filters must be a whole number .*got 0"),
        (ConvVAE, {"filters": (64, -1)}, "filters must be a whole number .*got -1"),
        (ConvVAE, {"filters": ("a", 1)}, "filters must be a whole number .*got 'a'"),
        (ConvVAE, {"filters": 64}, "filters must"),
        (ConvVAE, {"kernel_sizes": (4, 3)}, "kernel_sizes must be odd, got 4: try 5"),
        (ConvVAE, {"strides": (2, 0)}, "strides must be a whole number .*got 0"),
        (ConvVAE, {"downsample": "average"}, "downsample must be one of .*got 'average'"),
        (ConvVAE, {"latent_channels": 0}, "latent_channels must be a whole number .*got 0"),
        (ConvVAE, {"likelihood": "poisson"}, "likelihood must be one of .*got 'poisson'"),
        (ConvVAE, {"likelihood_scale": 0.0}, "likelihood_scale must be a positive number, got 0"),
        (ConvVAE, {"likelihood_scale": math.nan}, "likelihood_scale must be .*got nan"),
        (ConvVAE, {"likelihood_scale": "1"}, "likelihood_scale must be a positive number"),
        (DenseVAE, {"hidden": ()}, "hidden must name at least one layer"),
        (DenseVAE, {"hidden": (12, 0)}, "hidden must be a whole number .*got 0"),
        (DenseVAE, {"sample_size": -1}, "sample_size must be a whole number .*got -1"),
        (DenseVAE, {"latent_channels": True}, "latent_channels must be a whole number .*got True"),
        (DenseVAE, {"likelihood": None}, "likelihood must be one of .*got None"),
    ],
)
def test_what_makes_no_network_is_a_sentence(
    network: type[VectorVAE], changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        network(**changes)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    small("stride").save_pretrained(tmp_path / "vae")
    return tmp_path / "vae"


def change_weights(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS)


def test_weights_of_another_class_are_refused(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(
        ValueError, match=r"holds a ConvVAE, not a DenseVAE.*ConvVAE\.from_pretrained"
    ):
        DenseVAE.from_pretrained(saved)
    AutoencoderKL(block_out_channels=(4,), norm_num_groups=2).save_pretrained(tmp_path / "kl")
    with pytest.raises(ValueError, match="holds a AutoencoderKL, not a ConvVAE"):
        ConvVAE.from_pretrained(tmp_path / "kl")


def test_a_missing_weight_is_refused_by_name(saved: Path) -> None:
    change_weights(saved, lambda weights: weights.pop("encoder.3.bias"))
    with pytest.raises(ValueError, match=r"do not fit its config: missing keys .*encoder\.3\.bias"):
        ConvVAE.from_pretrained(saved)


def test_a_weight_too_many_is_refused_by_name(saved: Path) -> None:
    change_weights(saved, lambda weights: weights.update(extra=torch.zeros(1)))
    with pytest.raises(ValueError, match=r"do not fit its config: unexpected keys .*extra"):
        ConvVAE.from_pretrained(saved)


def test_a_weight_of_another_shape_is_refused_by_name(saved: Path) -> None:
    change_weights(saved, lambda weights: weights.update({"encoder.3.bias": torch.zeros(9)}))
    with pytest.raises(ValueError, match=r"encoder\.3\.bias"):
        ConvVAE.from_pretrained(saved)


@pytest.mark.parametrize("kept", [0, 20, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_refused(saved: Path, kept: float) -> None:
    whole = (saved / WEIGHTS).read_bytes()
    (saved / WEIGHTS).write_bytes(whole[: int(kept * len(whole)) if kept < 1 else int(kept)])
    with pytest.raises((OSError, ValueError), match=f"{saved}"):
        ConvVAE.from_pretrained(saved)


class _Trap:
    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.sprung,)


def test_a_pickle_is_never_read(tmp_path: Path, saved: Path) -> None:
    trap = io.BytesIO()
    pickle.dump(_Trap(tmp_path / "sprung"), trap)
    (saved / "diffusion_pytorch_model.bin").write_bytes(trap.getvalue())
    ConvVAE.from_pretrained(saved)
    (saved / WEIGHTS).unlink()
    for options in ({}, {"use_safetensors": False}):
        with pytest.raises(OSError, match="safetensors"):
            ConvVAE.from_pretrained(saved, **options)
    assert not (tmp_path / "sprung").exists()
    pickle.loads(trap.getvalue())
    assert (tmp_path / "sprung").exists()


def test_a_folder_without_a_config_is_refused(tmp_path: Path, saved: Path) -> None:
    shutil.copytree(saved, tmp_path / "copy")
    (tmp_path / "copy" / "config.json").unlink()
    with pytest.raises(OSError, match=r"config\.json"):
        ConvVAE.from_pretrained(tmp_path / "copy")


def test_a_config_that_makes_no_network_is_refused(saved: Path) -> None:
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(config | {"sample_size": 15}))
    with pytest.raises(ValueError, match="sample_size must be a multiple of 4"):
        ConvVAE.from_pretrained(saved)

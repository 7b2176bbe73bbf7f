"""The networks of the reports in diffusers' protocol; weights load exactly or not at all."""

from collections.abc import Callable

import pytest
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from hf_gen.models.vae import ConvVAE, DenseVAE, PatchVAE
from hf_gen.models.vector_vae import VectorVAE

SMALL: dict[str, Callable[[], VectorVAE]] = {
    "stride": lambda: ConvVAE(16, filters=(6, 4), latent_channels=5),
    "max_pool": lambda: ConvVAE(16, filters=(6, 4), latent_channels=5, downsample="max_pool"),
    "dense": lambda: DenseVAE(16, hidden=(12, 8), latent_channels=5),
    "residual": lambda: PatchVAE(
        16, 2, filters=(6, 8), num_blocks=(1, 2), bottleneck_channels=3, latent_channels=5
    ),
    "overlapping": lambda: PatchVAE(16, 4, (6, 8), (0, 0), 3, 5, num_head_channels=4),
}


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
def test_images_of_another_size_raise(name: str, shape: tuple[int, ...]) -> None:
    network = small(name)
    for call in (network, network.encode):
        with pytest.raises(ValueError, match=r"must be \(batch, 3, 16, 16\), got \("):
            call(torch.zeros(shape))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("shape", [(1, 4, 1, 1), (1, 5, 2, 2), (1, 5), (5, 1, 1)])
def test_codes_of_another_shape_raise(name: str, shape: tuple[int, ...]) -> None:
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
        ConvVAE(12, (4, 5, 6), (7, 1, 3), (3, 1, 2), latent_channels=2),
        ConvVAE(12, (4, 5, 6), (7, 1, 3), (3, 1, 2), "max_pool", latent_channels=2),
        ConvVAE(8, (4,), (3,), (8,), latent_channels=2),
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
def test_bf16_follows_float32(name: str) -> None:
    exact = small(name)(images()).sample
    network = small(name).to(torch.bfloat16)
    rough = network(images().bfloat16()).sample
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, atol=0.03, rtol=0)

"""The networks of the paper by their layers and patches; weights load exactly or not at all."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hf_gen.models import cyclegan
from hf_gen.models.cyclegan import PatchDiscriminator, ResnetGenerator

Network = ResnetGenerator | PatchDiscriminator

GENERATORS: dict[str, Callable[[], ResnetGenerator]] = {
    f"{upsample}, {normalization}": lambda normalization=normalization, upsample=upsample: (
        ResnetGenerator(16, 4, 2, 1, normalization, upsample)
    )
    for normalization in ("instance", "none")
    for upsample in ("resize", "transposed")
}
DISCRIMINATORS: dict[str, Callable[[], PatchDiscriminator]] = {
    "instance": lambda: PatchDiscriminator(4, 2, 1, "instance", False, False),
    "none": lambda: PatchDiscriminator(4, 2, 1, "none", False, False),
    "spectral": lambda: PatchDiscriminator(4, 2, 1, "none", True, False),
    "both": lambda: PatchDiscriminator(4, 2, 1, "instance", True, False),
    "statistics": lambda: PatchDiscriminator(4, 2, 1, "none", True, True),
}
SMALL: dict[str, Callable[[], Network]] = {**GENERATORS, **DISCRIMINATORS}


def small(name: str) -> Network:
    torch.manual_seed(0)
    return SMALL[name]().eval()


def images(count: int = 3, height: int = 16, width: int | None = None) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, height, width or height, generator=generator) * 2 - 1


def run(network: Network, pixels: Tensor) -> Tensor:
    made = network(pixels)
    result: Tensor = made if isinstance(made, Tensor) else made.sample
    return result


def shapes(network: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in network.parameters()]


def test_a_wider_and_deeper_generator_is_the_one_of_the_paper() -> None:
    network = ResnetGenerator(channels=64, num_residual_blocks=6, upsample="transposed")
    assert shapes(network) == [
        (64, 3, 7, 7),
        (128, 64, 3, 3),
        (256, 128, 3, 3),
        *[(256, 256, 3, 3)] * 12,
        (256, 128, 3, 3),
        (128, 64, 3, 3),
        (3, 64, 7, 7),
        (3,),
    ]
    resized = shapes(ResnetGenerator(channels=64, num_residual_blocks=6, upsample="resize"))
    assert resized[-4:] == [(128, 256, 3, 3), (64, 128, 3, 3), (3, 64, 7, 7), (3,)]
    assert resized[:-4] == shapes(network)[:-4]


def patch_gan(channels: int = 64, *arguments: Any, **values: Any) -> PatchDiscriminator:
    """The paper's: instance normalisation, and weights as they are."""
    values = {"normalization": "instance", "spectral_norm": False, "statistics": False} | values
    return PatchDiscriminator(channels, *arguments, **values)


def test_the_discriminator_of_the_paper() -> None:
    assert shapes(patch_gan()) == [
        (64, 3, 4, 4),
        (64,),
        (128, 64, 4, 4),
        (256, 128, 4, 4),
        (512, 256, 4, 4),
        (1, 512, 4, 4),
        (1,),
    ]
    with_blocks = shapes(patch_gan(num_residual_blocks=2))
    assert with_blocks[5:9] == [(512, 512, 3, 3)] * 4
    assert shapes(patch_gan(2, 5))[-4:-1] == [
        (16, 16, 4, 4),
        (16, 16, 4, 4),
        (1, 16, 4, 4),
    ]


@pytest.mark.parametrize(
    "make", [ResnetGenerator, lambda: ResnetGenerator(upsample="resize"), patch_gan]
)
def test_weights_start_as_in_the_paper(make: Callable[[], Network]) -> None:
    torch.manual_seed(0)
    for key, weight in make().named_parameters():
        if key.endswith("bias"):
            assert not weight.any(), key
        else:
            assert abs(weight.mean()) < 0.001, key
            assert abs(weight.std() - 0.02) < 0.001, key


@pytest.mark.parametrize("upsample", ["resize", "transposed"])
@pytest.mark.parametrize("normalization", ["instance", "none"])
@pytest.mark.parametrize(
    ("sample_size", "downsamples", "blocks"), [(4, 0, 1), (4, 1, 1), (8, 2, 0), (24, 3, 2)]
)
def test_a_translation_has_the_size_of_the_image(
    sample_size: int, downsamples: int, blocks: int, normalization: Any, upsample: Any
) -> None:
    network = ResnetGenerator(sample_size, 2, downsamples, blocks, normalization, upsample)
    made = network(images(2, sample_size) * 50).sample
    assert made.shape == (2, 3, sample_size, sample_size)
    assert made.abs().max() <= 1
    assert network(images(1, 3 * sample_size, 2 * sample_size)).sample.shape == (
        (1, 3, 3 * sample_size, 2 * sample_size)
    )


@pytest.mark.parametrize("name", GENERATORS)
def test_a_tuple_holds_the_same_image(name: str) -> None:
    network = small(name)
    (made,) = network(images(), return_dict=False)
    assert torch.equal(made, network(images()).sample)


def test_no_convolution_of_a_generator_pads_with_zeros() -> None:
    resized = ResnetGenerator(upsample="resize")
    convolutions = [module for module in resized.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 2 + 2 + 4 + 2
    assert {convolution.padding_mode for convolution in convolutions} == {"reflect"}
    # So an image of one colour stays one, which zeros around it would not let be.
    torch.manual_seed(0)
    network = ResnetGenerator(16, 4, normalization="none", upsample="resize")
    made = network(torch.full((1, 3, 16, 16), 0.5)).sample
    torch.testing.assert_close(made, made[:, :, :1, :1].expand_as(made))


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("blocks", [0, 1])
def test_the_map_and_the_patch_have_the_documented_size(layers: int, blocks: int) -> None:
    torch.manual_seed(0)
    network = PatchDiscriminator(2, layers, blocks, spectral_norm=False, statistics=False)
    smallest = 3 * 2**layers
    assert network(images(2, smallest)).shape == (2, 1, 1, 1)
    for height, width in ((smallest, 64), (64, 64), (65, 71)):
        expected = (2, 1, height // 2**layers - 2, width // 2**layers - 2)
        assert network(images(2, height, width)).shape == expected
    pixels = images(1, 192).requires_grad_()
    logits = network(pixels)
    centre = logits.shape[-1] // 2
    logits[0, 0, centre, centre].backward()
    assert pixels.grad is not None
    seen = pixels.grad[0].ne(0).any(dim=0)
    patch = 9 * 2**layers - 2 + 4 * 2**layers * blocks
    assert (seen.any(0).sum(), seen.any(1).sum(), seen.sum()) == (patch, patch, patch**2)


@pytest.mark.parametrize("name", SMALL)
def test_a_network_treats_each_image_by_itself(name: str) -> None:
    network = small(name)
    together = run(network, images())
    alone = torch.cat([run(network, image[None]) for image in images()])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_instance_normalisation_is_that_of_pytorch(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    ours = (torch.randn(3, 5, 6, 8, dtype=dtype) * 7 + 100).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    wanted = torch.randn_like(ours)
    made, expected = cyclegan._InstanceNorm()(ours), nn.InstanceNorm2d(5)(theirs)
    ((made - wanted) ** 2).sum().backward()
    ((expected - wanted) ** 2).sum().backward()
    tolerance = 1e-4 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(made, expected, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(ours.grad, theirs.grad, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("name", SMALL)
def test_bf16_follows_float32(name: str) -> None:
    exact = run(small(name), images())
    rough = run(small(name).to(torch.bfloat16), images().bfloat16())
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("name", SMALL)
def test_training_under_autocast_leaves_the_weights_in_float32(name: str) -> None:
    network = small(name).train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = run(network, images()).float().square().mean()
        loss = loss + run(network, -images()).float().square().mean()
    loss.backward()
    assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.float32}
    assert all(weight.grad is not None for weight in network.parameters())


def test_spectral_normalisation_keeps_every_layer_at_a_gain_of_one() -> None:
    torch.manual_seed(0)
    network = PatchDiscriminator(8, 3, 1, spectral_norm=True, statistics=True).train()
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(7)
        for _ in range(50):
            network(images(1, 24))
    layers = [one for one in network.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    assert len(layers) == 9
    network.eval()
    for layer in layers:
        gain = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)
        assert 0.999 < gain < 1.03


def test_the_statistics_of_the_last_map_give_a_logit_of_the_whole_image() -> None:
    network = small("statistics")
    logits = run(network, images(2, 24, 32))
    assert logits.shape == (2, 2, 4, 6)
    patches, whole = logits.unbind(1)
    assert torch.equal(whole, whole[:, :1, :1].expand_as(whole))
    assert patches.std(dim=(1, 2)).min() > 0
    features: list[Tensor] = []
    network.residual.register_forward_hook(lambda *call: features.append(call[2]))
    run(network, images(2, 24, 32))
    positions = features[0].flatten(2)
    pooled = (positions.mean(2), positions.amax(2), positions.std(2))
    expected = network.image_head(torch.cat(pooled, 1))
    torch.testing.assert_close(whole[:, 0, 0], expected[:, 0])
    # Half of a mean over logits is of the patches, half of the whole.
    torch.testing.assert_close(logits.mean(), (patches.mean() + expected.mean()) / 2)


def test_scoring_in_eval_mode_changes_nothing() -> None:
    network = small("spectral")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network(images())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_images_that_a_network_cannot_take_raise() -> None:
    refused: list[tuple[str, Network, Tensor]] = [
        (
            "the height of an image must be a multiple of 4",
            small("resize, none"),
            images(1, 18, 16),
        ),
        ("the width of an image must be .*got 4: try 8", small("resize, none"), images(1, 16, 4)),
        (
            "images must be at least 12x12 with num_layers=2, got 16x11: try larger images or "
            "fewer layers",
            small("instance"),
            images(1, 16, 11),
        ),
        ("at least 24x24 with num_layers=3, got 16x16", PatchDiscriminator(2), images()),
        (r"\(batch, 3, height, width\), got \(3, 16, 16\)", small("resize, none"), images()[0]),
        (r"height, width\), got \(3, 16, 16\)", small("instance"), images()[0]),
        (r"got \(3, 1, 16, 16\)", small("resize, none"), images()[:, :1]),
    ]
    for message, network, pixels in refused:
        with pytest.raises(ValueError, match=message):
            network(pixels)

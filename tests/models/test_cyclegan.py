"""The networks of the paper by their layers and patches; weights load exactly or not at all."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hf_gen.models import cyclegan
from hf_gen.models.cyclegan import PatchDiscriminator, ResnetGenerator
from hf_gen.models.vae import ConvVAE

Start = Callable[..., subprocess.Popen[str]]
Network = ResnetGenerator | PatchDiscriminator

GENERATORS: dict[str, Callable[[], ResnetGenerator]] = {
    f"{upsample}, {normalization}": lambda normalization=normalization, upsample=upsample: (
        ResnetGenerator(16, 4, 2, 1, normalization, upsample)
    )
    for normalization in ("instance", "none")
    for upsample in ("resize", "transposed")
}
DISCRIMINATORS: dict[str, Callable[[], PatchDiscriminator]] = {
    "instance": lambda: PatchDiscriminator(4, 2, 1),
    "none": lambda: PatchDiscriminator(4, 2, 1, "none"),
    "spectral": lambda: PatchDiscriminator(4, 2, 1, "none", spectral_norm=True),
    "both": lambda: PatchDiscriminator(4, 2, 1, "instance", spectral_norm=True),
}
SMALL: dict[str, Callable[[], Network]] = {**GENERATORS, **DISCRIMINATORS}
WEIGHTS = "diffusion_pytorch_model.safetensors"
RELOAD = """
import sys
from safetensors.torch import load_file, save_file
from hf_gen.models.cyclegan import PatchDiscriminator, ResnetGenerator
folder, *names = sys.argv[1:]
images = load_file(f"{folder}/images.safetensors")["images"]
made = {}
for name in names:
    if ", " in name:
        made[name] = ResnetGenerator.from_pretrained(f"{folder}/{name}")(images).sample
    else:
        made[name] = PatchDiscriminator.from_pretrained(f"{folder}/{name}")(images)
save_file({name: value.detach().contiguous() for name, value in made.items()},
          f"{folder}/made.safetensors")
"""


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


def test_the_default_generator_is_the_one_of_the_paper() -> None:
    network = ResnetGenerator(num_residual_blocks=6, upsample="transposed")
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
    resized = shapes(ResnetGenerator(num_residual_blocks=6))
    assert resized[-4:] == [(128, 256, 3, 3), (64, 128, 3, 3), (3, 64, 7, 7), (3,)]
    assert resized[:-4] == shapes(network)[:-4]


def test_the_default_discriminator_is_the_one_of_the_paper() -> None:
    assert shapes(PatchDiscriminator()) == [
        (64, 3, 4, 4),
        (64,),
        (128, 64, 4, 4),
        (256, 128, 4, 4),
        (512, 256, 4, 4),
        (1, 512, 4, 4),
        (1,),
    ]
    with_blocks = shapes(PatchDiscriminator(num_residual_blocks=2))
    assert with_blocks[5:9] == [(512, 512, 3, 3)] * 4
    assert shapes(PatchDiscriminator(2, 5))[-4:-1] == [
        (16, 16, 4, 4),
        (16, 16, 4, 4),
        (1, 16, 4, 4),
    ]


@pytest.mark.parametrize(
    "make", [ResnetGenerator, lambda: ResnetGenerator(upsample="transposed"), PatchDiscriminator]
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
    convolutions = [m for m in ResnetGenerator().modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 2 + 2 + 4 + 2
    assert {convolution.padding_mode for convolution in convolutions} == {"reflect"}
    # So an image of one colour stays one, which zeros around it would not let be.
    torch.manual_seed(0)
    network = ResnetGenerator(16, 4, normalization="none")
    made = network(torch.full((1, 3, 16, 16), 0.5)).sample
    torch.testing.assert_close(made, made[:, :, :1, :1].expand_as(made))


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("blocks", [0, 1])
def test_the_map_and_the_patch_have_the_size_that_is_told(layers: int, blocks: int) -> None:
    torch.manual_seed(0)
    network = PatchDiscriminator(2, layers, blocks, "none")
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
def test_the_same_seed_gives_the_same_numbers(name: str) -> None:
    assert torch.equal(run(small(name), images()), run(small(name), images()))


@pytest.mark.parametrize("name", SMALL)
def test_a_network_treats_each_image_by_itself(name: str) -> None:
    network = small(name)
    together = run(network, images())
    alone = torch.cat([run(network, image[None]) for image in images()])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_the_gradient_reaches_every_weight(name: str) -> None:
    network = small(name).train()
    run(network, images(4)).square().sum().backward()
    for key, weight in network.named_parameters():
        assert weight.grad is not None, key
        assert weight.grad.abs().sum() > 0, key


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
    network = PatchDiscriminator(8, 3, 1, spectral_norm=True).train()
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(7)
        for _ in range(50):
            network(images(1, 24))
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(layers) == 7
    network.eval()
    for layer in layers:
        gain = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)
        assert 0.999 < gain < 1.03


def test_scoring_in_eval_mode_changes_nothing() -> None:
    network = small("spectral")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network(images())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_saved_networks_are_the_same_to_the_bit_in_another_process(
    tmp_path: Path, start_python: Start
) -> None:
    save_file({"images": images()}, tmp_path / "images.safetensors")
    expected = {}
    for name in SMALL:
        network = small(name).train()
        run(network, images())  # a step of the power iteration is part of what is saved
        network.eval().save_pretrained(tmp_path / name)
        expected[name] = run(network, images())
    process = start_python(RELOAD, tmp_path, *SMALL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    made = load_file(tmp_path / "made.safetensors")
    assert made.keys() == expected.keys()
    assert all(torch.equal(made[name], expected[name]) for name in made)


@pytest.mark.parametrize("name", SMALL)
def test_what_is_saved_is_the_state_and_comes_back_as_it(tmp_path: Path, name: str) -> None:
    network = small(name)
    network.save_pretrained(tmp_path)
    state = network.state_dict()
    saved = load_file(tmp_path / WEIGHTS)
    loaded = type(network).from_pretrained(tmp_path)
    assert saved.keys() == state.keys() == loaded.state_dict().keys()
    assert all(torch.equal(saved[key], state[key]) for key in state)
    assert all(torch.equal(value, state[key]) for key, value in loaded.state_dict().items())
    assert {key: value for key, value in loaded.config.items() if key[0] != "_"} == {
        key: value for key, value in network.config.items() if key[0] != "_"
    }


@pytest.mark.parametrize(
    ("network", "changes", "sentence"),
    [
        (
            ResnetGenerator,
            {"sample_size": 66},
            "^sample_size must be a multiple of 4 and at least 8 with num_downsamples=2, got 66: "
            "try 64 or 68$",
        ),
        (ResnetGenerator, {"sample_size": 4}, "at least 8 with num_downsamples=2, got 4: try 8$"),
        (ResnetGenerator, {"sample_size": 9}, "got 9: try 8 or 12$"),
        (
            ResnetGenerator,
            {"sample_size": 2, "num_downsamples": 0},
            "multiple of 1 and at least 4 with num_downsamples=0, got 2: try 4$",
        ),
        (ResnetGenerator, {"sample_size": 0}, "sample_size must be a whole number .*got 0$"),
        (ResnetGenerator, {"sample_size": 64.0}, "sample_size must be a whole number .*got 64.0$"),
        (ResnetGenerator, {"channels": "64"}, "channels must be a whole number .*got '64'$"),
        (ResnetGenerator, {"channels": True}, "channels must be a whole number .*got True$"),
        (ResnetGenerator, {"num_downsamples": -1}, "from 0 to 8, got -1$"),
        (ResnetGenerator, {"num_downsamples": 99}, "from 0 to 8, got 99$"),
        (ResnetGenerator, {"num_residual_blocks": 10**9}, "from 0 to 64, got 1000000000$"),
        (ResnetGenerator, {"normalization": "batch"}, "normalization must be one of .*'batch'$"),
        (ResnetGenerator, {"normalization": ["none"]}, "normalization must be one of"),
        (ResnetGenerator, {"upsample": "shuffle"}, "upsample must be one of .*got 'shuffle'$"),
        (ResnetGenerator, {"channels": 1024}, r"more than 134,217,728 weights, got .*lower its"),
        (ResnetGenerator, {"channels": 4096, "num_downsamples": 0, "sample_size": 256}, "map"),
        (ResnetGenerator, {"sample_size": 4096}, "more than 134,217,728 numbers in a feature map"),
        (PatchDiscriminator, {"channels": 0}, "channels must be a whole number .*got 0$"),
        (PatchDiscriminator, {"channels": 1024}, "more than 134,217,728 weights, got"),
        (PatchDiscriminator, {"channels": 128, "num_residual_blocks": 64}, "weights, got"),
        (PatchDiscriminator, {"num_layers": 0}, "num_layers must be .*from 1 to 8, got 0$"),
        (PatchDiscriminator, {"num_layers": 9}, "num_layers must be .*from 1 to 8, got 9$"),
        (PatchDiscriminator, {"num_residual_blocks": None}, "whole number .*got None$"),
        (PatchDiscriminator, {"normalization": None}, "normalization must be one of .*got None$"),
        (PatchDiscriminator, {"spectral_norm": 1}, "spectral_norm must be true or false, got 1$"),
    ],
)
def test_what_makes_no_network_is_a_sentence(
    network: type[Network], changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        network(**changes)


def test_images_that_a_network_cannot_take_are_refused() -> None:
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
    for sentence, network, pixels in refused:
        with pytest.raises(ValueError, match=sentence):
            network(pixels)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    small("resize, none").save_pretrained(tmp_path / "generator")
    return tmp_path / "generator"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda weights: weights.pop("head.bias"), r"missing keys .*head\.bias"),
        (lambda weights: weights.update(extra=torch.zeros(1)), "unexpected keys .*extra"),
        (lambda weights: weights.update({"head.bias": torch.zeros(4)}), r"head\.bias"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(
    saved: Path, change: Callable[[dict[str, Tensor]], object], sentence: str
) -> None:
    weights = load_file(saved / WEIGHTS)
    change(weights)
    save_file(weights, saved / WEIGHTS)
    with pytest.raises(ValueError, match=sentence):
        ResnetGenerator.from_pretrained(saved)


def test_weights_of_another_class_are_refused(saved: Path) -> None:
    for other in (PatchDiscriminator, ConvVAE):
        with pytest.raises(ValueError, match=f"holds a ResnetGenerator, not a {other.__name__}"):
            other.from_pretrained(saved)


def test_weights_without_the_spectral_norm_of_the_config_are_refused(tmp_path: Path) -> None:
    small("none").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"spectral_norm": True}))
    with pytest.raises(ValueError, match="do not fit its config: missing keys"):
        PatchDiscriminator.from_pretrained(tmp_path)


def test_a_pickle_is_never_read(saved: Path) -> None:
    torch.save(load_file(saved / WEIGHTS), saved / "diffusion_pytorch_model.bin")
    (saved / WEIGHTS).unlink()
    with pytest.raises(OSError, match="safetensors"):
        ResnetGenerator.from_pretrained(saved)

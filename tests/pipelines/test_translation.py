"""Translations and cycle reconstructions, in the direction that is given."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import ImagePipelineOutput
from PIL import Image
from torch import Tensor

from hf_gen.images import to_pixels
from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.patch_generator import PatchGenerator
from hf_gen.pipelines import TranslationPipeline
from tests.pipelines.saved import Identity

SIZE = 16


@pytest.fixture(scope="module")
def pipeline() -> TranslationPipeline:
    torch.manual_seed(0)
    a_to_b, b_to_a = (ResnetGenerator(SIZE, 4, normalization="none").eval() for _ in range(2))
    with torch.no_grad():
        for weight in (*a_to_b.parameters(), *b_to_a.parameters()):
            weight.mul_(6)  # so that translations are not all grey
    return TranslationPipeline(a_to_b, b_to_a, SIZE, "anime", "cartoon")


@pytest.fixture
def seen() -> TranslationPipeline:
    return TranslationPipeline(Identity(-1.0), Identity(0.5), 4, "anime", "cartoon")


def images(count: int, size: int = SIZE) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, size, size, generator=generator) * 1.6 - 0.8


def as_array(pictures: list[Image.Image]) -> np.ndarray[Any, Any]:
    return np.stack([np.asarray(picture) for picture in pictures])


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_a_call_gives_what_translate_gives(pipeline: TranslationPipeline, direction: Any) -> None:
    tensor = pipeline.translate(images(3), direction, "pt")
    assert tensor.shape == (3, 3, SIZE, SIZE)
    assert tensor.dtype == torch.float32
    assert tensor.abs().max() <= 1
    assert tensor.std() > 0.01
    made = pipeline(images(3), direction, "pt")
    assert isinstance(made, ImagePipelineOutput)
    assert torch.equal(made.images, tensor)
    for pictures in (pipeline.translate(images(3), direction), pipeline(images(3), direction)[0]):
        assert [picture.size for picture in pictures] == [(SIZE, SIZE)] * 3
        assert np.array_equal(as_array(pictures), to_pixels(tensor))


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_a_cycle_is_bit_identical_to_two_translations(
    pipeline: TranslationPipeline, direction: Any
) -> None:
    other: Any = "b_to_a" if direction == "a_to_b" else "a_to_b"
    translated, cycled = pipeline.cycle(images(20), direction, "pt")
    assert torch.equal(translated, pipeline.translate(images(20), direction, "pt"))
    assert torch.equal(cycled, pipeline.translate(translated, other, "pt"))
    assert not torch.equal(cycled, translated)
    as_pictures = pipeline.cycle(images(20), direction)
    assert np.array_equal(as_array(as_pictures[0]), to_pixels(translated))
    assert np.array_equal(as_array(as_pictures[1]), to_pixels(cycled))


def test_each_direction_has_its_generator(seen: TranslationPipeline) -> None:
    pixels = images(1, 4)
    assert torch.equal(seen.translate(pixels, output_type="pt"), -pixels)
    for direction, expected in (("a_to_b", -pixels), ("b_to_a", pixels / 2)):
        made = seen.cycle(pixels, direction, "pt")  # type: ignore[arg-type]
        assert torch.equal(made[0], expected)
        assert torch.equal(made[1], -pixels / 2)
        assert not made[1].requires_grad
    assert torch.equal(pixels, images(1, 4))


def test_many_images_are_translated_as_one_is(pipeline: TranslationPipeline) -> None:
    many = images(70)
    made = pipeline.translate(many, output_type="pt")
    assert len(made) == 70
    for index in (0, 15, 16, 63, 64, 69):
        alone = pipeline.translate(many[index : index + 1], output_type="pt")
        torch.testing.assert_close(made[index], alone[0], atol=1e-5, rtol=0)


def test_several_batches_show_a_progress_bar(
    seen: TranslationPipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    seen.translate(images(64, 4))
    assert capsys.readouterr().err == ""
    seen.translate(images(130, 4))
    assert "9/9" in capsys.readouterr().err  # 16 at once on a CPU
    seen.set_progress_bar_config(disable=True)
    seen.translate(images(130, 4))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", [ResnetGenerator, PatchGenerator])
def test_pictures_of_any_shape_are_translated_uncropped(kind: Any) -> None:
    torch.manual_seed(0)
    pipeline = TranslationPipeline(kind(16, 8).eval(), kind(16, 8).eval(), 16)
    noise = Image.effect_noise((90, 48), 80).convert("RGB")
    (wide,) = pipeline.translate(noise)
    assert wide.size == (32, 16) if kind is PatchGenerator else (28, 16)
    assert pipeline(noise, size=48).images[0].size[1] == 48
    square = noise.resize((16, 16))
    (cropped,) = pipeline.translate(noise, crop=True)
    assert cropped.size == (16, 16)
    # A square picture is the same with and without the crop, alone and as a tensor.
    made = pipeline.translate(square, output_type="pt")
    assert torch.equal(made, pipeline.translate(square, output_type="pt", crop=True))
    tensor = torch.from_numpy(np.array(square)).permute(2, 0, 1) / 127.5 - 1
    assert torch.equal(made, pipeline.translate(tensor, output_type="pt"))
    # What a generator sees does not end at a border of 16 pixels.
    larger = images(1, 64)
    translated, cycled = pipeline.cycle(larger, output_type="pt")
    assert translated.shape == cycled.shape == larger.shape
    torch.testing.assert_close(translated, pipeline.a_to_b(larger).sample.detach())


def test_bf16_generators_give_float_images(pipeline: TranslationPipeline) -> None:
    exact = pipeline.translate(images(2), output_type="pt")
    a_to_b = ResnetGenerator(SIZE, 4, normalization="none")
    a_to_b.load_state_dict(pipeline.a_to_b.state_dict())
    rough = TranslationPipeline(a_to_b, ResnetGenerator(SIZE, 4), SIZE).to(torch.bfloat16)
    translated, cycled = rough.cycle(images(2), output_type="pt")
    assert translated.dtype == cycled.dtype == torch.float32
    torch.testing.assert_close(translated, exact, atol=0.05, rtol=0)
    assert torch.equal(cycled, rough.translate(translated, "b_to_a", "pt"))


def test_bad_arguments_raise(seen: TranslationPipeline) -> None:
    one, network = images(1, 4), ResnetGenerator(16, 4)
    strip, pixel = Image.new("RGB", (40, 4)), Image.new("RGB", (4, 4))
    ways = r"^direction must be a_to_b \(anime to cartoon\) or b_to_a \(cartoon to anime\), got "
    refused: list[tuple[str, Callable[[], object]]] = [
        (f"{ways}'x'$", lambda: seen.translate(one, "x")),  # type: ignore[arg-type]
        (f"{ways}\\['a_to_b'\\]$", lambda: seen.cycle(one, ["a_to_b"])),  # type: ignore[arg-type]
        ("output_type must be .*got 'np'", lambda: seen.translate(one, output_type="np")),  # type: ignore[arg-type]
        (
            "size must be a multiple of 1 from 1 to 32, got 64$",
            lambda: seen.translate(one, size=64),
        ),
        (
            "one shape, got .*one by one",
            lambda: seen.translate([pixel, pixel.resize((8, 4))]),
        ),
        ("longer than 8 times its shorter side, got 40x4", lambda: seen.translate(strip)),
        ("multiples of 1, got .1, 3, 4, 40", lambda: seen.translate(torch.zeros(1, 3, 4, 40))),
        (
            "resolution must be that of the generators, got 32, and b_to_a is for 16: try 16",
            lambda: TranslationPipeline(Identity(), network, 32),
        ),
        (
            "domain_b must be a name such as 'anime', got ''",
            lambda: TranslationPipeline(Identity(), Identity(), 4, "a", ""),
        ),
    ]
    for error, call in refused:
        with pytest.raises(ValueError, match=error):
            call()

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
    ways = r"^direction must be a_to_b \(anime to cartoon\) or b_to_a \(cartoon to anime\), got "
    refused: list[tuple[str, Callable[[], object]]] = [
        (f"{ways}'x'$", lambda: seen.translate(one, "x")),  # type: ignore[arg-type]
        (f"{ways}\\['a_to_b'\\]$", lambda: seen.cycle(one, ["a_to_b"])),  # type: ignore[arg-type]
        ("output_type must be .*got 'np'", lambda: seen.translate(one, output_type="np")),  # type: ignore[arg-type]
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

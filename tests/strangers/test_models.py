"""Broken models, of ours and of strangers: refused with a sentence, or they work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, DiffusionPipeline, ModelMixin
from safetensors.torch import load_file, save_file

from hf_gen.errors import UserError
from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.prior import LatentPrior
from hf_gen.models.vae import ConvVAE, DenseVAE, PatchVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline, load
from tests.reliability import FAULTS
from tests.strangers.bounded import ANSWERED, ask, wrong
from tests.strangers.mutations import JSON, SAFETENSORS, Broken, Mutation, broken

_SECONDS, _MEGABYTES = 15.0, 300
# A network alone is loaded by its own class, which has the errors of diffusers.
_ALONE: dict[str, type[ModelMixin]] = {
    "conv/vae": ConvVAE,
    "conv/prior": LatentPrior,
    "dense/vae": DenseVAE,
    "residual/vae": PatchVAE,
    "cyclegan/a_to_b": ResnetGenerator,
}
_KINDS: dict[str, dict[str, Mutation]] = {".json": JSON, ".safetensors": SAFETENSORS}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pipelines of ours and networks of diffusers, a folder each."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models")
    mixture = LatentPrior((5, 1, 1), 3)
    mixture.means.normal_()
    conv = ConvVAE(16, filters=(6, 4), latent_channels=5).eval()
    dense = DenseVAE(16, hidden=(8,), latent_channels=3).eval()
    residual = PatchVAE(16, filters=(6, 4), bottleneck_channels=3, latent_channels=3).eval()
    generators = [ResnetGenerator(16, 4, num_residual_blocks=1).eval() for _ in range(2)]
    VAEPipeline(conv, mixture, 16).save_pretrained(folder / "conv")
    VAEPipeline(dense, LatentPrior((3, 1, 1)), 16).save_pretrained(folder / "dense")
    VAEPipeline(residual, LatentPrior((3, 1, 1)), 16).save_pretrained(folder / "residual")
    TranslationPipeline(*generators, 16, "anime", "cartoon").save_pretrained(folder / "cyclegan")
    AutoencoderKL(
        block_out_channels=(4, 4),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=2,
        sample_size=16,
    ).save_pretrained(folder / "kl")
    AutoencoderTiny(
        encoder_block_out_channels=(4, 4),
        decoder_block_out_channels=(4, 4),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    ).save_pretrained(folder / "tiny")
    return folder


def _broken_files(folder: Path, count: int) -> list[Broken]:
    found = []
    for ending, mutations in _KINDS.items():
        files = [path for path in sorted(folder.rglob("*")) if path.suffix == ending]
        wholes = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
        found += list(broken(wholes, mutations, count))
    return found


def _use(pipeline: DiffusionPipeline) -> None:
    pipeline.set_progress_bar_config(disable=True)
    size = pipeline.config.resolution
    image = torch.zeros(1, 3, size, size)
    if isinstance(pipeline, TranslationPipeline):
        pipeline.cycle(image, output_type="pt")
        return
    pipeline.reconstruct(image, output_type="pt")
    for prior in pipeline.priors:
        generator = torch.Generator().manual_seed(0)
        assert pipeline.sample(1, generator, "pt", prior).shape == image.shape


def _in_place(folder: Path, answer: Callable[[str], Any]) -> Callable[[Broken], None]:
    """Puts a broken file where the whole one is, for as long as it takes to be answered."""

    def answer_it(one: Broken) -> None:
        place = one.name.partition(",")[0]
        whole = (folder / place).read_bytes()
        try:
            (folder / place).write_bytes(one.content)
            answer(place)
        finally:
            (folder / place).write_bytes(whole)

    return answer_it


def test_a_broken_model_is_refused_or_it_works(
    models: Path, injected: Callable[[str, int], None]
) -> None:
    files = _broken_files(models, 15 * FAULTS)
    answer = _in_place(models, lambda place: _use(load(models / place.partition("/")[0])))
    answers = ask([(one.name, one) for one in files], answer, (UserError,), 120.0, _MEGABYTES)
    assert wrong(answers, _SECONDS, _MEGABYTES) == ""
    assert len(answers) == len(files)
    assert all(one.outcome == ANSWERED for one in answers if "claim_a_header" in one.name)
    injected("a file of a model is broken, and hf_gen.load is asked for it", len(files))


def test_a_broken_network_alone_is_refused_as_diffusers_refuses(
    models: Path, injected: Callable[[str, int], None]
) -> None:
    files = [
        one
        for place in _ALONE
        for one in _broken_files(models / place, 4 * FAULTS)
        for one in [Broken(f"{place}/{one.name}", one.content)]
    ]

    def load_alone(place: str) -> None:
        folder = place.rpartition("/")[0]
        _ALONE[folder].from_pretrained(models / folder)

    answer = _in_place(models, load_alone)
    refusals = (ValueError, OSError)
    answers = ask([(one.name, one) for one in files], answer, refusals, 120.0, _MEGABYTES)
    assert wrong(answers, _SECONDS, _MEGABYTES) == ""
    assert len(answers) == len(files)
    injected("a file of a network is broken, and its class is asked for it", len(files))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("place", ["conv/vae", "conv/prior", "cyclegan/b_to_a", "kl", "tiny"])
def test_weights_that_are_no_numbers_are_refused_at_load(
    models: Path, place: str, value: float, injected: Callable[[str, int], None]
) -> None:
    file = models / place / "diffusion_pytorch_model.safetensors"
    whole, weights = file.read_bytes(), load_file(file)
    weights[max(weights)].view(-1)[-1] = value
    try:
        save_file(weights, file, {"format": "pt"})
        with pytest.raises(UserError, match=f"{place}.* are not all finite numbers"):
            load(models / place.partition("/")[0])
        if place in _ALONE:
            with pytest.raises(ValueError, match=f"{place} are not all finite numbers"):
                _ALONE[place].from_pretrained(models / place)
    finally:
        file.write_bytes(whole)
    injected("a weight is not finite", 1)

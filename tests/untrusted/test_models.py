"""Broken models, saved by hf_gen or by diffusers: a clear error, or they work."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline, ModelMixin
from safetensors.torch import load_file, save

from hf_gen.errors import UserError
from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.prior import LatentPrior
from hf_gen.models.vae import ConvVAE, DenseVAE, PatchVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline, load
from tests.pipelines import saved
from tests.reliability import FAULTS
from tests.untrusted.limits import REJECTED, replaced, try_all
from tests.untrusted.mutations import JSON, SAFETENSORS, Input, broken

_LIMITS = {"seconds": 15.0, "megabytes": 300, "timeout": 120.0}
# A network alone is loaded by its own class, which has the errors of diffusers.
_NETWORKS: dict[str, type[ModelMixin]] = {
    "conv/vae": ConvVAE,
    "conv/prior": LatentPrior,
    "DenseVAE/vae": DenseVAE,
    "PatchVAE/vae": PatchVAE,
    "cyclegan/a_to_b": ResnetGenerator,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pipelines of hf_gen and networks of diffusers, a folder each."""
    folder = tmp_path_factory.mktemp("models")
    saved.vae_pipeline().save_pretrained(folder / "conv")
    for name in ("DenseVAE", "PatchVAE"):
        network = saved.NETWORKS[name]().eval()
        made = VAEPipeline(network, LatentPrior((5, 1, 1)), 16)
        made.save_pretrained(folder / name)
    saved.translation_pipeline().save_pretrained(folder / "cyclegan")
    saved.kl(sample_size=16).save_pretrained(folder / "kl")
    saved.tiny().save_pretrained(folder / "tiny")
    return folder


def _broken_files(models: Path, place: str, count: int) -> list[Input]:
    found: list[Input] = []
    for suffix, mutations in ((".json", JSON), (".safetensors", SAFETENSORS)):
        files = sorted((models / place).rglob(f"*{suffix}"))
        valid = {path.relative_to(models).as_posix(): path.read_bytes() for path in files}
        found += broken(valid, mutations, count)
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


def test_a_broken_model_is_rejected_or_works(
    models: Path, injected: Callable[[str, int], None]
) -> None:
    def load_and_use(one: Input) -> None:
        with replaced(models, one):
            _use(load(models / one.source.partition("/")[0]))

    inputs = _broken_files(models, "", 15 * FAULTS)
    outcomes = try_all(inputs, load_and_use, (UserError,), **_LIMITS)
    assert all(one.result == REJECTED for one in outcomes if "claim_a_header" in one.name)
    injected("a file of a model is broken, and hf_gen.load reads it", len(inputs))


def test_a_broken_network_is_rejected_as_diffusers_rejects_it(
    models: Path, injected: Callable[[str, int], None]
) -> None:
    def load_network(one: Input) -> None:
        with replaced(models, one) as path:
            place = path.parent.relative_to(models).as_posix()
            _NETWORKS[place].from_pretrained(path.parent)

    inputs = [one for place in _NETWORKS for one in _broken_files(models, place, 4 * FAULTS)]
    try_all(inputs, load_network, (ValueError, OSError), **_LIMITS)
    injected("a file of a network is broken, and its class reads it", len(inputs))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("place", ["conv/vae", "conv/prior", "cyclegan/b_to_a", "kl", "tiny"])
def test_weights_that_are_not_finite_are_rejected(
    models: Path, place: str, value: float, injected: Callable[[str, int], None]
) -> None:
    file = models / place / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights[max(weights)].view(-1)[-1] = value
    content = save(weights, {"format": "pt"})
    with (
        replaced(models, Input(file.relative_to(models).as_posix(), content)),
        pytest.raises(UserError, match=f"{place}.* are not all finite numbers"),
    ):
        load(models / place.partition("/")[0])
    injected("a weight is not finite", 1)

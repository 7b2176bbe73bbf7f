"""The losses of a recipe are those of the book, for our networks and for those of diffusers."""

import copy
import inspect
import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Laplace, Normal, kl_divergence

from hf_gen.config import (
    AnyKLVAEConfig,
    AutoencoderKLConfig,
    AutoencoderTinyConfig,
    ConvVAEConfig,
    Data,
    DenseVAEConfig,
    Likelihood,
    Objective,
    PatchVAEConfig,
    VAEModel,
    VAERecipe,
)
from hf_gen.data.batches import Batch
from hf_gen.errors import UserError
from hf_gen.models.fixed_kl import at_kl_weight
from hf_gen.models.pretrained import StrictModel
from hf_gen.pipelines import WEIGHTS, VAEPipeline
from hf_gen.pipelines.networks import load_network
from hf_gen.tasks.vae import VAETask, log_uniform
from tests.pipelines import saved

CONV = ConvVAEConfig((6, 4), (5, 3), (2, 2), "stride", latent_channels=5)
ANY_KL = AnyKLVAEConfig((6, 4), (5, 3), (2, 2), 5, 0.01, 100.0)
DENSE = DenseVAEConfig(hidden=(12, 8), latent_channels=5)
RESIDUAL = PatchVAEConfig(2, (6, 4), (0, 1), 3, latent_channels=5, num_head_channels=4)
KL = AutoencoderKLConfig((32, 32), layers_per_block=1, latent_channels=4)
TINY = AutoencoderTinyConfig(4, num_blocks=(1, 1), latent_channels=4)
MODELS: dict[str, VAEModel] = {
    "conv": CONV,
    "any-kl": ANY_KL,
    "dense": DENSE,
    "residual": RESIDUAL,
    "kl": KL,
    "tiny": TINY,
}


def recipe(
    model: VAEModel = CONV,
    resolution: int = 16,
    pretrained: Path | None = None,
    **values: Any,
) -> VAERecipe:
    subfolder = values.pop("subfolder", None)
    return VAERecipe(
        data=Data(resolution=resolution),
        model=model,
        objective=Objective(**values),
        pretrained_model_name_or_path=None if pretrained is None else str(pretrained),
        subfolder=subfolder,
    )


def make(*arguments: Any, **values: Any) -> VAETask:
    torch.manual_seed(0)
    return VAETask(recipe(*arguments, **values))


def batch(count: int = 4, size: int = 16) -> Batch:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(count, 3, size, size, generator=generator) * 2 - 1
    return Batch((images,), (0, "train", 0), slice(0, count), count)


def losses(task: VAETask, one: Batch) -> dict[str, Tensor]:
    ((turn, named),) = task.losses(task.networks, one)
    assert turn == "vae"
    return named


@pytest.mark.parametrize(
    ("model", "likelihood"),
    [
        *itertools.product(("conv", "dense"), ("bernoulli", "gaussian", "laplace")),
        *itertools.product(("kl",), ("gaussian", "laplace")),
    ],
)
def test_the_losses_are_those_by_hand(model: str, likelihood: Likelihood) -> None:
    task, one = make(MODELS[model], likelihood=likelihood, likelihood_scale=0.3), batch()
    vae, (images,) = task.networks["vae"].vae, one.images
    posterior = vae.encode(images).latent_dist
    noise = one.normal("posterior", task.latent_shape)
    decoded = vae.decode(posterior.mean + posterior.std * noise)
    if likelihood == "bernoulli":
        predicted, target = decoded.logits.sigmoid(), (images + 1) / 2
        density = target * predicted.log() + (1 - target) * (1 - predicted).log()
    else:
        family = {"gaussian": Normal, "laplace": Laplace}[likelihood]
        density = family(decoded.sample, 0.3).log_prob(images)
    reconstruction = -density.flatten(1).sum(1).mean()
    divergence = kl_divergence(Normal(posterior.mean, posterior.std), Normal(0.0, 1.0))
    kl = divergence.flatten(1).sum(1).mean()

    found = losses(task, one)
    assert found.keys() == {"objective", "negative_elbo", "reconstruction", "kl"}
    torch.testing.assert_close(found["reconstruction"], reconstruction, rtol=1e-4, atol=0)
    torch.testing.assert_close(found["kl"], kl, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found["negative_elbo"], reconstruction + kl, rtol=1e-4, atol=0)
    assert torch.equal(found["objective"], found["negative_elbo"])


@pytest.mark.parametrize("weight", [0.0, 0.5, 100.0])
def test_the_kl_weight_multiplies_the_objective_only(weight: float) -> None:
    plain, weighted = (losses(make(kl_weight=value), batch()) for value in (1.0, weight))
    for name in ("negative_elbo", "reconstruction", "kl"):
        assert torch.equal(plain[name], weighted[name])
    assert plain["kl"] > 0
    expected = plain["reconstruction"] + weight * plain["kl"]
    torch.testing.assert_close(weighted["objective"], expected)


def test_weights_of_the_kl_term_are_log_uniform_and_a_function_of_the_step() -> None:
    weights = log_uniform(batch(20_000, size=1), 0.01, 100.0)
    places = (weights.log10() + 2) / 4
    assert weights.shape == (20_000,)
    assert 0 <= places.min() < 0.01
    assert 0.99 < places.max() <= 1
    shares = torch.histc(places, 20, 0, 1) / 1_000
    assert (shares - 1).abs().max() < 4.5 / math.sqrt(1_000)  # standard errors
    same, other = (replace(batch(20_000, size=1), key=(0, "train", step)) for step in (0, 1))
    assert torch.equal(log_uniform(same, 0.01, 100.0), weights)
    assert not torch.equal(log_uniform(other, 0.01, 100.0), weights)
    half = replace(same, images=(same.images[0][:7],), rows=slice(3, 10))
    assert torch.equal(log_uniform(half, 0.01, 100.0), weights[3:10])


def test_every_training_image_has_a_weight_of_its_own() -> None:
    task, one = make(ANY_KL), batch()
    vae, (images,) = task.networks["vae"].vae, one.images
    for name, parameter in vae.named_parameters():
        if name.endswith("slope"):
            parameter.data.fill_(0.3 / 16)
    weights, noise = log_uniform(one, 0.01, 100.0), one.normal("posterior", task.latent_shape)
    expected = []
    for row, weight in enumerate(weights):
        given = {"kl_weight": weight[None]}
        posterior = vae.encode(images[row : row + 1], **given).latent_dist
        codes = posterior.mean + posterior.std * noise[row : row + 1]
        probabilities, target = vae.decode(codes, **given).logits.sigmoid(), (images[row] + 1) / 2
        likelihood = target * probabilities.log() + (1 - target) * (1 - probabilities).log()
        expected.append(-likelihood.sum() + weight * posterior.kl().sum())
    found = losses(task, one)
    assert found.keys() == {"objective"}  # terms at random weights compare with nothing
    torch.testing.assert_close(found["objective"], torch.stack(expected).mean(), rtol=1e-4, atol=0)

    validated = losses(task, replace(one, key=(0, "validation", 0)))
    vae_at_one = at_kl_weight(vae, 1.0)
    posterior = vae_at_one.encode(images).latent_dist
    torch.testing.assert_close(validated["kl"], posterior.kl().mean(), rtol=1e-4, atol=1e-4)
    assert validated.keys() == {"objective", "negative_elbo", "reconstruction", "kl"}
    torch.testing.assert_close(validated["objective"], validated["negative_elbo"])


def test_a_kl_weight_for_a_network_of_every_weight_is_a_sentence() -> None:
    with pytest.raises(UserError, match=r"kl_weight must be 1 .*got 5: leave --kl-weight out"):
        make(ANY_KL, kl_weight=5.0)
    with pytest.raises(UserError, match=r"flow_prior_steps must be 0 .*got 9: leave it out"):
        VAETask(replace(recipe(ANY_KL), flow_prior_steps=9))


def test_after_a_short_training_a_higher_weight_gives_a_lower_rate() -> None:
    task = make(ANY_KL)
    (images,) = batch(64).images
    shades = torch.linspace(-1, 1, 64)[torch.randperm(64)].view(64, 1, 1, 1)
    images = 0.9 * shades + 0.1 * images  # one number tells most of an image
    adam = torch.optim.Adam(task.networks["vae"].parameters(), lr=3e-3)
    for step in range(150):
        losses(task, Batch((images,), (0, "train", step), slice(0, 64), 64))["objective"].backward()
        adam.step()
        adam.zero_grad()
    vae = task.networks["vae"].vae.eval()
    with torch.no_grad():
        rates = [
            vae.encode(images, kl_weight=weight).latent_dist.kl().mean().item()
            for weight in (0.01, 0.1, 1.0, 10.0, 100.0)
        ]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 2 * rates[-1]


def test_the_perceptual_distance_joins_the_objective_only() -> None:
    plain, weighted = (
        losses(make(RESIDUAL, 32, likelihood="laplace", perceptual_weight=weight), batch(size=32))
        for weight in (0.0, 50.0)
    )
    assert {**weighted, "objective": 0}.keys() == {*plain, "perceptual"}
    for name in ("negative_elbo", "reconstruction", "kl"):
        assert torch.equal(plain[name], weighted[name])
    expected = plain["objective"] + 50 * weighted["perceptual"]
    torch.testing.assert_close(weighted["objective"], expected)


def test_an_autoencoder_without_a_posterior_has_no_elbo() -> None:
    task, one = make(TINY, likelihood="gaussian", likelihood_scale=0.3, kl_weight=7.0), batch()
    vae, (images,) = task.networks["vae"].vae, one.images
    made = vae.decode(vae.encode(images).latents).sample
    expected = -Normal(made, 0.3).log_prob(images).flatten(1).sum(1).mean()
    found = losses(task, one)
    assert found.keys() == {"objective", "reconstruction"}
    torch.testing.assert_close(found["reconstruction"], expected, rtol=1e-4, atol=0)
    assert torch.equal(found["objective"], found["reconstruction"])


def test_the_losses_of_two_halves_average_to_those_of_the_whole() -> None:
    task, whole = make(), batch(8)
    halves = [
        Batch((whole.images[0][rows],), whole.key, rows, 8) for rows in (slice(0, 4), slice(4, 8))
    ]
    first, second = (losses(task, half) for half in halves)
    for name, value in losses(task, whole).items():
        torch.testing.assert_close((first[name] + second[name]) / 2, value, rtol=1e-5, atol=0)


@pytest.mark.parametrize("model", MODELS)
def test_a_step_moves_every_weight_and_lowers_the_objective(model: str) -> None:
    likelihood: Likelihood = "laplace" if model in ("kl", "tiny") else "bernoulli"
    task, one = make(MODELS[model], likelihood=likelihood), batch()
    before = copy.deepcopy(task.networks["vae"].state_dict())
    adam = torch.optim.AdamW(task.networks["vae"].parameters(), lr=1e-3)
    objectives = []
    for _ in range(6):
        objective = losses(task, one)["objective"]
        objectives.append(objective.item())
        objective.backward()
        adam.step()
        adam.zero_grad()
    assert objectives[-1] < objectives[0]
    after = task.networks["vae"].state_dict()
    assert [name for name, weight in before.items() if torch.equal(weight, after[name])] == []


@pytest.mark.parametrize("model", MODELS)
def test_a_preview_shows_images_and_reconstructions(model: str) -> None:
    task = make(MODELS[model], likelihood="laplace" if model in ("kl", "tiny") else "bernoulli")
    shown, (images,) = task.preview(task.networks, batch()), batch().images
    assert shown.shape == (8, 3, 16, 16)
    assert torch.equal(shown[:4], images)
    pipeline = task.pipeline(task.networks)
    assert isinstance(pipeline, VAEPipeline)
    assert pipeline.config.resolution == 16
    assert torch.equal(shown[4:], pipeline.reconstruct(images, output_type="pt"))


@pytest.mark.parametrize(
    ("model", "resolution", "message"),
    [
        (CONV, 18, r"resolution must be a multiple of 4 .*got 18: try 16 or 20"),
        (KL, 17, r"resolution must be a multiple of 2 .*got 17: try 16 or 18"),
        (TINY, 17, r"resolution must be a multiple of 2 .*got 17: try 16 or 18"),
        (CONV, 8192, "resolution must be .*got 8192"),
    ],
)
def test_a_resolution_that_the_network_cannot_take_is_a_clear_error(
    model: VAEModel, resolution: int, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        make(model, resolution, likelihood="laplace")


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (CONV, {"filters": ()}),
        (CONV, {"strides": (2, 2, 2)}),
        (DENSE, {"hidden": (0,)}),
        (RESIDUAL, {"num_blocks": (0, -1)}),
        (RESIDUAL, {"filters": (4096, 4096)}),
        (KL, {"block_out_channels": ()}),
        (KL, {"block_out_channels": (32, 0)}),
        (KL, {"latent_channels": 0}),
        (KL, {"layers_per_block": -1}),
        (TINY, {"num_blocks": ()}),
        (TINY, {"num_blocks": (1, 0)}),
        (TINY, {"channels": 0}),
        (TINY, {"latent_channels": 0}),
    ],
)
def test_values_that_make_no_network_raise_by_their_name(
    model: VAEModel, changes: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match="|".join([*changes, "not have more than .* weights"])):
        VAETask(recipe(replace(model, **changes), 32, likelihood="laplace"))


@pytest.mark.parametrize(
    ("channels", "groups"),
    [((16, 32), 16), ((32, 64), 32), ((33, 33), 1), ((20, 30), 2), ((5,), 1)],
)
def test_channels_are_normalised_in_as_many_groups_as_divide_them(
    channels: tuple[int, ...], groups: int, tmp_path: Path
) -> None:
    task = VAETask(recipe(replace(KL, block_out_channels=channels), 32, likelihood="laplace"))
    pipeline = task.pipeline(task.networks)
    assert pipeline.vae.config.norm_num_groups == groups
    pipeline.save_pretrained(tmp_path)
    images = torch.zeros(1, 3, 32, 32)
    made = VAEPipeline.from_pretrained(tmp_path).reconstruct(images, output_type="pt")
    expected = pipeline.reconstruct(images, output_type="pt")
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("model", [KL, TINY])
def test_bernoulli_without_logits_raises(model: VAEModel) -> None:
    with pytest.raises(UserError, match=r"bernoulli needs .*logits.*try --likelihood laplace"):
        make(model, likelihood="bernoulli")


def as_lists(value: Any) -> Any:
    """JSON knows no tuples."""
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("in_a_pipeline", [False, True])
@pytest.mark.parametrize("name", saved.NETWORKS)
def test_fine_tuning_starts_from_exactly_the_weights_that_were_saved(
    tmp_path: Path, name: str, in_a_pipeline: bool
) -> None:
    torch.manual_seed(7)
    vae = saved.NETWORKS[name]()
    likelihood = "bernoulli" if isinstance(vae, StrictModel) else "laplace"
    if in_a_pipeline:
        VAEPipeline(vae, resolution=16).save_pretrained(tmp_path)
    else:
        vae.save_pretrained(tmp_path)
    subfolder = "vae" if in_a_pipeline else None
    task = make(pretrained=tmp_path, subfolder=subfolder, likelihood=likelihood)
    started = task.networks["vae"].vae
    assert type(started) is type(vae)
    for key in inspect.signature(type(vae).__init__).parameters.keys() - {"self"}:
        assert as_lists(started.config[key]) == as_lists(vae.config[key]), key
    expected = vae.state_dict()
    assert started.state_dict().keys() == expected.keys()
    for key, weight in started.state_dict().items():
        assert torch.equal(weight, expected[key]), key
    assert all(weight.requires_grad for weight in started.parameters())
    assert losses(task, batch())["objective"].isfinite()


def test_a_run_a_pipeline_and_a_bundled_name_are_their_autoencoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vae = saved.NETWORKS["ConvVAE"]()
    VAEPipeline(vae, resolution=16).save_pretrained(tmp_path / "run" / "pipeline")
    bundled = load_network(WEIGHTS / "conv-vae", "vae")
    monkeypatch.chdir(tmp_path)
    for name, resolution, expected in (
        (tmp_path / "run", 16, vae),
        ("run", 16, vae),
        (tmp_path / "run" / "pipeline", 16, vae),
        ("conv-vae", bundled.config.sample_size, bundled),
    ):
        started = make(pretrained=str(name), resolution=resolution).networks["vae"].vae
        for key, weight in expected.state_dict().items():
            assert torch.equal(started.state_dict()[key], weight), (name, key)
            assert started.state_dict()[key].dtype == torch.float32


def test_a_pretrained_network_of_another_size_is_a_clear_error(tmp_path: Path) -> None:
    saved.NETWORKS["ConvVAE"]().save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"takes 16x16 images: add --resolution 16"):
        make(resolution=32, pretrained=tmp_path)


def test_a_folder_that_cannot_be_fine_tuned_is_a_clear_error(tmp_path: Path) -> None:
    VAEPipeline(saved.NETWORKS["ConvVAE"](), resolution=16).save_pretrained(tmp_path / "pipeline")
    with pytest.raises(UserError, match=f"{tmp_path}/nothing' is no folder: name a run folder"):
        make(pretrained=tmp_path / "nothing")
    with pytest.raises(UserError, match="holds a TranslationPipeline, not a VAEPipeline"):
        make(pretrained="cyclegan")

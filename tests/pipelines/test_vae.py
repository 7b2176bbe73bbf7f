"""Reconstruction, samples, interpolations and traversals of autoencoders, ours and diffusers'."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.hooks import AlignDevicesHook, add_hook_to_module
from diffusers import ModelMixin
from diffusers.models.autoencoders.vae import DecoderOutput
from torch import Tensor

from hf_gen.evaluation.prior import fit_prior
from hf_gen.images import to_pixels
from hf_gen.models.any_kl_vae import AnyKLVAE
from hf_gen.models.fixed_kl import at_kl_weight
from hf_gen.models.prior import AnyKLPrior, LatentPrior
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import VAEPipeline
from tests.pipelines import saved
from tests.pipelines.saved import Identity

SIZE = 16
NETWORKS: dict[str, Callable[[], ModelMixin]] = {
    "ConvVAE": saved.NETWORKS["ConvVAE"],
    "AnyKLVAE": saved.NETWORKS["AnyKLVAE"],
    "DenseVAE": saved.NETWORKS["DenseVAE"],
    "AutoencoderKL": lambda: saved.kl(latent_channels=5),
    "AutoencoderTiny": lambda: saved.tiny(latent_channels=5),
}
Pipelines = dict[str, VAEPipeline]


@pytest.fixture(scope="module")
def pipelines() -> Pipelines:
    torch.manual_seed(0)
    return {name: VAEPipeline(make().eval(), resolution=SIZE) for name, make in NETWORKS.items()}


@pytest.fixture(params=NETWORKS)
def pipeline(pipelines: Pipelines, request: pytest.FixtureRequest) -> VAEPipeline:
    return pipelines[request.param]


@pytest.fixture
def seen() -> VAEPipeline:
    return VAEPipeline(Identity(), resolution=4)


def images(count: int, size: int = SIZE, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, size, size, generator=generator) * 1.6 - 0.8


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def assert_close(first: Tensor, second: Tensor) -> None:
    """Equal but for the order in which a batch of another size is summed."""
    torch.testing.assert_close(first, second, atol=1e-5, rtol=0)


def test_every_method_gives_images_as_pil_or_as_a_tensor(pipeline: VAEPipeline) -> None:
    first, second = images(1), images(1, seed=2)
    made: dict[str, tuple[int, Callable[..., Any]]] = {
        "reconstruct": (3, lambda **kind: pipeline.reconstruct(images(3), **kind)),
        "sample": (3, lambda **kind: pipeline.sample(3, generator(), **kind)),
        "interpolate": (4, lambda **kind: pipeline.interpolate(first, second, 4, **kind)),
        "call": (3, lambda **kind: pipeline(3, generator(), **kind).images),
    }
    for name, (count, make) in made.items():
        tensor, pictures = make(output_type="pt"), make()
        assert tensor.shape == (count, 3, SIZE, SIZE), name
        assert tensor.dtype == torch.float32, name
        assert tensor.abs().max() <= 1, name
        assert [picture.size for picture in pictures] == [(SIZE, SIZE)] * count, name
        assert np.array_equal(np.stack([np.asarray(p) for p in pictures]), to_pixels(tensor)), name


def test_a_traversal_has_a_row_for_each_dimension(pipeline: VAEPipeline) -> None:
    tensor = pipeline.traverse(images(1), steps=3, output_type="pt")
    assert tensor.shape == (5, 3, 3, SIZE, SIZE)
    chosen = pipeline.traverse(images(1), [4, 1], steps=3, output_type="pt")
    assert_close(chosen, tensor[[4, 1]])
    rows = pipeline.traverse(images(1), [4, 1], steps=3)
    assert [[picture.size for picture in row] for row in rows] == [[(SIZE, SIZE)] * 3] * 2
    assert np.array_equal(np.asarray(rows[1][2]), to_pixels(chosen[1])[2])


def test_a_generator_repeats_everything(pipeline: VAEPipeline) -> None:
    first, second = images(1), images(1, seed=2)
    made: dict[str, Callable[..., Tensor]] = {
        "sample": lambda **kind: pipeline.sample(2, **kind),
        "call": lambda **kind: pipeline(2, **kind).images,
    }
    if hasattr(pipeline.vae.encode(first), "latent_dist"):
        drawn = {"sample_posterior": True}
        made |= {
            "reconstruct": lambda **kind: pipeline.reconstruct(first, **drawn, **kind),
            "interpolate": lambda **kind: pipeline.interpolate(first, second, 3, **drawn, **kind),
            "traverse": lambda **kind: pipeline.traverse(first, steps=3, **drawn, **kind),
        }
    for name, make in made.items():
        one, same, other = (make(generator=generator(seed), output_type="pt") for seed in (1, 1, 2))
        assert torch.equal(one, same), name
        assert not torch.equal(one, other), name


@pytest.mark.parametrize("prior", ["standard", "gaussian", "mixture"])
def test_a_list_of_generators_has_one_for_each_sample(pipelines: Pipelines, prior: Any) -> None:
    pipeline = with_prior(pipelines["ConvVAE"])
    together = pipeline.sample(3, [generator(seed) for seed in range(3)], "pt", prior)
    for seed in range(3):
        assert_close(together[seed : seed + 1], pipeline.sample(1, generator(seed), "pt", prior))
    with pytest.raises(ValueError, match="one for each of the 3 images, got 2"):
        pipeline.sample(3, [generator(), generator()], prior=prior)


def test_a_list_of_generators_has_one_for_each_posterior(pipelines: Pipelines) -> None:
    pipeline, count = pipelines["ConvVAE"], 70  # more than are encoded at once
    codes = pipeline.encode(images(count), True, [generator(seed) for seed in range(count)])
    for seed in (0, 63, 64, 69):
        alone = pipeline.encode(images(count)[seed : seed + 1], True, generator(seed))
        assert_close(codes[seed : seed + 1], alone)
    with pytest.raises(ValueError, match="one for each of the 2 images, got 1"):
        pipeline.encode(images(2), True, [generator()])


def test_without_a_generator_only_samples_are_random(pipeline: VAEPipeline) -> None:
    many = images(130)  # more than are encoded at once
    first = pipeline.reconstruct(many, output_type="pt")
    assert torch.equal(first, pipeline.reconstruct(many, output_type="pt"))
    assert_close(first[[64, 129]], pipeline.reconstruct(many[[64, 129]], output_type="pt"))
    once, twice = (pipeline.sample(2, output_type="pt") for _ in range(2))
    assert not torch.equal(once, twice)


@pytest.mark.parametrize("method", ["linear", "spherical"])
def test_an_interpolation_starts_and_ends_at_the_reconstructions(
    pipeline: VAEPipeline, method: Any
) -> None:
    ends = images(2)
    path = pipeline.interpolate(ends[:1], ends[1:], 5, method, output_type="pt")
    assert_close(path[[0, -1]], pipeline.reconstruct(ends, output_type="pt"))


def test_a_linear_path_has_even_steps_and_a_spherical_one_keeps_the_norm(
    seen: VAEPipeline,
) -> None:
    first, second = images(1, 4), images(1, 4, seed=2)
    second = second / second.norm() * first.norm()
    path = seen.interpolate(first, second, 7, "spherical", output_type="pt")
    torch.testing.assert_close(path.flatten(1).norm(dim=1), first.norm().repeat(7))
    angles = torch.cosine_similarity(path[:-1].flatten(1), path[1:].flatten(1)).arccos()
    torch.testing.assert_close(angles, angles[:1].repeat(6), atol=1e-3, rtol=0)
    straight = seen.interpolate(first, second, 7, output_type="pt")
    for place, code in enumerate(straight):
        assert_close(code, (first + (second - first) * place / 6)[0])


def test_a_spherical_interpolation_between_equal_or_opposite_codes_is_linear(
    seen: VAEPipeline,
) -> None:
    first = images(1, 4)
    still = seen.interpolate(first, first, 3, "spherical", output_type="pt")
    assert_close(still, first.repeat(3, 1, 1, 1))
    through = seen.interpolate(first, -first, 3, "spherical", output_type="pt")
    assert_close(through, torch.cat((first, first * 0, -first)))


@pytest.mark.parametrize("method", ["linear", "spherical"])
def test_frozen_dimensions_do_not_change(seen: VAEPipeline, method: Any) -> None:
    first, second = images(1, 4), images(1, 4, seed=2)
    path = seen.interpolate(first, second, 5, method, output_type="pt", frozen_dims=[0, 2])
    for frozen in (0, 2):
        assert torch.equal(path[:, frozen], first[:, frozen].repeat(5, 1, 1))
    assert_close(path[-1, 1], second[0, 1])
    still = seen.interpolate(first, second, 5, method, output_type="pt", frozen_dims=range(3))
    assert_close(still, first.repeat(5, 1, 1, 1))
    assert torch.equal(first, images(1, 4))
    assert torch.equal(second, images(1, 4, seed=2))


def test_a_great_circle_is_that_of_the_free_dimensions(seen: VAEPipeline) -> None:
    first, second = images(1, 4), images(1, 4, seed=2)
    path = seen.interpolate(first, second, 5, "spherical", output_type="pt", frozen_dims=[0])
    first[:, 0] = second[:, 0] = 0
    free = seen.interpolate(first, second, 5, "spherical", output_type="pt")
    assert_close(path[:, 1:], free[:, 1:])


def test_a_traversal_changes_its_dimension_only(seen: VAEPipeline) -> None:
    image = images(1, 4)
    rows = seen.traverse(image, [2, 0], span=0.5, steps=3, output_type="pt")
    for row, dimension in zip(rows, (2, 0), strict=True):
        for other in {0, 1, 2} - {dimension}:
            assert torch.equal(row[:, other], image[:, other].repeat(3, 1, 1))
        assert row[:, dimension].flatten(1).tolist() == [[v] * 16 for v in (-0.5, 0.0, 0.5)]
    assert torch.equal(image, images(1, 4))


class Gains(Identity):
    """As Identity, but each channel of the image is one of the code times a number of its own."""

    def decode(self, z: Tensor) -> DecoderOutput:
        return DecoderOutput(sample=z * torch.tensor([0.1, 0.0, 0.6])[:, None, None])


def test_influence_is_the_mean_absolute_change_of_the_image() -> None:
    # 3 standard deviations times the gain, on one channel of three; 0.6 * 1.5 is inside [-1, 1].
    assert_close(VAEPipeline(Gains(), resolution=4).influence(), torch.tensor([0.1, 0.0, 0.6]))
    prior = LatentPrior((3, 4, 4))
    prior.mean.view(3, 16)[:] = torch.tensor([[2.0], [3.0], [1.0]])
    prior.deviation.view(3, 16)[:] = torch.tensor([[2.0], [3.0], [0.5]])
    fitted = VAEPipeline(Gains(), prior, 4)
    # The last runs from 0.15 to 1.05, and images end at 1.
    assert_close(fitted.influence(), torch.tensor([0.2, 0.0, 0.85 / 3]))


def test_influence_of_more_dimensions_than_are_decoded_at_once() -> None:
    torch.manual_seed(0)
    network = ConvVAE(SIZE, filters=(6, 4), latent_channels=70).eval()
    with torch.no_grad():
        network.decoder[1].weight[:, 66] = 0
    pipeline = VAEPipeline(network, resolution=SIZE)
    influence = pipeline.influence()
    assert [place for place, value in enumerate(influence) if not value] == [66]
    codes = torch.zeros(2, 70, 1, 1)
    codes[:, 69, 0, 0] = torch.tensor([-1.5, 1.5])
    low, high = pipeline.decode(codes, "pt")
    assert_close(influence[69], (high - low).abs().mean())


def with_prior(
    pipeline: VAEPipeline,
    num_components: int = 2,
    default_prior: str | None = None,
    default_temperature: float = 1.0,
) -> VAEPipeline:
    """The same autoencoder with a prior fitted to codes of noise, far from standard normal."""
    shape = pipeline.encode(images(1, pipeline.config.resolution)).shape[1:]
    codes = 3 + 2 * torch.randn(max(50, 6 * shape.numel()), *shape, generator=generator(5))
    prior = fit_prior(codes, num_components)
    size = pipeline.config.resolution
    return VAEPipeline(pipeline.vae, prior, size, default_prior, default_temperature)


def test_standard_samples_are_the_images_of_standard_normal_codes(pipeline: VAEPipeline) -> None:
    shape = pipeline.encode(images(1)).shape[1:]
    codes = torch.randn(3, *shape, generator=generator())
    expected = pipeline.decode(codes, "pt")
    assert torch.equal(pipeline.sample(3, generator(), "pt"), expected)
    assert torch.equal(pipeline.sample(3, generator(), "pt", prior="standard"), expected)
    # The same faces whether a prior was fitted or not.
    assert torch.equal(with_prior(pipeline).sample(3, generator(), "pt", "standard"), expected)
    half = pipeline.sample(3, generator(), "pt", temperature=0.5)
    assert torch.equal(half, pipeline.decode(codes / 2, "pt"))


@pytest.mark.parametrize("name", ["ConvVAE", "DenseVAE"])
def test_samples_are_the_images_of_the_codes_that_the_prior_gives(
    pipelines: Pipelines, name: str
) -> None:
    pipeline = with_prior(pipelines[name])
    assert pipeline.priors == ("standard", "gaussian", "mixture")
    for kind in pipeline.priors:
        codes = pipeline.prior.sample(3, kind, generator(), 0.7)
        made = pipeline.sample(3, generator(), "pt", prior=kind, temperature=0.7)
        assert torch.equal(made, pipeline.decode(codes, "pt"))
        called = pipeline(3, generator(), "pt", prior=kind, temperature=0.7).images
        assert torch.equal(made, called)
        assert len(pipeline.sample(2, prior=kind)) == 2


# The arguments, then the prior and the temperature that samples are from.
RESOLVED: list[tuple[dict[str, Any], tuple[str, float]]] = [
    ({}, ("gaussian", 0.7)),
    ({"temperature": 0.5}, ("gaussian", 0.5)),
    ({"temperature": 0}, ("gaussian", 0)),
    ({"prior": "gaussian"}, ("gaussian", 1.0)),
    ({"prior": "mixture"}, ("mixture", 1.0)),
    ({"prior": "standard", "temperature": 0.2}, ("standard", 0.2)),
]


@pytest.mark.parametrize(("given", "expected"), RESOLVED)
def test_samples_are_from_the_default_prior_unless_told_otherwise(
    pipelines: Pipelines, given: dict[str, Any], expected: tuple[str, float]
) -> None:
    pipeline = with_prior(pipelines["ConvVAE"], 2, "gaussian", 0.7)
    assert pipeline.resolve_prior(**given) == expected
    codes = pipeline.prior.sample(3, expected[0], generator(), expected[1])
    assert torch.equal(pipeline.sample_latents(3, generator(), **given), codes)
    images = pipeline.decode(codes, "pt")
    assert torch.equal(pipeline.sample(3, generator(), "pt", **given), images)
    assert torch.equal(pipeline(3, generator(), "pt", **given).images, images)


def test_without_a_choice_the_default_is_the_last_prior_at_temperature_1(
    pipelines: Pipelines,
) -> None:
    plain = pipelines["ConvVAE"]
    for pipeline, prior in (
        (plain, "standard"),
        (with_prior(plain, 0), "gaussian"),
        (with_prior(plain), "mixture"),
    ):
        assert (pipeline.config.default_prior, pipeline.config.default_temperature) == (prior, 1.0)


def test_a_default_that_the_pipeline_does_not_have_is_an_error(pipelines: Pipelines) -> None:
    refused: list[tuple[str, tuple[Any, ...]]] = [
        ("default_prior must be .* has, standard or gaussian, got 'mixture'", (0, "mixture")),
        ("default_prior must be .* has, .*, got 'usual': choose", (2, "usual")),
        ("default_temperature must be .* at least 0, got -1: try 1", (2, None, -1)),
        ("default_temperature must be .*, got inf", (2, None, float("inf"))),
        ("default_temperature must be .*, got '1'", (2, None, "1")),
    ]
    for error, arguments in refused:
        with pytest.raises(ValueError, match=error):
            with_prior(pipelines["ConvVAE"], *arguments)
    with pytest.raises(ValueError, match=r"default_prior .* has, standard, got 'gaussian'"):
        VAEPipeline(pipelines["ConvVAE"].vae, None, SIZE, "gaussian")


def test_the_prior_of_an_autoencoder_with_maps_for_codes(pipelines: Pipelines) -> None:
    for name in ("AutoencoderKL", "AutoencoderTiny"):
        pipeline = with_prior(pipelines[name], num_components=0)
        assert pipeline.priors == ("standard", "gaussian")
        assert pipeline.sample(3, prior="gaussian", output_type="pt").shape == (3, 3, SIZE, SIZE)


def test_another_prior_or_none_can_be_given_to_a_saved_pipeline(
    pipelines: Pipelines, tmp_path: Path
) -> None:
    fitted = with_prior(pipelines["ConvVAE"], 2, "gaussian", 0.7)
    fitted.save_pretrained(tmp_path)
    assert VAEPipeline.from_pretrained(tmp_path).resolve_prior() == ("gaussian", 0.7)
    # A default was chosen for the saved prior.
    other = LatentPrior((5, 1, 1), 2)
    replaced = VAEPipeline.from_pretrained(tmp_path, prior=other)
    assert replaced.prior is other
    assert replaced.resolve_prior() == ("mixture", 1.0)
    without = VAEPipeline.from_pretrained(tmp_path, prior=None)
    assert without.priors == ("standard",)
    assert without.resolve_prior() == ("standard", 1.0)


def test_a_prior_of_another_network_raises(pipelines: Pipelines) -> None:
    refused: list[tuple[str, Any]] = [
        (r"this vae, \(5, 1, 1\), and it is for \(6, 1, 1\): fit", LatentPrior((6, 1, 1))),
        (r"this vae, \(5, 1, 1\), and it is for \(1, 5, 1\)", LatentPrior((1, 5, 1))),
        ("prior must be a LatentPrior, got 16: give the resolution by its name", SIZE),
        ("prior must be a LatentPrior, got ConvVAE", pipelines["ConvVAE"].vae),
    ]
    for error, prior in refused:
        with pytest.raises(ValueError, match=error):
            VAEPipeline(pipelines["ConvVAE"].vae, prior, SIZE)


def test_a_half_precision_pipeline_gives_float_images() -> None:
    torch.manual_seed(0)
    pipeline = with_prior(VAEPipeline(NETWORKS["ConvVAE"]().eval(), resolution=SIZE))

    def made() -> dict[str, Tensor]:
        drawn = {name: pipeline.sample(2, generator(), "pt", name) for name in pipeline.priors[1:]}
        return drawn | {"reconstruct": pipeline.reconstruct(images(2), output_type="pt")}

    exact = made()
    pipeline.to(torch.bfloat16)
    assert pipeline.vae.dtype == pipeline.prior.dtype == torch.bfloat16
    for name, rough in made().items():
        assert rough.dtype == torch.float32
        torch.testing.assert_close(rough, exact[name], atol=0.05, rtol=0)


def test_bad_arguments_raise(seen: VAEPipeline) -> None:
    one = images(1, 4)
    refused: list[tuple[str, Callable[[], object]]] = [
        ("batch_size must be at least 1, got 0", lambda: seen.sample(0)),
        ("steps must be at least 2, got 1", lambda: seen.interpolate(one, one, 1)),
        ("steps must be at least 2, got 1", lambda: seen.traverse(one, steps=1)),
        ("method must be .*got 'cubic'", lambda: seen.interpolate(one, one, 3, "cubic")),  # type: ignore[arg-type]
        ("one image each, got 2", lambda: seen.interpolate(one, images(2, 4))),
        ("one image each, got 2", lambda: seen.traverse(images(2, 4))),
        (
            "dimensions must be from 0 to 2, got 3",
            lambda: seen.interpolate(one, one, frozen_dims=[3]),
        ),
        ("dimensions must be from 0 to 2, got -1", lambda: seen.traverse(one, [-1])),
        ("output_type must be .*got 'np'", lambda: seen.sample(1, output_type="np")),  # type: ignore[arg-type]
        (
            "has, standard, got 'mixture': choose one of them, or fit it with hf_gen",
            lambda: seen.sample(1, prior="mixture"),
        ),
        (
            "has, standard or gaussian, got 'mixture'",
            lambda: with_prior(seen, 0).sample(1, prior="mixture"),
        ),
        (
            "temperature must be .* at least 0, got -1: try 1",
            lambda: seen.sample(1, temperature=-1),
        ),
    ]
    for error, call in refused:
        with pytest.raises(ValueError, match=error):
            call()


def any_kl() -> VAEPipeline:
    """Of a network and a prior that differ between KL weights."""
    torch.manual_seed(0)
    vae = AnyKLVAE(SIZE, filters=(6, 4), latent_channels=5).eval()
    for name, weight in vae.named_parameters():
        if name.endswith("slope"):
            weight.data.normal_(std=0.3)
    prior = AnyKLPrior((5, 1, 1))
    prior.mean.normal_()
    return VAEPipeline(vae, prior, SIZE)


@pytest.mark.parametrize("kl_weight", [0.01, 2, 100.0])
def test_every_method_is_that_of_the_network_of_the_kl_weight(kl_weight: float) -> None:
    several, pictures = any_kl(), images(70)  # more than are encoded at once
    vae, prior = at_kl_weight(several.vae, kl_weight), several.prior.at(kl_weight)
    fixed, given = VAEPipeline(vae, prior, SIZE), {"kl_weight": kl_weight}
    codes = fixed.encode(pictures)
    cases: list[tuple[Tensor, Tensor]] = [
        (several.encode(pictures, **given), codes),
        (
            several.encode(pictures, True, generator(), **given),
            fixed.encode(pictures, True, generator()),
        ),
        (several.decode(codes, "pt", **given), fixed.decode(codes, "pt")),
        (
            several.reconstruct(pictures, output_type="pt", **given),
            fixed.reconstruct(pictures, output_type="pt"),
        ),
        (several(2, generator(), "pt", **given).images, fixed(2, generator(), "pt").images),
    ]
    for name in ("standard", "gaussian", None):
        drawn = fixed.sample(2, generator(), "pt", name)
        cases.append((several.sample(2, generator(), "pt", name, **given), drawn))
    for made, expected in cases:
        assert_close(made, expected)
    one = several.reconstruct(pictures, output_type="pt")
    assert torch.equal(one, several.reconstruct(pictures, output_type="pt", kl_weight=1.0))
    assert not torch.allclose(one, several.reconstruct(pictures, output_type="pt", **given))


def test_a_saved_pipeline_is_the_same_at_every_kl_weight(tmp_path: Path) -> None:
    several = any_kl()
    several.save_pretrained(tmp_path)
    loaded = VAEPipeline.from_pretrained(tmp_path)
    for weight in (0.01, 7.0, 100.0):
        expected = several.sample(2, generator(), "pt", kl_weight=weight)
        assert_close(loaded.sample(2, generator(), "pt", kl_weight=weight), expected)
    assert_close(loaded.influence(), several.influence())


def test_a_kl_weight_is_for_networks_that_take_one_and_in_their_range(pipelines: Pipelines) -> None:
    several, codes = any_kl(), torch.zeros(1, 5, 1, 1)
    plain_prior = VAEPipeline(several.vae, LatentPrior((5, 1, 1)), SIZE)
    refused: list[tuple[str, Callable[[], Any]]] = [
        (
            r"kl_weight must be from 0\.01 to 100, .*got 0: try 1",
            lambda: several.encode(images(1), kl_weight=0),
        ),
        ("from .* got 101", lambda: several.decode(codes, kl_weight=101)),
        ("from .* got 1000", lambda: several.reconstruct(images(1), kl_weight=1000)),
        ("from .* got nan", lambda: several.sample(1, kl_weight=float("nan"))),
        ("from .* got nan", lambda: several.sample(1, prior="standard", kl_weight=float("nan"))),
        (
            "networks that were trained with every weight, got 1.0 for a ConvVAE: leave it out, or",
            lambda: pipelines["ConvVAE"].sample(1, kl_weight=1.0),
        ),
        (
            "got 3 for a AutoencoderKL",
            lambda: pipelines["AutoencoderKL"].encode(images(1), kl_weight=3),
        ),
        ("got 3 for a LatentPrior", lambda: plain_prior.sample(1, kl_weight=3)),
    ]
    for error, call in refused:
        with pytest.raises(ValueError, match=error):
            call()


def test_an_offloaded_network_runs_where_its_hook_says() -> None:
    pipeline = VAEPipeline(saved.NETWORKS["ConvVAE"](), resolution=SIZE)
    assert pipeline._execution_device == torch.device("cpu")
    add_hook_to_module(pipeline.vae, AlignDevicesHook(execution_device="meta"))
    assert pipeline._execution_device == torch.device("meta")


def test_walks_between_latents_are_those_between_their_images(pipelines: Pipelines) -> None:
    pipeline, (first, second) = pipelines["ConvVAE"], images(2)
    codes = [pipeline.encode(image) for image in (first, second)]
    for method in ("linear", "spherical"):
        walked, expected = (
            pipeline.interpolate(*ends, 3, method, output_type="pt")
            for ends in (codes, (first, second))
        )
        assert_close(walked, expected)
    rows, expected = (pipeline.traverse(one, [1], output_type="pt") for one in (codes[0], first))
    assert_close(rows, expected)
    with pytest.raises(ValueError, match="it takes one image each, got 2"):
        pipeline.interpolate(torch.cat(codes), second)

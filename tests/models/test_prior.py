"""A latent prior samples the densities that torch.distributions has and those of a flow."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, distributions

from hf_gen.models.flow import Flow
from hf_gen.models.prior import AnyKLPrior, LatentPrior

WEIGHTS = "diffusion_pytorch_model.safetensors"
SHAPE = (3, 1, 2)
LATENTS = 6


def fitted(num_components: int = 4, num_flow_layers: int = 2) -> LatentPrior:
    """A prior of random numbers, every one of which matters."""
    prior = LatentPrior(SHAPE, num_components, num_flow_layers, 8)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        prior.mean.normal_(generator=generator)
        prior.deviation.uniform_(0.5, 2, generator=generator)
        if num_components:
            prior.weights.uniform_(0.5, 2, generator=generator).div_(prior.weights.sum())
            prior.means.normal_(0, 3, generator=generator)
            factors = torch.randn(prior.cholesky.shape, generator=generator).tril(-1) / 2
            scales = torch.rand(num_components, LATENTS, generator=generator) + 0.5
            prior.cholesky.copy_(factors + scales.diag_embed())
        for weight in prior.parameters():
            weight.normal_(0, 0.5, generator=generator)
    return prior


def expected(prior: LatentPrior, kind: str) -> distributions.Distribution:
    if kind == "standard":
        zeros = torch.zeros(LATENTS)
        return distributions.Independent(distributions.Normal(zeros, zeros + 1), 1)
    if kind == "gaussian":
        return distributions.Independent(distributions.Normal(prior.mean, prior.deviation), 1)
    return distributions.MixtureSameFamily(
        distributions.Categorical(prior.weights),
        distributions.MultivariateNormal(prior.means, scale_tril=prior.cholesky),
    )


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


DENSITIES: Any = ("standard", "gaussian", "mixture")
KINDS: Any = (*DENSITIES, "flow")


@pytest.mark.parametrize("kind", DENSITIES)
def test_the_log_density_is_that_of_torch(kind: Any) -> None:
    prior = fitted()
    codes = torch.randn(50, *SHAPE, generator=seeded()) * 3
    expected_nats = expected(prior, kind).log_prob(codes.flatten(1))
    torch.testing.assert_close(prior.log_prob(codes, kind), expected_nats, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", DENSITIES)
def test_samples_have_the_moments_of_the_density(kind: Any) -> None:
    prior, count = fitted(), 40_000
    codes = prior.sample(count, kind, seeded())
    assert codes.shape == (count, *SHAPE)
    flat, truth = codes.flatten(1).double(), expected(prior, kind)
    error = (flat.mean(0) - truth.mean) / truth.stddev * math.sqrt(count)
    assert error.abs().max() < 4.5  # standard errors
    torch.testing.assert_close(flat.std(0), truth.stddev.double(), rtol=0.02, atol=0)
    # Cross entropy with itself: wrong covariances or shares would cost nats.
    other = truth.log_prob(truth.sample((count,)))
    apart = truth.log_prob(flat.float()).mean() - other.mean()
    assert apart.abs() < 4.5 * other.std() * math.sqrt(2 / count)


def test_samples_of_a_component_have_its_covariance() -> None:
    prior = fitted(1)
    flat = prior.sample(100_000, "mixture", seeded()).flatten(1).double()
    covariance = (prior.cholesky[0] @ prior.cholesky[0].T).double()
    torch.testing.assert_close(flat.T.cov(), covariance, rtol=0.03, atol=0.03)


def test_a_new_prior_is_standard_normal_for_every_kind() -> None:
    prior = LatentPrior(SHAPE, 5, 2)
    codes = torch.randn(20, *SHAPE, generator=seeded())
    standard = prior.log_prob(codes, "standard")
    torch.testing.assert_close(prior.log_prob(codes, "gaussian"), standard)
    torch.testing.assert_close(prior.log_prob(codes, "mixture"), standard)
    for kind in KINDS:
        assert torch.equal(prior.sample(9, kind, seeded()), prior.sample(9, "standard", seeded()))


def test_the_kinds_are_the_fitted_ones() -> None:
    assert fitted(2).kinds == ("standard", "gaussian", "mixture", "flow")
    assert fitted(2, 0).kinds == ("standard", "gaussian", "mixture")
    assert fitted(0, 2).kinds == ("standard", "gaussian", "flow")
    assert fitted(0, 0).kinds == ("standard", "gaussian")


def test_a_flow_follows_its_velocity_from_noise_to_codes() -> None:
    """Of v(x, t) = a x + b t the path is known: Euler steps would be 0.1 off."""

    class Linear(Flow):
        def forward(self, codes: Tensor, times: Tensor) -> Tensor:
            return 0.5 * codes + 2 * times[:, None]

    noise = torch.randn(20, LATENTS, generator=seeded())
    # x' = a x + b t has the solution (x0 + b / a^2) exp(a t) - b t / a - b / a^2.
    exact = (noise + 8) * math.exp(0.5) - 4 - 8
    torch.testing.assert_close(Linear(LATENTS).carry(noise), exact, rtol=0, atol=3e-3)


def test_a_flow_starts_from_noise_at_its_temperature() -> None:
    prior = fitted()
    still = prior.sample(3, "flow", seeded(), temperature=0)
    torch.testing.assert_close(still, still[:1].expand(3, *SHAPE))
    noise = prior.sample(30, "standard", seeded(), 0.7).flatten(1)
    codes = prior.mean + prior.deviation * prior.flow.carry(noise)
    made = prior.sample(30, "flow", seeded(), 0.7).flatten(1)
    torch.testing.assert_close(made, codes)
    assert (made - prior.sample(30, "flow", seeded()).flatten(1)).abs().max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_a_generator_repeats_the_codes(kind: Any) -> None:
    prior = fitted()
    one, same, other = (prior.sample(20, kind, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(prior.sample(20, kind), prior.sample(20, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_of_generators_has_one_for_each_code(kind: Any) -> None:
    codes = fitted().sample(3, kind, [seeded(seed) for seed in range(3)])
    for seed in range(3):
        torch.testing.assert_close(codes[seed : seed + 1], fitted().sample(1, kind, seeded(seed)))
    with pytest.raises(ValueError, match="one for each of the 2 codes, got 3"):
        fitted().sample(2, kind, [seeded(seed) for seed in range(3)])


@pytest.mark.parametrize("kind", KINDS)
def test_a_generator_leaves_the_other_randomness_alone(kind: Any) -> None:
    prior, before = fitted(), torch.random.get_rng_state()
    prior.sample(5, kind, seeded())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_temperature_scales_the_deviations() -> None:
    prior = fitted()
    for kind, mean in (("standard", torch.zeros(LATENTS)), ("gaussian", prior.mean)):
        one, half = (
            prior.sample(30, kind, seeded(), temperature).flatten(1)  # type: ignore[arg-type]
            for temperature in (1, 0.5)
        )
        torch.testing.assert_close(half - mean, (one - mean) / 2, rtol=1e-4, atol=1e-5)
        still = prior.sample(3, kind, seeded(), temperature=0).flatten(1)  # type: ignore[arg-type]
        assert torch.equal(still, mean.repeat(3, 1))


def test_a_temperature_scales_within_the_components() -> None:
    prior = fitted()
    still = prior.sample(200, "mixture", seeded(), temperature=0).flatten(1)
    is_mean = (still[:, None] == prior.means).all(2)  # (codes, components)
    assert is_mean.sum(1).tolist() == [1] * 200
    assert is_mean.any(0).all()
    one, double = (
        prior.sample(200, "mixture", seeded(), temperature).flatten(1) for temperature in (1, 2)
    )
    torch.testing.assert_close(double - still, 2 * (one - still), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_components", [0, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_saved_prior_is_loaded_bit_identically(
    tmp_path: Path, num_components: int, dtype: torch.dtype
) -> None:
    prior = fitted(num_components, num_components // 2).to(dtype)
    prior.save_pretrained(tmp_path)
    assert set(load_file(tmp_path / WEIGHTS)) == set(prior.state_dict())
    again = LatentPrior.from_pretrained(tmp_path, dtype=dtype)
    assert isinstance(again, LatentPrior)
    assert again.kinds == prior.kinds
    assert again.dtype == dtype
    assert again.state_dict().keys() == prior.state_dict().keys()
    for name, numbers in again.state_dict().items():
        assert numbers.dtype == dtype
        assert torch.equal(numbers, prior.state_dict()[name]), name
    for kind in prior.kinds:
        codes = again.sample(6, kind, seeded())
        assert codes.dtype == dtype
        assert torch.equal(codes, prior.sample(6, kind, seeded()))


def test_half_precision_moves_the_codes_by_its_rounding_only(tmp_path: Path) -> None:
    prior = fitted()
    prior.save_pretrained(tmp_path)
    half = LatentPrior.from_pretrained(tmp_path, dtype=torch.float16)
    assert isinstance(half, LatentPrior)
    for name, numbers in half.state_dict().items():
        assert torch.equal(numbers, prior.state_dict()[name].half()), name
    for kind in KINDS:
        codes, exact = half.sample(500, kind, seeded()), prior.sample(500, kind, seeded())
        torch.testing.assert_close(codes.float(), exact, rtol=0, atol=0.02)
    for kind in DENSITIES:
        nats = half.log_prob(exact, kind)
        torch.testing.assert_close(nats, prior.log_prob(exact, kind), rtol=0, atol=0.1)


def test_what_cannot_be_done_is_a_clear_error() -> None:
    prior, unmixed = fitted(), fitted(0, 0)
    codes = torch.zeros(1, *SHAPE)
    refused: list[tuple[str, Callable[[], object]]] = [
        ("count must be at least 1, got 0", lambda: prior.sample(0)),
        ("at least 0, got -0.5: try 1", lambda: prior.sample(1, temperature=-0.5)),
        ("at least 0, got nan: try 1", lambda: prior.sample(1, temperature=math.nan)),
        ("finite number of at least 0, got inf", lambda: prior.sample(1, temperature=math.inf)),
        ("standard.*gaussian.*mixture.*got 'normal'", lambda: prior.sample(1, "normal")),  # type: ignore[arg-type]
        (r"\('standard', 'gaussian'\), got 'mixture'", lambda: unmixed.sample(1, "mixture")),
        ("has no density in closed form", lambda: prior.log_prob(codes, "flow")),
        (
            "num_components=10 for a mixture, num_flow_layers=4",
            lambda: unmixed.log_prob(codes, "mixture"),
        ),
        (
            r"\(batch, 3, 1, 2\), got \(1, 6, 1, 1\)",
            lambda: prior.log_prob(torch.zeros(1, 6, 1, 1)),
        ),
    ]
    for message, call in refused:
        with pytest.raises(ValueError, match=message):
            call()


def any_kl() -> AnyKLPrior:
    """At the KL weights 0.1, 1 and 10, with a mixture of two."""
    prior = AnyKLPrior((3, 1, 1), 2, 3, 0.1, 10.0)
    generator = torch.Generator().manual_seed(2)
    for buffer in prior.buffers():
        buffer += torch.rand(buffer.shape, generator=generator)
    prior.cholesky.tril_()
    return prior


def test_a_prior_of_several_kl_weights_is_each_at_its_own_and_a_mean_in_between() -> None:
    prior = any_kl()
    assert prior.kl_weights == pytest.approx([0.1, 1.0, 10.0])
    for row, weight in enumerate(prior.kl_weights):
        for name, buffer in prior.at(weight).named_buffers():
            torch.testing.assert_close(buffer, getattr(prior, name)[row])
    between = prior.at(10**0.25)
    for name, buffer in between.named_buffers():
        _, lower, upper = getattr(prior, name)
        torch.testing.assert_close(buffer, 0.75 * lower + 0.25 * upper)
    for kind in prior.kinds:
        drawn = prior.sample(5, kind, torch.Generator().manual_seed(0), 0.5, kl_weight=10**0.25)
        alone = between.sample(5, kind, torch.Generator().manual_seed(0), 0.5)
        torch.testing.assert_close(drawn, alone)
        density = prior.log_prob(drawn, kind, kl_weight=10**0.25)
        torch.testing.assert_close(density, between.log_prob(drawn, kind))


def test_a_new_prior_of_several_kl_weights_is_standard_normal_at_each() -> None:
    prior = AnyKLPrior((3, 1, 1), 2)
    assert prior.kl_weights == pytest.approx([0.01, 0.1, 1.0, 10.0, 100.0])
    for weight in (0.01, 0.5, 100.0):
        for name, buffer in prior.at(weight).named_buffers():
            torch.testing.assert_close(buffer, getattr(LatentPrior((3, 1, 1), 2), name))


def test_kl_weights_that_a_prior_does_not_have_raise() -> None:
    for weight in (0.09, 10.1, float("nan")):
        with pytest.raises(ValueError, match=rf"kl_weight must be from 0\.1 to 10, .*got {weight}"):
            any_kl().sample(1, kl_weight=weight)
    for arguments in ((1, 0.1, 10.0), (5, 2.0, 10.0), (5, 1.0, 1.0)):
        with pytest.raises(ValueError, match=r"two or more and have 1, the default, .*: try 5"):
            AnyKLPrior((3, 1, 1), 0, *arguments)

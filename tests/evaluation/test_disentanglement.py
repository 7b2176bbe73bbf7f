"""Latents made for the purpose: one a factor, the same rotated, and noise."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from hf_gen.evaluation.disentanglement import _concentration, evaluate_disentanglement
from hf_gen.faces import CONTINUOUS, FACTORS

COUNT = 400


@pytest.fixture(scope="module")
def factors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    drawn = {
        name: torch.randint(len(values), (COUNT,), generator=generator)
        for name, values in FACTORS.items()
    }
    for name, (low, high) in CONTINUOUS.items():
        drawn[name] = low + (high - low) * torch.rand(COUNT, generator=generator)
    return drawn


def one_latent_a_factor(factors: dict[str, Tensor]) -> Tensor:
    columns = torch.stack([truth.double() for truth in factors.values()], 1)
    return (columns - columns.mean(0)) / columns.std(0)


def noise(latents: int) -> Tensor:
    return torch.randn(COUNT, latents, generator=torch.Generator().manual_seed(1)).double()


def rotation(latents: int) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.linalg.qr(torch.randn(latents, latents, generator=generator).double())[0]


@pytest.mark.parametrize("kind", ["one a factor", "rotated"])
def test_latents_are_disentangled_where_each_holds_one_factor(
    factors: dict[str, Tensor], kind: str
) -> None:
    codes = one_latent_a_factor(factors)
    if kind == "rotated":
        scores = evaluate_disentanglement(codes @ rotation(codes.shape[1]), factors)
        assert max(scores["dci_disentanglement"], scores["dci_completeness"]) < 0.2
        assert scores["mig"] < 0.1
        return
    # Latents without information do not matter.
    scores = evaluate_disentanglement(torch.cat((codes, 0.3 * noise(20)), 1), factors)
    names = ("disentanglement", "completeness", "informativeness")
    assert min(scores[f"dci_{name}"] for name in names) > 0.95
    assert scores["mig"] > 0.85


def test_noise_has_chance_level(factors: dict[str, Tensor]) -> None:
    scores = evaluate_disentanglement(noise(20), factors)
    for name, values in FACTORS.items():
        assert scores[f"factors/{name}"] == pytest.approx(1 / len(values), abs=0.1)
        assert scores[f"factors/{name}_chance"] == pytest.approx(1 / len(values), abs=0.1)
    for name in CONTINUOUS:
        assert scores[f"factors/{name}"] == pytest.approx(0, abs=0.2)
        assert scores[f"factors/{name}_chance"] == 0
    for name in ("dci_disentanglement", "dci_completeness", "mig"):
        assert 0 <= scores[name] < 0.05


def test_probes_find_factors_in_any_direction(factors: dict[str, Tensor]) -> None:
    some = {name: factors[name] for name in ("hair_colour", "brows", "face_width")}
    parts = [one_hot(truth) if name in FACTORS else truth[:, None] for name, truth in some.items()]
    codes = torch.cat([part.double() for part in parts], 1)
    scores = evaluate_disentanglement(codes @ rotation(codes.shape[1]), some)
    for name in some:
        assert scores[f"factors/{name}"] > 0.95, name


def test_chance_is_the_most_frequent_value_of_the_training_half() -> None:
    truth = torch.zeros(COUNT, dtype=torch.int64)
    truth[:100] = 1
    scores = evaluate_disentanglement(noise(3), {"glasses": truth})
    assert scores["factors/glasses_chance"] == pytest.approx(0.75, abs=0.06)
    assert scores["factors/glasses"] == pytest.approx(0.75, abs=0.06)


def test_dci_is_the_entropy_of_the_importances() -> None:
    eye = torch.eye(4).double()
    assert _concentration(eye) == pytest.approx(1)
    assert _concentration(torch.ones(4, 4).double()) == pytest.approx(0)
    # Latents that matter twice as much count twice; one that does not matter, not at all.
    rows = torch.tensor([[2.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 0]]).double()
    assert _concentration(rows) == pytest.approx((2 * 1 + 1 * 0.5) / 3)


def test_factors_that_share_a_latent_or_have_two_are_told_apart(factors: dict[str, Tensor]) -> None:
    some = {name: factors[name] for name in ("brows", "glasses")}
    both = 3 * some["brows"] + some["glasses"]
    shared = evaluate_disentanglement(torch.cat((both[:, None], 0.1 * noise(3)), 1), some)
    assert shared["dci_completeness"] > 0.9
    assert shared["dci_disentanglement"] < 0.1
    twice = torch.stack([truth.double() for truth in some.values() for _ in range(2)], 1)
    spread = evaluate_disentanglement(twice, some)
    assert spread["dci_disentanglement"] > 0.9
    # Half of each factor in either of two of the four latents: half of the largest entropy.
    assert spread["dci_completeness"] == pytest.approx(0.5, abs=0.1)
    assert spread["mig"] == pytest.approx(0, abs=1e-9)


def test_mig_of_a_latent_and_its_noisy_copy_is_their_difference_in_information() -> None:
    truth = torch.arange(COUNT) % 4
    flipped = torch.rand(COUNT, generator=torch.Generator().manual_seed(0)) < 0.3
    copy = torch.where(flipped, (truth + 1) % 4, truth)
    codes = torch.stack((truth, copy), 1).double()
    joint = np.histogram2d(truth.numpy(), copy.numpy(), bins=4)[0] / COUNT
    product = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    kept = joint > 0
    information = (joint[kept] * np.log(joint[kept] / product[kept])).sum()
    expected = (np.log(4) - information) / np.log(4)
    assert evaluate_disentanglement(codes, {"brows": truth})["mig"] == pytest.approx(expected)


@pytest.mark.parametrize("latents", [1, 3])
def test_codes_that_do_not_vary_and_one_latent_have_finite_numbers(
    latents: int, factors: dict[str, Tensor]
) -> None:
    for codes in (torch.zeros(COUNT, latents), noise(latents)):
        scores = evaluate_disentanglement(codes, factors)
        assert all(np.isfinite(value) for value in scores.values())
    scores = evaluate_disentanglement(torch.zeros(COUNT, latents), factors)
    assert scores["mig"] == scores["dci_disentanglement"] == scores["factors/head_tilt"] == 0


def test_the_same_seed_gives_the_same_scores(factors: dict[str, Tensor]) -> None:
    codes = one_latent_a_factor(factors)[:80]
    some = {name: factors[name][:80] for name in ("hair_colour", "face_width")}
    first = evaluate_disentanglement(codes, some, seed=1)
    assert evaluate_disentanglement(codes, some, seed=1) == first
    assert evaluate_disentanglement(codes, some, seed=2) != first


def test_of_many_latents_there_are_probes_only(factors: dict[str, Tensor]) -> None:
    scores = evaluate_disentanglement(noise(257), factors)
    names = {f"factors/{name}{end}" for name in factors for end in ("", "_chance")}
    assert scores.keys() == names

"""One network for every KL weight: its gates, its gradients, and the `ConvVAE` of each weight."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hf_gen.models.any_kl_vae import AnyKLVAE, CodeGate, Gate
from hf_gen.models.fixed_kl import at_kl_weight
from hf_gen.models.vae import ConvVAE


def small(**config: Any) -> AnyKLVAE:
    """A network whose gates differ between channels, some of them closed from some weight on."""
    torch.manual_seed(0)
    network = AnyKLVAE(16, filters=(6, 4), latent_channels=5, **config).eval()
    for layer in network.modules():
        if isinstance(layer, Gate):
            layer.slope.data.normal_(std=0.5)
            layer.offset.data.normal_(-0.5, 0.5)
    return network


def images(count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, 16, 16, generator=generator) * 2 - 1


def test_a_gate_scales_channels_by_the_formulas_of_the_paper() -> None:
    maps, weights = torch.randn(4, 3, 2, 2), torch.tensor([0.01, 1.0, 7.0, 100.0])
    slopes, offsets = (0.2, -0.7, 1.0), (-3.0, 0.5, -1.0)
    formulas: dict[bool, Callable[[float], float]] = {
        False: lambda x: 1 / (1 + math.exp(-x)),
        True: lambda x: max(math.sqrt(max(1 - math.exp(x), 0.0)), 0.01),
    }
    for in_decoder, formula in formulas.items():
        gate = Gate(3, in_decoder=in_decoder)
        gate.slope.data.copy_(torch.tensor(slopes).view(3, 1, 1) / 16)
        gate.offset.data.copy_(torch.tensor(offsets).view(3, 1, 1))
        made = gate(maps, weights.log().view(4, 1, 1, 1))
        for row, weight in enumerate(weights.tolist()):
            for channel, (slope, offset) in enumerate(zip(slopes, offsets, strict=True)):
                scale = formula(slope * math.log(weight) + offset)
                torch.testing.assert_close(made[row, channel], maps[row, channel] * scale)


def test_the_variance_of_a_code_is_that_of_the_best_linear_autoencoder() -> None:
    told, weights = torch.tensor([0.0, 3.0, 40.0]), torch.tensor([0.01, 1.0, 100.0])
    gate = CodeGate(3)
    gate.shift.data.copy_((told.log() / 16).clamp_min(-10).view(3, 1, 1))
    means, logvar = gate(torch.zeros(3, 6, 1, 1), weights.log().view(3, 1, 1, 1)).chunk(2, dim=1)
    assert torch.equal(means, torch.zeros(3, 3, 1, 1))
    expected = 1 / (1 + told / weights.view(3, 1))
    torch.testing.assert_close(logvar.exp().view(3, 3), expected)


def test_a_new_network_has_open_gates_and_less_in_its_codes_at_higher_weights() -> None:
    torch.manual_seed(0)
    network = AnyKLVAE(16, filters=(6, 4), latent_channels=5).eval()
    gates = [layer for layer in network.modules() if isinstance(layer, Gate)]
    assert [gate.in_decoder for gate in gates] == [False] * 3 + [True] * 3
    assert [len(gate.slope) for gate in gates] == [6, 4, 10, 5, 4, 6]
    at_one = [gate.scale(torch.zeros(1, 1, 1, 1)).unique().item() for gate in gates]
    assert at_one == pytest.approx([0.881, 0.881, 0.5, 0.930, 0.930, 0.930], abs=1e-3)
    rates = [
        network.encode(images(), kl_weight=weight).latent_dist.kl().mean().item()
        for weight in (0.01, 1.0, 100.0)
    ]
    assert rates == sorted(rates, reverse=True)
    codes = torch.randn(2, 5, 1, 1)
    low, high = (network.decode(codes, kl_weight=weight).sample for weight in (0.01, 100.0))
    assert torch.equal(low, high)


@pytest.mark.parametrize("kl_weight", [0.01, 0.3, 1.0, 40, 100.0])
@pytest.mark.parametrize("filters", [(6, 4), (4, 6, 5)])
def test_at_one_weight_it_is_a_conv_vae(filters: tuple[int, ...], kl_weight: float) -> None:
    sides = (3,) * len(filters), (2,) * len(filters)
    torch.manual_seed(0)
    network = AnyKLVAE(16, filters, *sides, 5, likelihood="laplace", likelihood_scale=0.3).eval()
    for name, weight in network.named_parameters():
        if name.endswith(("slope", "offset")):
            weight.data.normal_(std=0.5)
    fixed = at_kl_weight(network, kl_weight)
    assert type(fixed) is ConvVAE
    assert (fixed.config.likelihood, fixed.config.likelihood_scale) == ("laplace", 0.3)
    expected = network.encode(images(), kl_weight=kl_weight).latent_dist
    posterior = fixed.encode(images()).latent_dist
    torch.testing.assert_close(posterior.mean, expected.mean)
    torch.testing.assert_close(posterior.logvar, expected.logvar)
    logits = network.decode(expected.mean, kl_weight=kl_weight).logits
    torch.testing.assert_close(fixed.decode(expected.mean).logits, logits)


def test_weights_of_a_batch_are_those_of_its_images_one_by_one() -> None:
    network, weights = small(), torch.tensor([0.02, 1.0, 90.0])
    together = network(images(), kl_weight=weights).logits
    for row, weight in enumerate(weights.tolist()):
        alone = network(images()[row : row + 1], kl_weight=weight).logits
        torch.testing.assert_close(together[row : row + 1], alone)
    assert torch.equal(network(images()).logits, network(images(), kl_weight=1.0).logits)
    differing = network(images(1), kl_weight=0.01).sample - network(images(1), kl_weight=9).sample
    assert differing.abs().max() > 1e-3


def test_gradients_are_those_of_differences_and_finite_where_gates_close() -> None:
    network = small().double()
    weights = torch.tensor([0.01, 2.0, 100.0], dtype=torch.float64)

    def value() -> Tensor:
        posterior = network.encode(images().double(), kl_weight=weights).latent_dist
        logits = network.decode(posterior.mean, kl_weight=weights).logits
        return logits.square().sum() + posterior.logvar.exp().sum()

    value().backward()
    closed = 0
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if not name.endswith(("slope", "offset")):
            continue
        change = torch.zeros_like(parameter)
        change[1] = 1e-6
        with torch.no_grad():
            parameter += change
            above = value()
            parameter -= 2 * change
            below = value()
            parameter += change
        expected = (above - below) / 2e-6
        torch.testing.assert_close(parameter.grad[1].sum(), expected, rtol=1e-4, atol=1e-5)
    for layer in network.modules():
        if isinstance(layer, Gate) and layer.in_decoder:
            closed += int((layer.scale(weights.log().view(-1, 1, 1, 1)) == 0.01).sum())
    assert closed  # or else this proves nothing of closed gates


def test_a_weight_out_of_the_trained_range_is_refused_with_the_range() -> None:
    network = small(min_kl_weight=0.1, max_kl_weight=10.0)
    codes = torch.zeros(2, 5, 1, 1)
    cases: list[tuple[Any, str]] = [
        (0.01, "kl_weight must be from 0.1 to 10, .* trained with, got 0.01: try 1"),
        (10.1, "got 10.1"),
        (0, "got 0"),
        (math.nan, "got nan"),
        ("1", "got '1'"),
        (torch.ones(3), r"a tensor of KL weights must be \(2,\), one for each image, got \(3,\)"),
        (torch.ones(()), r"must be \(2,\), .* got \(\)"),
    ]
    for weight, error in cases:
        for call in (network, network.encode):
            with pytest.raises(ValueError, match=error):
                call(images(2), kl_weight=weight)
        with pytest.raises(ValueError, match=error):
            network.decode(codes, kl_weight=weight)
    with pytest.raises(ValueError, match=r"kl_weight must be from 0\.1 to 10"):
        at_kl_weight(network, 20)


def test_weights_that_make_no_range_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"must have 1, the default weight, .*got 2 and 1: try 0\.01"
    ):
        AnyKLVAE(min_kl_weight=2, max_kl_weight=1)
    with pytest.raises(ValueError, match="min_kl_weight must be a positive number, got 0"):
        AnyKLVAE(min_kl_weight=0.0)


def test_a_saved_network_is_the_same_at_every_weight(tmp_path: Path) -> None:
    network = small()
    network.save_pretrained(tmp_path)
    loaded = AnyKLVAE.from_pretrained(tmp_path)
    assert isinstance(loaded, AnyKLVAE)
    for weight in (0.01, 1.0, 100.0):
        expected = network(images(), kl_weight=weight).sample
        assert torch.equal(loaded(images(), kl_weight=weight).sample, expected)
    exact = network(images(), kl_weight=3.0).sample
    rough = network.to(torch.bfloat16)(images().bfloat16(), kl_weight=3.0).sample
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, atol=0.05, rtol=0)

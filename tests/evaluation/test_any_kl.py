"""The prior of an any-KL network at five weights, and what is measured along them."""

import pytest
import torch

from hf_gen.config import Objective
from hf_gen.evaluation.any_kl import evaluate_kl_weights, fit_any_kl_prior, fixed_pipeline
from hf_gen.evaluation.autoencoder import evaluate_autoencoder
from hf_gen.evaluation.prior import fit_prior, training_codes
from hf_gen.models.any_kl_vae import AnyKLVAE
from hf_gen.pipelines import VAEPipeline
from tests.evaluation.small import noise_pixels

SIZE = 16


def pipeline() -> VAEPipeline:
    torch.manual_seed(0)
    vae = AnyKLVAE(SIZE, filters=(6, 4), latent_channels=3).eval()
    for name, weight in vae.named_parameters():
        if name.endswith("slope"):
            weight.data.normal_(-0.2, 0.3)
    return VAEPipeline(vae, resolution=SIZE)


def test_the_prior_of_each_weight_is_fitted_to_the_codes_of_that_weight() -> None:
    several, pixels = pipeline(), noise_pixels(400, SIZE)
    prior = fit_any_kl_prior(several, pixels, 300, seed=3, num_components=2)
    assert prior.kinds == ("standard", "gaussian", "mixture")
    for weight in prior.kl_weights:
        codes = training_codes(fixed_pipeline(several, weight), pixels, 300, seed=3)
        own, found = fit_prior(codes, 2, seed=3), prior.at(weight)
        torch.testing.assert_close(found.mean, own.mean, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found.deviation, own.deviation, atol=1e-5, rtol=1e-4)
        # As a mixture has it: its mean is that of all codes.
        mean = (found.weights[:, None] * found.means).sum(0)
        torch.testing.assert_close(mean, found.mean, atol=1e-5, rtol=1e-4)
        assert found.log_prob(codes, "mixture").mean() >= found.log_prob(codes).mean() - 0.01
    codes = training_codes(fixed_pipeline(several, 1.0), pixels, 300, seed=3)
    mixture = fit_prior(codes, 2, seed=3)
    assert prior.at(1.0).log_prob(codes, "mixture").mean() == pytest.approx(
        mixture.log_prob(codes, "mixture").mean().item(), abs=0.02
    )


def test_too_few_images_give_a_prior_without_a_mixture() -> None:
    prior = fit_any_kl_prior(pipeline(), noise_pixels(20, SIZE), 20)
    assert prior.kinds == ("standard", "gaussian")


def test_the_numbers_along_the_weights_are_those_of_the_network_of_each_weight() -> None:
    several, pixels, objective = pipeline(), noise_pixels(12, SIZE), Objective()
    prior = fit_any_kl_prior(several, noise_pixels(60, SIZE), 60, num_components=0)
    several = VAEPipeline(several.vae, prior, SIZE)
    results = evaluate_kl_weights(several, objective, pixels, seed=1)
    weights = results.pop("kl_weights")
    assert weights == pytest.approx([10 ** (step / 2) for step in range(-4, 5)])
    assert (weights[0], weights[-1]) == (0.01, 100.0)
    names = ("kl", "reconstruction", "psnr", "active_units", "frechet_distance")
    assert results.keys() == {f"{name}_per_kl_weight" for name in names}
    for row in (0, 4, 8):
        fixed = fixed_pipeline(several, weights[row])
        expected = evaluate_autoencoder(fixed, objective, pixels, None, seed=1)
        expected["frechet_distance"] = expected["samples/frechet_distance"]
        for name in names:
            # The reconstruction term is over fewer samples of each posterior.
            tolerance = 0.02 if name == "reconstruction" else 1e-4
            found = results[f"{name}_per_kl_weight"][row]
            assert found == pytest.approx(expected[name], rel=tolerance), (name, row)
    assert len(set(results["kl_per_kl_weight"])) == 9


def test_few_images_have_no_distance() -> None:
    results = evaluate_kl_weights(pipeline(), Objective(), noise_pixels(7, SIZE))
    assert "frechet_distance_per_kl_weight" not in results
    assert len(results["psnr_per_kl_weight"]) == 9

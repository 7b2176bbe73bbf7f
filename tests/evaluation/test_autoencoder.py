"""All results of an autoencoder, of every kind that the pipeline supports."""

import math

import pytest
import torch

from hf_gen.config import Objective
from hf_gen.data.pixels import Pixels
from hf_gen.evaluation.autoencoder import evaluate_autoencoder
from hf_gen.evaluation.factors import factor_values
from hf_gen.evaluation.likelihood import evaluate_likelihood
from hf_gen.evaluation.prior import fit_prior, training_codes
from hf_gen.evaluation.reconstruction import evaluate_reconstruction
from hf_gen.faces import face_at
from hf_gen.models.vae import ConvVAE, DenseVAE
from hf_gen.pipelines import VAEPipeline
from tests.evaluation import small

SIZE, COUNT = 16, 48
PIXELWISE = {"images", "psnr", "ssim", "mae", "perceptual", "grid"}
DISTANCES = {"kernel_distance", "frechet_distance"}
RECONSTRUCTION = PIXELWISE | {f"reconstructions/{name}" for name in DISTANCES}
LIKELIHOOD = {"reconstruction", "kl", "negative_elbo", "bits_per_dimension"}
LATENTS = {
    *("importance_weighted_nll", "kl_per_dimension", "active_units", "latents"),
    *("mutual_information", "marginal_kl", "total_correlation"),
}
OF_A_SET = {*DISTANCES, "precision", "recall", "density", "coverage", "diversity"}
AGAIN = {f"samples/{name}_lite1" for name in DISTANCES}
DEFAULT = {"default_prior", "default_temperature"}
DISENTANGLEMENT = {"dci_disentanglement", "dci_completeness", "dci_informativeness", "mig"}
LAPLACE = Objective(likelihood="laplace")


def faces(count: int = COUNT) -> Pixels:
    return small.face_pixels("anime", 0, count, SIZE)


def truth(count: int = COUNT) -> dict[str, torch.Tensor]:
    return factor_values([face_at(index) for index in range(count)])


def conv_vae() -> VAEPipeline:
    torch.manual_seed(0)
    return VAEPipeline(ConvVAE(SIZE, filters=(6, 4), latent_channels=3), resolution=SIZE)


def with_prior() -> VAEPipeline:
    plain = conv_vae()
    codes = training_codes(plain, faces(), COUNT, seed=0)
    return VAEPipeline(plain.vae, fit_prior(codes, num_components=2), SIZE, "gaussian", 0.8)


def samples(*priors: str) -> set[str]:
    groups = ("samples", *(f"samples/{prior}" for prior in priors))
    return DEFAULT | AGAIN | {f"{group}/{name}" for group in groups for name in OF_A_SET}


def test_a_vector_latent_with_a_prior_and_factors_has_every_result() -> None:
    results = evaluate_autoencoder(with_prior(), Objective(), faces(), truth())
    factors = {f"factors/{name}{end}" for name in truth() for end in ("", "_chance")}
    assert results.keys() == (
        RECONSTRUCTION
        | LIKELIHOOD
        | LATENTS
        | DISENTANGLEMENT
        | factors
        | samples("standard", "gaussian", "mixture")
    )
    per_dimension = results.pop("kl_per_dimension")
    assert sum(per_dimension) == pytest.approx(results["kl"], rel=1e-5)
    parts = results["mutual_information"] + results["marginal_kl"]
    assert parts == pytest.approx(results["kl"], rel=1e-5)
    assert (results.pop("default_prior"), results["default_temperature"]) == ("gaussian", 0.8)
    assert all(type(value) in (int, float) for value in results.values())
    assert all(math.isfinite(value) for value in results.values())
    assert results["latents"] == len(per_dimension) == 3


def test_results_are_those_of_the_parts_and_deterministic() -> None:
    pipeline, objective = conv_vae(), Objective()
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = evaluate_autoencoder(pipeline, objective, faces(), None, seed=7)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert evaluate_reconstruction(pipeline, faces()).items() <= first.items()
    assert evaluate_likelihood(pipeline, objective, faces(), seed=7).items() <= first.items()
    assert first.keys() == RECONSTRUCTION | LIKELIHOOD | LATENTS | samples("standard")
    torch.manual_seed(2)
    assert evaluate_autoencoder(pipeline, objective, faces(), None, seed=7) == first
    other = evaluate_autoencoder(pipeline, objective, faces(), None, seed=8)
    assert other["samples/standard/kernel_distance"] != first["samples/standard/kernel_distance"]


def test_samples_of_the_default_prior_are_at_its_temperature() -> None:
    def of(prior: str, temperature: float) -> float:
        pipeline = VAEPipeline(plain.vae, plain.prior, SIZE, prior, temperature)
        results = evaluate_autoencoder(pipeline, Objective(), faces(8), None)
        named.append({key: value for key, value in results.items() if key.count("/") == 2})
        value = results["samples/diversity"]
        assert isinstance(value, float)
        return value

    plain = with_prior()
    named: list[dict[str, object]] = []
    assert of("gaussian", 0.0) == pytest.approx(0, abs=1e-3)
    assert of("gaussian", 1.0) == named[1]["samples/gaussian/diversity"]
    # Those of each prior do not depend on which is the default.
    assert named[0] == named[1]


def test_diffusers_autoencoders_have_the_results_that_their_latents_allow() -> None:
    networks = small.autoencoder_kl(SIZE), small.autoencoder_tiny()
    latent_map, no_posterior = (
        evaluate_autoencoder(VAEPipeline(vae, resolution=SIZE), LAPLACE, faces(8), None)
        for vae in networks
    )
    assert latent_map.keys() == RECONSTRUCTION | LIKELIHOOD | LATENTS | samples("standard")
    assert latent_map["latents"] == len(latent_map["kl_per_dimension"]) == 2 * (SIZE // 2) ** 2
    assert no_posterior.keys() == RECONSTRUCTION | {"reconstruction"} | samples("standard")


def test_of_few_images_there_are_fewer_results() -> None:
    seven = evaluate_autoencoder(conv_vae(), Objective(), faces(7), truth(7))
    assert seven.keys() == PIXELWISE | LIKELIHOOD | LATENTS | DEFAULT
    one = evaluate_autoencoder(conv_vae(), Objective(), faces(1), None)
    assert one.keys() == PIXELWISE | LIKELIHOOD | {"importance_weighted_nll"} | DEFAULT


def test_factors_are_predicted_from_what_the_decoder_sees_not_from_traces_in_the_means() -> None:
    count = 200
    vae = DenseVAE(SIZE, hidden=(4,), latent_channels=2)
    for parameter in vae.parameters():
        parameter.data.zero_()
    # The first hidden unit is the mean brightness, and its trace in the mean a collapsed code's.
    first, last = (vae.encoder[index] for index in (1, -2))
    first[0].weight.data[0] = 1
    first[0].bias.data[0] = 1_000
    last.weight.data[0, 0] = 1e-5
    glasses = torch.arange(count) % 2
    rows = torch.where(glasses == 1, 255, 0).to(torch.uint8)
    pixels = Pixels(rows[:, None].expand(-1, 3 * SIZE**2).clone(), torch.arange(count), SIZE)
    pipeline = VAEPipeline(vae, resolution=SIZE)
    means = pipeline.encode(pixels.images(torch.arange(count)))[:, 0, 0, 0]
    assert (means[1::2] > means[::2]).all()
    results = evaluate_autoencoder(pipeline, Objective(), pixels, {"glasses": glasses})
    assert results["active_units"] == 0
    assert results["factors/glasses"] < 0.65


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gives_nearly_the_same_results() -> None:
    pipeline = with_prior()
    on_cpu = evaluate_autoencoder(pipeline, Objective(), faces(), truth())
    on_gpu = evaluate_autoencoder(pipeline.to("cuda"), Objective(), faces(), truth())
    assert on_gpu.keys() == on_cpu.keys()
    for name in ("psnr", "negative_elbo", "importance_weighted_nll", "mutual_information"):
        assert on_gpu[name] == pytest.approx(on_cpu[name], rel=1e-2), name

"""Small runs of autoencoders and translations."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from matplotlib import rc_context

from hf_gen.config import Objective
from hf_gen.data.pixels import Pixels
from hf_gen.evaluation.prior import fit_prior
from hf_gen.metrics import DIRECTIONS
from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.vae import DenseVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline
from hf_gen.recipes import CONV_VAE, CYCLEGAN_LAMBDA10
from hf_gen.report.run import EvaluatedRun
from hf_gen.report.style import LIGHT

SIZE = 16
SPLITS = ("train", "validation")
LOSSES = {
    **{"generators/adversarial_a_to_b": 2.0, "generators/adversarial_b_to_a": 1.0},
    **{"generators/cycle_a": 1.0, "generators/cycle_b": 2.0},
    **{"discriminators/disc_a": 0.3, "discriminators/disc_b": 0.3},
}
SCORES = ("diversity", "coverage", "kernel_distance", "near_duplicates")


@pytest.fixture(autouse=True)
def _theme() -> Iterator[None]:
    """The settings within which `save` calls what makes a figure."""
    with rc_context(LIGHT):
        yield


def _noise(count: int, seed: int = 0) -> Pixels:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(0, 256, (count, 3 * SIZE**2), generator=generator, dtype=torch.uint8)
    return Pixels(rows, torch.arange(count), SIZE)


def _autoencoder(latents: int, has_prior: bool) -> VAEPipeline:
    torch.manual_seed(0)
    vae = DenseVAE(SIZE, hidden=(8,), latent_channels=latents)
    prior = fit_prior(torch.randn(200, latents, 1, 1), num_components=2) if has_prior else None
    return VAEPipeline(vae, prior, resolution=SIZE)


@pytest.fixture(scope="session")
def vae_run() -> Callable[..., EvaluatedRun]:
    """Makes a run of an autoencoder with a log and results."""

    def make(
        name: str = "run",
        kl_weight: float = 1.0,
        results: dict[str, Any] | None = None,
        has_prior: bool = False,
        images: int = 12,
        latents: int = 6,
    ) -> EvaluatedRun:
        metrics = []
        for step in range(1, 41):
            line = {"step": step, "epoch": step / 10}
            terms = {"reconstruction": 100 + 50 / step, "kl": 10 - 5 / step}
            terms["negative_elbo"] = sum(terms.values())
            for split in SPLITS if step % 10 == 0 else SPLITS[:1]:
                line |= {f"{split}/{term}": value for term, value in terms.items()}
            metrics.append(line)
        recipe = replace(CONV_VAE, objective=Objective(kl_weight=kl_weight))
        pipeline = _autoencoder(latents, has_prior)
        found = {"psnr": 18.0, "kl": 10.0, "reconstruction": 100.0} if results is None else results
        return EvaluatedRun(name, recipe, metrics, found, pipeline, (_noise(images),))

    return make


@pytest.fixture(scope="session")
def translation_run() -> Callable[..., EvaluatedRun]:
    """Makes a run of a translation with a log and results."""

    def make(
        name: str = "run", collapsed: tuple[float, ...] = (0.0, 0.0, 0.0), images: int = 12
    ) -> EvaluatedRun:
        torch.manual_seed(0)
        sizes = {"channels": 4, "num_downsamples": 1, "num_residual_blocks": 1}
        networks = (ResnetGenerator(SIZE, **sizes) for _ in range(2))
        pipeline = TranslationPipeline(*networks, SIZE, domain_a="horse", domain_b="zebra")
        metrics = []
        for place, alarm in enumerate(collapsed):
            scores = dict.fromkeys(SCORES, 0.6 + 0.1 * place)
            line = {f"{split}/{key}": LOSSES[key] for split in SPLITS for key in LOSSES}
            line |= {f"validation/{one}/{key}": scores[key] for one in DIRECTIONS for key in SCORES}
            line |= {
                "validation/a_to_b/mode_collapse": alarm,
                "validation/b_to_a/mode_collapse": 0.0,
            }
            epochs = {"epoch": (place + 1) / 4, "epoch_of_smaller_domain": (place + 1) / 2}
            metrics.append(line | {"step": place + 1} | epochs)
        test = (_noise(images, seed=1), _noise(images, seed=2))
        results = {"a_to_b/kernel_distance": 1.25, "b_to_a/kernel_distance": 2.5}
        return EvaluatedRun(name, CYCLEGAN_LAMBDA10, metrics, results, pipeline, test)

    return make

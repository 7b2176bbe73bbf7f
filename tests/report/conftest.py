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
from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.vae import DenseVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline
from hf_gen.recipes import CONV_VAE, CYCLEGAN_LAMBDA10
from hf_gen.report.run import EvaluatedRun
from hf_gen.report.style import LIGHT

SIZE = 16


@pytest.fixture(autouse=True)
def _theme() -> Iterator[None]:
    """The settings within which `save` calls what makes a figure."""
    with rc_context(LIGHT):
        yield


def _noise(count: int, size: int = SIZE, seed: int = 0) -> Pixels:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(0, 256, (count, size * size * 3), generator=generator, dtype=torch.uint8)
    return Pixels(rows, torch.arange(count), size)


def _autoencoder(latents: int, size: int, has_prior: bool) -> VAEPipeline:
    torch.manual_seed(0)
    vae = DenseVAE(size, hidden=(8,), latent_channels=latents)
    prior = fit_prior(torch.randn(200, latents, 1, 1), num_components=2) if has_prior else None
    return VAEPipeline(vae, prior, resolution=size)


@pytest.fixture(scope="session")
def vae_run() -> Callable[..., EvaluatedRun]:
    """Makes a run of an autoencoder with a log and results."""

    def make(
        name: str = "run",
        kl_weight: float = 1.0,
        results: dict[str, Any] | None = None,
        size: int = SIZE,
        has_prior: bool = False,
        images: int = 12,
        latents: int = 6,
    ) -> EvaluatedRun:
        metrics = []
        for step in range(1, 41):
            line = {"step": step, "epoch": step / 10}
            terms = {"reconstruction": 100 + 50 / step, "kl": 10 - 5 / step}
            terms["negative_elbo"] = sum(terms.values())
            splits = ("train", "validation") if step % 10 == 0 else ("train",)
            for split in splits:
                line |= {f"{split}/{term}": value for term, value in terms.items()}
            metrics.append(line)
        recipe = replace(CONV_VAE, objective=Objective(kl_weight=kl_weight))
        pipeline = _autoencoder(latents, size, has_prior)
        found = {"psnr": 18.0, "kl": 10.0, "reconstruction": 100.0} if results is None else results
        return EvaluatedRun(name, recipe, metrics, found, pipeline, (_noise(images, size),))

    return make


@pytest.fixture(scope="session")
def translation_run() -> Callable[..., EvaluatedRun]:
    """Makes a run of a translation with a log and results."""

    def make(
        name: str = "run", collapsed: tuple[float, ...] = (0.0, 0.0, 0.0), images: int = 12
    ) -> EvaluatedRun:
        torch.manual_seed(0)
        there, back = (
            ResnetGenerator(SIZE, channels=4, num_downsamples=1, num_residual_blocks=1)
            for _ in range(2)
        )
        pipeline = TranslationPipeline(there, back, SIZE, domain_a="horse", domain_b="zebra")
        metrics = []
        for place, alarm in enumerate(collapsed):
            line = {"step": place + 1, "epoch": (place + 1) / 2}
            for split in ("train", "validation"):
                for part in ("adversarial_a_to_b", "adversarial_b_to_a", "cycle_a", "cycle_b"):
                    line[f"{split}/generators/{part}"] = 1.0 if part[-1] == "a" else 2.0
                for turn in ("generators", "discriminators"):
                    line[f"{split}/{turn}/objective"] = 4.0
                for part in ("disc_a", "disc_b"):
                    line[f"{split}/discriminators/{part}"] = 0.3
            for direction in ("a_to_b", "b_to_a"):
                for score in ("diversity", "coverage", "kernel_distance", "near_duplicates"):
                    line[f"validation/{direction}/{score}"] = 0.6 + 0.1 * place
                line[f"validation/{direction}/mode_collapse"] = (
                    alarm if direction == "a_to_b" else 0.0
                )
            metrics.append(line)
        test = (_noise(images, seed=1), _noise(images, seed=2))
        results = {"a_to_b/kernel_distance": 1.25, "b_to_a/kernel_distance": 2.5}
        return EvaluatedRun(name, CYCLEGAN_LAMBDA10, metrics, results, pipeline, test)

    return make

"""Validation images choose what is exported, and test images are what is reported."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hf_gen.config import ConvVAEConfig, Data, Domains, VAERecipe
from hf_gen.data.batches import Domain
from hf_gen.data.pixels import Pixels
from hf_gen.evaluation.prior import choose_prior, fit_prior, training_codes
from hf_gen.evaluation.translation import TranslationEvaluator
from hf_gen.experiments import experiment_of, task_of
from hf_gen.pipelines import VAEPipeline
from hf_gen.recipes import CYCLEGAN_LAMBDA10, RECIPES

SIZE, COUNT = 24, 8


def pixels(seed: int) -> Pixels:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(0, 256, (COUNT, 3 * SIZE**2), generator=generator).to(torch.uint8)
    return Pixels(rows, torch.arange(COUNT), SIZE)


@pytest.mark.parametrize("one_set", [(), (0,), (0, 1)])
def test_a_checkpoint_is_chosen_on_validation_and_measured_on_test(
    tmp_path: Path, one_set: tuple[int, ...]
) -> None:
    model = replace(CYCLEGAN_LAMBDA10.model, generator_channels=4, discriminator_channels=4)
    recipe = replace(
        CYCLEGAN_LAMBDA10,
        data=Data(dataset_name="user/images", resolution=SIZE, cache_dir=tmp_path),
        domains=Domains(domain_a="a", domain_b="b"),
        model=model,
    )
    sets = [[pixels(3 * domain + split) for split in range(3)] for domain in range(2)]
    a, b = (
        Domain(train, test if domain in one_set else validation, test)
        for domain, (train, validation, test) in enumerate(sets)
    )
    experiment = experiment_of(recipe, (a, b))
    task = task_of(recipe, torch.device("cpu"))
    pipeline = task.pipeline(task.networks)
    measured = TranslationEvaluator(a.test, b.test)(pipeline)
    assert measured.items() <= experiment.evaluate(pipeline).items()
    assert experiment.measure is not None
    chosen_on = experiment.measure(pipeline)
    assert chosen_on == TranslationEvaluator(a.validation, b.validation)(pipeline)
    assert (chosen_on == measured) == (one_set == (0, 1))
    assert experiment.best == (None if one_set else "kernel_distance")


@pytest.mark.parametrize("flow_prior_steps", [0, 2])
def test_the_prior_is_fitted_on_train_and_chosen_on_validation(
    tmp_path: Path, flow_prior_steps: int
) -> None:
    conv_vae = RECIPES["conv-vae"][1]
    assert isinstance(conv_vae, VAERecipe)
    assert isinstance(conv_vae.model, ConvVAEConfig)
    recipe = replace(
        conv_vae,
        data=Data(dataset_name="user/images", resolution=SIZE, cache_dir=tmp_path),
        model=replace(conv_vae.model, filters=(6, 4), latent_channels=2),
        flow_prior_steps=flow_prior_steps,
    )
    train, validation, test = (pixels(seed) for seed in range(3))
    task = task_of(recipe, torch.device("cpu"))
    plain = task.pipeline(task.networks)
    codes = training_codes(plain, train, COUNT, seed=0)
    fitted = fit_prior(codes, flow_steps=flow_prior_steps)
    assert ("flow" in fitted.kinds) == (flow_prior_steps > 0)
    for domain, expected in (
        (
            Domain(train, validation, test),
            choose_prior(VAEPipeline(plain.vae, fitted, SIZE), validation),
        ),
        (Domain(train, test, test), (fitted.kinds[-1], 1.0)),
    ):
        learn_more = experiment_of(recipe, (domain,)).learn_more
        assert learn_more is not None
        made = learn_more(plain)
        assert made.resolve_prior() == expected
        for name, weight in fitted.state_dict().items():
            assert torch.equal(made.prior.state_dict()[name], weight)

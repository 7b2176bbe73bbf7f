"""The table of experiments says what the reports say."""

import json

import pytest

from hf_gen.config import ConvVAEConfig, DenseVAEConfig, VAERecipe, recipe_as_json
from hf_gen.recipes import RECIPES

NAMES = (
    "quickstart",
    "conv-vae",
    "conv-vae-maxpool",
    "conv-vae-kl100",
    "conv-vae-kl0",
    "dense-vae-z5",
    "dense-vae-z10",
    "autoencoder-kl",
    "autoencoder-tiny",
)


def recipe(name: str) -> VAERecipe:
    return RECIPES[name][1]


def test_every_experiment_is_there_with_a_line_of_its_own() -> None:
    assert set(NAMES) <= set(RECIPES)
    descriptions = [description for description, _ in RECIPES.values()]
    assert len(set(descriptions)) == len(RECIPES)
    assert all(line and "\n" not in line for line in descriptions)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_plain_json(name: str) -> None:
    values = recipe_as_json(recipe(name))
    assert json.loads(json.dumps(values)) == values
    assert set(values) >= {"data", "model", "objective", "optimisation", "output"}


def test_no_two_experiments_are_the_same() -> None:
    texts = {json.dumps(recipe_as_json(recipe(name))) for name in RECIPES}
    assert len(texts) == len(RECIPES)


def test_the_weights_of_the_kl_term() -> None:
    weights = {name: recipe(name).objective.kl_weight for name in NAMES}
    assert weights.pop("conv-vae-kl100") == 100
    assert weights.pop("conv-vae-kl0") == 0
    assert set(weights.values()) == {1}


def test_the_networks_of_the_reports() -> None:
    strided = ConvVAEConfig(filters=(64, 32), kernel_sizes=(5, 3), strides=(2, 2))
    for name in ("quickstart", "conv-vae", "conv-vae-kl100", "conv-vae-kl0"):
        assert recipe(name).model == strided
    assert strided.latent_channels == 50
    assert strided.downsample == "stride"
    assert recipe("conv-vae-maxpool").model == ConvVAEConfig(downsample="max_pool")
    assert recipe("dense-vae-z5").model == DenseVAEConfig(latent_channels=5)
    assert recipe("dense-vae-z10").model == DenseVAEConfig(latent_channels=10)


def test_bernoulli_belongs_to_networks_that_give_logits() -> None:
    for name in NAMES:
        ours = not name.startswith("autoencoder-")
        assert (recipe(name).objective.likelihood == "bernoulli") == ours


def test_the_first_run_downloads_nothing() -> None:
    assert recipe("quickstart").data.dataset_name == "faces"
    assert recipe("quickstart").pretrained_model_name_or_path is None

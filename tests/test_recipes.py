"""The table of experiments says what the reports say, and what a network is by default."""

import json
from dataclasses import replace

import pytest
import torch

from hf_gen.config import recipe_as_json
from hf_gen.experiments import task_of
from hf_gen.models.any_kl_vae import AnyKLVAE
from hf_gen.models.cyclegan import PatchDiscriminator, ResnetGenerator
from hf_gen.models.patch_generator import PatchGenerator
from hf_gen.models.pretrained import StrictModel
from hf_gen.models.vae import ConvVAE, DenseVAE, PatchVAE
from hf_gen.recipes import CONV_VAE, RECIPES


def test_every_recipe_has_a_line_of_its_own_and_is_plain_json() -> None:
    descriptions = [description for description, _ in RECIPES.values()]
    assert len(set(descriptions)) == len(RECIPES)
    assert all(line and "\n" not in line for line in descriptions)
    values = {name: recipe_as_json(recipe) for name, (_, recipe) in RECIPES.items()}
    assert json.loads(json.dumps(values)) == values
    assert len({json.dumps(recipe) for recipe in values.values()}) == len(RECIPES)


def test_the_recipes_of_the_report_differ_in_what_it_varies() -> None:
    assert CONV_VAE.data.dataset_name == "faces"  # a first run downloads nothing
    expected = {
        "conv-vae": CONV_VAE,
        "conv-vae-kl100": replace(CONV_VAE, objective=replace(CONV_VAE.objective, kl_weight=100)),
        "conv-vae-kl0": replace(CONV_VAE, objective=replace(CONV_VAE.objective, kl_weight=0)),
        "conv-vae-maxpool": replace(CONV_VAE, model=replace(CONV_VAE.model, downsample="max_pool")),
    }
    assert {name: RECIPES[name][1] for name in expected} == expected
    assert RECIPES["quickstart"][1].model == CONV_VAE.model
    five, ten = (RECIPES[f"dense-vae-z{latents}"][1].model for latents in (5, 10))
    assert five == replace(ten, latent_channels=5)


@pytest.mark.parametrize(
    ("kind", "recipe", "place"),
    [
        (ConvVAE, "conv-vae", "vae"),
        (AnyKLVAE, "conv-vae-any-kl", "vae"),
        (DenseVAE, "dense-vae-z10", "vae"),
        (PatchVAE, "face-vae", "vae"),
        (ResnetGenerator, "cyclegan-lambda10", "a_to_b"),
        (PatchGenerator, "cyclegan", "a_to_b"),
        (PatchDiscriminator, "cyclegan", "disc_a"),
    ],
)
def test_a_network_without_arguments_is_that_of_the_recipe_its_docstring_names(
    kind: type[StrictModel], recipe: str, place: str
) -> None:
    of_recipe = task_of(RECIPES[recipe][1], torch.device("cpu")).networks[place]
    default, stated = (
        {name: value for name, value in network.config.items() if name[0] != "_"}
        for network in (kind(), getattr(of_recipe, "vae", of_recipe))
    )
    assert default == stated
    assert f"of the recipe `{recipe}`" in str(kind.__doc__)

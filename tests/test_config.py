"""A value out of its range is refused by a sentence that names its field."""

import math
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest

from hf_gen.config import (
    CycleGANRecipe,
    Data,
    Domains,
    Objective,
    Optimisation,
    Output,
    VAERecipe,
    recipe_as_json,
    recipe_from_json,
)
from hf_gen.errors import UserError
from hf_gen.recipes import RECIPES

OUT_OF_RANGE: list[tuple[type, str, Any]] = [
    *[(Data, "resolution", value) for value in (7, 0, -32)],
    *[(Data, "max_train_samples", value) for value in (0, -1)],
    (Data, "dataset_name", ""),
    *[(Objective, "likelihood_scale", value) for value in (0.0, -1.0, math.inf, math.nan)],
    *[(Objective, "kl_weight", value) for value in (-0.1, math.inf, math.nan)],
    *[(Optimisation, "train_batch_size", value) for value in (0, -8)],
    (Optimisation, "num_train_epochs", 0),
    (Optimisation, "max_train_steps", 0),
    (Optimisation, "gradient_accumulation_steps", 0),
    (Optimisation, "num_threads", 0),
    *[(Optimisation, "learning_rate", value) for value in (0.0, -1e-3, math.inf, math.nan)],
    *[(Optimisation, "adam_epsilon", value) for value in (0.0, math.nan)],
    (Optimisation, "lr_warmup_steps", -1),
    *[(Optimisation, "adam_weight_decay", value) for value in (-0.1, math.nan)],
    *[(Optimisation, "max_grad_norm", value) for value in (-1.0, math.nan)],
    (Optimisation, "seed", -1),
    *[(Optimisation, "adam_beta1", value) for value in (1.0, -0.1, math.nan)],
    *[(Optimisation, "adam_beta2", value) for value in (1.0, -0.1, math.nan)],
    *[(Optimisation, "ema_decay", value) for value in (1.0, -0.1, math.nan)],
    (Output, "logging_steps", 0),
    (Output, "validation_steps", 0),
    (Output, "checkpointing_steps", 0),
    (Output, "checkpoints_total_limit", 0),
]
IN_RANGE: list[tuple[type, str, Any]] = [
    (Data, "resolution", 8),
    (Data, "max_train_samples", 1),
    (Objective, "kl_weight", 0.0),
    (Optimisation, "max_grad_norm", 0.0),
    (Optimisation, "ema_decay", 0.0),
    (Optimisation, "seed", 0),
    (Output, "checkpoints_total_limit", 1),
]


@pytest.mark.parametrize(("group", "field", "value"), OUT_OF_RANGE)
def test_a_value_out_of_range_is_refused_by_name(group: type, field: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"^{field} .*{value}"):
        group(**{field: value})


@pytest.mark.parametrize(("group", "field", "value"), IN_RANGE)
def test_the_ends_of_a_range_belong_to_it(group: type, field: str, value: Any) -> None:
    assert getattr(group(**{field: value}), field) == value


def test_only_one_dataset_can_be_named() -> None:
    with pytest.raises(UserError, match=r"train_data_dir 'here' and dataset_name 'there' both"):
        Data(dataset_name="there", train_data_dir=Path("here"))
    assert Data(train_data_dir=Path("here")).train_data_dir == Path("here")


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        VAERecipe().objective.kl_weight = 2.0  # type: ignore[misc]


def test_a_recipe_becomes_plain_values() -> None:
    recipe = VAERecipe(data=Data(train_data_dir=Path("here"), data_files=("a", "b")))
    values = recipe_as_json(recipe)
    assert values["data"]["train_data_dir"] == "here"
    assert values["data"]["data_files"] == ["a", "b"]
    assert values["model"]["filters"] == [64, 32]
    assert values["objective"] == {
        "likelihood": "bernoulli",
        "likelihood_scale": 0.2,
        "kl_weight": 1.0,
        "perceptual_weight": 0.0,
    }


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_comes_back_from_plain_values(name: str) -> None:
    recipe = RECIPES[name][1]
    changed = replace(recipe, data=replace(recipe.data, resolution=48, cache_dir=Path("here")))
    values = recipe_as_json(changed)
    assert recipe_as_json(recipe_from_json(recipe, values)) == values
    if isinstance(recipe, VAERecipe):
        assert recipe_from_json(recipe, values) == changed


def images(path: str, path_b: str | None = None, **columns: str) -> tuple[Data, Domains]:
    of_b = {name: value for name, value in columns.items() if name != "image_column"}
    second = None if path_b is None else Path(path_b)
    data = Data(train_data_dir=Path(path), image_column=columns.get("image_column"))
    return data, Domains(train_data_dir_b=second, **of_b)


@pytest.mark.parametrize(
    ("data", "domains", "names"),
    [
        (Data(), Domains(), ("anime", "cartoon")),
        (Data(), Domains(dataset_name_b="faces"), ("anime", "cartoon")),
        (Data(image_column="cartoon"), Domains(image_column_b="anime"), ("cartoon", "anime")),
        (Data(), Domains(domain_b="drawing"), ("anime", "drawing")),
        (Data(), Domains(train_data_dir_b=Path("photos/")), ("anime", "photos")),
        (*images("horses", dataset_name_b="faces"), ("horses", "cartoon")),
        (*images("/pictures/horses/", "zebras"), ("horses", "zebras")),
        (*images("horses/train", "zebras/train"), ("horses", "zebras")),
        (Data(dataset_name="user/dogs"), Domains(dataset_name_b="user/cats"), ("dogs", "cats")),
        (Data(dataset_name="one/dogs"), Domains(dataset_name_b="two/dogs"), ("one", "two")),
        (*images("horse2zebra"), ("A", "B")),
        (*images("both", image_column="photo", image_column_b="sketch"), ("photo", "sketch")),
        (*images("both", label_column="kind", label_a="cat", label_b="dog"), ("cat", "dog")),
        (*images("horses", "zebras", domain_a="h", domain_b="z"), ("h", "z")),
    ],
)
def test_domains_are_called_as_their_data_is(
    data: Data, domains: Domains, names: tuple[str, str]
) -> None:
    recipe = CycleGANRecipe(data=data, domains=domains)
    assert recipe.domain_names == names
    values = recipe_as_json(recipe)
    assert (values["domains"]["domain_a"], values["domains"]["domain_b"]) == names


def test_two_domains_of_one_name_are_refused() -> None:
    with pytest.raises(UserError, match="domain_a and domain_b are both 'anime'"):
        recipe_as_json(CycleGANRecipe(domains=Domains(domain_b="anime")))


def test_a_field_that_came_later_has_its_default() -> None:
    values = recipe_as_json(VAERecipe())
    del values["optimisation"]["torch_compile"]
    assert recipe_from_json(VAERecipe(), values | {"of_old": 1}) == VAERecipe()

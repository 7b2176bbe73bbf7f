"""Values out of range raise by the name of their field; recipes become plain values and back."""

import json
import math
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest

from hf_gen.config import (
    AdversarialObjective,
    Data,
    DiscriminatorOptimisation,
    Domains,
    Objective,
    Optimisation,
    Output,
    VAERecipe,
    recipe_as_json,
    recipe_from_json,
    with_absolute_paths,
)
from hf_gen.errors import UserError
from hf_gen.recipes import CONV_VAE, CYCLEGAN_LAMBDA10, RECIPES

OUT_OF_RANGE: dict[type, dict[str, tuple[Any, ...]]] = {
    Data: {
        "resolution": (7, 0, -32),
        "max_train_samples": (0, -1),
        "dataset_name": ("",),
    },
    Objective: {
        "likelihood_scale": (0.0, -1.0, math.inf, math.nan),
        "kl_weight": (-0.1, math.inf, math.nan),
        "perceptual_weight": (-0.1, math.nan),
    },
    AdversarialObjective: {
        "cycle_weight": (-0.1, math.nan),
        "identity_weight": (-0.1, math.nan),
        "pool_size": (-1,),
    },
    Optimisation: {
        "train_batch_size": (0, -8),
        "num_train_epochs": (0,),
        "max_train_steps": (0,),
        "gradient_accumulation_steps": (0,),
        "num_threads": (0,),
        "learning_rate": (0.0, -1e-3, math.inf, math.nan),
        "adam_epsilon": (0.0, math.nan),
        "lr_warmup_steps": (-1,),
        "adam_weight_decay": (-0.1, math.nan),
        "max_grad_norm": (-1.0, math.nan),
        "seed": (-1,),
        "adam_beta1": (1.0, -0.1, math.nan),
        "adam_beta2": (1.0, -0.1, math.nan),
        "ema_decay": (1.0, -0.1, math.nan),
    },
    DiscriminatorOptimisation: {
        "discriminator_learning_rate": (0.0, math.nan),
        "discriminator_adam_beta1": (1.0,),
        "discriminator_adam_beta2": (-0.1,),
    },
    Output: {
        "logging_steps": (0,),
        "validation_steps": (0,),
        "checkpointing_steps": (0,),
        "checkpoints_total_limit": (0,),
    },
}
IN_RANGE: dict[type, dict[str, Any]] = {
    Data: {"resolution": 8, "max_train_samples": 1},
    Objective: {"kl_weight": 0.0},
    Optimisation: {"max_grad_norm": 0.0, "ema_decay": 0.0, "seed": 0, "train_batch_size": 1},
    Output: {"checkpoints_total_limit": 1},
}


@pytest.mark.parametrize("group", OUT_OF_RANGE)
def test_a_value_out_of_range_raises_by_its_name(group: type) -> None:
    for field, values in OUT_OF_RANGE[group].items():
        for value in values:
            with pytest.raises(UserError, match=rf"^{field} .*{value}"):
                group(**{field: value})


@pytest.mark.parametrize("group", IN_RANGE)
def test_the_ends_of_a_range_belong_to_it(group: type) -> None:
    made = group(**IN_RANGE[group])
    assert all(getattr(made, field) == value for field, value in IN_RANGE[group].items())


def test_only_one_dataset_can_be_named() -> None:
    with pytest.raises(UserError, match=r"train_data_dir 'here' and dataset_name 'there' both"):
        Data(dataset_name="there", train_data_dir=Path("here"))
    assert Data(train_data_dir=Path("here")).train_data_dir == Path("here")


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        CONV_VAE.objective.kl_weight = 2.0  # type: ignore[misc]


def test_a_recipe_becomes_plain_values() -> None:
    recipe = replace(CONV_VAE, data=Data(train_data_dir=Path("here"), data_files=("a", "b")))
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
    recipe = replace(CYCLEGAN_LAMBDA10, data=data, domains=domains)
    assert recipe.domain_names == names
    values = recipe_as_json(recipe)
    assert (values["domains"]["domain_a"], values["domains"]["domain_b"]) == names


@pytest.mark.parametrize(
    "domains", [Domains(domain_b="anime"), Domains(domain_a="anime", domain_b="anime")]
)
def test_two_domains_of_one_name_raise(domains: Domains) -> None:
    with pytest.raises(UserError, match="domain_a and domain_b are both 'anime'"):
        recipe_as_json(replace(CYCLEGAN_LAMBDA10, domains=domains))


def test_a_field_that_came_later_has_its_default() -> None:
    values = recipe_as_json(CONV_VAE)
    del values["optimisation"]["torch_compile"]
    assert recipe_from_json(CONV_VAE, values | {"of_old": 1}) == CONV_VAE


def test_one_name_is_a_string_and_several_are_parts() -> None:
    assert Data(dataset_name=("faces",)) == Data()
    both = Data(dataset_name=("faces", "user/faces"), dataset_share=(1, 3), image_column="image")
    assert both.source == "faces and user/faces"
    assert [(part.source, part.image_column) for part in both.parts] == [
        ("faces", None),
        ("user/faces", "image"),
    ]
    assert Domains(dataset_name_b=("one", "two")).sources == ("one", "two")
    with pytest.raises(UserError, match="a positive number for each of the 2 datasets, got 1 0"):
        Data(dataset_name=("one", "two"), dataset_share=(1, 0))
    with pytest.raises(UserError, match="dataset_name is empty"):
        Data(dataset_name=("one", ""))
    with pytest.raises(UserError, match=r"dataset_share_b must have .* each of the 1 datasets"):
        Domains(dataset_name_b="one", dataset_share_b=(1, 2))


def test_folders_among_several_datasets_become_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    recipe = replace(CONV_VAE, data=Data(dataset_name=("mine", "faces", "user/x")))
    absolute = with_absolute_paths(recipe)
    assert absolute.data.dataset_name == (str(tmp_path / "mine"), "faces", "user/x")
    again = recipe_from_json(CONV_VAE, json.loads(json.dumps(recipe_as_json(absolute))))
    assert again == absolute

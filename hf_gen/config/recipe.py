"""A recipe: everything that an experiment is, and the same as plain values for its run.json."""

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

from hf_gen.config.data import Data, Domains, Names, Pairs, domain_names
from hf_gen.config.networks import CycleGANModel, VAEModel
from hf_gen.config.ranges import CountOrZero, check_ranges
from hf_gen.config.training import (
    AdversarialObjective,
    AdversarialTerm,
    DiscriminatorOptimisation,
    Objective,
    Optimisation,
    Output,
)
from hf_gen.errors import UserError


@dataclass(frozen=True, kw_only=True)
class VAERecipe:
    """An experiment with a variational autoencoder."""

    data: Data = field(default_factory=Data)
    model: VAEModel
    objective: Objective = field(default_factory=Objective)
    adversarial: AdversarialTerm = field(default_factory=AdversarialTerm)
    optimisation: Optimisation = field(default_factory=Optimisation)
    discriminator: DiscriminatorOptimisation = field(default_factory=DiscriminatorOptimisation)
    output: Output = field(default_factory=Output)
    flow_prior_steps: CountOrZero = 0
    """Train a flow on the codes for this many steps after the autoencoder, as a prior; 0: none."""
    directions: bool = False
    """Find directions with names, for edits, on synthetic faces after the training: minutes."""
    pretrained_model_name_or_path: str | None = None
    """Fine-tune this autoencoder of hf_gen or diffusers: a Hub id, bundled name, run or folder."""
    subfolder: str | None = None
    """The sub-folder of the pretrained model. Default: of a pipeline, "vae"."""
    freeze_encoder: bool = False
    """Train the decoder of the pretrained model only, so that its latents stay what they are."""

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.freeze_encoder and self.pretrained_model_name_or_path is None:
            raise UserError(
                "freeze_encoder keeps the encoder of a pretrained model, and there is none: name "
                "one with --pretrained-model-name-or-path"
            )


@dataclass(frozen=True, kw_only=True)
class CycleGANRecipe:
    """An experiment with unpaired translation between two domains, which pairs may guide."""

    data: Data
    domains: Domains = field(default_factory=Domains)
    pairs: Pairs = field(default_factory=Pairs)
    model: CycleGANModel
    objective: AdversarialObjective = field(default_factory=AdversarialObjective)
    optimisation: Optimisation
    discriminators: DiscriminatorOptimisation = field(default_factory=DiscriminatorOptimisation)
    output: Output = field(default_factory=Output)
    pretrained_model_name_or_path: str | None = None
    """Fine-tune the generators of this translation: a Hub id, bundled name, run or folder."""

    def __post_init__(self) -> None:
        share, size = self.pairs.paired_share, self.optimisation.train_batch_size
        if self.pairs.paired_dataset_name and not 0 < round(share * size) < size:
            raise UserError(
                f"a batch of {size} with a paired_share of {share} has no pairs, or nothing but "
                "pairs: raise --train-batch-size"
            )

    @property
    def num_pairs(self) -> int:
        """How many images of a batch are pairs."""
        has_pairs = self.pairs.paired_dataset_name is not None
        return round(self.pairs.paired_share * self.optimisation.train_batch_size) * has_pairs

    @property
    def domain_names(self) -> tuple[str, str]:
        """What domain a and domain b are called; raises UserError if both have one name."""
        return domain_names(self.data, self.domains)


Recipe = VAERecipe | CycleGANRecipe
T = TypeVar("T")


def recipe_as_json(recipe: Recipe) -> dict[str, Any]:
    """The recipe as nested plain values, for run.json."""
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(recipe), default=str))
    if isinstance(recipe, CycleGANRecipe):
        names = recipe.domain_names
        values["domains"] |= {"domain_a": names[0], "domain_b": names[1]}
    return values


def with_absolute_paths(recipe: Recipe) -> Recipe:
    """The same recipe for every working directory: local paths absolute, datasets as folders.

    A local dataset is in `train_data_dir`, whichever of the two flags named it.
    """
    data, changes = recipe.data, dict[str, Any]()
    if data.cache_dir is not None:
        data = dataclasses.replace(data, cache_dir=data.cache_dir.resolve())
    folder, name = _absolute(data.train_data_dir, data.dataset_name)
    data = dataclasses.replace(data, dataset_name=name or "faces", train_data_dir=folder)
    if isinstance(recipe, CycleGANRecipe):
        domains = recipe.domains
        folder, name = _absolute(domains.train_data_dir_b, domains.dataset_name_b)
        changes["domains"] = dataclasses.replace(
            domains, dataset_name_b=name, train_data_dir_b=folder
        )
        if folder := _dataset_folder(None, recipe.pairs.paired_dataset_name):
            changes["pairs"] = dataclasses.replace(recipe.pairs, paired_dataset_name=str(folder))
    if (name := recipe.pretrained_model_name_or_path) and Path(name).is_dir():
        changes["pretrained_model_name_or_path"] = str(Path(name).resolve())
    return dataclasses.replace(recipe, data=data, **changes)


def _absolute(folder: Path | None, name: Names | None) -> tuple[Path | None, Names | None]:
    """The folder of a dataset, or its name; of several the names, folders as absolute paths."""
    if folder is None and isinstance(name, tuple):
        return None, tuple(str(_dataset_folder(None, one) or one) for one in name)
    found = _dataset_folder(folder, name if isinstance(name, str) else None)
    return (found, None) if found else (None, name)


def _dataset_folder(folder: Path | None, name: str | None) -> Path | None:
    if folder is None and name in (None, "faces"):
        return None
    path = Path(os.path.expanduser(folder or str(name)))  # noqa: PTH111, fails for unknown users
    return path.resolve() if folder is not None or path.is_dir() else None


def recipe_from_json(like: T, values: dict[str, Any]) -> T:
    """The recipe, or group of its fields, that `recipe_as_json` was given.

    Args:
        like: A recipe of the same shape, such as the one of the same name: fields that `values`
            lacks, since they came later, are taken from it.
        values: What `recipe_as_json` returned. Unknown keys are ignored.

    Raises:
        UserError: If a value is out of its range.
        TypeError, ValueError: If the values are of another shape.
    """
    changes: dict[str, Any] = {}
    for known in dataclasses.fields(like):  # type: ignore[arg-type]
        if known.name not in values:
            continue
        value, before = values[known.name], getattr(like, known.name)
        if dataclasses.is_dataclass(before):
            value = recipe_from_json(before, value)
        elif isinstance(value, list):
            value = tuple(value)
        elif value is not None and Path in get_args(known.type):
            value = Path(value)
        changes[known.name] = value
    return dataclasses.replace(like, **changes)  # type: ignore[type-var]

"""Two domains from two datasets, or from one that holds both."""

from dataclasses import replace

import torch

from hf_gen.config import Data, Domains
from hf_gen.data.batches import Domain
from hf_gen.data.local import Choice
from hf_gen.data.pixels import Pixels
from hf_gen.data.sources import (
    SYNTHETIC_COUNT,
    decode,
    is_synthetic,
    load_domain,
    open_dataset,
)
from hf_gen.errors import UserError

_TWO_DATASETS = (
    "the second domain needs --dataset-name-b, --image-column-b, or --label-column with --label-a "
    "and --label-b"
)


def are_synthetic(data: Data, domains: Domains) -> bool:
    """Whether the two domains are the synthetic faces in their two styles, anime to cartoon."""
    return (
        is_synthetic(data)
        and domains.dataset_name_b in (None, "faces")
        and domains.train_data_dir_b is None
        and data.image_column in (None, "anime")
        and domains.image_column_b in (None, "cartoon")
    )


def load_domains(data: Data, domains: Domains) -> tuple[Domain, Domain]:
    """The pixels of domain a and of domain b, each drawn from independently.

    Domain b is the dataset that `domains` names. If it names none, the one dataset holds both: the
    synthetic faces in their two styles, a folder with trainA, trainB, testA and testB, two labels,
    or two image columns (imageA and imageB, or anime and cartoon). Of the synthetic faces the two
    domains train on different people, and the held-out ones are pairs.

    Raises:
        UserError: If a dataset cannot be used, or both domains are the same images.
    """
    a, b = _load(data, domains)
    # Whatever they were called: a path spelled in two ways, a column named and taken by default.
    if _hold_the_same(a.held_out, b.held_out):
        name = data.train_data_dir or data.dataset_name
        raise UserError(f"both domains are the same images of {name}: {_TWO_DATASETS}")
    return a, b


def _load(data: Data, domains: Domains) -> tuple[Domain, Domain]:
    drawn = is_synthetic(data) and domains.train_data_dir_b is None
    if domains.label_column and domains.label_a and domains.label_b:
        if drawn or domains.dataset_name_b is not None or domains.train_data_dir_b is not None:
            raise UserError(
                f"label_column {domains.label_column!r} is for one dataset that holds both "
                "domains: leave it out, or name such a dataset alone"
            )
        dataset, column = open_dataset(data), domains.label_column
        return (
            decode(data, dataset, Choice(label=(column, domains.label_a))),
            decode(data, dataset, Choice(label=(column, domains.label_b))),
        )
    if drawn and domains.dataset_name_b in (None, "faces"):
        return _drawn(data, domains)
    if domains.dataset_name_b is not None or domains.train_data_dir_b is not None:
        return _two_datasets(data, domains)
    dataset = open_dataset(data)
    if dataset.sides:
        for side in {"a", "b"} - dataset.sides:
            name = data.train_data_dir or data.dataset_name
            raise UserError(f"{name}: train{side.upper()} holds no images")
        return (
            decode(data, dataset, Choice(side="a")),
            decode(data, dataset, Choice(side="b")),
        )
    second = replace(data, image_column=domains.image_column_b)
    return (
        decode(data, dataset, Choice(columns=("imageA", "anime"), remedy=_TWO_DATASETS)),
        load_domain(second, Choice(columns=("imageB", "cartoon"), remedy=_TWO_DATASETS)),
    )


def _hold_the_same(first: Pixels, second: Pixels) -> bool:
    if len(first) != len(second):
        return False
    return torch.equal(first.rows[first.selection], second.rows[second.selection])


def _drawn(data: Data, domains: Domains) -> tuple[Domain, Domain]:
    """Other people to train on for each domain, and held-out pairs."""
    columns = (data.image_column or "anime", domains.image_column_b or "cartoon")
    if columns[0] == columns[1]:
        raise UserError(f"both domains are the column {columns[0]!r} of faces: {_TWO_DATASETS}")
    return (
        load_domain(replace(data, image_column=columns[0])),
        load_domain(
            replace(data, image_column=columns[1]),
            Choice(first_face=data.max_train_samples or SYNTHETIC_COUNT),
        ),
    )


def _two_datasets(data: Data, domains: Domains) -> tuple[Domain, Domain]:
    if domains.dataset_name_b is not None and domains.train_data_dir_b is not None:
        raise UserError(
            f"dataset_name_b {domains.dataset_name_b!r} and train_data_dir_b "
            f"{str(domains.train_data_dir_b)!r} both name domain b: give one of the two"
        )
    column = domains.image_column_b
    if domains.dataset_name_b == "faces":
        column = column or "cartoon"
    second = replace(
        data,
        dataset_name=domains.dataset_name_b or "faces",
        dataset_config_name=domains.dataset_config_name_b,
        revision=domains.revision_b,
        data_files=domains.data_files_b,
        train_data_dir=domains.train_data_dir_b,
        image_column=column,
        split=domains.split_b,
    )
    if second == data:
        name = data.train_data_dir or data.dataset_name
        raise UserError(f"both domains are {name}: {_TWO_DATASETS}")
    return load_domain(data), load_domain(second)

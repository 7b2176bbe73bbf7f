"""Two domains from two datasets, or from one that holds both."""

from dataclasses import replace

import torch

from hf_gen.config import Data, Domains
from hf_gen.data.batches import Domain
from hf_gen.data.selection import Choice, Selection
from hf_gen.data.sources import cache_folder, is_synthetic, open_dataset
from hf_gen.data.splits import decode
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
    domains train on different people, and those of validation and test are pairs.

    Raises:
        UserError: If a dataset cannot be used, or both domains are the same images.
    """
    first, second = _select(data, domains)
    name = data.train_data_dir or data.dataset_name
    same = UserError(f"both domains are the same images of {name}: {_TWO_DATASETS}")
    if first.own.get("test", first.train).key == second.own.get("test", second.train).key:
        raise same
    a, b = (decode(one, data.resolution, cache_folder(data)) for one in (first, second))
    # Whatever they were called: a path spelled in two ways, a column named and taken by default.
    rows = [one.test.rows[one.test.selection] for one in (a, b)]
    if torch.equal(*rows):
        raise same
    return a, b


def _select(data: Data, domains: Domains) -> tuple[Selection, Selection]:
    folder_b, name_b, column = domains.train_data_dir_b, domains.dataset_name_b, data.image_column
    is_drawn = is_synthetic(data) and folder_b is None
    is_second_named = name_b is not None or folder_b is not None
    if domains.label_column and domains.label_a and domains.label_b:
        if is_drawn or is_second_named:
            raise UserError(
                f"label_column {domains.label_column!r} is for one dataset that holds both "
                "domains: leave it out, or name such a dataset alone"
            )
        dataset, labels = open_dataset(data), (domains.label_a, domains.label_b)
        a, b = (Choice(column, label=(domains.label_column, label)) for label in labels)
        return dataset.select(a), dataset.select(b)
    if is_second_named and not (is_drawn and name_b == "faces"):
        second = _second_dataset(data, domains)
        choices = Choice(column), Choice(second.image_column)
        return open_dataset(data).select(choices[0]), open_dataset(second).select(choices[1])
    dataset = open_dataset(data)
    for side in {"a", "b"} - dataset.sides if dataset.sides else ():
        name = data.train_data_dir or data.dataset_name
        raise UserError(f"{name}: train{side.upper()} holds no images")
    if dataset.sides:
        return dataset.select(Choice(column, side="a")), dataset.select(Choice(column, side="b"))
    first = Choice(column, ("imageA", "anime"), remedy=_TWO_DATASETS)
    other = replace(
        first, column=domains.image_column_b, usual=("imageB", "cartoon"), is_second=True
    )
    return dataset.select(first), dataset.select(other)


def _second_dataset(data: Data, domains: Domains) -> Data:
    if domains.dataset_name_b is not None and domains.train_data_dir_b is not None:
        raise UserError(
            f"dataset_name_b {domains.dataset_name_b!r} and train_data_dir_b "
            f"{str(domains.train_data_dir_b)!r} both name domain b: give one of the two"
        )
    usual = "cartoon" if domains.dataset_name_b == "faces" else None
    return replace(
        data,
        dataset_name=domains.dataset_name_b or "faces",
        dataset_config_name=domains.dataset_config_name_b,
        revision=domains.revision_b,
        data_files=domains.data_files_b,
        train_data_dir=domains.train_data_dir_b,
        image_column=domains.image_column_b or usual,
        split=domains.split_b,
    )

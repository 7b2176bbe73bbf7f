"""Two domains from two datasets, or from one that holds both."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from hf_gen.config import Data, Domains, Pairs
from hf_gen.data.batches import Domain
from hf_gen.data.pixels import Pixels, cached_pixels
from hf_gen.data.selection import Choice, Selection, Split
from hf_gen.data.sources import cache_folder, is_synthetic, open_dataset
from hf_gen.data.splits import decode_all, split_by_hash
from hf_gen.errors import UserError

_TWO_DATASETS = (
    "the second domain needs --dataset-name-b, --image-column-b, or --label-column with --label-a "
    "and --label-b"
)
_PAIRS = (
    "pairs need an image column for each domain (imageA and imageB, anime and cartoon, or those "
    "of --paired-image-column and --paired-image-column-b), or trainA and trainB"
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
    same = UserError(f"both domains are the same images of {data.source}: {_TWO_DATASETS}")
    tests = ([one.own.get("test", one.train).key for one in side] for side in (first, second))
    if next(tests) == next(tests):
        raise same
    a, b = (
        decode_all(side, shares, data.resolution, cache_folder(data))
        for side, shares in ((first, data.dataset_share), (second, domains.dataset_share_b))
    )
    # Whatever they were called: a path spelled in two ways, a column named and taken by default.
    rows = [one.test.rows[one.test.selection] for one in (a, b)]
    if torch.equal(*rows):
        raise same
    return a, b


def load_pairs(data: Data, pairs: Pairs) -> tuple[Domain, ...]:
    """Images of domain a and of domain b that guide a translation, each at its counterpart's place.

    Pairs are the synthetic faces in their two styles, the rows of a dataset with two image columns,
    or the files of trainA and trainB that have the same name. The dataset's own validation split
    validates, or 5 % by the hash of domain a's images.

    Returns:
        The two domains, or none if `pairs` names no dataset.

    Raises:
        UserError: If the dataset cannot be used, or an image has no counterpart.
    """
    if pairs.paired_dataset_name is None:
        return ()
    name, cache_dir = pairs.paired_dataset_name, cache_folder(data)
    source = Data(
        dataset_name=name,
        max_train_samples=pairs.paired_max_train_samples,
        resolution=data.resolution,
        cache_dir=data.cache_dir,
    )
    dataset = open_dataset(source)
    choices = (
        Choice(pairs.paired_image_column, ("imageA", "anime"), remedy=_PAIRS),
        Choice(pairs.paired_image_column_b, ("imageB", "cartoon"), remedy=_PAIRS),
    )
    if dataset.sides:
        choices = (Choice(side="a"), Choice(side="b"))
    a, b = (dataset.select(choice) for choice in choices)
    if a.train.key == b.train.key:
        raise UserError(f"both images of a pair are the same in {name}: {_PAIRS}")
    if dataset.sides:
        names = [[Path(file).stem for file, _ in one.train.read()[1]] for one in (a, b)]
        if odd := sorted({*names[0]} ^ {*names[1]}):
            raise UserError(
                f"{name}: pairs have the same file name in trainA and in trainB, and "
                f"{', '.join(odd[:3])} is in one of them: rename or remove it"
            )
    (train_a, hashes), (train_b, _) = _aligned(a.train, b.train, data.resolution, cache_dir)
    if "validation" in a.own and "validation" in b.own:
        own = _aligned(a.own["validation"], b.own["validation"], data.resolution, cache_dir)
        validation_a, validation_b = (pixels for pixels, _ in own)
    else:
        places = split_by_hash(hashes, {"validation"})
        validation_a, validation_b = (
            replace(one, selection=places["validation"]) for one in (train_a, train_b)
        )
        train_a, train_b = (replace(one, selection=places["train"]) for one in (train_a, train_b))
    summary = f"{name}: {len(train_a):,} pairs; validation {len(validation_a):,}"
    return (
        Domain(train_a, validation_a, validation_a, summary),
        Domain(train_b, validation_b, validation_b, summary),
    )


def _aligned(
    a: Split, b: Split, resolution: int, cache_dir: Path
) -> list[tuple[Pixels, np.ndarray]]:
    """The pixels of two splits whose images are pairs, place by place."""
    found = [cached_pixels(split, resolution, cache_dir) for split in (a, b)]
    unreadable = [pixels.unreadable for pixels, _ in found if pixels.unreadable]
    if unreadable:
        raise UserError(f"pairs of {a.dataset} lack an image, unreadable: {', '.join(unreadable)}")
    counts = [len(pixels) for pixels, _ in found]
    if counts[0] != counts[1]:
        raise UserError(
            f"{a.dataset} has {counts[0]:,} images of domain a and {counts[1]:,} of domain b: "
            "pairs need one for one"
        )
    return found


def _select(data: Data, domains: Domains) -> tuple[list[Selection], list[Selection]]:
    """Of each domain a selection for each of its datasets."""
    folder_b, name_b, column = domains.train_data_dir_b, domains.dataset_name_b, data.image_column
    is_drawn = is_synthetic(data) and folder_b is None
    is_second_named = name_b is not None or folder_b is not None
    if domains.label_column and domains.label_a and domains.label_b:
        if is_drawn or is_second_named or len(data.parts) > 1:
            raise UserError(
                f"label_column {domains.label_column!r} is for one dataset that holds both "
                "domains: leave it out, or name such a dataset alone"
            )
        dataset, labels = open_dataset(data), (domains.label_a, domains.label_b)
        a, b = (Choice(column, label=(domains.label_column, label)) for label in labels)
        return [dataset.select(a)], [dataset.select(b)]
    if is_second_named and not (is_drawn and name_b == "faces"):
        return _select_apart(data.parts, _second_dataset(data, domains).parts)
    if len(data.parts) > 1:
        raise UserError(f"{data.source} are datasets of one domain: name those of domain b too")
    dataset = open_dataset(data)
    if dataset.sides:
        for side in "ab":
            if "train" not in dataset.splits(side):
                raise UserError(f"{data.source}: train{side.upper()} holds no images")
        a, b = (Choice(column, side=side) for side in "ab")
        return [dataset.select(a)], [dataset.select(b)]
    first = Choice(column, ("imageA", "anime"), remedy=_TWO_DATASETS)
    other = replace(
        first, column=domains.image_column_b, usual=("imageB", "cartoon"), is_second=True
    )
    return [dataset.select(first)], [dataset.select(other)]


def _select_apart(
    first: tuple[Data, ...], second: tuple[Data, ...]
) -> tuple[list[Selection], list[Selection]]:
    """Two domains of datasets of their own; synthetic faces in both are of different people."""
    has_faces = any(map(is_synthetic, first))
    a = [open_dataset(one).select(Choice(one.image_column)) for one in first]
    b = [
        open_dataset(one).select(
            Choice(
                one.image_column or ("cartoon" if is_synthetic(one) else None), is_second=has_faces
            )
        )
        for one in second
    ]
    return a, b


def _second_dataset(data: Data, domains: Domains) -> Data:
    if domains.dataset_name_b is not None and domains.train_data_dir_b is not None:
        raise UserError(
            f"dataset_name_b {domains.dataset_name_b!r} and train_data_dir_b "
            f"{str(domains.train_data_dir_b)!r} both name domain b: give one of the two"
        )
    return replace(
        data,
        dataset_name=domains.dataset_name_b or "faces",
        dataset_share=(),
        dataset_config_name=domains.dataset_config_name_b,
        revision=domains.revision_b,
        data_files=domains.data_files_b,
        train_data_dir=domains.train_data_dir_b,
        image_column=domains.image_column_b,
        split=domains.split_b,
    )

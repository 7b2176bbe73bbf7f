"""Three splits: a dataset's own by their names, and what it lacks by the hash of the pixels."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from hf_gen.data.splits import FEW, split_by_hash
from tests.data.pictures import check, check_hash_split, expected, fill, noise, shown, write_parquet

HASHES = np.random.default_rng(0).integers(0, 2**64, 2000, dtype=np.uint64)
BOTH = ("validation", "test")
ONE = "one set"
TEXT = datasets.Value("string")


def places(hashes: np.ndarray, *names: str) -> dict[str, set[int]]:
    return {name: set(rows.tolist()) for name, rows in split_by_hash(hashes, names).items()}


@pytest.mark.parametrize("names", [(), ("test",), ("validation",), BOTH])
def test_five_percent_of_the_images_are_each_split(names: Sequence[str]) -> None:
    splits = places(HASHES, *names)
    assert splits.keys() == {*names, "train"}
    assert sorted(place for split in splits.values() for place in split) == list(range(2000))
    # 100, and five standard deviations of a binomial count.
    assert all(abs(len(splits[name]) - 100) < 49 for name in names)
    # Where an image is decides neither which other images there are nor what else is split off.
    for name in names:
        assert splits[name] == places(HASHES, name)[name]
        half = places(HASHES[999::-1], *names)[name]
        assert {999 - place for place in half} == {one for one in splits[name] if one < 1000}


def test_copies_of_an_image_are_in_one_split() -> None:
    splits = places(np.tile(HASHES[:100], 3), *BOTH)
    originals = [{place % 100 for place in split} for split in splits.values()]
    assert all(originals)
    assert sum(map(len, originals)) == len(set.union(*originals)) == 100


@pytest.mark.parametrize(
    ("count", "test"), [(0, 0), (1, 1), (2, 1), (3, 2), (7, 4), (15, 8), (16, 8), (60, 8), (100, 8)]
)
def test_of_few_images_no_split_is_empty_by_chance(count: int, test: int) -> None:
    for start in range(0, 1000, 100):
        splits = places(HASHES[start : start + count], "test")
        assert (len(splits["test"]), len(splits["train"])) == (test, count - test)


@pytest.mark.parametrize("kind", ["folders", "tables"])
@pytest.mark.parametrize(
    ("sizes", "split", "validation", "test"),
    [
        # Where the images of a split are from; None if they are split off by hash.
        ({"train": FEW}, "train", None, None),
        ({"train": FEW, "Test": 5}, "train", None, "Test"),
        ({"TRAIN": FEW, "Valid": 5}, "train", "Valid", None),
        ({"train": FEW, "dev": 5, "test": 4}, "train", "dev", "test"),
        ({"train": 9, "val": 5, "test": 4}, "train", "val", "test"),
        ({"train": 200, "test": 200}, "train+test", None, None),
        ({"train": 200, "validation": 200}, "train+validation", None, None),
        ({"train": 5, "test": FEW}, "test", None, None),
        # With few images one set is both.
        ({"train": FEW - 1}, "train", None, ONE),
        ({"train": FEW - 1, "test": 5}, "train", "test", ONE),
        ({"train": 9, "VALIDATION": 5}, "train", "VALIDATION", ONE),
        ({"train": 9, "validation": 5, "test": 4}, "train+test", "validation", ONE),
    ],
)
def test_own_splits_are_used_and_missing_ones_split_off(
    tmp_path: Path,
    load: Any,
    kind: str,
    sizes: dict[str, int],
    split: str,
    validation: str | None,
    test: str | None,
) -> None:
    images = {name: noise(count, seed) for seed, (name, count) in enumerate(sizes.items())}
    for seed, (name, count) in enumerate(sizes.items()):
        if kind == "folders":
            fill(tmp_path / "set" / name, count, seed)
        else:
            write_parquet(tmp_path / "set" / f"{name}.parquet", image=images[name])
    domain = load(tmp_path / "set", split=split)
    given = [image for name in sizes if name.lower() in split for image in images[name]]
    trained = shown(domain.train)
    for pixels, origin in ((domain.validation, validation), (domain.test, test)):
        if origin is None:
            assert len(pixels) >= 8
            trained += shown(pixels)
        elif origin != ONE:
            assert shown(pixels) == expected(images[origin])
    assert sorted(trained) == sorted(expected(given))
    assert (domain.test is domain.validation) == (test == ONE)
    assert domain.can_choose == (test != ONE)


def test_a_dataset_may_say_in_its_card_which_file_is_which_split(tmp_path: Path, load: Any) -> None:
    files = {"Train": "a", "VAL": "b", "dev": "c", "Test": "d", "unlabelled": "e"}
    listed = "".join(
        f"  - split: {split}\n    path: {name}.parquet\n" for split, name in files.items()
    )
    for seed, name in enumerate(files.values()):
        write_parquet(tmp_path / "set" / f"{name}.parquet", image=noise(6, seed))
    card = f"---\nconfigs:\n- config_name: default\n  data_files:\n{listed}---\n"
    (tmp_path / "set" / "README.md").write_text(card)
    domain = load(tmp_path / "set")
    check(domain, noise(6), noise(6, 3), noise(6, 1))
    assert domain.summary.endswith("not used: the split dev; not used: the split unlabelled")


@pytest.mark.parametrize("kind", ["folders", "tables"])
@pytest.mark.parametrize("streaming", [False, True])
def test_an_own_split_without_images_of_a_domain_is_missing(
    tmp_path: Path, load: Any, kind: str, streaming: bool
) -> None:
    labels = {"train": ("x", "y") * 20, "test": ("x",) * 4}
    for seed, (split, values) in enumerate(labels.items()):
        images = noise(len(values), seed)
        if kind == "tables":
            write_parquet(tmp_path / "set" / f"{split}.parquet", image=images, label=(TEXT, values))
        for place, (image, label) in enumerate(zip(images, values, strict=True)):
            folder = tmp_path / "set" / split / label
            if kind == "folders":
                folder.mkdir(parents=True, exist_ok=True)
                image.save(folder / f"{place:02}.png")
    flags = {"label_column": "label", "label_a": "x", "label_b": "y"}
    a, b = load(tmp_path / "set", streaming=streaming, **flags)
    check(a, noise(40)[::2], noise(4, 1))
    check_hash_split(b, noise(40)[1::2])
    assert "without images: test, label 'y'" in b.summary
    assert "without images" not in a.summary


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"train": FEW}, r"set: train 3\d\d; validation \d+ \(by hash\); test \d+ \(by hash\);"),
        (
            {"train": FEW, "val": 5},
            r"set: train 3\d\d; validation 5 \(validation\); test \d+ \(by hash\);",
        ),
        (
            {"train": 40},
            r"set: train 32; validation and test 8 \(by hash\), one set of few images;",
        ),
        (
            {"train": 40, "test": 5},
            r"set: train 40; validation and test 5 \(test\), one set of few images;",
        ),
    ],
)
def test_a_summary_says_where_each_split_is_from(
    tmp_path: Path, load: Any, sizes: dict[str, int], said: str
) -> None:
    for seed, (name, count) in enumerate(sizes.items()):
        fill(tmp_path / "set" / name, count, seed)
    assert re.search(said, load(tmp_path / "set").summary)


@pytest.mark.parametrize("kind", ["folders", "tables"])
@pytest.mark.parametrize(
    ("validation", "test", "kept", "said"),
    [
        # Images are noise by their numbers; those of train are 0 to 19.
        ([20, 21, 22], [23, 24], ([20, 21, 22], [23, 24]), None),
        ([5, 21, 22], [23, 6, 24, 7], ([21, 22], [23, 24]), "2 of test left out, equal to images"),
        ([20, 21], [21, 24], ([20, 21], [24]), "1 of test left out, equal to images"),
        ([20, 21], [20, 3], (None, [20, 21]), "all of test left out, equal to images"),
        ([0, 1, 2], [22], (None, [22]), "all of validation left out, equal to images"),
    ],
)
def test_an_image_of_another_split_is_neither_chosen_nor_tested_on(
    tmp_path: Path,
    load: Any,
    kind: str,
    validation: list[int],
    test: list[int],
    kept: tuple[list[int] | None, list[int]],
    said: str | None,
) -> None:
    every = noise(25)
    for name, numbers in (("train", range(20)), ("validation", validation), ("test", test)):
        images, folder = [every[number] for number in numbers], tmp_path / "set" / name
        if kind == "tables":
            write_parquet(folder.with_suffix(".parquet"), image=images)
            continue
        folder.mkdir(parents=True)
        for place, image in enumerate(images):
            image.save(folder / f"{place:02}.png")
    domain = load(tmp_path / "set")
    chosen, tested = (numbers and [every[number] for number in numbers] for numbers in kept)
    assert tested is not None
    check(domain, every[:20], tested, chosen)
    assert said in domain.summary if said else "left out" not in domain.summary

"""Every layout of two domains gives the images of each, and one domain twice is a clear error."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from PIL import Image

from hf_gen.config import Data, Pairs
from hf_gen.data.batches import Domain, Loader
from hf_gen.data.domains import load_pairs
from hf_gen.data.sources import SYNTHETIC_COUNT
from hf_gen.data.splits import shared_places
from hf_gen.errors import UserError
from hf_gen.faces import TEST_START, VALIDATION_START, face_at, face_png
from tests.data.pictures import (
    SIZE,
    check,
    check_hash_split,
    expected,
    fill,
    noise,
    png,
    shown,
    write_parquet,
)

Load = Callable[..., tuple[Domain, Domain]]
Flags = dict[str, Any]

SECOND = "the second domain needs --dataset-name-b, --image-column-b, or --label-column"
STRING, NUMBER = datasets.Value("string"), datasets.Value("int64")
NAMES = datasets.ClassLabel(names=["photo", "anime", "cartoon"])


def fill_all(root: Path, **counts: int) -> Path:
    """Sub-folders of so many images, of seeds 0, 1, 2, ... in turn."""
    for seed, (name, count) in enumerate(counts.items()):
        fill(root / name, count, seed)
    return root


@pytest.fixture
def two_folders(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of 12 and of 7 training images, 4 and 2 test images."""
    for name, count, seed in (("one", 12, 0), ("two", 7, 1)):
        fill(tmp_path / name / "train", count, seed)
        fill(tmp_path / name / "test", count // 3, seed + 10)
    return tmp_path / "one", tmp_path / "two"


@pytest.fixture
def four_folders(tmp_path: Path) -> Path:
    return fill_all(tmp_path / "set", trainA=8, trainB=6, testA=3, testB=2)


@pytest.mark.parametrize("named", ["dataset_name_b", "train_data_dir_b"])
@pytest.mark.parametrize("named_a", ["dataset_name", "train_data_dir"])
def test_two_datasets_of_different_sizes(
    load: Load, two_folders: tuple[Path, Path], named: str, named_a: str
) -> None:
    flags = dict(zip((named_a, named), two_folders, strict=True))
    a, b = load(**{name: str(path) if "name" in name else path for name, path in flags.items()})
    check(a, noise(12), noise(4, 10))
    check(b, noise(7, 1), noise(2, 11))


def test_the_second_dataset_has_columns_splits_and_files_of_its_own(
    tmp_path: Path, load: Load
) -> None:
    one, two = fill_all(tmp_path / "one", left=60, right=60), tmp_path / "two"
    for split, seed in (("train", 2), ("test", 3), ("validation", 4)):
        images = noise(6, seed)
        write_parquet(two / f"{split}.parquet", photo=images, mask=images[::-1])
    of_b: Flags = {"dataset_name_b": str(two), "image_column_b": "mask", "split_b": "validation"}
    a, b = load(one, data_files=("right/*.png",), **of_b)
    check_hash_split(a, noise(60, 1))
    check(b, noise(6, 4)[::-1], noise(6, 3)[::-1])
    left: Flags = {"dataset_name_b": str(one), "data_files_b": ("left/*.png",)}
    a, b = load(two, image_column="photo", **left)
    check(a, noise(6, 2), noise(6, 3), noise(6, 4))
    check_hash_split(b, noise(60))
    a, b = load(one, data_files=("right/*.png",), **left)
    check_hash_split(a, noise(60, 1))
    check_hash_split(b, noise(60))


@pytest.mark.parametrize(
    ("names", "flags", "streaming"),
    [
        (("imageA", "imageB"), {}, False),
        (("imageA", "imageB"), {}, True),
        (("anime", "cartoon"), {}, False),
        (("left", "right"), {"image_column": "left", "image_column_b": "right"}, True),
        (("imageA", "other"), {"image_column_b": "other"}, False),
        (("other", "cartoon"), {"image_column": "other"}, False),
        (("imageB", "imageA"), {"image_column": "imageB", "image_column_b": "imageA"}, False),
    ],
)
def test_one_dataset_with_two_image_columns(
    tmp_path: Path, load: Load, names: tuple[str, str], flags: Flags, streaming: bool
) -> None:
    for split, count, seed in (("train", 6, 0), ("test", 3, 5)):
        columns = {name: noise(count, seed + place) for place, name in enumerate(names)}
        write_parquet(tmp_path / "set" / f"{split}.parquet", **columns)
    a, b = load(tmp_path / "set", two=True, streaming=streaming, **flags)
    # The test images are in the same order, so that pairs stay pairs.
    check(a, noise(6), noise(3, 5))
    check(b, noise(6, 1), noise(3, 6))


@pytest.mark.parametrize(
    ("column", "label_a", "label_b"),
    [
        ((NAMES, [1, 2, 0, 2]), "anime", "cartoon"),
        ((STRING, ["anime", "cartoon", "photo", "cartoon"]), "anime", "cartoon"),
        ((NUMBER, [1, 0, 7, 0]), "1", "0"),
    ],
    ids=["class label", "string", "number"],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_one_dataset_with_a_label_column(
    tmp_path: Path, load: Load, column: Any, label_a: str, label_b: str, streaming: bool
) -> None:
    for seed, (split, count) in enumerate({"train": 16, "test": 8}.items()):
        style = (column[0], column[1] * (count // 4))
        write_parquet(tmp_path / "set" / f"{split}.parquet", image=noise(count, seed), style=style)
    labels = {"label_column": "style", "label_a": label_a, "label_b": label_b}
    a, b = load(tmp_path / "set", streaming=streaming, **labels)
    check(a, noise(16)[::4], noise(8, 1)[::4])
    check(b, noise(16)[1::2], noise(8, 1)[1::2])
    if not streaming:
        a, b = load(tmp_path / "set", max_train_samples=3, **labels)
        assert len(a.train) == len(b.train) == 3
        assert set(shown(b.train)) < set(expected(noise(16)[1::2]))
        assert shown(b.test) == expected(noise(8, 1)[1::2])


def test_the_labels_of_a_folder_are_its_subfolders(tmp_path: Path, load: Load) -> None:
    folder = fill_all(tmp_path / "set", horse=60, zebra=80, donkey=5)
    a, b = load(folder, label_column="label", label_a="horse", label_b="zebra")
    check_hash_split(a, noise(60))
    check_hash_split(b, noise(80, 1))


@pytest.mark.parametrize("named", ["dataset_name", "train_data_dir", "home"])
def test_a_folder_as_the_paper_has_it(
    load: Load, four_folders: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("HOME", str(four_folders.parent))
    flags: dict[str, Flags] = {
        "dataset_name": {"dataset_name": str(four_folders)},
        "train_data_dir": {"train_data_dir": four_folders},
        "home": {"dataset_name": "~/set"},
    }
    a, b = load(two=True, **flags[named])
    check(a, noise(8), noise(3, 2))
    check(b, noise(6, 1), noise(2, 3))


def test_of_a_folder_as_the_paper_has_it_each_side_may_lack_its_test_images(
    tmp_path: Path, load: Load
) -> None:
    a, b = load(fill_all(tmp_path / "set", trainA=80, trainB=100, testB=4, test=3), two=True)
    check_hash_split(a, noise(80))
    check(b, noise(100, 1), noise(4, 2))
    for domain in (a, b):
        assert "of neither domain: 3 images (test/000.png," in domain.summary


def test_fewer_training_samples_leave_the_test_folders_complete(
    load: Load, four_folders: Path
) -> None:
    a, b = load(four_folders, two=True, max_train_samples=1)
    assert len(a.train) == len(b.train) == 1
    assert shown(a.test) == expected(noise(3, 2))
    assert shown(b.test) == expected(noise(2, 3))


def drawn(style: str, start: int, count: int) -> list[Image.Image]:
    faces = (face_png(face_at(index), style, 64) for index in range(start, start + count))
    return [Image.open(io.BytesIO(face)) for face in faces]


@pytest.mark.parametrize(
    ("flags", "styles"),
    [
        ({}, ("anime", "cartoon")),
        ({"image_column": "anime", "image_column_b": "cartoon"}, ("anime", "cartoon")),
        ({"dataset_name_b": "faces"}, ("anime", "cartoon")),
        ({"dataset_name_b": "faces", "image_column_b": "cartoon"}, ("anime", "cartoon")),
        ({"image_column": "cartoon", "image_column_b": "anime"}, ("cartoon", "anime")),
    ],
)
@pytest.mark.parametrize("count", [20, None])
def test_of_the_synthetic_faces_training_sees_no_pair_and_the_other_splits_are_pairs(
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    flags: Flags,
    styles: tuple[str, str],
    count: int | None,
) -> None:
    assert 2 * SYNTHETIC_COUNT < VALIDATION_START < TEST_START - SYNTHETIC_COUNT
    monkeypatch.setattr("hf_gen.data.sources.SYNTHETIC_COUNT", 20)
    a, b = load(two=True, max_train_samples=count, **flags)
    for domain, style, start in zip((a, b), styles, (0, 20), strict=True):
        test, validation = (drawn(style, first, 2) for first in (TEST_START, VALIDATION_START))
        check(domain, drawn(style, start, 20), test, validation)


@pytest.mark.parametrize("is_b", [True, False])
def test_synthetic_faces_on_one_side_only(
    load: Load, two_folders: tuple[Path, Path], is_b: bool
) -> None:
    one, _ = two_folders
    if is_b:
        folder, faces = load(one, dataset_name_b="faces", max_train_samples=12)
    else:
        faces, folder = load(dataset_name_b=str(one), max_train_samples=12)
    check(folder, noise(12), noise(4, 10))
    assert shown(faces.train) == expected(drawn("cartoon" if is_b else "anime", 0, 12))


def test_batches_are_drawn_from_domains_of_different_sizes(
    load: Load, two_folders: tuple[Path, Path]
) -> None:
    domains = load(two_folders[0], dataset_name_b=str(two_folders[1]))
    loader = Loader(domains, 0, 6, 1, False, 0, 1, torch.device("cpu"))
    assert loader.images_per_epoch == 12
    seen: tuple[list[bytes], list[bytes]] = ([], [])
    for step in range(7):
        (batch,) = loader.training_batches(step)
        for images, found in zip(batch.images, seen, strict=True):
            found += [image.numpy().tobytes() for image in images]
    # 42 images: three and a half epochs of 12, six of 7.
    assert {seen[0][:12].count(image) for image in shown(domains[0].train)} == {1}
    assert {seen[1].count(image) for image in shown(domains[1].train)} == {6}


@pytest.mark.parametrize(
    "flags",
    [
        {"dataset_name": "one", "dataset_name_b": "one"},
        {"dataset_name": "one", "train_data_dir_b": Path("one")},
        {"train_data_dir": Path("one"), "train_data_dir_b": Path("one")},
        {"dataset_name": "one", "dataset_name_b": "one/"},
        {"dataset_name": "one", "dataset_name_b": "./two/../one"},
        {"dataset_name": "one", "dataset_name_b": "~/one"},
        {"image_column": "anime", "image_column_b": "anime", "max_train_samples": 2},
        {"image_column_b": "anime", "max_train_samples": 2},
        {"image_column": "cartoon", "max_train_samples": 2},
        {"image_column": "cartoon", "dataset_name_b": "faces", "max_train_samples": 2},
    ],
)
def test_one_dataset_twice_is_a_clear_error(
    load: Load, two_folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, flags: Flags
) -> None:
    monkeypatch.setenv("HOME", str(two_folders[0].parent))
    monkeypatch.chdir(two_folders[0].parent)
    with pytest.raises(UserError, match=f"both domains are .*{SECOND}"):
        load(two=True, **flags)


@pytest.mark.parametrize(
    ("names", "flags"),
    [
        (("left", "right"), {"image_column": "left", "image_column_b": "left"}),
        # One of the two is a default.
        (("imageA", "imageB"), {"image_column_b": "imageA"}),
        (("anime", "cartoon"), {"image_column_b": "anime"}),
        (("imageA", "imageB"), {"image_column": "imageB"}),
        (("anime", "cartoon"), {"image_column": "cartoon"}),
    ],
)
def test_one_column_twice_is_a_clear_error(
    tmp_path: Path, load: Load, names: tuple[str, str], flags: Flags
) -> None:
    columns = {name: noise(2, seed) for seed, name in enumerate(names)}
    for split in ("train", "test"):
        write_parquet(tmp_path / "set" / f"{split}.parquet", **columns)
    with pytest.raises(UserError, match=f"both domains are .*{SECOND}"):
        load(tmp_path / "set", two=True, **flags)


@pytest.mark.parametrize("values", [(NAMES, [1, 2, 0, 2]), (STRING, ["anime", "cartoon"] * 2)])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_label_that_no_image_has_is_a_clear_error(
    tmp_path: Path, load: Load, values: Any, streaming: bool
) -> None:
    for seed, split in enumerate(("train", "test")):
        write_parquet(tmp_path / "set" / f"{split}.parquet", image=noise(4, seed), style=values)

    def labelled(column: str, a: str, b: str) -> None:
        load(tmp_path / "set", streaming=streaming, label_column=column, label_a=a, label_b=b)

    # Of plain strings nobody knows which are present before all are read.
    of_class = r"style of .*set has no 'manga': it has photo, anime, cartoon"
    message = of_class if values[0] is NAMES else r"manga.* holds no images"
    for labels in (("anime", "manga"), ("manga", "anime")):
        with pytest.raises(UserError, match=message):
            labelled("style", *labels)
    with pytest.raises(UserError, match="has no column 'kind': its columns are image, style"):
        labelled("kind", "anime", "cartoon")


TOGETHER = "label_column, label_a and label_b belong together"
LABELS = {"label_column": "label", "label_a": "x", "label_b": "y"}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({}, f"one: its image columns are image; {SECOND}"),
        ({"image_column": "image"}, f"one: its image columns are image; {SECOND}"),
        (
            {"image_column": "image", "image_column_b": "picture"},
            "no image column 'picture': its image columns are image",
        ),
        ({"label_column": "style"}, TOGETHER),
        ({"label_column": "style", "label_a": "anime"}, TOGETHER),
        ({"label_a": "anime", "label_b": "cartoon"}, TOGETHER),
        (LABELS | {"label_b": "x"}, "label_a and label_b are both 'x'"),
        (LABELS | {"dataset_name_b": "two"}, "'label' is for one dataset that holds both"),
        (LABELS | {"dataset_name": "faces"}, "'label' is for one dataset that holds both"),
        ({"dataset_name_b": "two", "train_data_dir_b": Path("two")}, "dataset_name_b .* both name"),
        ({"dataset_name_b": "./nothing"}, "there is no folder nothing"),
        ({"train_data_dir_b": Path("nothing")}, "there is no folder nothing"),
        ({"dataset_name": "half"}, "half: trainB holds no images"),
    ],
)
def test_what_is_not_two_domains_is_a_clear_error(
    load: Load,
    two_folders: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    flags: Flags,
    words: str,
) -> None:
    monkeypatch.chdir(two_folders[0].parent)
    fill_all(Path("half"), trainA=2, testA=2, trainB=0)
    with pytest.raises(UserError, match=words):
        load("one", two=True, **flags)


def load_pairs_of(folder: Path | str, cache: Path, **flags: Any) -> tuple[Domain, ...]:
    data = Data(resolution=SIZE, cache_dir=cache)
    return load_pairs(data, Pairs(paired_dataset_name=str(folder), **flags))


def test_pairs_of_synthetic_faces_are_the_same_people_in_both_styles(tmp_path: Path) -> None:
    a, b = load_pairs_of("faces", tmp_path, paired_max_train_samples=12)
    for one, style in ((a, "anime"), (b, "cartoon")):
        for pixels, start, count in ((one.train, 0, 12), (one.validation, VALIDATION_START, 1)):
            faces = [face_png(face_at(place), style, 64) for place in range(start, start + count)]
            assert shown(pixels) == expected([Image.open(io.BytesIO(face)) for face in faces])
    assert a.summary == "faces: 12 pairs; validation 1"
    assert load_pairs(Data(), Pairs()) == ()


def test_pairs_of_a_table_stay_together_when_some_are_split_off(tmp_path: Path) -> None:
    images = noise(40)
    write_parquet(tmp_path / "set" / "train.parquet", imageA=images, imageB=images[::-1])
    a, b = load_pairs_of(tmp_path / "set", tmp_path / "cache")
    assert (len(a.train), len(a.validation)) == (32, 8)
    for one, other in ((a.train, b.train), (a.validation, b.validation)):
        assert torch.equal(one.selection, other.selection)
        assert torch.equal(one.rows, other.rows.flip(0))
    named = {"paired_image_column": "imageB", "paired_image_column_b": "imageA"}
    swapped, _ = load_pairs_of(tmp_path / "set", tmp_path / "cache", **named)
    assert torch.equal(swapped.train.rows, b.train.rows)


def test_pairs_of_two_folders_have_the_same_names(tmp_path: Path) -> None:
    folder = fill_all(tmp_path / "set", trainA=20, trainB=20)
    a, b = load_pairs_of(folder, tmp_path / "cache")
    assert len(a.train) == len(b.train) == 12
    assert torch.equal(a.train.selection, b.train.selection)
    (folder / "trainB" / "000.png").rename(folder / "trainB" / "odd.png")
    with pytest.raises(UserError, match="same file name in trainA and in trainB, and 000, odd"):
        load_pairs_of(folder, tmp_path / "cache")


def test_what_holds_no_pairs_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "plain", 20)
    for folder, flags in ((tmp_path / "plain", {}), ("faces", {"paired_image_column": "cartoon"})):
        with pytest.raises(UserError, match=r"pairs need an image column for each domain"):
            load_pairs_of(folder, tmp_path / "cache", **flags)
    images = noise(300)
    write_parquet(
        tmp_path / "holes" / "train.parquet",
        imageA=(datasets.Image(), [{"bytes": png(image), "path": None} for image in images]),
        imageB=(
            datasets.Image(),
            [{"bytes": png(image), "path": None} for image in images[:-1]] + [None],
        ),
    )
    with pytest.raises(UserError, match=r"pairs of .*holes lack an image, unreadable: 1 "):
        load_pairs_of(tmp_path / "holes", tmp_path / "cache")
    with pytest.raises(UserError, match="holes has no image column 'x'"):
        load_pairs_of(tmp_path / "holes", tmp_path / "cache", paired_image_column="x")


def test_several_datasets_are_one_domain(tmp_path: Path, load: Load) -> None:
    for name, count, seed in (("one", 12, 0), ("two", 6, 1)):
        fill(tmp_path / name / "train", count, seed)
        fill(tmp_path / name / "val", 4, seed + 10)
        fill(tmp_path / name / "test", 3, seed + 20)
    names = (str(tmp_path / "one"), str(tmp_path / "two"))
    joined: Any = load(dataset_name=names)
    check(joined, noise(12) + noise(6, 1), noise(3, 20) + noise(3, 21), noise(4, 10) + noise(4, 11))
    assert joined.summary.splitlines()[-1] == "together: train 18 (12 + 6); test 6"
    again: Any = load(dataset_name=names)
    assert again.fingerprint() == joined.fingerprint()
    assert len(list((tmp_path / "cache" / "hf_gen").glob("joined-*/pixels.bin"))) == 3
    # As much of both in an epoch: each of the six comes twice.
    shared: Any = load(dataset_name=names, dataset_share=(0.5, 0.5))
    check(
        shared,
        noise(12) + noise(6, 1) * 2,
        noise(3, 20) + noise(3, 21),
        noise(4, 10) + noise(4, 11),
    )


def test_shares_leave_out_no_image() -> None:
    places = shared_places([10, 4], [3.0, 1.0])
    counts = torch.bincount(places, minlength=14)
    assert counts[:10].sum() == 3 * counts[10:].sum()
    assert counts.min() >= 1
    assert torch.equal(places, shared_places([10, 4], [3.0, 1.0]))


def test_each_domain_may_have_several_datasets(tmp_path: Path, load: Load) -> None:
    one, two = fill(tmp_path / "one", 40, 0), fill(tmp_path / "two", 40, 1)
    a, b = load(
        dataset_name=(str(one), "faces"), dataset_name_b=(str(two), "faces"), max_train_samples=20
    )
    for domain, style, start in ((a, "anime", 0), (b, "cartoon", 20)):
        faces = [face_png(face_at(place), style, 64) for place in range(start, start + 20)]
        drawn = expected([Image.open(io.BytesIO(face)) for face in faces])
        assert shown(domain.train)[-20:] == drawn
    with pytest.raises(UserError, match="are datasets of one domain: name those of domain b too"):
        load(dataset_name=(str(one), str(two)), two=True)


def test_images_that_are_tested_by_a_small_dataset_choose_nothing(
    tmp_path: Path, load: Load
) -> None:
    small, large = fill(tmp_path / "small", 20, 0), tmp_path / "large"
    for name, seed in (("train", 1), ("validation", 2), ("test", 3)):
        fill(large / name, 10, seed)
    joined: Any = load(dataset_name=(str(small), str(large)))
    assert joined.can_choose
    assert shown(joined.validation) == expected(noise(10, 2))
    alone: Any = load(dataset_name=(str(small), str(fill(tmp_path / "other", 20, 5))))
    assert not alone.can_choose
    assert len(alone.test) == 16

"""Every layout of two domains ends in the images of each, and one domain twice in a sentence."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from PIL import Image

from hf_gen.config import Data, Domains
from hf_gen.data.batches import Domain, Loader
from hf_gen.data.domains import load_domains
from hf_gen.data.pixels import Pixels
from hf_gen.data.sources import SYNTHETIC_COUNT
from hf_gen.errors import UserError
from hf_gen.faces import TEST_START, face_at, face_png
from hf_gen.images import square, to_tensor

Random = Callable[..., list[Image.Image]]
Fill = Callable[..., Path]
Load = Callable[..., tuple[Domain, Domain]]

SIZE = 8
SECOND = "the second domain needs --dataset-name-b, --image-column-b, or --label-column"
OF_B = {*Domains.__dataclass_fields__}


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads at 8x8 pixels with all caches in `tmp_path`, from the flags of both dataclasses."""

    def load(folder: Path | None = None, **values: Any) -> tuple[Domain, Domain]:
        name = {} if folder is None else {"dataset_name": str(folder)}
        fixed: dict[str, Any] = {"resolution": SIZE, "cache_dir": tmp_path / "cache"}
        of_b = {key: value for key, value in values.items() if key in OF_B}
        of_a = {key: value for key, value in values.items() if key not in OF_B}
        return load_domains(Data(**fixed | name | of_a), Domains(**of_b))

    return load


def shown(pixels: Pixels) -> list[bytes]:
    """The images in order."""
    return [image.numpy().tobytes() for image in pixels.images(torch.arange(len(pixels)))]


def whole(domain: Domain) -> list[bytes]:
    """All images of a domain, sorted."""
    return sorted(shown(domain.train) + shown(domain.held_out))


def expected(images: list[Image.Image]) -> list[bytes]:
    return [image.numpy().tobytes() for image in to_tensor([square(i, SIZE) for i in images])]


def check(domain: Domain, train: list[Image.Image], held_out: list[Image.Image]) -> None:
    """The images of a domain with a test split, in any order."""
    assert sorted(shown(domain.train)) == sorted(expected(train))
    assert sorted(shown(domain.held_out)) == sorted(expected(held_out))


def check_hash_split(domain: Domain, images: list[Image.Image]) -> None:
    """A few of the images are held out, and none of them is trained on."""
    assert whole(domain) == sorted(expected(images))
    assert 0 < len(domain.held_out) < len(domain.train) / 3


def stored(images: list[Image.Image]) -> list[dict[str, Any]]:
    encoded = []
    for image in images:
        file = io.BytesIO()
        image.save(file, "PNG")
        encoded.append({"bytes": file.getvalue(), "path": None})
    return encoded


def write_parquet(
    path: Path,
    others: dict[str, tuple[Any, list[Any]]] | None = None,
    /,
    **columns: list[Image.Image],
) -> None:
    """Columns of images; `others` are further columns as (feature, values)."""
    features: dict[str, Any] = {name: datasets.Image() for name in columns}
    values = {name: stored(images) for name, images in columns.items()}
    for name, (feature, column) in (others or {}).items():
        features[name], values[name] = feature, column
    path.parent.mkdir(parents=True, exist_ok=True)
    made = datasets.Dataset.from_dict(values, features=datasets.Features(features))
    made.to_parquet(path)


@pytest.fixture
def two_folders(tmp_path: Path, image_folder: Fill) -> tuple[Path, Path]:
    """Folders of 12 and of 7 images, 3 and 2 held out."""
    for name, count, seed in (("one", 12, 0), ("two", 7, 1)):
        image_folder(tmp_path / name / "train", count, seed=seed)
        image_folder(tmp_path / name / "test", count // 3, seed=seed + 10)
    return tmp_path / "one", tmp_path / "two"


@pytest.mark.parametrize("named", ["dataset_name_b", "train_data_dir_b"])
@pytest.mark.parametrize("named_a", ["dataset_name", "train_data_dir"])
def test_two_datasets_of_different_sizes(
    load: Load, two_folders: tuple[Path, Path], random_images: Random, named: str, named_a: str
) -> None:
    one, two = two_folders
    values = {
        named: str(two) if named == "dataset_name_b" else two,
        named_a: str(one) if named_a == "dataset_name" else one,
    }
    a, b = load(**values)
    check(a, random_images(12), random_images(4, seed=10))
    check(b, random_images(7, seed=1), random_images(2, seed=11))


def test_the_second_dataset_has_columns_splits_and_files_of_its_own(
    tmp_path: Path, load: Load, image_folder: Fill, random_images: Random
) -> None:
    image_folder(tmp_path / "one" / "left", 60)
    image_folder(tmp_path / "one" / "right", 60, seed=1)
    for split, seed in (("train", 2), ("test", 3), ("validation", 4)):
        images = random_images(6, seed=seed)
        write_parquet(tmp_path / "two" / f"{split}.parquet", photo=images, mask=images[::-1])
    a, b = load(
        tmp_path / "one",
        data_files=("right/*.png",),
        dataset_name_b=str(tmp_path / "two"),
        image_column_b="mask",
        split_b="validation",
    )
    check_hash_split(a, random_images(60, seed=1))
    check(b, random_images(6, seed=4), random_images(6, seed=3))
    a, b = load(
        tmp_path / "two",
        image_column="photo",
        dataset_name_b=str(tmp_path / "one"),
        data_files_b=("left/*.png",),
    )
    check(a, random_images(6, seed=2), random_images(6, seed=3))
    check_hash_split(b, random_images(60))


def test_one_folder_is_two_datasets_by_its_files(
    tmp_path: Path, load: Load, image_folder: Fill, random_images: Random
) -> None:
    image_folder(tmp_path / "set" / "x", 60)
    image_folder(tmp_path / "set" / "y", 60, seed=1)
    a, b = load(
        tmp_path / "set",
        data_files=("x/*.png",),
        dataset_name_b=str(tmp_path / "set"),
        data_files_b=("y/*.png",),
    )
    check_hash_split(a, random_images(60))
    check_hash_split(b, random_images(60, seed=1))


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
    tmp_path: Path,
    load: Load,
    random_images: Random,
    names: tuple[str, str],
    flags: dict[str, str],
    streaming: bool,
) -> None:
    for split, count, seed in (("train", 6, 0), ("test", 3, 5)):
        first, second = random_images(count, seed=seed), random_images(count, seed=seed + 1)
        columns = {names[0]: first, names[1]: second}
        write_parquet(tmp_path / "set" / f"{split}.parquet", **columns)
    a, b = load(tmp_path / "set", streaming=streaming, **flags)
    check(a, random_images(6), random_images(3, seed=5))
    check(b, random_images(6, seed=1), random_images(3, seed=6))
    # Held out in the same order, so that pairs stay pairs.
    assert shown(a.held_out) == expected(random_images(3, seed=5))
    assert shown(b.held_out) == expected(random_images(3, seed=6))


NAMES = datasets.ClassLabel(names=["photo", "anime", "cartoon"])
LABELS: dict[str, tuple[Any, list[Any]]] = {
    "class label": (NAMES, [1, 2, 0, 2]),
    "string": (datasets.Value("string"), ["anime", "cartoon", "photo", "cartoon"]),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("streaming", [False, True])
def test_one_dataset_with_a_label_column(
    tmp_path: Path, load: Load, random_images: Random, kind: str, streaming: bool
) -> None:
    feature, labels = LABELS[kind]
    images = {"train": random_images(16), "test": random_images(8, seed=1)}
    for split, of_split in images.items():
        others = {"style": (feature, labels * (len(of_split) // 4))}
        write_parquet(tmp_path / "set" / f"{split}.parquet", others, image=of_split)
    a, b = load(
        tmp_path / "set",
        streaming=streaming,
        label_column="style",
        label_a="anime",
        label_b="cartoon",
    )
    check(a, images["train"][::4], images["test"][::4])
    check(b, images["train"][1::2], images["test"][1::2])


def test_a_label_may_be_a_number(tmp_path: Path, load: Load, random_images: Random) -> None:
    images = random_images(6)
    for split in ("train", "test"):
        others = {"side": (datasets.Value("int64"), [0, 1, 0, 1, 7, 7])}
        write_parquet(tmp_path / "set" / f"{split}.parquet", others, image=images)
    a, b = load(tmp_path / "set", label_column="side", label_a="1", label_b="0")
    check(a, images[1:4:2], images[1:4:2])
    check(b, images[0:4:2], images[0:4:2])


def test_the_labels_of_a_folder_are_its_subfolders(
    tmp_path: Path, load: Load, image_folder: Fill, random_images: Random
) -> None:
    image_folder(tmp_path / "set" / "horse", 60)
    image_folder(tmp_path / "set" / "zebra", 80, seed=1)
    image_folder(tmp_path / "set" / "donkey", 5, seed=2)
    a, b = load(tmp_path / "set", label_column="label", label_a="horse", label_b="zebra")
    check_hash_split(a, random_images(60))
    check_hash_split(b, random_images(80, seed=1))


def test_fewer_samples_are_those_of_each_label(
    tmp_path: Path, load: Load, random_images: Random
) -> None:
    images = random_images(40)
    for split in ("train", "test"):
        others = {"style": (datasets.Value("string"), ["a", "b"] * 20)}
        write_parquet(tmp_path / "set" / f"{split}.parquet", others, image=images)
    a, b = load(
        tmp_path / "set", max_train_samples=5, label_column="style", label_a="a", label_b="b"
    )
    assert len(a.train) == len(b.train) == 5
    assert len(a.held_out) == len(b.held_out) == 20
    assert set(shown(a.train)) < set(expected(images[::2]))
    assert set(shown(b.train)) < set(expected(images[1::2]))


@pytest.fixture
def four_folders(tmp_path: Path, image_folder: Fill) -> Path:
    """trainA, trainB, testA and testB, of 8, 6, 3 and 2 images."""
    for seed, (name, count) in enumerate(
        {"trainA": 8, "trainB": 6, "testA": 3, "testB": 2}.items()
    ):
        image_folder(tmp_path / "set" / name, count, seed=seed)
    return tmp_path / "set"


@pytest.mark.parametrize("named", ["dataset_name", "train_data_dir", "home"])
def test_a_folder_as_the_paper_has_it(
    load: Load,
    four_folders: Path,
    random_images: Random,
    monkeypatch: pytest.MonkeyPatch,
    named: str,
) -> None:
    monkeypatch.setenv("HOME", str(four_folders.parent))
    values: dict[str, dict[str, Any]] = {
        "dataset_name": {"dataset_name": str(four_folders)},
        "train_data_dir": {"train_data_dir": four_folders},
        "home": {"dataset_name": "~/set"},
    }
    a, b = load(**values[named])
    check(a, random_images(8), random_images(3, seed=2))
    check(b, random_images(6, seed=1), random_images(2, seed=3))


def test_a_folder_as_the_paper_has_it_without_test_folders(
    tmp_path: Path, load: Load, image_folder: Fill, random_images: Random
) -> None:
    image_folder(tmp_path / "set" / "trainA", 80)
    image_folder(tmp_path / "set" / "trainB", 100, seed=1)
    image_folder(tmp_path / "set" / "testB", 4, seed=2)
    a, b = load(tmp_path / "set")
    check_hash_split(a, random_images(80))
    check(b, random_images(100, seed=1), random_images(4, seed=2))


def test_fewer_training_samples_leave_the_test_folders_whole(
    load: Load, four_folders: Path, random_images: Random
) -> None:
    a, b = load(four_folders, max_train_samples=1)
    assert len(a.train) == len(b.train) == 1
    assert sorted(shown(a.held_out)) == sorted(expected(random_images(3, seed=2)))
    assert sorted(shown(b.held_out)) == sorted(expected(random_images(2, seed=3)))


def drawn(indices: range, style: str) -> list[bytes]:
    faces = [face_png(face_at(index), style, 64) for index in indices]
    return expected([Image.open(io.BytesIO(face)) for face in faces])


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"image_column": "anime", "image_column_b": "cartoon"},
        {"dataset_name_b": "faces"},
        {"dataset_name_b": "faces", "image_column_b": "cartoon"},
    ],
)
def test_of_the_synthetic_faces_training_sees_no_pair_and_the_held_out_are_pairs(
    load: Load, flags: dict[str, str]
) -> None:
    a, b = load(max_train_samples=20, **flags)
    assert shown(a.train) == drawn(range(20), "anime")
    assert shown(b.train) == drawn(range(20, 40), "cartoon")
    pairs = range(TEST_START, TEST_START + 2)
    assert shown(a.held_out) == drawn(pairs, "anime")
    assert shown(b.held_out) == drawn(pairs, "cartoon")


def test_the_synthetic_faces_may_be_turned_round(load: Load) -> None:
    a, b = load(max_train_samples=3, image_column="cartoon", image_column_b="anime")
    assert shown(a.train) == drawn(range(3), "cartoon")
    assert shown(b.train) == drawn(range(3, 6), "anime")


def test_other_people_are_synthetic_for_domain_b_without_a_number(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SYNTHETIC_COUNT < TEST_START
    for module in ("sources", "domains"):
        monkeypatch.setattr(f"hf_gen.data.{module}.SYNTHETIC_COUNT", 4)
    a, b = load()
    assert shown(a.train) == drawn(range(4), "anime")
    assert shown(b.train) == drawn(range(4, 8), "cartoon")


@pytest.mark.parametrize("is_b", [True, False])
def test_synthetic_faces_on_one_side_only(
    load: Load, two_folders: tuple[Path, Path], random_images: Random, is_b: bool
) -> None:
    one, _ = two_folders
    if is_b:
        folder, faces = load(one, dataset_name_b="faces", max_train_samples=12)
    else:
        faces, folder = load(dataset_name_b=str(one), max_train_samples=12)
    check(folder, random_images(12), random_images(4, seed=10))
    assert shown(faces.train) == drawn(range(12), "cartoon" if is_b else "anime")


def test_batches_are_synthetic_from_domains_of_different_sizes(
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
    with pytest.raises(UserError, match="7 images are fewer than a batch of 8"):
        Loader(domains, 0, 8, 1, False, 0, 1, torch.device("cpu"))


@pytest.mark.parametrize(
    "spelling",
    ["the same", "train_data_dir_b", "both folders", "a slash more", "another way", "home"],
)
def test_one_dataset_twice_is_a_sentence(
    load: Load,
    two_folders: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    spelling: str,
) -> None:
    folder, other = two_folders
    monkeypatch.setenv("HOME", str(folder.parent))
    values: dict[str, dict[str, Any]] = {
        "the same": {"dataset_name": str(folder), "dataset_name_b": str(folder)},
        "train_data_dir_b": {"dataset_name": str(folder), "train_data_dir_b": folder},
        "both folders": {"train_data_dir": folder, "train_data_dir_b": folder},
        "a slash more": {"dataset_name": str(folder), "dataset_name_b": f"{folder}/"},
        "another way": {
            "dataset_name": str(folder),
            "dataset_name_b": f"{other}/../{folder.name}",
        },
        "home": {"dataset_name": str(folder), "dataset_name_b": f"~/{folder.name}"},
    }
    with pytest.raises(UserError, match=f"both domains are .*{SECOND}"):
        load(**values[spelling])


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
def test_one_column_twice_is_a_sentence(
    tmp_path: Path, load: Load, random_images: Random, names: tuple[str, str], flags: dict[str, str]
) -> None:
    columns = {name: random_images(2, seed=seed) for seed, name in enumerate(names)}
    for split in ("train", "test"):
        write_parquet(tmp_path / "set" / f"{split}.parquet", **columns)
    with pytest.raises(UserError, match=f"both domains are .*{SECOND}"):
        load(tmp_path / "set", **flags)


@pytest.mark.parametrize(
    "flags",
    [
        {"image_column": "anime", "image_column_b": "anime"},
        {"image_column_b": "anime"},
        {"image_column": "cartoon"},
        {"image_column": "cartoon", "dataset_name_b": "faces"},
    ],
)
def test_one_style_of_the_synthetic_faces_twice_is_a_sentence(
    load: Load, flags: dict[str, str]
) -> None:
    with pytest.raises(UserError, match=r"both domains are .*(anime|cartoon)"):
        load(max_train_samples=2, **flags)


def test_one_image_column_alone_is_a_sentence(load: Load, two_folders: tuple[Path, Path]) -> None:
    folder, _ = two_folders
    sentence = f"{folder}: its image columns are image; {SECOND}"
    with pytest.raises(UserError, match=sentence):
        load(folder)
    with pytest.raises(UserError, match=sentence):
        load(folder, image_column="image")
    with pytest.raises(UserError, match="no image column 'picture': its image columns are image"):
        load(folder, image_column="image", image_column_b="picture")


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("streaming", [False, True])
def test_a_label_that_no_image_has_is_a_sentence(
    tmp_path: Path, load: Load, random_images: Random, kind: str, streaming: bool
) -> None:
    feature, labels = LABELS[kind]
    for split in ("train", "test"):
        others = {"style": (feature, labels)}
        write_parquet(tmp_path / "set" / f"{split}.parquet", others, image=random_images(4))

    def labelled(column: str, a: str, b: str) -> None:
        load(tmp_path / "set", streaming=streaming, label_column=column, label_a=a, label_b=b)

    # Of plain strings nobody knows which there are before all are read.
    of_class = r"style of .*set has no 'manga': it has photo, anime, cartoon"
    of_strings = r"holds no images.*'?manga'?|'?manga'?.*holds no images"
    sentence = of_class if kind == "class label" else of_strings
    with pytest.raises(UserError, match=sentence):
        labelled("style", "anime", "manga")
    with pytest.raises(UserError, match=sentence):
        labelled("style", "manga", "anime")
    with pytest.raises(UserError, match="has no column 'kind': its columns are image, style"):
        labelled("kind", "anime", "cartoon")


@pytest.mark.parametrize(
    "labels",
    [
        {"label_column": "style"},
        {"label_column": "style", "label_a": "anime"},
        {"label_a": "anime", "label_b": "cartoon"},
    ],
)
def test_labels_that_are_not_all_given_are_a_sentence(
    load: Load, two_folders: tuple[Path, Path], labels: dict[str, str]
) -> None:
    with pytest.raises(UserError, match="label_column, label_a and label_b belong together"):
        load(two_folders[0], **labels)


def test_one_label_or_one_name_twice_is_a_sentence(
    load: Load, two_folders: tuple[Path, Path]
) -> None:
    with pytest.raises(UserError, match="label_a and label_b are both 'x'"):
        load(two_folders[0], label_column="label", label_a="x", label_b="x")
    with pytest.raises(UserError, match="domain_a and domain_b are both 'face'"):
        load(domain_a="face", domain_b="face")


def test_two_names_for_domain_b_are_a_sentence(load: Load, two_folders: tuple[Path, Path]) -> None:
    one, two = two_folders
    with pytest.raises(UserError, match=r"dataset_name_b .* and train_data_dir_b .* both name"):
        load(one, dataset_name_b=str(two), train_data_dir_b=two)


def test_a_second_dataset_that_is_not_there_is_a_sentence(
    tmp_path: Path, load: Load, two_folders: tuple[Path, Path]
) -> None:
    with pytest.raises(UserError, match=f"there is no folder {tmp_path}/nothing"):
        load(two_folders[0], dataset_name_b=str(tmp_path / "nothing"))
    with pytest.raises(UserError, match=f"there is no folder {tmp_path}/nothing"):
        load(two_folders[0], train_data_dir_b=tmp_path / "nothing")


def test_a_side_of_a_folder_that_is_empty_is_a_sentence(load: Load, four_folders: Path) -> None:
    shutil.rmtree(four_folders / "trainB")
    (four_folders / "trainB").mkdir()
    with pytest.raises(UserError, match=r"trainB holds no images"):
        load(four_folders)

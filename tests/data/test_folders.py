"""What a person's folder looks like, and which images of it are trained on."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import pytest

from hf_gen.config import Data
from hf_gen.data.sources import load_domain
from hf_gen.errors import UserError
from tests.data.pictures import expected, fill, noise, png, shown

Make = Callable[[Path], None]
STRANGE = 9  # the seed of images that must not be taken


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Any]:
    """Loads a folder at 8x8 pixels with all caches in `tmp_path`."""

    def load(folder: str | Path, **values: Any) -> Any:
        flags = {"train_data_dir": Path(folder), "resolution": 8, "cache_dir": tmp_path / "cache"}
        return load_domain(Data(**flags | values))

    return load


def plain(root: Path) -> None:
    fill(root)


def names_like_splits(root: Path) -> None:
    fill(root)
    for place, image in enumerate(sorted(root.iterdir())):
        image.rename(root / (f"train ({place}).png" if place % 2 else f"eye test {place}.png"))


def class_folders(root: Path) -> None:
    for place, name in enumerate(["cats", "dogs", "test shots", "validated"]):
        (root / name).mkdir(parents=True)
        for image in noise(20)[place::4]:
            image.save(root / name / f"{len(list((root / name).iterdir()))}.png")


def companions(root: Path) -> None:
    fill(root)
    for image in list(root.iterdir()):
        for extension in (".txt", ".json", ".xml", ".MOV", ".npy", ".csv", ".svg"):
            image.with_suffix(extension).write_bytes(b"a face")


def system_files(root: Path) -> None:
    fill(root)
    for name in ("@eaDir", "__MACOSX", ".thumbnails"):
        fill(root / name, seed=STRANGE)
    fill(root, seed=STRANGE, names="._{:02d}.png")
    (root / "Thumbs.db").write_bytes(b"\xd0\xcf")


def unrelated_metadata(root: Path) -> None:
    fill(root)
    (root / "metadata.csv").write_text("id,name\n1,2\n")


def empty_metadata(root: Path) -> None:
    fill(root)
    (root / "metadata.jsonl").write_text("")


def damaged_metadata(root: Path) -> None:
    fill(root)
    (root / "metadata.jsonl").write_bytes(b'{"file_name": "00.png"\n\xff\xfe[')


def partial_metadata(root: Path) -> None:
    fill(root)
    rows = "".join(f"{place:02d}.png,face\n" for place in range(10))
    (root / "metadata.csv").write_text(f"file_name,text\n{rows}gone.png,face\n")


def run_folder_inside(root: Path) -> None:
    fill(root)
    fill(root / "runs" / "mine" / "figures", seed=STRANGE)
    (root / "runs" / "mine" / "run.json").write_text("{}")


def links(root: Path) -> None:
    elsewhere = root.with_name("elsewhere")
    fill(elsewhere)
    root.mkdir()
    (root / "link").symlink_to(elsewhere)
    (root / "link once more").symlink_to(elsewhere)
    (root / "loop").symlink_to(root)
    (root / "gone.png").symlink_to(root / "nowhere")


def no_extensions(root: Path) -> None:
    fill(root)
    for place, image in enumerate(sorted(root.iterdir())):
        image.rename(root / (f"{place}" if place % 2 else f"{place}.png_large"))
    (root / "README").write_text("no image")


def in_one_folder_more(root: Path) -> None:
    fill(root / "downloaded" / "train", 15)
    fill(root / "downloaded" / "test", 5, seed=1)


def archive(root: Path, kind: str = "zip") -> None:
    fill(root)
    (root / "00.txt").write_text("a face")
    made = shutil.make_archive(str(root.with_name("made")), kind, root)
    shutil.rmtree(root)
    root.mkdir()
    shutil.move(made, root)


def tar_archive(root: Path) -> None:
    archive(root, "gztar")


def archive_beside_images(root: Path) -> None:
    fill(root.with_name("made"), seed=STRANGE)
    fill(root)
    shutil.make_archive(str(root / "made"), "zip", root.with_name("made"))


def saved_to_disk(root: Path) -> None:
    column = {"image": [{"bytes": png(image), "path": None} for image in noise(20)]}
    features = datasets.Features({"image": datasets.Image()})
    datasets.Dataset.from_dict(column, features=features).save_to_disk(root)
    (root / "cache-0123.arrow").write_bytes(b"what map() left")


# What is made, and what is said of it.
WHOLE: list[tuple[Make, Sequence[str]]] = [
    (plain, ["20 images in 1 folder"]),
    (names_like_splits, []),
    (class_folders, ["20 images in 4 folders"]),
    (companions, ["20 .txt", "20 .json", "20 .xml", "20 .mov", "20 .npy", "20 .csv", "20 .svg"]),
    (system_files, ["1 .db"]),
    (unrelated_metadata, []),
    (empty_metadata, []),
    (damaged_metadata, []),
    (
        partial_metadata,
        [
            "without a row in the metadata: 10 images (10.png, 11.png, 12.png, ...)",
            "in the metadata, but not there: 1 image (gone.png)",
        ],
    ),
    (run_folder_inside, ["left out: 1 run folder (runs/mine)"]),
    (links, ["1 broken link"]),
    (no_extensions, ["1 without an extension"]),
    (archive, ["1 .txt"]),
    (tar_archive, []),
    (archive_beside_images, ["1 .zip"]),
    (saved_to_disk, []),
]


@pytest.mark.parametrize(("make", "said"), WHOLE, ids=[make.__name__ for make, _ in WHOLE])
def test_all_images_of_a_folder_and_no_others_are_taken(
    tmp_path: Path, load: Any, make: Make, said: Sequence[str]
) -> None:
    folder = tmp_path / "photos [2020]"
    fill(tmp_path / "photos 2", seed=STRANGE)  # what the name would match as a pattern
    make(folder)
    domain = load(folder)
    assert sorted(shown(domain.train) + shown(domain.held_out)) == expected(noise(20))
    assert len(domain.held_out) == 5
    for words in said:
        assert words in domain.summary


@pytest.mark.parametrize("spelling", [".", "./", "../set", "a::b"])
@pytest.mark.parametrize("make", [plain, saved_to_disk])
def test_any_spelling_of_a_path_will_do(
    tmp_path: Path, load: Any, monkeypatch: pytest.MonkeyPatch, make: Make, spelling: str
) -> None:
    make(tmp_path / "set")
    monkeypatch.chdir(tmp_path / "set")
    if spelling == "a::b":
        shutil.move(tmp_path / "set", tmp_path / "a::b")
        monkeypatch.chdir(tmp_path)
    if (make, spelling) == (saved_to_disk, "a::b"):
        with pytest.raises(UserError, match="a path with '::': rename it"):
            load(spelling)
        return
    domain = load(spelling)
    assert len(domain.train) + len(domain.held_out) == 20


@pytest.mark.parametrize(
    ("train", "others", "held_out"),
    [
        (["train"], ["test"], "test"),
        (["Train"], ["TEST"], "TEST"),
        (["train"], ["val"], "val"),
        (["train"], ["Valid"], "Valid"),
        (["train"], ["validation", "extra"], "validation"),
        (["train"], ["dev", "test"], "test"),
        (["trainA", "trainB"], ["testA"], "testA"),
        ([""], ["test"], "test"),
        (["deep/train/cats", "deep/train/dogs"], ["deep/test/cats"], "deep/test/cats"),
        (["train.zip"], ["test.zip"], "test.zip"),
        (["all.zip/train"], ["all.zip/val"], "all.zip/val"),
    ],
)
def test_splits_are_the_folders_of_the_first_level(
    tmp_path: Path, load: Any, train: list[str], others: list[str], held_out: str
) -> None:
    for seed, folder in enumerate([*train, *others]):
        fill(tmp_path / "set" / folder, 6, seed)
    for packed in sorted((tmp_path / "set").glob("*.zip")):
        shutil.make_archive(str(tmp_path / packed.stem), "zip", packed)
        shutil.rmtree(packed)
        shutil.move(tmp_path / packed.name, packed)
    domain = load(tmp_path / "set")
    everything = [image for seed in range(len(train)) for image in noise(6, seed)]
    assert shown(domain.train) == expected(everything)
    seed = [*train, *others].index(held_out)
    assert shown(domain.held_out) == expected(noise(6, seed))


def test_what_is_outside_of_the_splits_is_counted(tmp_path: Path, load: Any) -> None:
    for seed, name in enumerate(["train", "test", "val", "extra"]):
        fill(tmp_path / "set" / name, 6, seed)
    summary = load(tmp_path / "set").summary
    assert "not used: 6 images (validation)" in summary
    assert (
        "outside of the splits: 6 images (extra/00.png, extra/01.png, extra/02.png, ...)" in summary
    )


def test_names_that_repeat_their_folder_are_found(tmp_path: Path, load: Any) -> None:
    fill(tmp_path / "set" / "train", 10)
    rows = [json.dumps({"file_name": f"train/{place:02d}.png", "kind": "x"}) for place in range(10)]
    (tmp_path / "set" / "train" / "metadata.jsonl").write_text("\n".join(rows))
    assert "metadata" not in load(tmp_path / "set").summary


def a_run(root: Path) -> None:
    fill(root)
    (root / "run.json").write_text("{}")


def no_images(root: Path) -> None:
    root.mkdir()
    (root / "face.mov").write_bytes(b"")
    (root / "face.cr2").write_bytes(b"")


def only_tests(root: Path) -> None:
    fill(root / "test")


def damaged_archive(root: Path) -> None:
    root.mkdir()
    (root / "faces.zip").write_bytes(b"PK\x03\x04 and no more")


def damaged_tar(root: Path) -> None:
    tar_archive(root)
    (made,) = root.iterdir()
    made.write_bytes(made.read_bytes()[:3000])


def not_all_paired(root: Path) -> None:
    fill(root)
    (root / "metadata.csv").write_text("file_name,style\n00.png,anime\n")


@pytest.mark.parametrize(
    ("make", "flags", "words"),
    [
        (a_run, {}, "is a run folder"),
        (no_images, {}, "holds no images or parquet files .it holds 1 .cr2, 1 .mov"),
        (only_tests, {}, "has no split 'train': its splits are test"),
        (damaged_archive, {}, "faces.zip cannot be read"),
        (damaged_tar, {}, "made.tar.gz cannot be read"),
        (plain, {"data_files": ("gone/*.png",)}, "--data-files gone/.*no such image"),
        (plain, {"image_column": "photo"}, "no image column 'photo': its image columns are image"),
        (
            plain,
            {"cache_dir": Path("/proc/nothing")},
            "/proc/nothing/.* choose another --cache-dir",
        ),
    ],
)
def test_what_cannot_be_trained_on_is_a_clear_error(
    tmp_path: Path, load: Any, make: Make, flags: dict[str, Any], words: str
) -> None:
    make(tmp_path / "set")
    with pytest.raises(UserError, match=words):
        load(tmp_path / "set", **flags)

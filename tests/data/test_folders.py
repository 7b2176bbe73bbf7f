"""What a person's folder looks like, and which images of it are trained on."""

import io
import json
import shutil
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import pytest

from hf_gen.errors import UserError
from hf_gen.images import formats
from tests.data.pictures import check, check_hash_split, expected, fill, noise, png, shown

Make = Callable[[Path], object]
OTHERS = 9  # the seed of images that must not be taken


def names_like_splits(root: Path) -> None:
    fill(root)
    for place, image in enumerate(sorted(root.iterdir())):
        image.rename(root / (f"train ({place}).png" if place % 2 else f"eye test {place}.png"))


def class_folders(root: Path) -> None:
    for place, name in enumerate(["cats", "dogs", "test shots", "validated"]):
        (root / name).mkdir(parents=True)
        for number, image in enumerate(noise(20)[place::4]):
            image.save(root / name / f"{number}.png")


def companions(root: Path) -> None:
    fill(root)
    for image in list(root.iterdir()):
        for extension in (".txt", ".json", ".xml", ".MOV", ".npy", ".csv", ".svg"):
            image.with_suffix(extension).write_bytes(b"a face")


def system_files(root: Path) -> None:
    fill(root)
    for name in ("@eaDir", "__MACOSX", ".thumbnails"):
        fill(root / name, seed=OTHERS)
    fill(root, seed=OTHERS, names="._{:02d}.png")
    (root / "Thumbs.db").write_bytes(b"\xd0\xcf")


def unrelated_metadata(root: Path) -> None:
    fill(root)
    (root / "metadata.csv").write_text("id,name\n1,2\n")


def damaged_metadata(root: Path) -> None:
    fill(root)
    (root / "metadata.jsonl").write_bytes(b'{"file_name": "000.png"\n\xff\xfe[')


def partial_metadata(root: Path) -> None:
    fill(root)
    rows = "".join(f"{place:03d}.png,face\n" for place in range(10))
    (root / "metadata.csv").write_text(f"file_name,text\n{rows}gone.png,face\n")


def run_folder_inside(root: Path) -> None:
    fill(root)
    fill(root / "runs" / "mine" / "figures", seed=OTHERS)
    (root / "runs" / "mine" / "run.json").write_text("{}")


def links(root: Path) -> None:
    elsewhere, one_by_one = fill(root.with_name("elsewhere")), root.with_name("one by one")
    one_by_one.mkdir()
    root.mkdir()
    for image in sorted(elsewhere.iterdir())[::2]:
        image.rename(one_by_one / image.name)
        (root / image.name).symlink_to(one_by_one / image.name)
    (root / "link").symlink_to(elsewhere)
    (root / "link once more").symlink_to(elsewhere)
    (root / "loop").symlink_to(root)
    (root / "gone.png").symlink_to(root / "nowhere")


def no_extensions(root: Path) -> None:
    fill(root)
    for place, image in enumerate(sorted(root.iterdir())):
        image.rename(root / (f"{place}" if place % 2 else f"{place}.png_large"))
    (root / "README").write_text("no image")


def archive(root: Path) -> None:
    (fill(root) / "000.txt").write_text("a face")
    made = shutil.make_archive(str(root.with_name("made")), "gztar", root)
    shutil.rmtree(root)
    root.mkdir()
    shutil.move(made, root)


def archive_among_images(root: Path) -> None:
    others = fill(root.with_name("made"), seed=OTHERS)
    shutil.make_archive(str(fill(root) / "made"), "zip", others)


def saved_to_disk(root: Path) -> None:
    column = {"image": [{"bytes": png(image), "path": None} for image in noise(20)]}
    features = datasets.Features({"image": datasets.Image()})
    datasets.Dataset.from_dict(column, features=features).save_to_disk(root)
    (root / "cache-0123.arrow").write_bytes(b"what map() left")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (fill, ["20 images in 1 folder"]),
        (names_like_splits, []),
        (class_folders, ["20 images in 4 folders"]),
        (companions, ["20 .txt", "20 .json", "20 .xml", "20 .mov", "20 .npy", "20 .csv"]),
        (system_files, ["1 .db"]),
        (unrelated_metadata, []),
        (damaged_metadata, ["damaged, or without a file_name: 1 metadata file"]),
        (
            partial_metadata,
            [
                "without a row in the metadata: 10 images (010.png, 011.png, 012.png, ...)",
                "in the metadata, but not there: 1 image (gone.png)",
            ],
        ),
        (run_folder_inside, ["left out: 1 run folder (runs/mine)"]),
        (links, ["1 broken link"]),
        (no_extensions, ["1 without an extension"]),
        (archive, ["1 .txt"]),
        (archive_among_images, ["1 .zip"]),
        (saved_to_disk, []),
    ],
)
def test_all_images_of_a_folder_and_no_others_are_taken(
    tmp_path: Path, load: Any, make: Make, said: Sequence[str]
) -> None:
    folder = tmp_path / "photos [2020]"
    fill(tmp_path / "photos 2", seed=OTHERS)  # what the name would match as a pattern
    make(folder)
    domain = load(folder)
    check_hash_split(domain, noise(20))
    assert len(domain.test) == 8
    for words in said:
        assert words in domain.summary


@pytest.mark.parametrize("make", [fill, saved_to_disk])
def test_equivalent_paths_are_accepted(
    tmp_path: Path, load: Any, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    make(tmp_path / "set")
    monkeypatch.chdir(tmp_path / "set")
    for spelling in (".", "../set"):
        check_hash_split(load(spelling), noise(20))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").rename("a::b")
    if make is saved_to_disk:
        with pytest.raises(UserError, match="a path with '::': rename it"):
            load("a::b")
    else:
        check_hash_split(load("a::b"), noise(20))


@pytest.mark.parametrize(
    ("train", "others", "test"),
    [
        (["Train"], ["TEST"], "TEST"),
        (["train"], ["Valid"], "Valid"),
        (["train"], ["validation", "extra"], "validation"),
        (["trainA", "trainB"], ["testA"], "testA"),
        ([""], ["test"], "test"),
        (["deep/train/cats", "deep/train/dogs"], ["deep/test/cats"], "deep/test/cats"),
        (["train.zip"], ["test.zip"], "test.zip"),
        (["all.zip/train"], ["all.zip/val"], "all.zip/val"),
    ],
)
def test_splits_are_the_folders_of_the_first_level(
    tmp_path: Path, load: Any, train: list[str], others: list[str], test: str
) -> None:
    for seed, folder in enumerate([*train, *others]):
        fill(tmp_path / "set" / folder, 6, seed)
    for packed in sorted((tmp_path / "set").glob("*.zip")):
        shutil.make_archive(str(tmp_path / packed.stem), "zip", packed)
        shutil.rmtree(packed)
        shutil.move(tmp_path / packed.name, packed)
    everything = [image for seed in range(len(train)) for image in noise(6, seed)]
    seed = [*train, *others].index(test)
    check(load(tmp_path / "set"), everything, noise(6, seed))


def test_what_is_outside_of_the_splits_is_counted(tmp_path: Path, load: Any) -> None:
    for seed, name in enumerate(["train", "test", "val", "extra"]):
        fill(tmp_path / "set" / name, 6, seed)
    summary = load(tmp_path / "set", split="validation").summary
    assert "not used: 6 images (train)" in summary
    outside = "extra/000.png, extra/001.png, extra/002.png, ..."
    assert f"outside of the splits: 6 images ({outside})" in summary


def test_a_listing_may_repeat_the_folder_that_it_is_in(tmp_path: Path, load: Any) -> None:
    folder = fill(tmp_path / "set" / "train", 10)
    names = (f"train/{place:03d}.png" for place in range(10))
    rows = (json.dumps({"file_name": name, "kind": "x"}) for name in names)
    (folder / "metadata.jsonl").write_text("\n".join(rows))
    assert "metadata" not in load(tmp_path / "set").summary


def a_run(root: Path) -> None:
    (fill(root) / "run.json").write_text("{}")


def no_images(root: Path) -> None:
    root.mkdir()
    for name in ("face.mov", "face.cr2"):
        (root / name).write_bytes(b"")


def only_tests(root: Path) -> None:
    fill(root / "test")


def damaged_archive(root: Path) -> None:
    root.mkdir()
    (root / "faces.zip").write_bytes(b"PK\x03\x04 and no more")


def pairs(root: Path) -> None:
    fill(root, names="a{:02d}.png")
    fill(root, seed=1, names="b{:02d}.png")
    rows = "".join(f"a{place:02d}.png,b{place:02d}.png\n" for place in range(20))
    (root / "metadata.csv").write_text(f"left_file_name,right_file_name\n{rows}")


def masks(root: Path) -> None:
    fill(root)
    fill(root / "masks", seed=1)
    names = (f"{place:03d}.png" for place in range(20))
    rows = (json.dumps({"file_name": name, "mask_file_name": f"masks/{name}"}) for name in names)
    (root / "metadata.jsonl").write_text("\n".join(rows))


def web_dataset(root: Path) -> None:
    root.mkdir()
    with tarfile.open(root / "train-000.tar", "w") as packed:
        for place, (image, mask) in enumerate(zip(noise(20), noise(20, 1), strict=True)):
            for extension, content in (("png", png(image)), ("mask.png", png(mask))):
                member = tarfile.TarInfo(f"{place:02d}.{extension}")
                member.size = len(content)
                packed.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(
    ("make", "flags", "words"),
    [
        (a_run, {}, "is a run folder"),
        (no_images, {}, "holds no images or parquet files .it holds 1 .cr2, 1 .mov"),
        (only_tests, {}, "has no split 'train': its splits are test"),
        (damaged_archive, {}, "faces.zip cannot be read"),
        (pairs, {}, "left, right.*--image-column"),
        (web_dataset, {}, "mask.png, png.*--image-column"),
        (fill, {"data_files": ("gone/*.png",)}, "--data-files gone/.*no such image"),
        (fill, {"image_column": "photo"}, "no image column 'photo': its image columns are image"),
        (fill, {"cache_dir": Path("/proc/nothing")}, "/proc/nothing/.* choose another --cache-dir"),
    ],
)
def test_what_cannot_be_trained_on_is_a_clear_error(
    tmp_path: Path, load: Any, make: Make, flags: dict[str, Any], words: str
) -> None:
    make(tmp_path / "set")
    with pytest.raises(UserError, match=words):
        load(tmp_path / "set", **flags)


@pytest.mark.parametrize(
    ("make", "column", "seed"),
    [
        (pairs, "left", 0),
        (pairs, "right", 1),
        (masks, None, 0),
        (masks, "image", 0),
        (masks, "mask", 1),
        (web_dataset, "png", 0),
        (web_dataset, "mask.png", 1),
    ],
)
def test_of_several_images_a_row_one_column_is_taken(
    tmp_path: Path, load: Any, make: Make, column: str | None, seed: int
) -> None:
    make(tmp_path / "set")
    check_hash_split(load(tmp_path / "set", image_column=column), noise(20, seed))


def test_names_that_are_no_text_are_taken_and_reported(tmp_path: Path, load: Any) -> None:
    fill(tmp_path / "set" / "train", 100, names="\udcff{:03d}.png")
    (tmp_path / "set" / "train" / "\udcff000.png").write_bytes(b"no image")
    fill(tmp_path / "set" / "test", 10, seed=1)
    domain = load(tmp_path / "set")
    assert shown(domain.train) == expected(noise(100)[1:])
    assert "unreadable: 1 (train/?000.png: not an image" in domain.summary


def test_photographs_of_phones_are_read_or_counted(tmp_path: Path, load: Any) -> None:
    fill(tmp_path / "set", 120)
    (tmp_path / "set" / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    summary = load(tmp_path / "set").summary
    if "HEIF" in formats():
        assert "unreadable: 1 (IMG_1.HEIC" in summary
    else:
        assert "ignored: 1 .heic (pip install pillow-heif to read them)" in summary


@pytest.mark.parametrize("unlisted", [1, 2])
def test_labels_from_the_metadata_may_miss_one_in_a_hundred(
    tmp_path: Path, load: Any, unlisted: int
) -> None:
    fill(tmp_path / "set", 120)
    rows = (f"{i:03d}.png,{'odd' if i % 2 else 'even'}\n" for i in range(120 - unlisted))
    (tmp_path / "set" / "metadata.csv").write_text("file_name,kind\n" + "".join(rows))
    labels = {"label_column": "kind", "label_a": "even", "label_b": "odd"}
    if unlisted == 2:
        with pytest.raises(UserError, match=r"2 of 120 images .*more than 1 %"):
            load(tmp_path / "set", **labels)
        return
    a, b = load(tmp_path / "set", **labels)
    check_hash_split(a, noise(120)[::2])
    check_hash_split(b, noise(120)[1:119:2])
    assert "without a row in the metadata: 1 image (119.png)" in a.summary


def test_an_archive_can_be_named_itself(tmp_path: Path, load: Any) -> None:
    archive(tmp_path / "set")
    (made,) = (tmp_path / "set").iterdir()
    fill(tmp_path / "set", seed=OTHERS)
    check_hash_split(load(made), noise(20))

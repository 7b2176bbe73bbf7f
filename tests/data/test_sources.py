"""Every kind of dataset gives the same pixels, and what is none a clear error."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from hf_gen.errors import UserError
from hf_gen.faces import TEST_START, VALIDATION_START, face_at, face_png
from hf_gen.images import open_image
from tests.data.pictures import check, check_hash_split, expected, fill, noise, shown, write_parquet

Start = Callable[..., subprocess.Popen[str]]

UNREACHABLE = """
import sys, time
from hf_gen.config import Data
from hf_gen.data.sources import load_domain
from hf_gen.errors import UserError
start = time.monotonic()
try:
    load_domain(Data(dataset_name=sys.argv[1]))
except UserError as error:
    print(error)
print(time.monotonic() - start)
"""


def train_and_test(root: Path, train: int = 30, test: int = 2) -> Path:
    """A folder of both splits."""
    fill(root / "train", train)
    fill(root / "test", test, seed=1)
    return root


@pytest.mark.parametrize("kind", ["folder", "parquet"])
@pytest.mark.parametrize("streaming", [False, True])
def test_folders_and_tables_give_the_same_pixels_streamed_or_not(
    tmp_path: Path, load: Any, kind: str, streaming: bool
) -> None:
    if kind == "folder":
        train_and_test(tmp_path / "set", 6)
    else:
        write_parquet(tmp_path / "set" / "train-0.parquet", image=noise(6), label=[0] * 6)
        write_parquet(tmp_path / "set" / "test-0.parquet", image=noise(2, 1), label=[0] * 2)
    check(load(tmp_path / "set", streaming=streaming), noise(6), noise(2, 1))
    copies = list((tmp_path / "cache").rglob("*.arrow"))
    assert bool(copies) == (kind == "parquet" and not streaming)


@pytest.mark.parametrize("copies", [1, 20])
def test_too_few_different_images_are_a_clear_error(tmp_path: Path, load: Any, copies: int) -> None:
    folder = fill(tmp_path / "set", 1)
    for place in range(1, copies):
        shutil.copy(folder / "000.png", folder / f"{place}.png")
    with pytest.raises(UserError, match=rf"too few different images .*, got {copies}: give"):
        load(folder)


def test_of_several_image_columns_one_is_chosen(tmp_path: Path, load: Any) -> None:
    for seed, split in enumerate(("train", "test")):
        columns = {"left": noise(4, seed), "right": noise(4, seed + 2), "age": [1] * 4}
        write_parquet(tmp_path / "set" / f"{split}.parquet", **columns)
    with pytest.raises(UserError, match=r"image columns are left, right .*--image-column"):
        load(tmp_path / "set")
    for column in ("age", "middle"):
        message = f"no image column '{column}': its image columns are left, right"
        with pytest.raises(UserError, match=message):
            load(tmp_path / "set", image_column=column)
    for seed, column in ((0, "left"), (2, "right")):
        check(load(tmp_path / "set", image_column=column), noise(4, seed), noise(4, seed + 1))


def test_without_an_image_column_the_columns_are_named(tmp_path: Path, load: Any) -> None:
    write_parquet(tmp_path / "set" / "train.parquet", age=[1, 2], height=[3, 4])
    with pytest.raises(UserError, match=r"has no image column \(of age, height\)"):
        load(tmp_path / "set")


def test_only_some_files_of_a_folder(tmp_path: Path, load: Any) -> None:
    for seed, name in enumerate("ab"):
        fill(tmp_path / "set" / name, 60, seed)
    check_hash_split(load(tmp_path / "set", data_files=("b/*.png",)), noise(60, 1))


def test_fewer_samples_are_a_fixed_choice(tmp_path: Path, load: Any) -> None:
    folder = train_and_test(tmp_path / "set")
    ten = shown(load(folder, max_train_samples=10).train)
    assert len(ten) == 10
    assert set(ten) < set(expected(noise(30)))
    again = load(folder, max_train_samples=10, cache_dir=tmp_path / "other")
    assert shown(again.train) == ten
    assert len(again.test) == 2
    check(load(folder, max_train_samples=99), noise(30), noise(2, 1))


def test_when_streaming_the_first_images_are_taken_whatever_the_cache_holds(
    tmp_path: Path, load: Any
) -> None:
    for split in ("train", "test"):
        write_parquet(tmp_path / "set" / f"{split}.parquet", image=noise(30))
    chosen = load(tmp_path / "set", max_train_samples=10)
    streamed = load(tmp_path / "set", max_train_samples=10, streaming=True)
    assert shown(streamed.train) == expected(noise(10))
    assert shown(streamed.train) != shown(chosen.train)


def test_pixels_are_cached_until_a_file_changes(tmp_path: Path, load: Any) -> None:
    folder = train_and_test(tmp_path / "set", 4)
    original, changed = noise(4), noise(5, 2)

    def caches() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("pixels.bin")}

    load(folder)
    before = caches()
    load(folder)
    assert caches() == before
    assert len(before) == 2
    first, fifth = (folder / "train" / name for name in ("000.png", "004.png"))
    changed[0].save(first)
    later = first.stat().st_mtime_ns + 10**9
    os.utime(first, ns=(later, later))
    assert shown(load(folder).train) == expected(changed[:1] + original[1:])
    changed[4].save(fifth)
    assert shown(load(folder).train) == expected(changed[:1] + original[1:] + changed[4:])
    fifth.unlink()
    assert shown(load(folder).train) == expected(changed[:1] + original[1:])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"split": "nope"}, "has no split 'nope': its splits are train, test"),
        ({"split": "train[:nope]"}, r"has no split 'train\[:nope\]'"),
        ({"dataset_name": "./nothing"}, "there is no folder nothing"),
        ({"dataset_name": "~nobody-of-that-name/x"}, "there is no folder ~nobody-of-that-name/x"),
        ({"dataset_name": "faces", "train_data_dir": Path("nothing")}, "there is no folder noth"),
        ({"dataset_name": "set/train/000.png"}, "set/train/000.png is a file"),
        ({"dataset_name": "empty"}, r"empty holds no images .*\(it holds nothing\)"),
        ({"dataset_name": "some faces/of/mine"}, "neither a folder nor the id of a Hub dataset"),
        ({"dataset_name": "faces", "resolution": 1025}, "up to 1024 pixels, got .* 1025"),
        ({"dataset_name": "faces", "split": "test"}, "faces has no split 'test'"),
        ({"dataset_name": "faces", "image_column": "manga"}, "columns are anime, cartoon"),
    ],
)
def test_what_is_no_dataset_is_a_clear_error(
    tmp_path: Path, load: Any, monkeypatch: pytest.MonkeyPatch, flags: dict[str, Any], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    train_and_test(tmp_path / "set", 3)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=words):
        load("set", **flags)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_path_inside_a_parquet_file_is_not_followed(
    tmp_path: Path, load: Any, streaming: bool
) -> None:
    secret = tmp_path / "secret.png"
    noise(1, 9)[0].save(secret)
    for seed, split in enumerate(("train", "test")):
        write_parquet(tmp_path / "set" / f"{split}.parquet", image=noise(100, seed))
    # `datasets` would embed the file: write the bare path.
    path = tmp_path / "set" / "train.parquet"
    table = parquet.read_table(path)
    rows = [*table["image"].to_pylist()[:99], {"bytes": None, "path": str(secret)}]
    bare = pyarrow.array(rows, table.schema.field("image").type)
    parquet.write_table(table.set_column(0, table.schema.field("image"), bare), path)
    assert parquet.read_table(path)["image"][99].as_py() == rows[99]
    check(load(tmp_path / "set", streaming=streaming), noise(99), noise(100, 1))


@pytest.mark.parametrize("is_absolute", [False, True])
def test_a_listing_cannot_reach_out_of_its_folder(
    tmp_path: Path, load: Any, is_absolute: bool
) -> None:
    train_and_test(tmp_path / "set", 2)
    secret = tmp_path / "secret.png"
    noise(1, 9)[0].save(secret)
    listed = secret if is_absolute else "../../secret.png"
    (tmp_path / "set" / "train" / "metadata.csv").write_text(f"file_name\n000.png\n{listed}\n")
    check(load(tmp_path / "set"), noise(2), noise(2, 1))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("kept", [0.5, 0.99, None])
def test_a_damaged_parquet_file_is_a_clear_error(
    tmp_path: Path, load: Any, streaming: bool, kept: float | None
) -> None:
    path = tmp_path / "set" / "train.parquet"
    write_parquet(path, image=noise(50))
    write_parquet(tmp_path / "set" / "test.parquet", image=noise(2))
    data = path.read_bytes()
    if kept is None:  # the footer is intact, and the pages in the middle are not
        footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        path.write_bytes(data[:4] + bytes(footer - 4) + data[footer:])
    else:
        path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(UserError) as raised:
        load(tmp_path / "set", streaming=streaming)
    assert "has no split" not in str(raised.value)
    assert not list((tmp_path / "cache").rglob("pixels.bin"))


@pytest.mark.parametrize("column", ["anime", "cartoon", None])
def test_the_synthetic_faces_are_anime_by_default(load: Any, column: str | None) -> None:
    style = column or "anime"
    starts = {0: 20, TEST_START: 2, VALIDATION_START: 2}
    train, test, validation = (
        [open_image(face_png(face_at(index), style)) for index in range(start, start + count)]
        for start, count in starts.items()
    )
    check(load(max_train_samples=20, image_column=column), train, test, validation)


def test_a_hub_that_cannot_be_reached_is_a_clear_error_at_once(start_python: Start) -> None:
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    process = start_python(UNREACHABLE, "someone/some-faces", **environment)
    message, seconds = process.communicate(timeout=60)[0].splitlines()
    assert message.startswith("someone/some-faces is not a folder, and it cannot be downloaded")
    # With all their retries, the libraries would take 23 s; a busy machine takes some, too.
    assert float(seconds) < 10


@pytest.mark.parametrize("name", ["someone/some-faces", "face"])
def test_a_name_that_is_not_in_the_cache_is_a_clear_error_offline(
    start_python: Start, name: str
) -> None:
    process = start_python(UNREACHABLE, name, HF_HUB_OFFLINE="1")
    message, _ = process.communicate(timeout=60)[0].splitlines()
    assert message.startswith(f"{name} is no folder here, and there is no copy of it in the cache")

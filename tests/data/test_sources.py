"""Every kind of dataset ends in the same pixels, and what is none in a sentence."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from hf_gen.config import Data
from hf_gen.data.sources import load_domain
from hf_gen.errors import UserError
from hf_gen.faces import TEST_START, face_at, face_png
from hf_gen.images import open_image
from tests.data.pictures import expected, png, shown

Random = Callable[..., list[Image.Image]]
Fill = Callable[..., Path]
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


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Any]:
    """Loads at 8x8 pixels with all caches in `tmp_path`."""

    def load(folder: Path | None = None, **values: Any) -> Any:
        name = {} if folder is None else {"dataset_name": str(folder)}
        return load_domain(
            Data(**{"resolution": 8, "cache_dir": tmp_path / "cache"} | name | values)
        )

    return load


def write_parquet(path: Path, **columns: list[Any]) -> None:
    features = datasets.Features(
        {
            name: datasets.Value("int64") if isinstance(values[0], int) else datasets.Image()
            for name, values in columns.items()
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_dict(columns, features=features).to_parquet(path)


def bytes_of(images: list[Image.Image]) -> list[dict[str, Any]]:
    return [{"bytes": png(image), "path": None} for image in images]


def test_a_folder_with_a_test_split(
    tmp_path: Path, load: Any, image_folder: Fill, random_images: Random
) -> None:
    image_folder(tmp_path / "set" / "train", 12)
    image_folder(tmp_path / "set" / "test", 3, seed=1)
    domain = load(tmp_path / "set")
    assert shown(domain.train) == expected(random_images(12))
    assert shown(domain.held_out) == expected(random_images(3, seed=1))


def test_without_a_test_split_a_few_images_are_held_out(
    tmp_path: Path, load: Any, image_folder: Fill, random_images: Random
) -> None:
    image_folder(tmp_path / "set", 120)
    domain = load(tmp_path / "set")
    assert 0 < len(domain.held_out) < 20
    assert sorted(shown(domain.train) + shown(domain.held_out)) == expected(random_images(120))
    assert not set(shown(domain.train)) & set(shown(domain.held_out))


@pytest.mark.parametrize("copies", [1, 20])
def test_too_few_different_images_are_a_clear_error(
    tmp_path: Path, load: Any, image_folder: Fill, copies: int
) -> None:
    folder = image_folder(tmp_path / "set", 1)
    for place in range(1, copies):
        shutil.copy(folder / "000.png", folder / f"{place}.png")
    with pytest.raises(UserError, match=rf"too few different images .*, got {copies}: give"):
        load(folder)


def test_parquet_files(tmp_path: Path, load: Any, random_images: Random) -> None:
    images = random_images(8)
    write_parquet(tmp_path / "set" / "train-0.parquet", image=bytes_of(images[:5]), label=[0] * 5)
    write_parquet(tmp_path / "set" / "test-0.parquet", image=bytes_of(images[5:]), label=[0] * 3)
    domain = load(tmp_path / "set")
    assert shown(domain.train) == expected(images[:5])
    assert shown(domain.held_out) == expected(images[5:])


def test_of_several_image_columns_one_is_chosen(
    tmp_path: Path, load: Any, random_images: Random
) -> None:
    left, right = bytes_of(random_images(4)), bytes_of(random_images(4, seed=1))
    for split in ("train", "test"):
        write_parquet(tmp_path / "set" / f"{split}.parquet", left=left, right=right, age=[1] * 4)
    with pytest.raises(UserError, match=r"image columns are left, right .*--image-column"):
        load(tmp_path / "set")
    with pytest.raises(UserError, match="no image column 'age': its image columns are left, right"):
        load(tmp_path / "set", image_column="age")
    with pytest.raises(UserError, match="no image column 'middle'"):
        load(tmp_path / "set", image_column="middle")
    domain = load(tmp_path / "set", image_column="right")
    assert shown(domain.train) == expected(random_images(4, seed=1))
    domain = load(tmp_path / "set", image_column="left")
    assert shown(domain.train) == expected(random_images(4))


def test_no_image_column_is_a_sentence_with_those_that_are_there(tmp_path: Path, load: Any) -> None:
    write_parquet(tmp_path / "set" / "train.parquet", age=[1, 2], height=[3, 4])
    with pytest.raises(UserError, match=r"has no image column \(of age, height\)"):
        load(tmp_path / "set")


def test_only_some_files_of_a_folder(
    tmp_path: Path, load: Any, image_folder: Fill, random_images: Random
) -> None:
    image_folder(tmp_path / "set" / "a", 60)
    image_folder(tmp_path / "set" / "b", 60, seed=1)
    domain = load(tmp_path / "set", data_files=("b/*.png",))
    found = sorted(shown(domain.train) + shown(domain.held_out))
    assert found == expected(random_images(60, seed=1))
    with pytest.raises(UserError, match="there is no such image"):
        load(tmp_path / "set", data_files=("c/*.png",))


def test_fewer_samples_are_a_fixed_choice(
    tmp_path: Path, load: Any, image_folder: Fill, random_images: Random
) -> None:
    image_folder(tmp_path / "set" / "train", 30)
    image_folder(tmp_path / "set" / "test", 2, seed=1)
    ten = shown(load(tmp_path / "set", max_train_samples=10).train)
    assert len(ten) == 10
    assert set(ten) < set(expected(random_images(30)))
    again = load(tmp_path / "set", max_train_samples=10, cache_dir=tmp_path / "other")
    assert shown(again.train) == ten
    assert len(again.held_out) == 2
    more = load(tmp_path / "set", max_train_samples=99)
    assert shown(more.train) == expected(random_images(30))


def test_streaming_gives_the_same_pixels(
    tmp_path: Path, load: Any, image_folder: Fill, random_images: Random
) -> None:
    image_folder(tmp_path / "folder" / "train", 6)
    image_folder(tmp_path / "folder" / "test", 2, seed=1)
    write_parquet(tmp_path / "parquet" / "train.parquet", image=bytes_of(random_images(6)))
    write_parquet(tmp_path / "parquet" / "test.parquet", image=bytes_of(random_images(2, seed=1)))
    for name in ("folder", "parquet"):
        domain = load(tmp_path / name, streaming=True)
        assert shown(domain.train) == expected(random_images(6))
        assert shown(domain.held_out) == expected(random_images(2, seed=1))
    assert not list((tmp_path / "cache").rglob("*.arrow"))


def test_when_streaming_the_first_images_are_taken_whatever_the_cache_holds(
    tmp_path: Path, load: Any, random_images: Random
) -> None:
    images = random_images(30)
    for split in ("train", "test"):
        write_parquet(tmp_path / "set" / f"{split}.parquet", image=bytes_of(images))
    chosen = load(tmp_path / "set", max_train_samples=10)
    streamed = load(tmp_path / "set", max_train_samples=10, streaming=True)
    assert shown(streamed.train) == expected(images[:10])
    assert shown(streamed.train) != shown(chosen.train)


def test_a_changed_file_gives_new_pixels(
    tmp_path: Path, load: Any, image_folder: Fill, random_images: Random
) -> None:
    folder = image_folder(tmp_path / "set" / "train", 4)
    image_folder(tmp_path / "set" / "test", 2, seed=1)
    load(tmp_path / "set")
    changed = random_images(5, seed=2)
    changed[0].save(folder / "000.png")
    later = (folder / "000.png").stat().st_mtime_ns + 10**9
    os.utime(folder / "000.png", ns=(later, later))
    assert shown(load(tmp_path / "set").train) == expected(changed[:1] + random_images(4)[1:])
    changed[4].save(folder / "004.png")
    after = load(tmp_path / "set")
    assert shown(after.train) == expected(changed[:1] + random_images(4)[1:] + changed[4:])
    (folder / "004.png").unlink()
    assert shown(load(tmp_path / "set").train) == expected(changed[:1] + random_images(4)[1:])


def test_a_folder_of_links_is_read_where_they_lead(
    tmp_path: Path, load: Any, image_folder: Fill, random_images: Random
) -> None:
    image_folder(tmp_path / "train", 4)
    (tmp_path / "set" / "train").mkdir(parents=True)
    for image in (tmp_path / "train").iterdir():
        (tmp_path / "set" / "train" / image.name).symlink_to(image)
    (tmp_path / "set" / "test").symlink_to(image_folder(tmp_path / "test", 2, seed=1))
    assert shown(load(tmp_path / "set").train) == expected(random_images(4))


def test_a_folder_keeps_its_pixels_between_loads(
    tmp_path: Path, load: Any, image_folder: Fill
) -> None:
    image_folder(tmp_path / "set" / "train", 3)
    image_folder(tmp_path / "set" / "test", 2, seed=1)
    load(tmp_path / "set")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("pixels.bin")}
    load(tmp_path / "set")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("pixels.bin")} == before
    assert len(before) == 2


def test_a_missing_split_is_a_sentence(tmp_path: Path, load: Any, image_folder: Fill) -> None:
    image_folder(tmp_path / "set" / "train", 3)
    image_folder(tmp_path / "set" / "test", 3, seed=1)
    with pytest.raises(UserError, match="has no split 'nope': its splits are train, test"):
        load(tmp_path / "set", split="nope")
    with pytest.raises(UserError, match=r"has no split 'train\[:nope\]'"):
        load(tmp_path / "set", split="train[:nope]")


def test_what_is_trained_on_is_not_held_out(tmp_path: Path, load: Any, image_folder: Fill) -> None:
    image_folder(tmp_path / "set" / "train", 60)
    image_folder(tmp_path / "set" / "test", 60, seed=1)
    for split in ("test", "train+test", "train[:50%]"):
        domain = load(tmp_path / "set", split=split)
        in_both = set(shown(domain.train)) & set(shown(domain.held_out))
        assert len(in_both) == 0, split


def test_a_path_that_is_no_dataset_is_a_sentence(
    tmp_path: Path, load: Any, image_folder: Fill
) -> None:
    file = image_folder(tmp_path / "set", 1) / "000.png"
    with pytest.raises(UserError, match=f"there is no folder {tmp_path}/nothing"):
        load(tmp_path / "nothing")
    with pytest.raises(UserError, match="there is no folder ~nobody-of-that-name/faces"):
        load("~nobody-of-that-name/faces")
    with pytest.raises(UserError, match=f"there is no folder {tmp_path}/nothing"):
        load(train_data_dir=tmp_path / "nothing")
    with pytest.raises(UserError, match=f"{file} is a file"):
        load(file)
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "README").write_text("no image here")
    for name in ("empty", "texts"):
        with pytest.raises(UserError, match=f"{tmp_path}/{name}.* holds no images"):
            load(tmp_path / name)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_path_inside_a_parquet_file_is_not_followed(
    tmp_path: Path, load: Any, random_images: Random, streaming: bool
) -> None:
    secret = tmp_path / "secret.png"
    random_images(1, seed=9)[0].save(secret)
    rows = [*bytes_of(random_images(99)), {"bytes": None, "path": str(secret)}]
    for split in ("train", "test"):
        write_parquet(tmp_path / "set" / f"{split}.parquet", image=rows)
    # `datasets` embedded the file: put the bare path back.
    path = tmp_path / "set" / "train.parquet"
    table = parquet.read_table(path)
    bare = pyarrow.array(rows, table.schema.field("image").type)
    parquet.write_table(table.set_column(0, table.schema.field("image"), bare), path)
    assert parquet.read_table(path)["image"][99].as_py() == rows[99]

    domain = load(tmp_path / "set", streaming=streaming)
    assert shown(domain.train) == expected(random_images(99))


@pytest.mark.parametrize("name", ["../secret.png", "SECRET"])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_listing_cannot_reach_out_of_its_folder(
    tmp_path: Path, load: Any, image_folder: Fill, random_images: Random, name: str, streaming: bool
) -> None:
    image_folder(tmp_path / "set" / "train", 2)
    image_folder(tmp_path / "set" / "test", 2, seed=1)
    secret = tmp_path / "set" / "secret.png"
    random_images(1, seed=9)[0].save(secret)
    listed = str(secret) if name == "SECRET" else name
    (tmp_path / "set" / "train" / "metadata.csv").write_text(f"file_name\n000.png\n{listed}\n")
    try:
        domain = load(tmp_path / "set", streaming=streaming)
    except UserError:
        return
    assert expected(random_images(1, seed=9))[0] not in shown(domain.train)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("kept", [0.5, 0.99, None])
def test_a_damaged_parquet_file_is_a_sentence(
    tmp_path: Path, load: Any, random_images: Random, streaming: bool, kept: float | None
) -> None:
    path = tmp_path / "set" / "train.parquet"
    write_parquet(path, image=bytes_of(random_images(50)))
    write_parquet(tmp_path / "set" / "test.parquet", image=bytes_of(random_images(2)))
    data = path.read_bytes()
    if kept is None:  # the footer is whole, and the pages in the middle are not
        footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        path.write_bytes(data[:4] + bytes(footer - 4) + data[footer:])
    else:
        path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(UserError) as raised:
        load(tmp_path / "set", streaming=streaming)
    assert "has no split" not in str(raised.value)
    assert not list((tmp_path / "cache").rglob("pixels.bin"))


def test_a_damaged_image_among_many_is_left_out(
    tmp_path: Path, load: Any, image_folder: Fill, random_images: Random
) -> None:
    folder = image_folder(tmp_path / "set" / "train", 100)
    image_folder(tmp_path / "set" / "test", 2, seed=1)
    (folder / "050.png").write_bytes((folder / "050.png").read_bytes()[:200])
    images = random_images(100)
    assert shown(load(tmp_path / "set").train) == expected(images[:50] + images[51:])
    (folder / "051.png").write_text("<html>")
    with pytest.raises(UserError, match=r"2 of 100 .*050\.png: .*051\.png: "):
        load(tmp_path / "set")


@pytest.mark.parametrize("column", ["anime", "cartoon"])
def test_the_synthetic_faces(load: Any, column: str) -> None:
    domain = load(max_train_samples=20, image_column=column)

    def faces(indices: range) -> list[bytes]:
        return expected([open_image(face_png(face_at(index), column)) for index in indices])

    assert shown(domain.train) == faces(range(20))
    assert shown(domain.held_out) == faces(range(TEST_START, TEST_START + 2))


def test_the_synthetic_faces_are_anime_unless_told(load: Any) -> None:
    chosen = load(max_train_samples=5, image_column="anime")
    assert shown(load(max_train_samples=5).train) == shown(chosen.train)
    with pytest.raises(UserError, match="no image column 'manga': it has anime and cartoon"):
        load(image_column="manga")


def test_faces_too_large_to_draw_are_a_sentence(load: Any) -> None:
    with pytest.raises(UserError, match="1025"):
        load(max_train_samples=1, resolution=1025)


def test_a_hub_that_cannot_be_reached_is_a_sentence_at_once(start_python: Start) -> None:
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    process = start_python(UNREACHABLE, "someone/some-faces", **environment)
    sentence, seconds = process.communicate(timeout=60)[0].splitlines()
    assert sentence.startswith("someone/some-faces is not a folder, and it cannot be downloaded")
    # Asked again and again, the libraries would take 23 s.
    assert float(seconds) < 3


@pytest.mark.parametrize("name", ["someone/some-faces", "face"])
def test_a_name_that_is_not_in_the_cache_is_a_clear_error_offline(
    start_python: Start, name: str
) -> None:
    process = start_python(UNREACHABLE, name, HF_HUB_OFFLINE="1")
    sentence, _ = process.communicate(timeout=60)[0].splitlines()
    assert sentence.startswith(f"{name} is no folder here, and there is no copy of it in the cache")


def test_what_is_no_id_is_a_sentence(load: Any) -> None:
    with pytest.raises(UserError, match="is neither a folder nor the id of a Hub dataset"):
        load(dataset_name="some faces/of/mine")

"""Folders of PNGs: what models make of each image, under its name, and nothing else."""

import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

import hf_gen
from hf_gen.config import Data
from hf_gen.data.sources import load_domain
from hf_gen.errors import UserError
from hf_gen.faces import TEST_START, face_at, face_png
from hf_gen.image_commands import reconstruct, sample, translate
from hf_gen.image_folders import open_source, output_name
from hf_gen.images import open_image, square, to_tensor

MODEL, TRANSLATOR = "conv-vae", "cyclegan-lambda5"


def picture(number: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    """Noise that is the same for a number."""
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3))
    return Image.fromarray(pixels.astype(np.uint8))


@cache
def model(name: str) -> hf_gen.VAEPipeline | hf_gen.TranslationPipeline:
    pipeline = hf_gen.load(name)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def reconstructed(image: Image.Image) -> np.ndarray:
    return pixels_of(model(MODEL).reconstruct(square(image.convert("RGB"), 32))[0])


def pixels_of(image: Image.Image | Path) -> np.ndarray:
    with open_image(image) if isinstance(image, Path) else image as opened:
        return np.asarray(opened).astype(int)


def written(folder: Path) -> dict[str, np.ndarray]:
    """The pixels of each file, by its path in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): pixels_of(path) for path in files}


def in_a_folder(place: Path) -> str:
    for number, name in enumerate(("a.png", "more/b.jpg", "more/b.bmp")):
        file = place / "pictures" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(file, quality=100)
    return str(place / "pictures")


def in_an_archive(place: Path) -> str:
    folder = Path(in_a_folder(place))
    with zipfile.ZipFile(place / "pictures.zip", "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(folder))
    return str(place / "pictures.zip")


def in_a_table(place: Path) -> str:
    (place / "table").mkdir()
    rows = {"image": [picture(0), picture(1)]}
    features = datasets.Features({"image": datasets.Image()})
    datasets.Dataset.from_dict(rows, features=features).to_parquet(place / "table/train.parquet")
    return str(place / "table")


def one_file(place: Path) -> str:
    picture(0).save(place / "one.png")
    return str(place / "one.png")


def names_of(source: str, split: str | None, side: str = "") -> list[str]:
    """What the images of a source are called."""
    return [name for name, _ in open_source(source, 16, split, side=side).read()[1]]


@pytest.fixture(autouse=True)
def _no_other_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (in_a_folder, ["a.png", "more/b-2.png", "more/b.png"]),
        (
            in_an_archive,
            [f"pictures.zip/{name}" for name in ("a.png", "more/b-2.png", "more/b.png")],
        ),
        (in_a_table, ["row 0.png", "row 1.png"]),
        (one_file, ["one.png"]),
    ],
)
def test_each_image_has_its_reconstruction_under_its_name(
    source: Callable[[Path], str], names: list[str], tmp_path: Path
) -> None:
    outputs, inputs = tmp_path / "outputs", tmp_path / "new" / "inputs"
    reconstruct(MODEL, source(tmp_path), outputs, inputs)
    made, given = written(outputs), written(inputs)
    assert sorted(made) == sorted(given) == sorted(names)
    for name in names:
        assert made[name].shape == (32, 32, 3)
        expected = reconstructed(Image.fromarray(given[name].astype(np.uint8)))
        assert np.abs(made[name] - expected).max() <= 1
    first = pixels_of(square(picture(0), 32))
    assert any(np.array_equal(first, one) for one in given.values())


@pytest.mark.parametrize(("direction", "style"), [("a_to_b", "anime"), ("b_to_a", "cartoon")])
def test_synthetic_faces_are_of_the_domain_that_is_translated(
    direction: str, style: str, tmp_path: Path
) -> None:
    made, inputs = tmp_path / "made", tmp_path / "inputs"
    translate(TRANSLATOR, "faces", made, direction, inputs, count=2, split="test")
    faces = [open_image(face_png(face_at(TEST_START + place), style, 64)) for place in range(2)]
    translated = model(TRANSLATOR).translate(faces, direction)
    assert [*written(made)] == ["row 0.png", "row 1.png"]
    for place, name in enumerate(written(made)):
        assert np.array_equal(written(inputs)[name], pixels_of(faces[place]))
        assert np.abs(written(made)[name] - pixels_of(translated[place])).max() <= 1


@pytest.mark.parametrize(("direction", "side"), [("a_to_b", "A"), ("b_to_a", "B")])
def test_a_folder_of_two_domains_gives_the_one_that_is_translated(
    direction: str, side: str, tmp_path: Path
) -> None:
    for number, name in enumerate(("trainA/1.png", "trainB/2.png", "testA/3.png", "testB/4.png")):
        (tmp_path / "both" / name).parent.mkdir(parents=True)
        picture(number).save(tmp_path / "both" / name)
    translate(TRANSLATOR, str(tmp_path / "both"), tmp_path / "made", direction, split="test")
    assert [*written(tmp_path / "made")] == [f"test{side}/{3 if side == 'A' else 4}.png"]


def test_bad_images_are_named_and_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(70):  # more than one batch
        picture(number).save(folder / f"{number:02}.png")
    (folder / "05.png").write_bytes(b"no image")
    (folder / "66.png").write_bytes((folder / "67.png").read_bytes()[:100])
    reconstruct(MODEL, str(folder), tmp_path / "made")
    out, err = capsys.readouterr()
    assert "skipped 05.png: not an image of a known format" in err
    assert "skipped 66.png: damaged or cut short" in err
    assert "68 images of" in out
    assert "2 skipped" in out
    assert [*written(tmp_path / "made")] == [
        f"{number:02}.png" for number in range(70) if number not in (5, 66)
    ]


def test_where_no_image_can_be_used_no_folder_is_left(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="holds no image that can be used"):
        reconstruct(MODEL, str(tmp_path / "bad.png"), tmp_path / "made", tmp_path / "inputs")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.png"]


@pytest.mark.parametrize("split", [None, "test"])
def test_a_folder_of_test_images_alone_is_read(split: Any, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    Path(in_a_folder(tmp_path)).rename(tmp_path / "set" / "Test")
    reconstruct(MODEL, str(tmp_path / "set"), tmp_path / "made", split=split)
    names = ("a.png", "more/b-2.png", "more/b.png")
    assert [*written(tmp_path / "made")] == [f"Test/{name}" for name in names]


@pytest.mark.parametrize("split", [None, "validation"])
def test_a_table_of_validation_images_alone_is_read(split: Any, tmp_path: Path) -> None:
    table = Path(in_a_table(tmp_path))
    (table / "train.parquet").rename(table / "val.parquet")
    assert names_of(str(table), split) == ["row 0", "row 1"]


@pytest.mark.parametrize(("side", "names"), [("a", ["testA/3.png"]), ("b", ["testB/4.png"])])
def test_a_folder_of_the_test_images_of_two_domains_has_sides(
    side: str, names: list[str], tmp_path: Path
) -> None:
    for number, name in ((3, "testA/3.png"), (4, "testB/4.png")):
        (tmp_path / name).parent.mkdir()
        picture(number).save(tmp_path / name)
    for split in (None, "test"):
        assert names_of(str(tmp_path), split, side) == names


@pytest.mark.parametrize("count", [20, 120, 440])
def test_splits_by_hash_are_those_of_a_training(count: int, tmp_path: Path) -> None:
    """Of the same images at the same resolution, in folders with unreadable images too."""
    folder = tmp_path / "set"
    folder.mkdir()
    for number in range(count):
        picture(number, (8, 8)).save(folder / f"{number:03}.png")
    if count > 100:
        (folder / "005.png").write_bytes(b"no image")
    domain = load_domain(Data(dataset_name=str(folder), resolution=16))
    found: dict[str, list[str]] = {}
    for split in ("train", "validation", "test"):
        found[split] = names_of(str(folder), split)
        pixels = getattr(domain, split)
        squares = [square(open_image(folder / name), 16) for name in found[split]]
        assert torch.equal(to_tensor(squares), pixels.images(torch.arange(len(pixels))))
    assert (found["validation"] == found["test"]) == (count < 400)
    assert len(names_of(str(folder), None)) == count


def test_validation_and_test_may_be_one_set_of_a_folder(tmp_path: Path) -> None:
    for number, name in enumerate(("train/1.png", "train/2.png", "test/3.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture(number).save(tmp_path / name)
    assert names_of(str(tmp_path), "validation") == names_of(str(tmp_path), "test")
    assert names_of(str(tmp_path), "train") == ["train/1.png", "train/2.png"]


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_split_that_is_missing_is_a_clear_error(split: str, tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    picture(0).save(tmp_path / "test" / "1.png")
    with pytest.raises(UserError, match=f"has no split '{split}': its splits are test"):
        names_of(str(tmp_path), split)


@pytest.mark.parametrize("taken", ["made", "inputs"])
def test_a_folder_that_exists_is_left_alone(taken: str, tmp_path: Path) -> None:
    source = one_file(tmp_path)
    (tmp_path / taken).mkdir()
    (tmp_path / taken / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match=f"{taken} exists already: move it away"):
        reconstruct(MODEL, source, tmp_path / "made", tmp_path / "inputs")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["one.png", taken])
    assert [path.name for path in (tmp_path / taken).iterdir()] == ["mine.txt"]


def test_a_folder_of_samples_holds_what_the_pipeline_samples(tmp_path: Path) -> None:
    sample(MODEL, output_dir=tmp_path / "made", count=66, prior="gaussian", seed=3)
    generator, pipeline = torch.Generator().manual_seed(3), model(MODEL)
    expected = [
        image for count in (64, 2) for image in pipeline.sample(count, generator, prior="gaussian")
    ]
    made = written(tmp_path / "made")
    assert [*made] == [f"{place:05}.png" for place in range(66)]
    for one, image in zip(made.values(), expected, strict=True):
        assert np.array_equal(one, pixels_of(image))


@pytest.mark.parametrize(
    ("names", "paths"),
    [
        (["a.JPG", "a.png", "A.jpeg", "a-2.gif"], ["a", "a-2", "A-3", "a-2-2"]),
        (["x/1.png", "y/1.png"], ["x/1", "y/1"]),
        (["a.jpg", "a.png/b.jpg", 300 * "x" + ".jpg"], ["a", "a/b", 200 * "x"]),
        (["v1.0", "no extension", ".png"], ["v1.0", "no extension", ".png"]),
        (
            ["../../up.png", "/etc/passwd", "C:\\a\\b.png", "..", ""],
            ["up", "passwd", "b", "image", "image-2"],
        ),
        (["zip://in/1.png::https://hub/a.zip", "a\0b\n.png"], ["1", "a_b_"]),
    ],
)
def test_names_of_outputs_follow_those_of_the_inputs(names: list[str], paths: list[str]) -> None:
    taken: dict[str, int] = {}
    assert [output_name(name, taken) for name in names] == [f"{path}.png" for path in paths]


def test_synthetic_faces_are_of_the_style_that_the_domain_is() -> None:
    for domain, style in (("cartoon-faces", "cartoon"), ("Anime", "anime"), ("", "anime")):
        assert f" {style} " in open_source("faces", 64, domain=domain).key


def test_the_working_directory_is_no_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="choose another"):
        sample(MODEL, output_dir=Path(), count=1)

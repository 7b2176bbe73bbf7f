"""The synthetic faces: pure, uniform, paired, cached, and different wherever a factor differs."""

import hashlib
import io
from collections import Counter
from dataclasses import replace

import datasets
import numpy as np
import pytest
from PIL import Image

from hf_gen import faces
from hf_gen.faces import (
    FACTORS,
    STYLES,
    TEST_START,
    Face,
    face_at,
    face_svg,
    synthetic_faces,
)

PINNED = "051a59cdafebcc7f4eceb39690517fa47e5830aeab4d30dd3d1002d4e1cb4ca5"
PLAIN = replace(
    face_at(0),
    hair_style="bob",
    hair_colour="brown",
    skin_tone="light",
    glasses="none",
    background="white",
    face_width=1.0,
    head_tilt=0.0,
)


def pixels(face: Face, style: str) -> np.ndarray:
    """(64, 64, 3) floats in [0, 255]."""
    image = Image.open(io.BytesIO(faces.face_png(face, style)))
    return np.asarray(image, dtype=np.float64)


def difference(first: Face, second: Face, style: str) -> float:
    """Mean absolute difference of two drawings in grey levels of 255."""
    return float(np.abs(pixels(first, style) - pixels(second, style)).mean())


def test_the_drawing_is_the_same_on_every_machine():
    texts = [
        face_svg(face_at(index, seed), style)
        for seed in (0, 7)
        for index in (*range(20), TEST_START)
        for style in STYLES
    ]
    assert hashlib.sha256("".join(texts).encode()).hexdigest() == PINNED


def test_another_seed_and_another_index_give_another_face():
    assert face_at(5) == face_at(5, seed=0)
    assert len({face_at(index, seed) for index in range(50) for seed in (0, 1)}) == 100


def test_every_value_occurs_about_equally_often():
    drawn = [face_at(index) for index in range(2000)]
    for factor, values in FACTORS.items():
        counts = Counter(getattr(face, factor) for face in drawn)
        assert set(counts) == set(values)
        expected = len(drawn) / len(values)
        # Five standard deviations of a binomial count.
        assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values()), factor
    for factor, (low, high) in faces.CONTINUOUS.items():
        values = np.array([getattr(face, factor) for face in drawn])
        assert low <= values.min()
        assert values.max() <= high
        quarters, _ = np.histogram(values, bins=4, range=(low, high))
        assert np.abs(quarters - 500).max() < 100


def test_factors_are_independent_in_pairs():
    drawn = [face_at(index) for index in range(2000)]
    columns = [
        [values.index(getattr(face, factor)) for face in drawn]
        for factor, values in FACTORS.items()
    ]
    columns += [[getattr(face, factor) for face in drawn] for factor in faces.CONTINUOUS]
    columns.append([face.variation for face in drawn])
    correlation = np.corrcoef(np.array(columns, dtype=np.float64)) - np.eye(len(columns))
    assert np.abs(correlation).max() < 5 / 2000**0.5


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("factor", FACTORS)
def test_every_value_of_a_factor_shows(factor, style):
    drawings = [pixels(replace(PLAIN, **{factor: value}), style) for value in FACTORS[factor]]
    for first in range(len(drawings)):
        for second in range(first):
            # The brows and the eyes of a cartoon are a few dozen of its 4096 pixels.
            changed = np.abs(drawings[first] - drawings[second]).max(axis=2) > 16
            names = FACTORS[factor][second], FACTORS[factor][first]
            assert changed.sum() >= 12, names


@pytest.mark.parametrize("style", STYLES)
def test_width_and_tilt_change_the_drawing(style):
    assert difference(PLAIN, replace(PLAIN, face_width=1.1), style) > 3
    assert difference(PLAIN, replace(PLAIN, head_tilt=8.0), style) > 3
    assert difference(PLAIN, replace(PLAIN, variation=PLAIN.variation + 1), style) > 1


@pytest.mark.parametrize("style", STYLES)
def test_no_two_faces_look_the_same(style):
    drawings = np.stack([pixels(face_at(index), style) for index in range(60)]).reshape(60, -1)
    for index in range(1, 60):
        assert np.abs(drawings[:index] - drawings[index]).mean(axis=1).min() > 8


def test_a_dataset_holds_exact_pairs_with_their_factors(tmp_path):
    rows = synthetic_faces(12, start=TEST_START, seed=3, size=32, cache_dir=str(tmp_path))
    assert rows.column_names == [*STYLES, "index", *FACTORS, *faces.CONTINUOUS]
    assert rows["index"][:] == list(range(TEST_START, TEST_START + 12))
    for factor, values in FACTORS.items():
        assert rows.features[factor] == datasets.ClassLabel(names=list(values))
    for style in STYLES:
        assert isinstance(rows.features[style], datasets.Image)
        assert rows[0][style].size == (32, 32)
    stored = rows.cast_column("anime", datasets.Image(decode=False))
    stored = stored.cast_column("cartoon", datasets.Image(decode=False))
    for row in stored:
        face = face_at(row["index"], seed=3)
        for factor, values in FACTORS.items():
            assert values[row[factor]] == getattr(face, factor)
        for factor in faces.CONTINUOUS:
            assert row[factor] == np.float32(getattr(face, factor))
        for style in STYLES:
            assert row[style]["bytes"] == faces.face_png(face, style, 32)


def test_the_second_call_reads_the_cache(tmp_path):
    first = synthetic_faces(4, size=16, cache_dir=str(tmp_path))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.arrow")}
    second = synthetic_faces(4, size=16, cache_dir=str(tmp_path))
    assert before
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.arrow")} == before
    assert first.cache_files == second.cache_files
    other = synthetic_faces(4, size=16, seed=1, cache_dir=str(tmp_path))
    assert other.cache_files != first.cache_files


def test_the_number_of_processes_changes_no_row(tmp_path, monkeypatch):
    monkeypatch.setattr("hf_gen.faces.dataset.BLOCK", 5)
    alone = synthetic_faces(17, size=16, cache_dir=str(tmp_path / "alone"), num_proc=1)
    shared = synthetic_faces(17, size=16, cache_dir=str(tmp_path / "shared"), num_proc=2)
    assert len(shared.cache_files) == 2
    assert alone._fingerprint == shared._fingerprint
    assert alone.data.to_pydict() == shared.data.to_pydict()


def test_errors_name_the_value_and_the_rule():
    with pytest.raises(ValueError, match="style must be anime or cartoon, got 'manga'"):
        face_svg(face_at(0), "manga")
    for size in (7, 1025):
        with pytest.raises(ValueError, match=f"size must be 8 to 1024 pixels, got {size}: try 64"):
            faces.face_png(face_at(0), "anime", size)
        with pytest.raises(ValueError, match=f"got {size}"):
            synthetic_faces(1, size=size)
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        synthetic_faces(0)

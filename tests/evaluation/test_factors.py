"""A reader of synthetic faces learns to read, is found again, and counts what is right."""

from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hf_gen.evaluation import factors
from hf_gen.evaluation.factors import (
    FactorReader,
    paired_distance,
    surviving_factors,
    train_factor_reader,
    true_factors,
)
from hf_gen.faces import CONTINUOUS, FACTORS, IMAGE_SIZE, face_at, face_png
from hf_gen.features import feature_extractor
from hf_gen.images import open_image, square, to_tensor

FACES = [face_at(index) for index in range(100)]
SIZE = 32


@cache
def drawn(style: str) -> Tensor:
    pictures = [open_image(face_png(face, style, IMAGE_SIZE)) for face in FACES]
    return to_tensor([square(picture, SIZE) for picture in pictures])


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readers")


@pytest.fixture(scope="module")
def reader(cache_dir: Path) -> FactorReader:
    return train_factor_reader("cartoon", SIZE, cache_dir, count=600, epochs=8)


def test_true_factors_are_what_a_face_was_drawn_from() -> None:
    truth = true_factors(FACES)
    for name, values in FACTORS.items():
        assert [values[index] for index in truth[name]] == [getattr(face, name) for face in FACES]
    for name in CONTINUOUS:
        assert truth[name].tolist() == pytest.approx([getattr(face, name) for face in FACES])


def test_a_little_training_reads_far_better_than_a_guess(reader: FactorReader) -> None:
    survived = surviving_factors(reader, drawn("cartoon"), true_factors(FACES))
    assert set(survived) == {
        name + end for name in (*FACTORS, *CONTINUOUS) for end in ("", "_ceiling")
    }
    for end in ("", "_ceiling"):
        assert survived[f"background{end}"] > 0.8
        assert survived[f"glasses{end}"] > 0.8
        assert survived[f"hair_style{end}"] > 0.5
        assert survived[f"head_tilt{end}"] > 0.5


def test_factors_of_other_faces_do_not_survive(reader: FactorReader) -> None:
    survived = surviving_factors(reader, drawn("cartoon").roll(1, dims=0), true_factors(FACES))
    for name, values in FACTORS.items():
        assert survived[name] < 1 / len(values) + 0.2
    assert all(abs(survived[name]) < 0.4 for name in CONTINUOUS)


def test_images_that_all_are_one_get_one_answer(reader: FactorReader) -> None:
    truth = true_factors(FACES)
    one = drawn("cartoon")[:1]
    survived = surviving_factors(reader, one.repeat(100, 1, 1, 1), truth)
    for name, scores in reader(one).items():
        if name in FACTORS:
            same = (truth[name] == scores.argmax()).double().mean().item()
            assert survived[name] == pytest.approx(same)
    assert all(abs(survived[name]) < 1e-3 for name in CONTINUOUS)


def test_a_reader_is_trained_once_and_alike(
    reader: FactorReader, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"count": 100, "epochs": 1}
    before = torch.random.get_rng_state()
    with torch.no_grad():
        first = train_factor_reader("anime", SIZE, tmp_path / "one", **small)
    assert torch.equal(before, torch.random.get_rng_state())
    again = train_factor_reader("anime", SIZE, tmp_path / "two", **small)
    assert first.ceilings == again.ceilings
    assert all(
        torch.equal(one, other)
        for one, other in zip(first.state_dict().values(), again.state_dict().values(), strict=True)
    )
    monkeypatch.setattr(factors, "_train", None)
    found = train_factor_reader("cartoon", SIZE, cache_dir, count=600, epochs=8)
    assert found.ceilings == reader.ceilings
    assert not found.training


def test_an_unknown_style_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="style must be anime or cartoon, got 'manga'"):
        train_factor_reader("manga", SIZE, tmp_path, count=50, epochs=1)
    assert not list(tmp_path.iterdir())


def test_paired_distance_is_zero_for_the_truth_and_measured_for_others() -> None:
    truth = drawn("cartoon")
    assert paired_distance(truth, truth, feature_extractor()) == {
        "paired_l1": 0.0,
        "paired_perceptual": 0.0,
    }
    brighter = paired_distance(truth * 0.5, truth * 0.5 + 0.25, feature_extractor())
    assert brighter["paired_l1"] == pytest.approx(0.25, abs=1e-6)
    other = paired_distance(drawn("anime"), truth, feature_extractor())
    assert other["paired_perceptual"] > brighter["paired_perceptual"] > 0

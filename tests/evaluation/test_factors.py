"""A factor predictor learns, is cached, and scores what translations preserve."""

from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hf_gen.evaluation import factors
from hf_gen.evaluation.factors import (
    FactorPredictor,
    factor_score,
    factor_scores,
    factor_values,
    render_faces,
    train_factor_predictor,
)
from hf_gen.faces import CONTINUOUS, FACTORS, face_at

FACES = [face_at(index) for index in range(100)]
SIZE = 32


@cache
def cartoons() -> Tensor:
    return render_faces(FACES, "cartoon", SIZE)


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("predictors")


@pytest.fixture(scope="module")
def predictor(cache_dir: Path) -> FactorPredictor:
    return train_factor_predictor("cartoon", SIZE, cache_dir, count=600, epochs=8)


def test_factor_values_are_those_that_a_face_was_drawn_from() -> None:
    truth = factor_values(FACES)
    for name, values in FACTORS.items():
        assert [values[index] for index in truth[name]] == [getattr(face, name) for face in FACES]
    for name in CONTINUOUS:
        assert truth[name].tolist() == pytest.approx([getattr(face, name) for face in FACES])


def test_a_score_is_an_accuracy_or_a_correlation() -> None:
    truth = torch.tensor([0, 1, 2, 3])
    assert factor_score("hair_colour", torch.tensor([0, 1, 0, 0]), truth) == 0.5
    assert factor_score("head_tilt", -2.0 * truth + 5, truth) == pytest.approx(-1)
    assert factor_score("head_tilt", torch.full((4,), 0.1), truth) == 0


def test_a_little_training_predicts_far_better_than_chance(predictor: FactorPredictor) -> None:
    scores = factor_scores(predictor, cartoons(), factor_values(FACES))
    assert set(scores) == {
        name + end for name in (*FACTORS, *CONTINUOUS) for end in ("", "_ceiling")
    }
    for end in ("", "_ceiling"):
        assert scores[f"background{end}"] > 0.8
        assert scores[f"glasses{end}"] > 0.8
        assert scores[f"hair_style{end}"] > 0.5
        assert scores[f"head_tilt{end}"] > 0.5


def test_translations_to_other_faces_or_to_one_score_at_chance(predictor: FactorPredictor) -> None:
    truth = factor_values(FACES)
    others = factor_scores(predictor, cartoons().roll(1, dims=0), truth)
    one = factor_scores(predictor, cartoons()[:1].repeat(100, 1, 1, 1), truth)
    for name, values in FACTORS.items():
        assert others[name] < 1 / len(values) + 0.2
        predicted = predictor(cartoons()[:1])[name].argmax()
        assert one[name] == pytest.approx((truth[name] == predicted).double().mean().item())
    assert all(abs(others[name]) < 0.4 and abs(one[name]) < 1e-3 for name in CONTINUOUS)


def test_training_is_deterministic_and_cached(
    predictor: FactorPredictor, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"count": 100, "epochs": 1}
    before = torch.random.get_rng_state()
    with torch.no_grad():
        first = train_factor_predictor("anime", SIZE, tmp_path / "one", **small)
    assert torch.equal(before, torch.random.get_rng_state())
    again = train_factor_predictor("anime", SIZE, tmp_path / "two", **small)
    states = first.state_dict().values(), again.state_dict().values()
    assert all(torch.equal(one, other) for one, other in zip(*states, strict=True))
    monkeypatch.setattr(factors, "_train", None)
    cached = train_factor_predictor("cartoon", SIZE, cache_dir, count=600, epochs=8)
    assert torch.equal(cached.ceilings, predictor.ceilings)
    assert not cached.training


def test_an_unknown_style_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="style must be anime or cartoon, got 'manga'"):
        train_factor_predictor("manga", SIZE, tmp_path, count=50, epochs=1)
    assert not list(tmp_path.iterdir())

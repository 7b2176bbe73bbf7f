"""Samples against real images: from as good as they to one image over and over."""

import copy
import io
from functools import cache
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from hf_gen.evaluation import samples
from hf_gen.evaluation.distributions import compare_sets
from hf_gen.evaluation.samples import RealReference, evaluate_samples, reference
from hf_gen.evaluation.translation import evaluate_translations
from hf_gen.faces import face_at, face_png
from hf_gen.features import Description, FeatureExtractor, feature_extractor
from hf_gen.images import to_tensor

COUNT = 40


@cache
def faces(start: int, count: int = COUNT) -> Tensor:
    drawn = [face_png(face_at(start + index), "anime", 32) for index in range(count)]
    return to_tensor([Image.open(io.BytesIO(encoded)) for encoded in drawn])


@cache
def known() -> RealReference:
    return reference(faces(0), feature_extractor())


def test_samples_have_the_numbers_of_their_features_and_their_diversity() -> None:
    extractor = feature_extractor()
    scores = evaluate_samples(faces(100), known(), extractor)
    of_sets = compare_sets(extractor(faces(0)), extractor(faces(100)))
    assert scores.keys() == of_sets.keys() | {"diversity"}
    for name, value in of_sets.items():
        assert scores[name] == pytest.approx(value, rel=1e-5, abs=1e-5), name
    pairs = [extractor.pairwise_perceptual_distance(faces(start)) for start in (100, 0)]
    assert scores["diversity"] == pytest.approx(pairs[0] / pairs[1], rel=1e-5)


def test_translations_have_the_same_numbers() -> None:
    extractor = feature_extractor()
    scores = evaluate_samples(faces(100), known(), extractor)
    translated = evaluate_translations(faces(100), known(), extractor)
    assert translated.keys() - scores.keys() == {"nearest_translation_share"}
    assert translated == pytest.approx(translated | scores, rel=1e-6)


def test_blurred_and_repeated_samples_are_worse_each_in_its_own_way() -> None:
    extractor = feature_extractor()
    good = evaluate_samples(faces(100), known(), extractor)
    blurred = torch.nn.functional.avg_pool2d(faces(100), 7, 1, padding=3)
    one = faces(100)[:1].expand(COUNT, -1, -1, -1)
    for bad in (blurred, one):
        scores = evaluate_samples(bad, known(), extractor)
        assert scores["frechet_distance"] > 2 * good["frechet_distance"]
        assert scores["kid"] > good["kid"] + 0.1
    assert evaluate_samples(one, known(), extractor)["diversity"] == pytest.approx(0, abs=1e-4)


class Counting:
    """An extractor that tells how many images it has seen."""

    def __init__(self, extractor: FeatureExtractor) -> None:
        self.extractor, self.seen = extractor, 0

    def describe(self, images: Tensor) -> Description:
        self.seen += len(images)
        return self.extractor.describe(images)


def same(one: RealReference, other: RealReference) -> bool:
    return torch.equal(one.features, other.features) and one.diversity == other.diversity


def test_real_images_are_seen_once_until_they_or_the_extractor_change(tmp_path: Path) -> None:
    counting = Counting(feature_extractor())
    first = reference(faces(0), counting, tmp_path)  # type: ignore[arg-type]
    assert same(first, known())
    assert first.near == known().near
    seen_for_the_first = counting.seen
    assert same(reference(faces(0).clone(), counting, tmp_path), first)  # type: ignore[arg-type]
    seen_again = counting.seen - seen_for_the_first
    assert seen_again == seen_for_the_first - COUNT < COUNT  # what the name is made of
    changed = faces(0).clone()
    changed[3, 1, 5, 5] += 0.5
    assert not same(reference(changed, feature_extractor(), tmp_path), first)
    other = copy.deepcopy(feature_extractor())
    with torch.no_grad():
        other.stem[0].weight.mul_(1.1)
    assert not same(reference(faces(0), other, tmp_path), first)
    assert len(list(tmp_path.glob("reference-*/"))) == 3


def test_a_cache_that_cannot_be_written_costs_no_result(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    found = reference(faces(0), feature_extractor(), tmp_path / "file" / "cache")
    assert same(found, known())


def test_a_set_is_described_in_parts_as_it_is_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "_AT_ONCE", 7)
    in_parts = reference(faces(0), feature_extractor())
    assert torch.allclose(in_parts.features, known().features, atol=1e-5)
    assert in_parts.diversity == pytest.approx(known().diversity, rel=1e-6)


def test_too_few_are_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"at least 8 sampled images are needed .* got 7"):
        evaluate_samples(faces(100, 7), known(), feature_extractor())

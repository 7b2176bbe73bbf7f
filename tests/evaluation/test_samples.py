"""Sets of generated images against real ones: from equally good to copies of one image."""

import copy
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hf_gen.evaluation import samples
from hf_gen.evaluation.distributions import compare_sets, set_distances
from hf_gen.evaluation.samples import (
    SetStatistics,
    evaluate_samples,
    reference,
    second_opinion,
)
from hf_gen.evaluation.translation import evaluate_translations
from hf_gen.features import FeatureExtractor, ImageFeatures, feature_extractor
from tests.evaluation.small import faces

COUNT = 40


def real_faces() -> Tensor:
    return faces("anime", 0, COUNT, 32)


def other_faces() -> Tensor:
    return faces("anime", 100, COUNT, 32)


@cache
def known() -> SetStatistics:
    return reference(real_faces(), feature_extractor())


def diversity(images: Tensor) -> float:
    """By the mean over every pair."""
    embeddings = feature_extractor()(images).embeddings
    return torch.pdist(embeddings.double()).square().mean().item()


def test_the_scores_are_those_of_the_features_and_the_pairs() -> None:
    scores = evaluate_samples(other_faces(), known(), feature_extractor())
    of_sets = compare_sets(*(feature_extractor()(f()).features for f in (real_faces, other_faces)))
    assert scores.keys() == of_sets.keys() | {"diversity"}
    assert scores == pytest.approx(scores | of_sets, rel=1e-5, abs=1e-5)
    relative = diversity(other_faces()) / diversity(real_faces())
    assert scores["diversity"] == pytest.approx(relative, rel=1e-5)
    translated = evaluate_translations(other_faces(), known(), feature_extractor())
    assert translated.keys() - scores.keys() == {"near_duplicates"}
    assert translated == pytest.approx(translated | scores, rel=1e-6)


def test_repeated_samples_are_worse() -> None:
    good = evaluate_samples(other_faces(), known(), feature_extractor())
    copies = other_faces()[:1].expand(COUNT, -1, -1, -1)
    bad = evaluate_samples(copies, known(), feature_extractor())
    assert bad["frechet_distance"] > 2 * good["frechet_distance"]
    assert bad["kernel_distance"] > good["kernel_distance"] + 0.1
    assert bad["diversity"] == pytest.approx(0, abs=1e-4)


def test_the_second_opinion_is_that_of_the_other_network() -> None:
    other = feature_extractor(name="Lite1")
    found = second_opinion(other_faces(), reference(real_faces(), other))
    expected = set_distances(*(other(f()).features for f in (real_faces, other_faces)))
    assert found == pytest.approx(
        {f"{name}_lite1": value for name, value in expected.items()}, rel=1e-5, abs=1e-5
    )


class Counting(torch.nn.Module):
    """Counts the images that an extractor has seen."""

    def __init__(self, extractor: FeatureExtractor) -> None:
        super().__init__()
        self.extractor, self.seen = extractor, 0

    def forward(self, images: Tensor) -> ImageFeatures:
        self.seen += len(images)
        return self.extractor(images)


def same(one: SetStatistics, other: SetStatistics) -> bool:
    return torch.equal(one.features, other.features) and one.diversity == other.diversity


def test_statistics_are_cached_until_the_images_or_the_extractor_change(tmp_path: Path) -> None:
    counting = Counting(feature_extractor())
    first = reference(real_faces(), counting, tmp_path)  # type: ignore[arg-type]
    assert same(first, known())
    seen_first = counting.seen
    assert same(reference(real_faces().clone(), counting, tmp_path), first)  # type: ignore[arg-type]
    assert counting.seen - seen_first == seen_first - COUNT < COUNT  # the probe of the name
    changed = real_faces().clone()
    changed[3, 1, 5, 5] += 0.5
    assert not same(reference(changed, feature_extractor(), tmp_path), first)
    other = copy.deepcopy(feature_extractor())
    with torch.no_grad():
        other.network.stem[0].weight.mul_(1.1)
    assert not same(reference(real_faces(), other, tmp_path), first)
    assert len(list(tmp_path.glob("reference-*/"))) == 3


def test_a_cache_that_cannot_be_written_does_not_fail_the_evaluation(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    found = reference(real_faces(), feature_extractor(), tmp_path / "file" / "cache")
    assert same(found, known())


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "_BATCH_SIZE", 7)
    batched = reference(real_faces(), feature_extractor())
    assert torch.allclose(batched.features, known().features, atol=1e-5)
    assert batched.diversity == pytest.approx(known().diversity, rel=1e-6)

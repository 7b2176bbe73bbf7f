"""The numbers of a translation against brute force, and the alarm against collapsed sets."""

import io
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hf_gen.evaluation.translation import (
    RealReference,
    collapse_declared,
    evaluate_translations,
    reference,
)
from hf_gen.faces import face_at, face_png
from hf_gen.features import feature_extractor
from hf_gen.images import to_tensor

COUNT = 50
NAMES = {
    "diversity",
    "precision",
    "recall",
    "density",
    "coverage",
    "kid",
    "frechet_distance",
    "nearest_translation_share",
}


@cache
def faces(style: str, start: int, count: int = COUNT) -> Tensor:
    drawn = [face_png(face_at(start + index), style, 64) for index in range(count)]
    return to_tensor([Image.open(io.BytesIO(encoded)) for encoded in drawn])


@cache
def known() -> RealReference:
    return reference(faces("cartoon", 0), feature_extractor())


def scores_of(translations: Tensor) -> dict[str, float]:
    return evaluate_translations(translations, known(), feature_extractor())


def modes(count: int) -> Tensor:
    """`count` different faces, each the answer to an equal share of the inputs, slightly noisy."""
    images = faces("cartoon", 100)[torch.arange(COUNT) % count]
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return (images + 0.02 * noise).clamp(-1, 1)


def squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return ((first[:, None] - second[None]) ** 2).sum(2)


def test_other_faces_of_the_domain_score_like_it_and_ring_nothing() -> None:
    scores = scores_of(faces("cartoon", 100))
    assert scores.keys() == NAMES
    assert scores["diversity"] == pytest.approx(1, abs=0.1)
    assert scores["nearest_translation_share"] < 0.1
    assert min(scores["precision"], scores["recall"], scores["coverage"]) > 0.7
    assert abs(scores["kid"]) < 0.15
    assert not collapse_declared(scores)


@pytest.mark.parametrize("count", [1, 3, 5])
def test_the_alarm_rings_for_a_few_modes(count: int) -> None:
    scores = scores_of(modes(count))
    assert collapse_declared(scores)
    assert scores["nearest_translation_share"] > 0.9
    assert scores["recall"] < 0.1


def test_the_diversity_of_equal_modes_is_that_of_a_draw_of_modes() -> None:
    images = faces("cartoon", 100)
    extractor = feature_extractor()
    scores = scores_of(images[torch.arange(COUNT) % 5])
    # Two of 50 images differ in mode with probability 40/49, and then are two of the five.
    expected = 40 / 49 * extractor.pairwise_perceptual_distance(images[:5]) / known().diversity
    assert scores["diversity"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", ["other style", "noise", "blurred"])
def test_bad_translations_that_differ_are_not_called_collapsed(kind: str) -> None:
    made = {
        "other style": faces("anime", 100),
        "noise": torch.rand(COUNT, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1,
        "blurred": torch.nn.functional.avg_pool2d(faces("cartoon", 100), 9, 1, padding=4),
    }[kind]
    scores = scores_of(made)
    assert not collapse_declared(scores)
    assert scores["kid"] > 0.5
    assert scores["precision"] < 0.5


def test_kid_is_the_unbiased_mmd_of_a_cubic_kernel() -> None:
    extractor = feature_extractor()
    real, made = extractor(faces("cartoon", 0)), extractor(faces("anime", 100))
    x, y = (features.double().numpy() for features in (real, made))
    kernel = [(a @ b.T / 496 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
    within = [(k.sum() - np.trace(k)) / (COUNT * (COUNT - 1)) for k in kernel[:2]]
    expected = within[0] + within[1] - 2 * kernel[2].mean()
    # With 50 images a side every subset is the whole set.
    assert scores_of(faces("anime", 100))["kid"] == pytest.approx(expected, rel=1e-3)


def test_kid_of_a_set_with_itself_is_about_zero() -> None:
    assert abs(scores_of(faces("cartoon", 0))["kid"]) < 0.15


def test_precision_recall_density_and_coverage_are_their_definitions() -> None:
    extractor = feature_extractor()
    made = torch.cat([faces("cartoon", 100, 25), faces("anime", 100, 15)])
    real = extractor(faces("cartoon", 0)).double().numpy()
    translated = extractor(made).double().numpy()
    # Sorted distances start with the image itself, so the fifth neighbour stands at place 5.
    real_radius = np.sort(squared_distances(real, real), 1)[:, 5]
    translated_radius = np.sort(squared_distances(translated, translated), 1)[:, 5]
    between = squared_distances(real, translated)
    in_real_balls = between < real_radius[:, None]
    scores = scores_of(made)
    assert scores["precision"] == pytest.approx(in_real_balls.any(0).mean())
    assert scores["recall"] == pytest.approx((between < translated_radius[None]).any(1).mean())
    assert scores["density"] == pytest.approx(in_real_balls.sum(0).mean() / 5)
    assert scores["coverage"] == pytest.approx(in_real_balls.any(1).mean())


def test_the_same_images_score_the_same_and_leave_the_random_numbers_alone(
    capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    images = faces("anime", 100)
    before = torch.random.get_rng_state()
    first = scores_of(images)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.rand(1)
    assert scores_of(images) == first
    assert evaluate_translations(images, faces("cartoon", 0), feature_extractor()) == first
    assert not capsys.readouterr().out
    assert not [warning for warning in recwarn if warning.category is UserWarning]


def test_sets_of_other_sizes_compare_and_too_small_ones_are_refused() -> None:
    assert scores_of(faces("cartoon", 100, 8)).keys() == NAMES
    with pytest.raises(ValueError, match=r"at least 8 translated images are needed .* got 7"):
        scores_of(faces("cartoon", 100, 7))
    with pytest.raises(ValueError, match="at least 8 real images"):
        reference(faces("cartoon", 0, 7), feature_extractor())

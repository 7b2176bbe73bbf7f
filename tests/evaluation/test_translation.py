"""Scores of translations and detection of mode collapse, for sets and for pipelines."""

from functools import cache
from pathlib import Path

import pytest
import torch
from diffusers import ModelMixin
from torch import Tensor
from torch.nn.functional import avg_pool2d

from hf_gen.data.pixels import Pixels
from hf_gen.errors import UserError
from hf_gen.evaluation.collapse import mode_collapse_detected
from hf_gen.evaluation.factors import factor_scores, factor_values, train_factor_predictor
from hf_gen.evaluation.samples import SetStatistics, reference
from hf_gen.evaluation.translation import (
    MAX_IMAGES,
    TranslationEvaluator,
    evaluate_against_ground_truth,
    evaluate_translations,
)
from hf_gen.faces import TEST_START, face_at
from hf_gen.features import feature_extractor
from hf_gen.metrics import DIRECTIONS
from hf_gen.pipelines import TranslationPipeline
from tests.evaluation.small import Affine, Counterparts, all_of, face_pixels, faces

COUNT = 50
SET_SCORES = {
    *("diversity", "precision", "recall", "density", "coverage", "kernel_distance"),
    *("frechet_distance", "near_duplicates"),
}
OTHERS = faces("cartoon", 100, COUNT, 64)


@cache
def known() -> SetStatistics:
    return reference(faces("cartoon", 0, COUNT, 64), feature_extractor())


def scores_of(translations: Tensor) -> dict[str, float]:
    return evaluate_translations(translations, known(), feature_extractor())


def test_other_images_of_the_domain_have_nearly_the_best_scores() -> None:
    scores = scores_of(OTHERS)
    assert scores.keys() == SET_SCORES
    assert scores["diversity"] == pytest.approx(1, abs=0.1)
    assert scores["near_duplicates"] < 0.1
    assert min(scores["precision"], scores["recall"], scores["coverage"]) > 0.7
    assert abs(scores["kernel_distance"]) < 0.02
    assert not mode_collapse_detected(scores)


@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_few_modes_are_detected(count: int) -> None:
    modes = OTHERS[torch.arange(COUNT) % count]
    noise = torch.randn(modes.shape, generator=torch.Generator().manual_seed(0))
    scores = scores_of((modes + 0.02 * noise).clamp(-1, 1))
    assert mode_collapse_detected(scores)
    assert scores["near_duplicates"] > 0.9
    assert scores["recall"] < 0.1


@pytest.mark.parametrize(
    "translations",
    [
        faces("anime", 100, COUNT, 64),
        torch.rand(COUNT, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1,
        avg_pool2d(OTHERS, 9, 1, padding=4),
    ],
    ids=["other style", "noise", "blurred"],
)
def test_bad_translations_that_differ_are_no_mode_collapse(translations: Tensor) -> None:
    scores = scores_of(translations)
    assert not mode_collapse_detected(scores)
    assert scores["kernel_distance"] > 0.1
    assert scores["precision"] < 0.5


def test_near_duplicates_are_those_of_a_loop() -> None:
    images = torch.cat((OTHERS[:10], OTHERS[:2] + 0.01))
    embeddings = feature_extractor()(images).embeddings
    near = 0
    for index, row in enumerate(embeddings):
        others = torch.cat((embeddings[:index], embeddings[index + 1 :]))
        near += (others - row).square().sum(1).min().item() < 0.2 * known().diversity
    assert scores_of(images)["near_duplicates"] == pytest.approx(near / 12)
    assert near >= 4


def test_scores_are_deterministic_and_silent(
    capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    before = torch.random.get_rng_state()
    first = scores_of(OTHERS)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.rand(1)
    assert scores_of(OTHERS) == first
    assert not capsys.readouterr().out
    assert not [warning for warning in recwarn if warning.category is UserWarning]


SIZE, FEW = 16, 24
NAMES = SET_SCORES | {"mode_collapse", "cycle_l1"}


def patches(count: int = FEW, seed: int = 0) -> Pixels:
    """Coarse patches of random colours, each image its own."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (count, 4, 4, 3), generator=generator).to(torch.uint8)
    rows = coarse.repeat_interleave(SIZE // 4, 1).repeat_interleave(SIZE // 4, 2)
    return Pixels(rows.reshape(count, -1), torch.arange(count), SIZE)


def pipeline(a_to_b: ModelMixin, b_to_a: ModelMixin, size: int = SIZE) -> TranslationPipeline:
    made = TranslationPipeline(a_to_b, b_to_a, size)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def equal() -> TranslationEvaluator:
    """Of two domains that are the same images."""
    return TranslationEvaluator(patches(), patches())


def test_the_identity_on_equal_domains_has_the_best_scores(equal: TranslationEvaluator) -> None:
    scores = equal(pipeline(Affine(), Affine()))
    assert scores.keys() == {f"{way}/{name}" for way in DIRECTIONS for name in NAMES} | {
        "kernel_distance"
    }
    assert all(type(score) is float for score in scores.values())
    for way in DIRECTIONS:
        assert scores[f"{way}/mode_collapse"] == scores[f"{way}/cycle_l1"] == 0
        assert scores[f"{way}/diversity"] == pytest.approx(1, abs=1e-4)
        assert [scores[f"{way}/{name}"] for name in ("precision", "recall", "coverage")] == [1] * 3
        assert scores[f"{way}/near_duplicates"] < 0.2
        assert scores[f"{way}/kernel_distance"] < 0.01


def test_a_complete_evaluation_adds_a_second_opinion(equal: TranslationEvaluator) -> None:
    made = pipeline(Affine(0.9, -0.05), Affine(0.5, 0.2))
    scores, complete = equal(made), equal(made, complete=True)
    again = {f"{way}/{name}_distance_lite1" for way in DIRECTIONS for name in ("kernel", "frechet")}
    assert complete.keys() - scores.keys() == again
    assert scores.items() <= complete.items()
    for way in DIRECTIONS:
        assert complete[f"{way}/frechet_distance_lite1"] != scores[f"{way}/frechet_distance"]


@pytest.mark.parametrize("collapsed", [(), ("a_to_b",), ("b_to_a",), DIRECTIONS])
def test_mode_collapse_is_detected_in_its_direction(
    equal: TranslationEvaluator, collapsed: tuple[str, ...]
) -> None:
    networks = (Affine(0.0, 0.3) if way in collapsed else Affine() for way in DIRECTIONS)
    scores = equal(pipeline(*networks))
    for way in DIRECTIONS:
        assert scores[f"{way}/mode_collapse"] == (way in collapsed)
        assert (scores[f"{way}/diversity"] < 1e-4) is (way in collapsed)
        assert (scores[f"{way}/near_duplicates"] == 1) is (way in collapsed)


def test_each_direction_is_compared_with_its_target_domain() -> None:
    a, b = patches(), patches(30, seed=1)
    networks = Affine(0.9, -0.05), Affine(0.5, 0.2)
    evaluator = TranslationEvaluator(a, b)
    assert evaluator.images == FEW
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    scores = evaluator(pipeline(*networks))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert evaluator(pipeline(*networks)) == scores
    extractor = feature_extractor()
    ways = zip(DIRECTIONS, networks, networks[::-1], (a, b), (b, a), strict=True)
    for way, there, back, source, target in ways:
        inputs = all_of(source)
        translated = there(inputs).sample.detach().clamp(-1, 1)
        real = reference(all_of(target), extractor)
        expected = evaluate_translations(translated, real, extractor)
        expected["cycle_l1"] = (back(translated).sample.clamp(-1, 1) - inputs).abs().mean().item()
        for name, value in expected.items():
            assert scores[f"{way}/{name}"] == pytest.approx(value, abs=1e-5), name
    assert scores["a_to_b/cycle_l1"] > 0.05
    both = scores["a_to_b/kernel_distance"] + scores["b_to_a/kernel_distance"]
    assert scores["kernel_distance"] == pytest.approx(both / 2)


def test_only_the_first_images_are_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_IMAGES == 400
    monkeypatch.setattr("hf_gen.evaluation.translation.MAX_IMAGES", FEW)
    more = patches(FEW + 10)
    first = Pixels(more.rows[:FEW], torch.arange(FEW), SIZE)
    made = pipeline(Affine(0.7), Affine(0.9))
    assert TranslationEvaluator(more, more)(made) == TranslationEvaluator(first, first)(made)


@pytest.mark.parametrize("counts", [(5, 12), (12, 5)])
def test_too_few_images_are_an_error(counts: tuple[int, int]) -> None:
    with pytest.raises(UserError, match=r"5 images in its validation or test split, .*at least 8"):
        TranslationEvaluator(*map(patches, counts))


def test_ground_truth_has_no_distance_and_the_scores_of_its_factors(tmp_path: Path) -> None:
    size, count = 16, 60
    pixels = [face_pixels(style, TEST_START, count, size) for style in ("anime", "cartoon")]
    anime, cartoon = map(all_of, pixels)
    exact = Counterparts().pair(anime, cartoon), Counterparts().pair(cartoon, anime)
    identity, truth = (
        evaluate_against_ground_truth(pipeline(*networks, size), *pixels, tmp_path, count)
        for networks in ((Affine(), Affine()), exact)
    )
    distance = (anime - cartoon).abs().mean().item()
    assert truth.keys() == identity.keys()
    targets = {"cartoon": cartoon, "anime": anime}
    for way, (style, target) in zip(DIRECTIONS, targets.items(), strict=True):
        assert truth[f"{way}/paired_l1"] == pytest.approx(0, abs=1e-6)
        assert truth[f"{way}/paired_perceptual"] == pytest.approx(0, abs=1e-6)
        assert identity[f"{way}/paired_l1"] == pytest.approx(distance, abs=0.01)
        assert identity[f"{way}/paired_perceptual"] > 0.1
        predictor = train_factor_predictor(style, size, tmp_path, count)
        factors = factor_values([face_at(TEST_START + index) for index in range(count)])
        for name, score in factor_scores(predictor, target, factors).items():
            assert truth[f"{way}/{name}"] == pytest.approx(score), name

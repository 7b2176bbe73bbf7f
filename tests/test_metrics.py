"""Every metric has a name, a unit and a direction."""

import pytest

from hf_gen.evaluation.samples import reference
from hf_gen.evaluation.translation import evaluate_translations
from hf_gen.faces import CONTINUOUS, FACTORS
from hf_gen.metrics import formatted, in_words, metric_info


@pytest.mark.parametrize(
    ("key", "name", "unit", "better"),
    [
        ("psnr", "PSNR", "dB", "higher"),
        ("negative_elbo", "negative ELBO", "nats per image", "lower"),
        (
            "samples/gaussian/kernel_distance",
            "samples, fitted Gaussian: kernel distance (Lite2)",
            "0 to 4",
            "lower",
        ),
        (
            "reconstructions/frechet_distance",
            "reconstructions: Frechet distance (Lite2)",
            "0 to 4",
            "lower",
        ),
        (
            "anchors/floor/kernel_distance_lite1",
            "floor, training images: kernel distance (Lite1)",
            "0 to 4",
            "lower",
        ),
        (
            "anchors/ceiling/b_to_a/frechet_distance",
            "ceiling, the mean training image: cartoon to anime: Frechet distance (Lite2)",
            "0 to 4",
            "lower",
        ),
        ("samples/recall", "samples, default prior: recall", "0 to 1", "higher"),
        ("default_prior", "default prior", "", ""),
        ("b_to_a/coverage", "cartoon to anime: coverage", "0 to 1", "higher"),
        (
            "a_to_b/hair_colour_ceiling",
            "anime to cartoon: hair colour, on ground-truth images",
            "accuracy or correlation",
            "",
        ),
        (
            "a_to_b/agreement/hair_colour",
            "anime to cartoon: agreement of hair colour",
            "0 to 1",
            "higher",
        ),
        (
            "b_to_a/agreement/skin_tone_chance",
            "cartoon to anime: agreement of skin tone, chance level",
            "0 to 1",
            "",
        ),
        ("samples/diversity", "samples, default prior: diversity", "1 for real images", "higher"),
        (
            "kernel_distance",
            "mean kernel distance (Lite2) of both directions",
            "0 to 4",
            "lower",
        ),
    ],
)
def test_a_key_is_described(key: str, name: str, unit: str, better: str) -> None:
    metric = metric_info(key, ("anime", "cartoon"))
    assert (metric.name, metric.unit, metric.better) == (name, unit, better)
    shown = f"{name[:-1]}, {unit})" if name.endswith(")") else f"{name} ({unit})"
    assert str(metric) == (shown if unit else name)
    assert metric.heading == str(metric).rpartition(": ")[2]


def test_every_factor_is_described_as_such() -> None:
    for factor in (*FACTORS, *CONTINUOUS):
        words = factor.replace("_", " ")
        assert metric_info(f"factors/{factor}").name == f"linear probe: {words}"
        assert metric_info(f"factors/{factor}_chance").short == f"{words}, chance level"
        assert metric_info(f"b_to_a/{factor}").short == words


def test_every_score_of_translations_has_a_unit_and_a_direction() -> None:
    import torch

    from hf_gen.features import feature_extractor

    images = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    real = reference(images, feature_extractor())
    for name in evaluate_translations(images, real, feature_extractor()):
        number = metric_info(f"a_to_b/{name}")
        assert number.unit
        assert number.better


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1860, "1,860"),
        (1682.3, "1,682"),
        (0.12345, "0.1235"),
        (-0.00018234, "-0.00018"),
        (1e-9, "1e-09"),
        (None, "-"),
        (0, "0"),
    ],
)
def test_numbers_have_four_digits_or_two_where_they_are_tiny(
    value: float | None, text: str
) -> None:
    assert formatted(value) == text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0.2 s"),
        (33.3, "33 s"),
        (99.4, "99 s"),
        (186, "3 min"),
        (3599, "1 h 0 min"),
        (5616, "1 h 34 min"),
    ],
)
def test_durations_are_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words

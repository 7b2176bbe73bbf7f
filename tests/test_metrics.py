"""Every number has a name for people."""

import pytest

from hf_gen.evaluation.translation import evaluate_translations
from hf_gen.faces import CONTINUOUS, FACTORS
from hf_gen.metrics import formatted, metric_info


@pytest.mark.parametrize(
    ("key", "name", "unit", "better"),
    [
        ("psnr", "PSNR", "dB", "higher"),
        ("negative_elbo", "negative ELBO", "nats per image", "lower"),
        ("samples/gaussian/kid", "samples, fitted Gaussian: KID", "0 at best", "lower"),
        ("b_to_a/coverage", "cartoon to anime: coverage", "share", "higher"),
        (
            "a_to_b/hair_colour_ceiling",
            "anime to cartoon: hair colour from true images",
            "share",
            "",
        ),
        ("kid", "kid", "", ""),
    ],
)
def test_a_key_is_described(key: str, name: str, unit: str, better: str) -> None:
    number = metric_info(key, ("anime", "cartoon"))
    assert (number.name, number.unit, number.better) == (name, unit, better)


def test_every_factor_is_described_as_such() -> None:
    for factor in (*FACTORS, *CONTINUOUS):
        words = factor.replace("_", " ")
        assert metric_info(f"factors/{factor}").name == f"read from the code: {words}"
        assert metric_info(f"factors/{factor}_chance").short == f"{words} by a guess"
        assert metric_info(f"b_to_a/{factor}").short == words


def test_no_number_of_translations_is_nameless() -> None:
    import torch

    from hf_gen.features import feature_extractor

    images = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for name in evaluate_translations(images, images, feature_extractor()):
        number = metric_info(f"a_to_b/{name}")
        assert number.unit
        assert number.better


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1860, "1,860"),
        (1682.3, "1,682"),
        (0.12345, "0.1235"),
        (1e-9, "1e-09"),
        (None, "-"),
        (0, "0"),
    ],
)
def test_numbers_have_four_digits(value: float | None, text: str) -> None:
    assert formatted(value) == text

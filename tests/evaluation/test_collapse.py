"""The course of mode collapse along a training, in words."""

import pytest

from hf_gen.evaluation.collapse import EPOCH, Claim, collapse_along_training

DOMAINS = ("horse", "zebra")
# Distances of horse to zebra, and whether it has collapsed, after 10, 20 ... 60 epochs.
DISTANCES = (3.0, 2.0, 1.0, 1.5, 2.5, 4.0)


def log(collapsed: tuple[bool, ...]) -> list[dict[str, float]]:
    lines: list[dict[str, float]] = [{"step": 1, EPOCH: 0.1, "train/generators/objective": 3.0}]
    for place, (distance, alarm) in enumerate(zip(DISTANCES, collapsed, strict=True), 1):
        a_to_b = {"mode_collapse": alarm, "kernel_distance": distance, "diversity": place / 10}
        b_to_a = {"mode_collapse": 0, "kernel_distance": 7.0, "diversity": 0.9}
        line = {f"validation/a_to_b/{name}": float(value) for name, value in a_to_b.items()}
        line |= {f"validation/b_to_a/{name}": float(value) for name, value in b_to_a.items()}
        lines.append({"step": 100 * place, "epoch": place, EPOCH: 10.0 * place} | line)
    return lines


@pytest.mark.parametrize(
    ("collapsed", "words"),
    [
        ((False,) * 6, "detected in none of them."),
        ((True, True, False, False, False, True), "detected in 3 of them (epochs 10 to 20, 60)."),
        ((True,) * 6, "detected in 6 of them (epochs 10 to 60)."),
    ],
)
def test_the_epochs_of_collapse_are_named(collapsed: tuple[bool, ...], words: str) -> None:
    text = collapse_along_training(log(collapsed), DOMAINS)
    assert f"From horse to zebra mode collapse was {words}" in text
    assert "From zebra to horse mode collapse was detected in none of them." in text
    assert "6 evaluations on validation images, the first after 10 epochs" in text
    assert "lowest after 30 epochs (1) and ends at 4;" in text
    assert "is between 0.10 (epoch 10) and 0.60 (epoch 60)" in text


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (25, 45, "is 2.5 before, 1.25 between, 3.25 after."),
        (10, 60, "is 2.33 between."),
        (30, 90, "is 2.5 before, 2.25 between."),
    ],
)
def test_a_claim_is_compared_with_what_was_measured(first: float, last: float, words: str) -> None:
    claim = Claim(first, last, "Somebody")
    text = collapse_along_training(log((False,) * 6), DOMAINS, claim)
    assert f"Somebody found the best translations between epochs {first} and {last}; " in text
    assert f"here the mean kernel distance {words}" in text


def test_a_short_training_has_no_course() -> None:
    assert not collapse_along_training(log((True,) * 6)[:4], DOMAINS)
    assert not collapse_along_training([], DOMAINS)

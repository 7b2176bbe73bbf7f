"""The numbers of the runs, in words and along the training, and where collapse was declared."""

from pathlib import Path

import pytest

from hf_gen.demo.run_curves import (
    DECLARED,
    alarms,
    choose_numbers,
    curves,
    limits,
    numbers_of,
    timeline,
    words,
)
from hf_gen.demo.run_logs import HELD_OUT, TRAINING
from hf_gen.runs.folder import RunFolder
from tests.demo.run_folders import finish_line, log_vae, read_runs, several_runs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return several_runs(tmp_path / "runs")


def test_the_numbers_are_those_that_were_logged(folder: Path) -> None:
    runs = read_runs(folder)
    assert numbers_of([runs["first"]]) == ["negative_elbo", "kl", "objective", "learning_rate"]
    names = numbers_of([runs["reproduce/gan"]])
    assert names[:3] == ["generators/adversarial", "generators/cycle", "kid"]
    assert "a_to_b/diversity" in names
    assert "a_to_b/collapsed" not in names
    assert choose_numbers([], [runs["first"], runs["now"]]) == ["negative_elbo"]
    both = [runs["first"], runs["reproduce/gan"]]
    assert choose_numbers(["kl"], both) == ["kl", *names[:3]]
    assert choose_numbers(["gone", "kid"], both[1:]) == ["kid"]


def test_numbers_have_words() -> None:
    domains = ("anime", "cartoon")
    assert words("negative_elbo", domains).heading == "negative ELBO (nats per image)"
    assert words("generators/adversarial_b_to_a", domains).name.endswith("cartoon to anime")
    assert words("generators/cycle_a", domains).name == "error of there and back, anime images"
    assert words("discriminators/disc_b", domains).name.endswith("cartoon images")
    assert words("b_to_a/kid", domains).name == "cartoon to anime: KID"
    assert words("samples/unheard/of_this", domains).name == "samples: unheard: of this"


def test_curves_are_in_long_form_and_thinned(folder: Path) -> None:
    runs = read_runs(folder)
    frame = curves([runs["first"], runs["now"]], "negative_elbo")
    assert list(frame.columns) == ["run", "split", "epoch", "value"]
    held_out = frame[(frame.run == "first") & (frame.split == HELD_OUT)]
    assert list(held_out.epoch) == [1, 2, 3, 4, 5, 6]
    assert set(frame.split) == {TRAINING, HELD_OUT}
    mean = curves([runs["reproduce/gan"]], "generators/adversarial")
    assert set(mean.value) == {0.5}
    finish_line(folder / "now")
    log_vae(RunFolder(folder / "now"), 32, 5_000)
    longer = curves([read_runs(folder)["now"]], "kl")
    training = longer[longer.split == TRAINING]
    assert 300 < len(training) <= 400
    assert training.epoch.iloc[-1] == 499.9


def test_the_first_steps_do_not_flatten_the_rest(folder: Path) -> None:
    frame = curves([read_runs(folder)["first"]], "negative_elbo")
    low, high = limits([frame])
    assert frame.value.max() > 10_000
    assert 1_500 <= low <= frame.value.min()
    assert high < 2_000
    assert limits([curves([], "kl")]) == [None, None]
    assert limits([curves([read_runs(folder)["first"]], "kl")])[0] <= 40.0


def test_the_timeline_marks_where_collapse_was_declared(folder: Path) -> None:
    run = read_runs(folder)["reproduce/gan"]
    frame = timeline([run], "a_to_b", "diversity")
    declared = frame[frame.split == DECLARED]
    stretches = [0.5, 0.5, 1.0, 1.5, 2.5, 2.5, 3.0]
    assert list(declared.epoch) == stretches
    assert list(declared.value.isna()) == [True, *[False] * 3, True, *[False] * 2]
    assert len(frame[frame.split == HELD_OUT]) == 6
    assert DECLARED not in set(timeline([run], "b_to_a", "diversity").split)
    (sentence,) = alarms([run])
    assert sentence == (
        "reproduce/gan, anime to cartoon: collapse was declared at 3 of 6 evaluations, the last "
        "time at epoch 3."
    )

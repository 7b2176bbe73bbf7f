"""Findings follow from the metrics, and change when the metrics do."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from hf_gen.report import findings
from hf_gen.report.run import EvaluatedRun

Make = Callable[..., EvaluatedRun]


@pytest.mark.parametrize(
    ("key", "values", "sentence"),
    [
        (
            "psnr",
            {"one": 18.0, "two": 20.0, "three": 19.0},
            "By PSNR (dB) **two** is best with 20, and **one** worst with 18.",
        ),
        (
            "dci_informativeness",
            {"one": 0.5, "two": 0.6},
            "By DCI informativeness (0 to 1) **two** is best with 0.6, and **one** worst with 0.5.",
        ),
        (
            "mae",
            {"one": 0.5, "two": 0.6},
            "By mean absolute error (images in [-1, 1]) **one** is best with 0.5, and **two** "
            "worst with 0.6.",
        ),
        ("psnr", {"one": 18.0, "two": 18.1}, "By PSNR the runs are within 1%: 18.1 to 18 (dB)."),
        ("psnr", {"<b>*one": 18.0}, r"**&lt;b&gt;\*one** has a PSNR of 18 (dB)."),
        ("psnr", {}, ""),
    ],
)
def test_a_ranking_follows_the_direction_of_the_metric(
    vae_run: Make, key: str, values: dict[str, float], sentence: str
) -> None:
    runs = [vae_run(name, results={key: value}) for name, value in values.items()]
    assert "".join(findings.ranking([*runs, vae_run("none", results={})], key)) == sentence


def test_the_summary_of_autoencoders_is_of_their_default_priors(vae_run: Make) -> None:
    default, other = "samples/frechet_distance", "samples/gaussian/frechet_distance"
    runs = [
        vae_run("one", results={"psnr": 18.0, default: 0.5, other: 0.25}),
        vae_run("two", results={"psnr": 20.0, default: 0.75, other: 0.125}),
    ]
    reconstructions, samples = findings.autoencoder_summary(runs).split(". ")
    assert "**two** is best with 20" in reconstructions
    assert "**one** is best with 0.5, and **two** worst with 0.75" in samples


def test_the_summary_of_translations_names_collapsed_runs(translation_run: Make) -> None:
    fine, collapsed = translation_run("fine"), translation_run("bad", collapsed=(0.0, 1.0, 0.0))
    runs = [replace(fine, results={"kernel_distance": 0.5}), collapsed]
    distances, collapse = findings.translation_summary(runs).split(". ")
    assert distances.startswith("**fine** has a mean kernel distance (Lite2) of both directions")
    assert collapse == "Mode collapse was detected in the training of **bad** (horse to zebra)."
    assert findings.translation_summary([fine]) == "Mode collapse was detected in no training."


def test_information_at_its_limit_is_named(vae_run: Make) -> None:
    full = vae_run("full", results={"mutual_information": 4.59}, images=100)
    less = vae_run("less", results={"mutual_information": 3.0}, images=100)
    (text,) = findings.saturated_information([full, less])
    assert text.startswith("The mutual information of **full** is at the limit")
    assert "(4.605 nats)" in text
    assert findings.saturated_information([less]) == []


def test_a_collapsed_posterior_is_named(vae_run: Make) -> None:
    runs = [vae_run("none", results={})]
    runs += [vae_run(f"of {active}", results={"active_units": active}) for active in (0, 12)]
    (text,) = findings.collapsed_posteriors(runs)
    assert text == "The posterior of **of 0** has collapsed: no latent dimension is active."
    assert findings.collapsed_posteriors(runs[::2]) == []

"""A table holds the models of one family and resolution, each with its own prior, and no other."""

from pathlib import Path
from typing import Any

from hf_gen.metrics import metric_info
from tools.tables import readme_tables, results_tables

DISTANCE = metric_info("samples/standard/frechet_distance").short
ANCHORS = {"anchors/floor/frechet_distance": 0.015, "anchors/ceiling/frechet_distance": 1.25}


def of_autoencoder(psnr: float, prior: str, temperature: float, distance: float) -> dict[str, Any]:
    """Results in which a prior that is not the default one has the smallest distance."""
    return ANCHORS | {
        "psnr": psnr,
        "default_prior": prior,
        "default_temperature": temperature,
        "samples/frechet_distance": distance,
        "samples/gaussian/frechet_distance": 0.001,
    }


RESULTS: dict[str, dict[str, Any]] = {
    "conv-vae": {
        "real": of_autoencoder(18.5, "mixture", 1.0, 0.5),
        "synthetic": of_autoencoder(19.5, "mixture", 1.0, 0.75),
    },
    "conv-vae-kl0": {"real": {"psnr": 18.25}},
    "face-vae": {"real": of_autoencoder(20.5, "standard", 0.8, 0.25)},
    "cyclegan": {
        "synthetic": {
            **{"a_to_b/frechet_distance": 0.5, "b_to_a/frechet_distance": 0.625},
            "anchors/floor/b_to_a/frechet_distance": 0.0625,
        },
    },
}


def tables(text: str) -> dict[str, list[list[str]]]:
    """The rows of each table by the line above it."""
    found = {}
    blocks = text.strip().split("\n\n")
    for title, block in zip(blocks[::2], blocks[1::2], strict=True):
        lines = [line.strip("| ").split(" | ") for line in block.splitlines()]
        found[title] = [lines[0], *lines[2:]]
    return found


def test_the_short_tables_are_apart_by_family_and_resolution() -> None:
    found = tables(readme_tables(RESULTS, "model_cards"))
    assert list(found) == [
        "Autoencoders of 32x32, on test faces:",
        "Autoencoders of 64x64, on test faces:",
        "Translations of 64x64, on synthetic test faces:",
    ]
    head, *rows = next(iter(found.values()))
    assert head == [
        *("model", "MB", "prior", "real: PSNR (dB)", f"real: {DISTANCE} of samples"),
        *("synthetic: PSNR (dB)", f"synthetic: {DISTANCE} of samples"),
    ]
    assert rows == [
        ["[conv-vae](model_cards/conv-vae.md)", "0.8", "mixture", "18.5", "0.5", "19.5", "0.75"],
        ["[conv-vae-kl0](model_cards/conv-vae-kl0.md)", "0.8", "", "18.25", "-", "-", "-"],
        ["*training images*", "", "", "-", "0.015", "-", "0.015"],
        ["*mean training image*", "", "", "-", "1.25", "-", "1.25"],
    ]


def test_a_model_has_one_row_with_its_default_prior() -> None:
    for text in (readme_tables(RESULTS, "cards"), results_tables(RESULTS, "cards")):
        assert "| standard normal, temperature 0.8 |" in text
        assert "0.001" not in text


def test_the_complete_tables_are_apart_by_the_images_too() -> None:
    found = tables(results_tables(RESULTS, "../model_cards"))
    assert list(found) == [
        "## Autoencoders of 32x32, real test faces",
        "## Autoencoders of 32x32, synthetic test faces",
        "## Autoencoders of 64x64, real test faces",
        "## Anime to cartoon, 64x64, synthetic test faces",
        "## Cartoon to anime, 64x64, synthetic test faces",
    ]
    *_, (head, row, floor) = found.values()
    assert head == ["model", "MB", DISTANCE]
    assert row == ["[cyclegan](../model_cards/cyclegan.md)", "6.0", "0.625"]
    assert floor == ["*training images*", "", "0.0625"]
    assert [row[0] for row in found["## Autoencoders of 32x32, synthetic test faces"][1:]] == [
        *("[conv-vae](../model_cards/conv-vae.md)", "*training images*", "*mean training image*"),
    ]


def test_cards_of_translations_name_their_domains() -> None:
    text = (Path(__file__).parents[2] / "model_cards" / "cyclegan.md").read_text("utf-8")
    collapse = " ".join(text.split("## Mode collapse")[1].split())
    for way in ("From anime to cartoon", "From cartoon to anime"):
        assert f"{way} mode collapse was detected" in collapse

"""Runs are compared in one report, but only metrics of the same images and likelihood."""

import json
import re
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest
from PIL import Image

from hf_gen.cli import main as hf_gen
from hf_gen.errors import UserError
from hf_gen.report.compare import compare
from hf_gen.report.reproduce import Planned, command, plan, reproduce
from tests.launching import without_figures
from train_accelerate import main

TINY = (
    *("--max-train-samples", "120", "--train-batch-size", "12", "--resolution", "16"),
    *("--max-train-steps", "12", "--validation-steps", "4", "--logging-steps", "2"),
    *("--report-to", "none"),
)
SMALL_NETWORKS = (
    *("--generator-channels", "4", "--discriminator-channels", "4", "--discriminator-layers", "1"),
    *("--resolution", "32"),
)
AUTOENCODERS = (
    *("conv-vae", "conv-vae-kl0", "conv-vae-kl100", "conv-vae-any-kl"),
    *("dense-vae-z5", "dense-vae-z10"),
)


@pytest.fixture(scope="session")
def runs(
    cache: tuple[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder of small runs: of both reports, and one with another likelihood.

    The network of every KL weight has the figures of its own.
    """
    folder = tmp_path_factory.mktemp("compared")
    flags = {name: (name, *TINY) for name in AUTOENCODERS}
    flags["laplace"] = ("conv-vae", *TINY, "--likelihood", "laplace")
    for name in ("cyclegan-lambda10", "cyclegan-lambda5"):
        flags[name] = (name, *TINY, *SMALL_NETWORKS)
    for name, arguments in flags.items():
        with nullcontext() if name == "conv-vae-any-kl" else without_figures():
            assert main([*arguments, *cache, "--output-dir", str(folder / name)]) == 0
    return folder


@pytest.fixture(scope="session")
def compared(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of all of them, an unfinished one and a folder that is no run."""
    unfinished = runs / "unfinished"
    shutil.copytree(runs / "conv-vae", unfinished)
    (unfinished / "results.json").unlink()
    paths = [*sorted(path for path in runs.iterdir()), runs / "nowhere"]
    return compare(paths, tmp_path_factory.mktemp("report") / "report").folder


def sections(report: Path) -> dict[str, str]:
    parts = (report / "report.md").read_text().split("\n## ")[1:]
    return {part.partition("\n")[0]: part for part in parts}


def test_report_holds_every_run_and_says_what_was_left_out(compared: Path) -> None:
    results = json.loads((compared / "results.json").read_text())
    assert set(results["runs"]) == {
        *AUTOENCODERS, "laplace", "cyclegan-lambda10", "cyclegan-lambda5",
    }  # fmt: skip
    assert "is no folder" in results["left_out"]["nowhere"]
    assert "has not ended" in results["left_out"]["unfinished"]
    overview = sections(compared)["The runs"]
    assert "**unfinished**: " in overview
    assert "| conv-vae-kl100 | faces, 16x16, 12 test images | KL x100 | 12 |" in overview
    assert "numbers of different sections cannot be compared" in overview


def test_the_report_opens_with_two_sentences_and_two_pictures_of_each_family(
    compared: Path,
) -> None:
    _, *summaries = (compared / "report.md").read_text().split("\n## ")[:3]
    for summary, family, run in zip(
        summaries, ("Autoencoders: ", "Translation: "), ("conv-vae-kl100", "cyclegan-lambda5"),
        strict=True,
    ):  # fmt: skip
        title, sentences, *pictures = summary.strip().split("\n\n")
        assert title.startswith(family)
        assert sentences.endswith(".")
        assert len(pictures) == 2
        for part in pictures:
            (shown,) = re.findall(r'^<picture>.* alt="([^"]+)"', part)
            assert "rows of " in shown.lower().replace("a row of", "rows of")
            assert run in shown


def test_tables_fit_a_page_of_1280_pixels(compared: Path, chromium: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto((compared / "report.html").as_uri())
        tables = page.locator(".wide")
        assert tables.count() > 8
        widths = tables.evaluate_all("all => all.map(one => [one.scrollWidth, one.clientWidth])")
        browser.close()
    assert all(needed <= there for needed, there in widths)


def test_numbers_in_tables_are_those_of_the_runs(compared: Path, runs: Path) -> None:
    results = json.loads((runs / "conv-vae" / "results.json").read_text())
    (section,) = (text for title, text in sections(compared).items() if "Autoencoders in" in title)
    row = next(line for line in section.splitlines() if line.startswith("| conv-vae |"))
    assert row.split(" | ")[1:3] == [f"{results[key]:,.4g}" for key in ("psnr", "ssim")]


def test_a_network_of_every_kl_weight_has_its_curve_beside_those_of_one(
    compared: Path, runs: Path
) -> None:
    section = sections(compared)["Every KL weight in one network: conv-vae-any-kl"]
    results = json.loads((runs / "conv-vae-any-kl" / "results.json").read_text())
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert [row.split(" | ")[1] for row in rows] == [
        f"{value:,.4g}" for value in results["kl_per_kl_weight"]
    ]
    at_one = results["kl_weights"].index(1.0)
    assert results["kl_per_kl_weight"][at_one] == pytest.approx(results["kl"], rel=1e-4)
    assert 'src="figures/kl-weights.png"' in section
    figures = {file.stem for file in (runs / "conv-vae-any-kl" / "figures").glob("*.png")}
    drawn = {"kl_weights", "kl_term", "learning_curve"}
    assert drawn | {f"{name}-dark" for name in drawn} <= figures
    card = (runs / "conv-vae-any-kl" / "README.md").read_text()
    assert "(figures/kl_weights.png)" in card


def test_nats_of_two_likelihoods_are_in_two_tables(compared: Path) -> None:
    (section,) = (text for title, text in sections(compared).items() if "Autoencoders in" in title)
    bernoulli, laplace = (part.split("<picture>")[0] for part in section.split("Likelihood: ")[1:])
    assert bernoulli.startswith("bernoulli.")
    assert laplace.startswith("laplace, scale 0.2.")
    assert "| conv-vae |" in bernoulli
    assert "| laplace |" not in bernoulli
    assert "| laplace |" in laplace
    assert "nats under one do not compare with nats under another" in section


def test_the_questions_of_the_course_reports_have_sections(compared: Path) -> None:
    titles = sections(compared)
    (kl,) = (text for title, text in titles.items() if title.startswith("The KL term"))
    weights = [line.split(" | ")[0] for line in kl.splitlines() if line.startswith("| KL x")]
    assert weights == ["| KL x0", "| KL x1", "| KL x100"]
    latents = titles["Number of latents"]
    assert "- By PSNR (dB) **dense-vae-z" in latents
    for name in ("dense-vae-z5", "dense-vae-z10"):
        assert f"figures/frozen-{name}.png" in latents
        assert f"figures/traversal-{name}.png" in latents


def test_every_figure_exists_in_both_themes(compared: Path) -> None:
    text = (compared / "report.md").read_text()
    pictures = set((compared / "figures").iterdir())
    named = {compared / "figures" / part.split('"')[0] for part in text.split('"figures/')[1:]}
    assert named == pictures
    assert len(pictures) > 20
    for path in pictures:
        picture = Image.open(path).convert("RGB")
        assert len(picture.getcolors(picture.width * picture.height) or []) > 20, path
    assert (compared / "report.html").read_text().count("data:image/png") == len(pictures)


@pytest.mark.usefixtures("no_figures")
def test_a_model_without_a_posterior_is_reported_without_an_elbo(
    cache: tuple[str, str], tmp_path: Path
) -> None:
    run = tmp_path / "autoencoder-tiny"
    assert main(["autoencoder-tiny", *TINY, *cache, "--output-dir", str(run)]) == 0
    report = compare([run], tmp_path / "report")
    assert report.runs == [run.name]
    assert report.left_out == {}
    shown = json.loads((run / "results.json").read_text())
    logged = set().union(*map(json.loads, (run / "metrics.jsonl").read_text().splitlines()))
    assert {"train/objective", "train/reconstruction", "validation/reconstruction"} <= logged
    of_a_bound = ("elbo", "kl", "bits_per", "nll")
    measured = [key for key in shown if not key.endswith(("distance", "lite1"))]
    assert not [key for key in (*logged, *measured) if any(word in key for word in of_a_bound)]
    assert "negative ELBO" not in (tmp_path / "report" / "report.md").read_text()


def test_a_report_replaces_a_report_and_nothing_else(runs: Path, tmp_path: Path) -> None:
    thesis = tmp_path / "thesis"
    (thesis / "figures").mkdir(parents=True)
    others = [thesis / "chapter.tex", thesis / "figures" / "photo.png"]
    for file in others:
        file.write_text("mine")
    compare([runs / "conv-vae"], thesis)
    compare([runs / "dense-vae-z5"], thesis)
    assert list(json.loads((thesis / "results.json").read_text())["runs"]) == ["dense-vae-z5"]
    assert not list(thesis.glob("figures/*conv-vae*"))
    assert all(file.read_text() == "mine" for file in others)
    (thesis / "report.md").write_text("my own report")
    with pytest.raises(UserError, match=r"thesis/report\.md was not written by hf_gen, or has"):
        compare([runs / "conv-vae"], thesis)
    assert (thesis / "report.md").read_text() == "my own report"


def test_nothing_to_compare_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing to compare: .*is no folder"):
        compare([tmp_path / "nowhere"], tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_evaluate_prints_what_it_writes_and_draws(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "again"
    shutil.copytree(runs / "conv-vae", run)
    assert not (run / "figures" / "samples.png").exists()
    before = (run / "results.json").read_bytes()
    (run / "results.json").write_text("{}")
    monkeypatch.setattr("sys.argv", ["hf-gen", "evaluate", str(run)])
    hf_gen()
    assert (run / "results.json").read_bytes() == before
    assert (run / "figures" / "samples.png").exists()
    printed = capsys.readouterr().out
    results = json.loads(before)
    assert f"{results['psnr']:,.4g}  dB" in printed
    assert "samples, fitted Gaussian: kernel distance (Lite2)" in printed
    assert f"{results['psnr']:,.4g}" in (run / "README.md").read_text()


def test_reproduce_trains_what_is_missing_and_skips_what_is_done(
    cache: tuple[str, str], runs: Path, tmp_path: Path
) -> None:
    names = ("dense-vae-z5", "dense-vae-z10")
    planned = [
        Planned(name, place / name, (*TINY, *cache), 1.0)
        for name, place in zip(names, (runs, tmp_path), strict=True)
    ]
    assert [run.is_done for run in planned] == [True, False]
    assert planned[0].progress() == 1.0
    kept = (runs / "dense-vae-z5" / "results.json").stat().st_mtime_ns
    done = reproduce(planned, tmp_path / "report")
    assert done.runs == list(names)
    assert done.left_out == {}
    assert (runs / "dense-vae-z5" / "results.json").stat().st_mtime_ns == kept
    assert all(run.is_done for run in planned)


def test_reproduce_names_what_failed_and_keeps_an_earlier_log(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_text("mine\n")
    broken = Planned("dense-vae-z5", tmp_path / "run", ("--learning-rate", "-1"), 1.0)
    with pytest.raises(UserError, match="dense-vae-z5 ended early: error: learning_rate must be"):
        reproduce([broken], tmp_path / "report")
    assert (tmp_path / "run.log").read_text().startswith("mine\nerror: ")


def test_the_plan_holds_every_recipe_of_the_reports(tmp_path: Path) -> None:
    runs = plan(tmp_path, "full")
    expected = {*AUTOENCODERS, "conv-vae-maxpool", "cyclegan-lambda10", "cyclegan-lambda5"}
    assert {run.recipe for run in runs} == expected - {"conv-vae-any-kl"}
    assert all(run.flags == () for run in runs)
    assert command(runs[0].arguments).startswith("accelerate launch train_accelerate.py conv-vae ")
    real = plan(tmp_path, "small", "anime-faces")
    assert not any(run.recipe.startswith("cyclegan") for run in real)
    both = plan(tmp_path, "small", "anime-faces", "cartoon-faces")
    flags = {run.recipe: run.flags for run in both}
    assert flags["cyclegan-lambda5"][:4] == (
        "--dataset-name", "anime-faces", "--dataset-name-b", "cartoon-faces",
    )  # fmt: skip
    assert "--dataset-name-b" not in flags["conv-vae"]

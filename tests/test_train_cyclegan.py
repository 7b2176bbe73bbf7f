"""CycleGAN through the training command: its results, two processes, and mode collapse."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import hf_gen
from hf_gen.faces import CONTINUOUS, FACTORS, face_at, face_png
from tests.killing import train_in_child, train_in_two
from tests.launching import metrics, same_numbers
from train_accelerate import main

SMALL = (
    *("--max-train-samples", "160", "--train-batch-size", "4", "--resolution", "32"),
    *("--generator-channels", "4", "--discriminator-channels", "4", "--discriminator-layers", "2"),
    *("--report-to", "none", "--num-threads", "1"),
)
EVENTFUL = (
    *("--logging-steps", "3", "--validation-steps", "8", "--checkpointing-steps", "5"),
    *("--gradient-accumulation-steps", "2", "--identity-weight", "5"),
    *("--augment", "color", "translation", "cutout"),
    *("--pool-size", "10", "--spectral-norm", "--max-train-steps", "24", "--random-flip"),
)


@pytest.fixture(scope="session")
def translated(cache: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An eventful run from start to end."""
    run = tmp_path_factory.mktemp("runs") / "translated"
    assert main(["cyclegan-lambda10", *SMALL, *EVENTFUL, *cache, "--output-dir", str(run)]) == 0
    return run


def test_a_run_leaves_figures_and_a_pipeline_of_the_best_step(translated: Path) -> None:
    for name in ("learning_curve", "a_to_b", "b_to_a", "collapse", "training"):
        picture = Image.open(translated / "figures" / f"{name}.png").convert("RGB")
        assert len(picture.getcolors(picture.width * picture.height) or []) > 50
    key = "validation/kernel_distance"
    distances = [line[key] for line in metrics(translated) if key in line]
    assert len(distances) == 3
    pipeline = hf_gen.load(translated)
    exported = load_file(translated / "pipeline/a_to_b/diffusion_pytorch_model.safetensors")
    last = load_file(translated / "checkpoint-24" / "a_to_b.ema.safetensors")
    is_last = all(bool((exported[name] == last[name]).all()) for name in exported)
    assert is_last == (min(distances) == distances[-1])
    assert pipeline.config.domain_a == "anime"
    face = Image.open(io.BytesIO(face_png(face_at(3), "anime")))
    assert pipeline([face], direction="a_to_b").images[0].size == (32, 32)


def test_results_measure_what_of_a_face_is_kept(translated: Path) -> None:
    results = json.loads((translated / "results.json").read_text())
    for direction in ("a_to_b", "b_to_a"):
        assert results[f"{direction}/paired_l1"] > 0
        for factor in (*FACTORS, *CONTINUOUS):
            assert -1 <= results[f"{direction}/{factor}"] <= 1
            assert f"{direction}/{factor}_ceiling" in results
    card = (translated / "README.md").read_text()
    assert f"| {results['a_to_b/kernel_distance']:,.4g} |" in card


@pytest.mark.usefixtures("no_figures")
def test_fifteen_pictures_a_domain_train_and_choose_nothing(
    image_folder: Callable[..., Path],
    cache: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for seed, name in enumerate(("trainA", "TrainB")):
        image_folder(tmp_path / "set" / name, 15, seed=seed)
    data = ("--train-data-dir", str(tmp_path / "set"), *cache)
    steps = ("--max-train-steps", "3", "--validation-steps", "1", "--train-batch-size", "100")
    run = tmp_path / "run"
    assert main(["cyclegan-lambda10", *SMALL, *data, *steps, "--output-dir", str(run)]) == 0
    output = capsys.readouterr().out
    assert "train_batch_size is 7 in place of 100: 7 of 7 training images are a step" in output
    for side in "AB":
        assert f"set: train 7 (train, {side}); validation and test 8 (by hash), one set" in output
    exported = load_file(run / "pipeline/a_to_b/diffusion_pytorch_model.safetensors")
    last = load_file(run / "checkpoint-3" / "a_to_b.ema.safetensors")
    assert all(torch.equal(weights, last[name]) for name, weights in exported.items())
    assert "Nothing was chosen on it" in (run / "README.md").read_text()


def test_two_processes_train_as_one(cache: tuple[str, str], tmp_path: Path) -> None:
    common = ("cyclegan-lambda5", *SMALL, *cache, "--max-train-steps", "6", "--pool-size", "0")
    common += ("--logging-steps", "2", "--identity-weight", "5", "--augment", "translation")
    common += ("--paired-dataset-name", "faces", "--paired-max-train-samples", "40")
    one = train_in_child(tmp_path / "one", *common, "--train-batch-size", "8")
    same_numbers(one, train_in_two(tmp_path / "two", *common), tolerance=1e-2)


def test_each_of_two_processes_resumes_with_its_own_pool(
    cache: tuple[str, str], tmp_path: Path
) -> None:
    arguments = ("cyclegan-lambda10", *SMALL, *cache, "--pool-size", "6", "--max-train-steps", "8")
    arguments += ("--checkpointing-steps", "4", "--checkpoints-total-limit", "9")
    arguments += ("--paired-dataset-name", "faces", "--paired-max-train-samples", "40")
    run = train_in_two(tmp_path / "first", *arguments)
    first, second = load_file(run / "checkpoint-4" / "pool_a.safetensors")["images"]
    assert not first.equal(second)
    again = shutil.copytree(run, tmp_path / "again" / "run")
    shutil.rmtree(again / "checkpoint-8")
    train_in_two(tmp_path / "again", *arguments)
    for name in ("pool_a", "pool_b", "a_to_b", "disc_b"):
        file = f"checkpoint-8/{name}.safetensors"
        assert (again / file).read_bytes() == (run / file).read_bytes(), name


def test_mode_collapse_of_a_broken_recipe_is_detected(
    cache: tuple[str, str], tmp_path: Path
) -> None:
    """No cycle, no normalisation and a wild rate: all faces become one image, both ways."""
    broken = ("--cycle-weight", "0", "--learning-rate", "0.3", "--generator-normalization", "none")
    broken += ("--ema-decay", "0", "--max-train-steps", "30")
    run = train_in_child(tmp_path, "cyclegan-lambda10", *SMALL, *cache, *broken)
    for direction in ("a_to_b", "b_to_a"):
        assert metrics(run)[-1][f"validation/{direction}/mode_collapse"] == 1.0
        assert metrics(run)[-1][f"validation/{direction}/diversity"] < 0.5

"""CycleGAN through the training command: resumed to the bit, on two processes, and collapsing."""

import io
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file

import hf_gen
from hf_gen.faces import CONTINUOUS, FACTORS, face_at, face_png
from tests.launching import ACCELERATE, finish, free_port, metrics, same_numbers, start, wait_for
from train_accelerate import main

SMALL = (
    *("--max-train-samples", "160", "--train-batch-size", "4", "--resolution", "32"),
    *("--generator-channels", "4", "--discriminator-channels", "4", "--discriminator-layers", "2"),
    *("--report-to", "none"),
)
EVENTFUL = (
    *("--logging-steps", "3", "--validation-steps", "8", "--checkpointing-steps", "5"),
    *("--gradient-accumulation-steps", "2", "--augment", "--identity-weight", "5"),
    *("--pool-size", "10", "--spectral-norm", "--max-train-steps", "24", "--random-flip"),
)
TRAINED = (
    "metrics.jsonl",
    "results.json",
    *(f"checkpoint-24/{name}.safetensors" for name in ("a_to_b", "b_to_a", "disc_a", "disc_b")),
    *(f"checkpoint-24/{name}.safetensors" for name in ("a_to_b.ema", "pool_a", "pool_b")),
    *(f"checkpoint-24/optimizer-{turn}.safetensors" for turn in ("generators", "discriminators")),
    "pipeline/a_to_b/diffusion_pytorch_model.safetensors",
    "pipeline/b_to_a/diffusion_pytorch_model.safetensors",
)


@pytest.fixture(scope="session")
def translated(cache: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An eventful run from start to end."""
    run = tmp_path_factory.mktemp("runs") / "undisturbed"
    finish(start("cyclegan-lambda10", *SMALL, *EVENTFUL, *cache, "--output-dir", str(run)))
    return run


def test_killed_run_goes_on_to_the_bit_with_its_pools(
    cache: tuple[str, str], translated: Path, tmp_path: Path
) -> None:
    run = tmp_path / "killed"
    arguments = ("cyclegan-lambda10", *SMALL, *EVENTFUL, *cache, "--output-dir", str(run))
    for moment in (["checkpoint-5"], [".checkpoint-15.hf_gen-partial", "checkpoint-15"]):
        process = start(*arguments)
        wait_for(process, *(run / place for place in moment))
        process.kill()
        process.communicate()
    assert main([*arguments]) == 0
    for name in TRAINED:
        assert (run / name).read_bytes() == (translated / name).read_bytes(), name


def test_run_leaves_figures_and_a_pipeline_of_the_best_step(translated: Path) -> None:
    for name in ("learning_curve", "a_to_b", "b_to_a", "collapse", "training", "truth"):
        picture = Image.open(translated / "figures" / f"{name}.png").convert("RGB")
        assert len(picture.getcolors(picture.width * picture.height) or []) > 50
    distances = [
        line["validation/kernel_distance"]
        for line in metrics(translated)
        if "validation/kernel_distance" in line
    ]
    assert len(distances) == 3
    pipeline = hf_gen.load(translated)
    exported = load_file(translated / "pipeline/a_to_b/diffusion_pytorch_model.safetensors")
    last = load_file(translated / "checkpoint-24" / "a_to_b.ema.safetensors")
    is_last = all(bool((exported[name] == last[name]).all()) for name in exported)
    assert is_last == (min(distances) == distances[-1])
    assert pipeline.config.domain_a == "anime"
    face = Image.open(io.BytesIO(face_png(face_at(3), "anime")))
    assert pipeline([face], direction="a_to_b").images[0].size == (32, 32)


def test_results_say_what_of_a_face_survives(translated: Path) -> None:
    results = json.loads((translated / "results.json").read_text())
    for direction in ("a_to_b", "b_to_a"):
        assert results[f"{direction}/paired_l1"] > 0
        for factor in (*FACTORS, *CONTINUOUS):
            assert -1 <= results[f"{direction}/{factor}"] <= 1
            assert f"{direction}/{factor}_ceiling" in results
    card = (translated / "README.md").read_text()
    assert f"| {results['a_to_b/kernel_distance']:,.4g} |" in card


def test_two_processes_train_as_one(cache: tuple[str, str], tmp_path: Path) -> None:
    common = ("cyclegan-lambda5", *SMALL, *cache, "--max-train-steps", "6", "--pool-size", "0")
    common += ("--logging-steps", "2", "--identity-weight", "5", "--augment")
    one, two = tmp_path / "one", tmp_path / "two"
    assert main([*common, "--train-batch-size", "8", "--output-dir", str(one)]) == 0
    launcher = (*ACCELERATE, "--multi_gpu", "--num_processes", "2")
    launcher += ("--main_process_port", str(free_port()))
    finish(start(*common, "--output-dir", str(two), launcher=launcher, ACCELERATE_USE_CPU="true"))
    same_numbers(one, two, tolerance=1e-2)


def test_each_of_two_processes_goes_on_with_its_own_pool(
    cache: tuple[str, str], tmp_path: Path
) -> None:
    arguments = ("cyclegan-lambda10", *SMALL, *cache, "--pool-size", "6", "--max-train-steps", "8")
    arguments += ("--checkpointing-steps", "4", "--checkpoints-total-limit", "9")
    launcher = (*ACCELERATE, "--multi_gpu", "--num_processes", "2")
    launcher += ("--main_process_port", str(free_port()))
    run, again = tmp_path / "run", tmp_path / "again"

    def train(folder: Path) -> None:
        place = ("--output-dir", str(folder))
        finish(start(*arguments, *place, launcher=launcher, ACCELERATE_USE_CPU="true"))

    train(run)
    first, second = load_file(run / "checkpoint-4" / "pool_a.safetensors")["images"]
    assert not first.equal(second)
    shutil.copytree(run, again)
    shutil.rmtree(again / "checkpoint-8")
    train(again)
    for name in ("pool_a", "pool_b", "a_to_b", "disc_b"):
        file = f"checkpoint-8/{name}.safetensors"
        assert (again / file).read_bytes() == (run / file).read_bytes(), name


def test_the_alarm_rings_for_a_broken_recipe(cache: tuple[str, str], tmp_path: Path) -> None:
    """No cycle, no normalisation and a wild rate: all faces become one image, both ways."""
    run = tmp_path / "broken"
    broken = ("--cycle-weight", "0", "--learning-rate", "0.3", "--generator-normalization", "none")
    broken += ("--ema-decay", "0", "--max-train-steps", "30")
    arguments = ["cyclegan-lambda10", *SMALL, *cache, *broken, "--output-dir", str(run)]
    assert main(arguments) == 0
    for direction in ("a_to_b", "b_to_a"):
        assert metrics(run)[-1][f"validation/{direction}/mode_collapse"] == 1.0
        assert metrics(run)[-1][f"validation/{direction}/diversity"] < 0.5


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--resolution", "30"], "resolution must be a multiple of 4"),
        (["--train-batch-size", "200"], "160 images are fewer than a batch of 200"),
        (
            ["--dataset-name-b", "faces", "--image-column-b", "anime", "--image-column", "anime"],
            "domain_a and domain_b are both 'anime'",
        ),
        (["--domain-b", "anime"], "domain_a and domain_b are both 'anime'"),
        (["--label-column", "style"], "label_column, label_a and label_b belong together"),
        (
            ["--label-column", "style", "--label-a", "x", "--label-b", "y"],
            "label_column 'style' is for one dataset that holds both domains",
        ),
    ],
)
def test_bad_values_get_one_sentence(
    flags: list[str],
    sentence: str,
    cache: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["cyclegan-lambda10", *SMALL, *cache, "--output-dir", str(tmp_path / "run")]
    assert main([*arguments, *flags]) == 2
    assert sentence in capsys.readouterr().err

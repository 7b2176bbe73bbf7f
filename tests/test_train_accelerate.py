"""The training command: launched, stopped, killed, on two processes, and its errors."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import hf_gen
from hf_gen.recipes import RECIPES
from tests.killing import STEP, exit_code, start_in_child, start_two, train_in_child, train_in_two
from tests.launching import (
    ACCELERATE,
    finish,
    free_port,
    metrics,
    same_numbers,
    start,
    wait_for,
    without_figures,
)
from train_accelerate import main, set_num_threads

SMALL = ("--max-train-samples", "150", "--num-threads", "1", "--report-to", "none")
# Every stage of a run many times over in a few seconds.
EVENTFUL = (
    *("conv-vae", *SMALL, "--train-batch-size", "16"),
    *("--logging-steps", "3", "--validation-steps", "7", "--checkpointing-steps", "5"),
    *("--gradient-accumulation-steps", "2", "--random-flip", "--lr-scheduler", "cosine"),
    *("--lr-warmup-steps", "4", "--max-grad-norm", "100", "--max-train-steps", "40"),
)
# Two processes take half a batch each; accumulation takes it in four parts.
SHARED = ("conv-vae", *SMALL, "--max-train-steps", "40", "--logging-steps", "2", "--random-flip")
TRAINED = (
    "metrics.jsonl",
    "checkpoint-40/vae.safetensors",
    "checkpoint-40/vae.ema.safetensors",
    "checkpoint-40/optimizer-vae.safetensors",
    "pipeline/vae/diffusion_pytorch_model.safetensors",
)


def objectives(run: Path) -> list[float]:
    return [line["train/objective"] for line in metrics(run) if "train/objective" in line]


def batch_size(run: Path) -> int:
    """What the run's record says."""
    size: int = json.loads((run / "run.json").read_text())["identity"]["optimisation"][
        "train_batch_size"
    ]
    return size


def interrupt_this_process() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def contents(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in TRAINED}


@pytest.fixture(scope="session")
def undisturbed(cache: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An eventful run from start to end, launched as the README does, with TensorBoard."""
    run = tmp_path_factory.mktemp("runs") / "undisturbed"
    places = (*cache, "--output-dir", str(run), "--report-to", "tensorboard")
    output = finish(start(*EVENTFUL, *places, launcher=ACCELERATE))
    assert "psnr" in output
    return run


@pytest.fixture(scope="session")
def one_process(cache: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of complete batches of 32 in one process."""
    folder = tmp_path_factory.mktemp("one")
    return train_in_child(folder, *SHARED, *cache, "--train-batch-size", "32")


def test_a_launched_run_leaves_numbers_figures_and_a_pipeline(undisturbed: Path) -> None:
    assert json.loads((undisturbed / "run.json").read_text())["identity"]["recipe"] == "conv-vae"
    logged = {key for line in metrics(undisturbed) for key in line}
    assert {"step", "train/negative_elbo", "validation/negative_elbo"} <= logged
    assert any((undisturbed / "tensorboard").glob("*tfevents*"))
    for name in ("learning_curve", "reconstructions", "samples", "interpolation"):
        picture = Image.open(undisturbed / "figures" / f"{name}.png").convert("RGB")
        assert len(picture.getcolors(picture.width * picture.height) or []) > 50
    pipeline = hf_gen.load(undisturbed)
    assert (type(pipeline).__name__, type(pipeline.vae).__name__) == ("VAEPipeline", "ConvVAE")
    assert pipeline.sample(2, torch.Generator().manual_seed(0))[1].size == (32, 32)


def test_a_stopped_and_killed_command_resumes_bit_exactly(
    cache: tuple[str, str], undisturbed: Path, tmp_path: Path
) -> None:
    run, arguments = tmp_path / "run", [*EVENTFUL, *cache, "--output-dir", str(tmp_path / "run")]
    process = start(*arguments)
    wait_for(process, run / "checkpoint-10")
    process.send_signal(signal.SIGTERM)
    outputs = {signal.SIGTERM: finish(process, 128 + signal.SIGTERM)}
    child = start_in_child(arguments, tmp_path, (STEP, 8), happens=interrupt_this_process)
    assert exit_code(child) == 128 + signal.SIGINT
    outputs[signal.SIGINT] = (tmp_path / "log.txt").read_text()
    for number, output in outputs.items():
        stopped = re.search(rf"stopped by {number.name} after step (\d+)", output)
        assert stopped is not None
        assert (run / f"checkpoint-{stopped[1]}").is_dir()
    assert not (run / "pipeline").exists()
    child = start_in_child(arguments, tmp_path, ("a checkpoint's write", 8))
    assert exit_code(child) == -signal.SIGKILL
    train_in_child(tmp_path, *EVENTFUL, *cache)
    assert contents(run) == contents(undisturbed)


def test_a_compiled_run_computes_the_same_and_resumes_bit_exactly(
    cache: tuple[str, str], undisturbed: Path, tmp_path: Path
) -> None:
    if shutil.which("g++") is None and os.environ.get("HF_GEN_REQUIRE_ALL") != "1":
        pytest.skip("torch.compile needs g++ on a CPU, and there is none")
    arguments = (*EVENTFUL, *cache, "--torch-compile", "on")
    run = train_in_child(tmp_path / "compiled", *arguments)
    # Other kernels round otherwise, and forty steps amplify that: most of all in the KL term.
    same_numbers(run, undisturbed, tolerance=5e-3)
    killed = shutil.copytree(run, tmp_path / "killed" / "run")
    for name in ("checkpoint-40", "pipeline"):  # as if killed after checkpoint 35
        shutil.rmtree(killed / name)
    assert contents(train_in_child(tmp_path / "killed", *arguments)) == contents(run)


def test_a_finished_run_stays_as_it_is(
    cache: tuple[str, str], undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(undisturbed)
    arguments = [*EVENTFUL, *cache, "--output-dir", str(undisturbed)]
    assert main(arguments) == 0
    assert before == contents(undisturbed)
    assert main([*arguments, "--learning-rate", "0.5", "--kl-weight", "3"]) == 2
    error = capsys.readouterr().err
    assert "learning_rate was 0.001 and is now 0.5" in error
    assert "kl_weight was 1.0 and is now 3.0" in error


def test_checkpoints_hold_what_training_needs_and_no_pickle(undisturbed: Path) -> None:
    kept = {path.name for path in undisturbed.glob("checkpoint-*")}
    assert kept == {"checkpoint-35", "checkpoint-40"}
    files = [path for path in undisturbed.rglob("*") if path.is_file()]
    files = [path for path in files if path.parent.name != "tensorboard"]
    kinds = {path.suffix for path in files}
    assert kinds <= {".safetensors", ".json", ".jsonl", ".png", ".md", ".py"}
    code = {path.name for path in files if path.suffix == ".py"}  # ours, with the pipeline
    assert code == {f"{kind}_hf_gen_vae.py" for kind in ("pipeline", "modeling")} | {
        "modeling_hf_gen_prior.py"
    }


def test_the_pipeline_holds_the_averaged_weights(undisturbed: Path) -> None:
    averaged = load_file(undisturbed / "checkpoint-40" / "vae.ema.safetensors")
    raw = load_file(undisturbed / "checkpoint-40" / "vae.safetensors")
    exported = load_file(undisturbed / "pipeline" / "vae" / "diffusion_pytorch_model.safetensors")
    for name, weight in exported.items():
        assert torch.equal(weight, averaged[f"vae.{name}"])
    assert not torch.equal(raw["vae.encoder.3.weight"], averaged["vae.encoder.3.weight"])


def test_losses_are_the_pinned_ones(undisturbed: Path) -> None:
    """A refactor computes what was computed before."""
    assert objectives(undisturbed) == pytest.approx(PINNED, rel=1e-4)


@pytest.mark.parametrize("name", [name for name in RECIPES if "cyclegan" not in name])
def test_every_vae_trains_and_loads(name: str, cache: tuple[str, str], tmp_path: Path) -> None:
    small = ("--max-train-samples", "60", "--train-batch-size", "8", "--max-train-steps", "3")
    arguments = (name, *small, *cache, "--report-to", "none", "--num-threads", "1")
    if name in EVALUATED:
        run = tmp_path / name
        with without_figures():
            assert main([*arguments, *EVALUATED[name], "--output-dir", str(run)]) == 0
        assert (run / "results.json").exists()
    else:
        run = train_in_child(tmp_path, *arguments)
    assert all(value == value for value in metrics(run)[-1].values())
    assert len(hf_gen.load(run).sample(3)) == 3


def test_a_set_smaller_than_a_batch_trains_and_resumes_bit_exactly(
    image_folder: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The record holds the batch size that was used, so that a flag may say the same."""
    data = ("--train-data-dir", str(image_folder(tmp_path / "set", 20)))
    common = ("conv-vae", *data, "--cache-dir", str(tmp_path / "cache"), "--report-to", "none")
    once, twice = tmp_path / "once", tmp_path / "twice"
    four = ("--max-train-steps", "4", "--logging-steps", "1")

    run = train_in_child(once, *common, *four)
    assert batch_size(run) == 12
    limited = "train_batch_size is 12 in place of 128: 12 of 12 training images are a step"
    assert limited in (once / "log.txt").read_text()
    train_in_child(twice, *common, "--max-train-steps", "2", "--logging-steps", "1")
    train_in_child(twice, *common, *four, "--train-batch-size", "12")
    assert (twice / "log.txt").read_text().count("in place of") == 1
    for name in ("vae.safetensors", "vae.ema.safetensors", "optimizer-vae.safetensors"):
        checkpoints = (folder / "run" / "checkpoint-4" / name for folder in (once, twice))
        assert len({checkpoint.read_bytes() for checkpoint in checkpoints}) == 1

    halves = train_in_two(tmp_path / "halves", *common, *four)
    assert batch_size(halves) == 6
    same_numbers(halves, run)
    thirds = train_in_child(
        tmp_path / "thirds", *common, *four, "--gradient-accumulation-steps", "3"
    )
    assert batch_size(thirds) == 4
    same_numbers(thirds, run, tolerance=5e-3)

    assert main([*common, *four, "--train-batch-size", "6", "--output-dir", str(run)]) == 2
    assert "train_batch_size was 12 and is now 6" in capsys.readouterr().err
    image_folder(tmp_path / "set" / "more", 10, seed=1)
    assert main([*common, *four, "--output-dir", str(run)]) == 2
    assert "number of training images was 12 and is now 22" in capsys.readouterr().err


def test_accumulated_gradients_are_those_of_one_batch(
    cache: tuple[str, str], one_process: Path, tmp_path: Path
) -> None:
    parts = ("--train-batch-size", "8", "--gradient-accumulation-steps", "4")
    run = train_in_child(tmp_path, *SHARED, *cache, *parts)
    same_numbers(run, one_process, lines=6)
    same_numbers(run, one_process, tolerance=5e-3)


def test_two_processes_stop_at_the_same_step_and_resume_as_one(
    cache: tuple[str, str], one_process: Path, tmp_path: Path
) -> None:
    arguments = (*SHARED, *cache, "--train-batch-size", "16", "--checkpointing-steps", "5")
    children = start_two(tmp_path, *arguments)
    while not (tmp_path / "run" / "checkpoint-10").exists():
        assert os.waitpid(children[0], os.WNOHANG) == (0, 0), (tmp_path / "log.txt").read_text()
        time.sleep(0.001)
    os.kill(children[1], signal.SIGTERM)
    assert [exit_code(child) for child in children] == [128 + signal.SIGTERM] * 2
    stopped = re.search(r"stopped by SIGTERM after step (\d+)", (tmp_path / "log.txt").read_text())
    assert stopped is not None
    assert (tmp_path / "run" / f"checkpoint-{stopped[1]}").is_dir()
    # Sums of other order round otherwise, and forty steps amplify that.
    same_numbers(train_in_two(tmp_path, *arguments), one_process, tolerance=5e-3)


def test_two_machines_train_as_one(
    cache: tuple[str, str], one_process: Path, tmp_path: Path
) -> None:
    port, machines = str(free_port()), []
    for rank in ("0", "1"):
        launcher = (*ACCELERATE, "--multi_gpu")
        launcher += ("--num_processes", "2", "--num_machines", "2", "--machine_rank", rank)
        launcher += ("--main_process_ip", "127.0.0.1", "--main_process_port", port)
        arguments = (*SHARED, *cache, "--train-batch-size", "16", "--output-dir", str(tmp_path))
        machines.append(start(*arguments, launcher=launcher, ACCELERATE_USE_CPU="true"))
    for machine in machines:
        finish(machine)
    same_numbers(tmp_path, one_process, lines=6)
    same_numbers(tmp_path, one_process, tolerance=5e-3)


def test_processes_that_would_train_alone_raise(cache: tuple[str, str], tmp_path: Path) -> None:
    without_cpu = {"ACCELERATE_USE_CPU": "false", "CUDA_VISIBLE_DEVICES": ""}
    children = start_two(tmp_path, *EVENTFUL, *cache, environment=without_cpu)
    assert [exit_code(child) for child in children] == [2, 2]
    log = (tmp_path / "log.txt").read_text()
    assert log.count("error: 2 processes were launched") == 1
    assert "set ACCELERATE_USE_CPU=true before" in log
    assert not (tmp_path / "run").exists()


def test_a_diverging_run_stops_and_exports_nothing(
    cache: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*EVENTFUL, *cache, "--output-dir", str(tmp_path / "run")]
    assert main([*arguments, "--learning-rate", "1e30", "--logging-steps", "1"]) == 2
    assert re.search(r"the loss of step \d is not a finite number", capsys.readouterr().err)
    assert not (tmp_path / "run" / "pipeline").exists()


def test_fine_tuning_takes_the_architecture_from_the_model(
    cache: tuple[str, str], undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrained = ("--pretrained-model-name-or-path", str(undisturbed / "pipeline"))
    pretrained += ("--subfolder", "vae")
    tiny = ("--learning-rate", "1e-12", "--max-train-steps", "1", "--ema-decay", "0")
    run = train_in_child(tmp_path, "conv-vae", *SMALL, *cache, *pretrained, *tiny)
    name = "pipeline/vae/diffusion_pytorch_model.safetensors"
    before, after = load_file(undisturbed / name), load_file(run / name)
    assert all(torch.allclose(before[key], after[key], atol=1e-9) for key in before)
    assert main(["conv-vae", *pretrained, "--latent-channels", "3"]) == 2
    assert "brings its own architecture" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "variable", "launcher", "threads"),
    [
        (None, "1", None, 1),
        (None, "3", None, 3),
        (2, "1", None, 2),
        (2, "3", "ACCELERATE_MIXED_PRECISION", 2),
        (None, "3", "TORCHELASTIC_RUN_ID", 3),
        (None, "1", "ACCELERATE_MIXED_PRECISION", len(os.sched_getaffinity(0))),
        (None, "1", "TORCHELASTIC_RUN_ID", len(os.sched_getaffinity(0))),
        (None, None, None, len(os.sched_getaffinity(0))),
    ],
)
def test_the_number_of_threads_is_the_chosen_one(
    flag: int | None,
    variable: str | None,
    launcher: str | None,
    threads: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if variable is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    if launcher is not None:
        monkeypatch.setenv(launcher, "no")
    try:
        torch.set_num_threads(int(variable or 1))  # as in a fresh process
        set_num_threads(flag)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    is_overruled = flag is None and variable == "1" and threads > 1
    assert ("OMP_NUM_THREADS=1" in capsys.readouterr().err) == is_overruled


BAD_VALUES = {
    "conv-vae": [
        (["--resolution", "66"], "resolution must be a multiple of 4"),
        (["--train-batch-size", "0"], "train_batch_size must be at least 1, got 0"),
        (["--gradient-accumulation-steps", "151"], "150 training images are fewer than the 151"),
        (["--train-data-dir", "/nowhere"], "there is no folder /nowhere"),
        (["--image-column", "manga"], "faces has no image column 'manga'"),
        (["--report-to", "nobody"], "report_to 'nobody' is not available"),
        (["--mixed-precision", "fp16"], "mixed_precision fp16 does not work here"),
        (["--resume-from-checkpoint", "checkpoint-7"], "has no 'checkpoint-7'"),
        (["--pretrained-model-name-or-path", "/nowhere"], "'/nowhere' is no folder"),
        (["--output-dir", __file__], f"{__file__} is a file"),
    ],
    "cyclegan-lambda10": [
        (["--resolution", "30"], "resolution must be a multiple of 4"),
        (["--domain-b", "anime"], "domain_a and domain_b are both 'anime'"),
    ],
}


@pytest.mark.parametrize(
    ("recipe", "flags", "message"),
    [(recipe, *case) for recipe, cases in BAD_VALUES.items() for case in cases],
)
def test_a_bad_value_is_a_clear_error_and_leaves_nothing(
    recipe: str,
    flags: list[str],
    message: str,
    cache: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    samples = ["--max-train-samples", "150", *cache]
    assert main([recipe, *samples, "--output-dir", str(tmp_path / "run"), *flags]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.strip().splitlines()[-1].startswith("error: ")
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_full_disk_is_a_clear_error_and_the_run_resumes_afterwards(
    cache: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk], check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs the rights to")
    try:
        flags = ("--train-batch-size", "16", "--max-train-steps", "6", "--checkpointing-steps", "1")
        arguments = ("conv-vae", *SMALL, *cache, *flags)
        assert main([*arguments, "--output-dir", str(disk / "run")]) == 2
        assert "no space is left" in capsys.readouterr().err
        checkpoints = list(disk.glob("run/checkpoint-*"))
        assert checkpoints
        assert all((path / "state.json").exists() for path in checkpoints)
        subprocess.run(["mount", "-o", "remount,size=60m", disk], check=True)
        train_in_child(disk, *arguments)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_help_lists_every_recipe_and_every_flag_with_its_meaning() -> None:
    listed = finish(start("--help"))
    for name in RECIPES:
        assert re.search(rf"• {name}\s+\S", listed)
    flags = finish(start("conv-vae", "--help"))
    assert all(flag in flags for flag in ("--dataset-name", "--kl-weight", "--output-dir"))


def test_a_mistyped_flag_names_the_one_that_was_meant() -> None:
    output = finish(start("conv-vae", "--resolutoin", "64"), 2)
    assert "Perhaps you meant" in output
    assert "--resolution" in output
    assert "--learning-rate" in finish(start("conv-vae", "--learning-rate", "fast"), 2)


# One of each kind of network is also evaluated; the images are small, which is faster.
EVALUATED = {
    "dense-vae-z5": (),
    "face-vae": ("--resolution", "32"),
    "autoencoder-kl": ("--resolution", "16"),
    "autoencoder-tiny": ("--resolution", "16"),
}
# The means of steps 1 to 3, 4 to 6, ... of the undisturbed run.
PINNED = [
    *(2120.7946, 2084.3452, 2057.0557, 2006.8060, 1985.6997, 1958.5034, 1950.4587),
    *(1930.0130, 1906.5103, 1932.4787, 1883.9847, 1917.1886, 1864.7591, 1961.6542),
]

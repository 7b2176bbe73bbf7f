"""The training command as its users run it: in this process, launched, killed, on two processes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import hf_gen
from hf_gen.recipes import RECIPES
from tests.launching import (
    ACCELERATE,
    ROOT,
    finish,
    free_port,
    metrics,
    same_numbers,
    start,
    wait_for,
)
from train_accelerate import main, set_num_threads

SMALL = ("--max-train-samples", "150", "--train-batch-size", "16", "--report-to", "none")
# Every stage of a run many times over in a few seconds.
EVENTFUL = (
    *("--logging-steps", "3", "--validation-steps", "7", "--checkpointing-steps", "5"),
    *("--gradient-accumulation-steps", "2", "--random-flip", "--lr-scheduler", "cosine"),
    *("--lr-warmup-steps", "4", "--max-grad-norm", "100", "--max-train-steps", "40"),
)
TRAINED = (
    "metrics.jsonl",
    "results.json",
    "checkpoint-40/vae.safetensors",
    "checkpoint-40/vae.ema.safetensors",
    "checkpoint-40/optimizer-vae.safetensors",
    "pipeline/vae/diffusion_pytorch_model.safetensors",
)


def objectives(run: Path) -> list[float]:
    return [line["train/objective"] for line in metrics(run) if "train/objective" in line]


def same_runs(first: Path, second: Path) -> bool:
    return all((first / name).read_bytes() == (second / name).read_bytes() for name in TRAINED)


@pytest.fixture(scope="session")
def undisturbed(cache: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An eventful run from start to end."""
    run = tmp_path_factory.mktemp("runs") / "undisturbed"
    finish(start("conv-vae", *SMALL, *EVENTFUL, *cache, "--output-dir", str(run)))
    return run


def test_launched_run_leaves_what_a_fresh_process_loads(
    cache: tuple[str, str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    arguments = ("quickstart", *SMALL[:4], *cache, "--max-train-steps", "25")
    output = finish(start(*arguments, "--output-dir", str(run), launcher=ACCELERATE))
    assert "psnr" in output
    assert json.loads((run / "run.json").read_text())["identity"]["recipe"] == "quickstart"
    assert {"step", "train/negative_elbo", "validation/negative_elbo"} <= metrics(run)[-1].keys()
    assert any((run / "tensorboard").glob("*tfevents*"))
    for name in ("learning_curve", "reconstructions", "samples", "interpolation"):
        picture = Image.open(run / "figures" / f"{name}.png").convert("RGB")
        assert len(picture.getcolors(picture.width * picture.height) or []) > 50
    script = (
        "import sys, hf_gen, torch; pipeline = hf_gen.load(sys.argv[1]);"
        "print(type(pipeline).__name__, type(pipeline.vae).__name__,"
        "pipeline.sample(2, torch.Generator().manual_seed(0))[1].size)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script, str(run)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.strip() == "VAEPipeline ConvVAE (32, 32)"


def test_killed_run_goes_on_to_the_bit(
    cache: tuple[str, str], undisturbed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "killed"
    arguments = ("conv-vae", *SMALL, *EVENTFUL, *cache, "--output-dir", str(run))
    moments = (["checkpoint-5"], [".checkpoint-20.hf_gen-partial", "checkpoint-20"], ["pipeline"])
    for moment in moments:
        process = start(*arguments)
        wait_for(process, *(run / place for place in moment))
        process.kill()
        process.communicate()
    assert main([*arguments]) == 0
    assert same_runs(run, undisturbed)


def test_compiled_run_computes_the_same_and_goes_on_to_the_bit(
    cache: tuple[str, str], undisturbed: Path, tmp_path: Path
) -> None:
    if shutil.which("g++") is None and os.environ.get("HF_GEN_REQUIRE_ALL") != "1":
        pytest.skip("torch.compile needs g++ on a CPU, and there is none")
    arguments = ("conv-vae", *SMALL, *EVENTFUL, *cache, "--torch-compile", "on", "--output-dir")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(*arguments, str(whole)))
    # Other kernels round otherwise, and forty steps amplify that: most of all in the KL term.
    same_numbers(whole, undisturbed, tolerance=5e-3)
    process = start(*arguments, str(killed))
    wait_for(process, killed / "checkpoint-15")
    process.kill()
    process.communicate()
    finish(start(*arguments, str(killed)))
    assert same_runs(killed, whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_writes_a_checkpoint_first(
    number: signal.Signals, cache: tuple[str, str], undisturbed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "stopped"
    arguments = ("conv-vae", *SMALL, *EVENTFUL, *cache, "--output-dir", str(run))
    process = start(*arguments)
    wait_for(process, run / "checkpoint-10")
    process.send_signal(number)
    output = finish(process, 128 + number)
    assert f"stopped by {number.name} after step" in output
    step = int(re.search(r"after step (\d+)", output)[1])  # type: ignore[index]
    assert (run / f"checkpoint-{step}").is_dir()
    assert not (run / "pipeline").exists()
    assert main([*arguments]) == 0
    assert same_runs(run, undisturbed)


def test_finished_run_stays_as_it_is(
    cache: tuple[str, str], undisturbed: Path, tmp_path: Path
) -> None:
    before = {name: (undisturbed / name).read_bytes() for name in TRAINED}
    assert main(["conv-vae", *SMALL, *EVENTFUL, *cache, "--output-dir", str(undisturbed)]) == 0
    assert before == {name: (undisturbed / name).read_bytes() for name in TRAINED}


def test_another_recipe_in_the_same_folder_is_refused(
    cache: tuple[str, str], undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = ("--learning-rate", "0.5", "--kl-weight", "3", "--output-dir", str(undisturbed))
    assert main(["conv-vae", *SMALL, *EVENTFUL, *cache, *changed]) == 2
    said = capsys.readouterr().err
    assert "learning_rate was 0.001 and is now 0.5" in said
    assert "kl_weight was 1.0 and is now 3.0" in said


def test_checkpoints_hold_what_training_needs_and_no_pickle(undisturbed: Path) -> None:
    assert [path.name for path in sorted(undisturbed.glob("checkpoint-*"))] == [
        "checkpoint-35",
        "checkpoint-40",
    ]
    files = [path for path in undisturbed.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in files}
    assert kinds <= {".safetensors", ".json", ".jsonl", ".png", ".md", ".py"}
    code = {path.name for path in files if path.suffix == ".py"}  # ours, with the pipeline
    assert code == {f"{kind}_hf_gen_vae.py" for kind in ("pipeline", "modeling")} | {
        "modeling_hf_gen_prior.py"
    }


def test_export_holds_the_averaged_weights(undisturbed: Path) -> None:
    averaged = load_file(undisturbed / "checkpoint-40" / "vae.ema.safetensors")
    raw = load_file(undisturbed / "checkpoint-40" / "vae.safetensors")
    exported = load_file(undisturbed / "pipeline" / "vae" / "diffusion_pytorch_model.safetensors")
    for name, weight in exported.items():
        assert torch.equal(weight, averaged[f"vae.{name}"])
    assert not torch.equal(raw["vae.encoder.3.weight"], averaged["vae.encoder.3.weight"])


@pytest.mark.parametrize("name", [name for name in RECIPES if "cyclegan" not in name])
def test_every_vae_trains_and_loads(name: str, cache: tuple[str, str], tmp_path: Path) -> None:
    run = tmp_path / name
    small = ("--max-train-samples", "60", "--train-batch-size", "8", "--max-train-steps", "3")
    assert main([name, *small, *cache, "--output-dir", str(run), "--report-to", "none"]) == 0
    assert all(value == value for value in metrics(run)[-1].values())
    assert len(hf_gen.load(run).sample(3)) == 3


def test_losses_are_the_pinned_ones(undisturbed: Path) -> None:
    """A refactor computes what was computed before."""
    assert objectives(undisturbed) == pytest.approx(PINNED, rel=1e-4)


def test_accumulated_gradients_are_those_of_one_batch(
    cache: tuple[str, str], tmp_path: Path
) -> None:
    common = ("conv-vae", "--max-train-samples", "150", "--max-train-steps", "8", *cache)
    common += ("--report-to", "none", "--logging-steps", "1", "--random-flip")
    for folder, batch, parts in (("whole", "32", "1"), ("parts", "8", "4")):
        sizes = ("--train-batch-size", batch, "--gradient-accumulation-steps", parts)
        assert main([*common, *sizes, "--output-dir", str(tmp_path / folder)]) == 0
    assert objectives(tmp_path / "parts") == pytest.approx(objectives(tmp_path / "whole"), rel=1e-4)


def test_two_processes_stop_at_the_same_step_and_go_on_as_one_would(
    cache: tuple[str, str], tmp_path: Path
) -> None:
    run = tmp_path / "two"
    launcher = (*ACCELERATE, "--multi_gpu")
    launcher += ("--num_processes", "2", "--main_process_port", str(free_port()))
    common = ("conv-vae", "--max-train-samples", "150", "--max-train-steps", "60", *cache)
    common += ("--report-to", "none", "--logging-steps", "2", "--checkpointing-steps", "5")
    arguments = (*common, "--train-batch-size", "16", "--output-dir", str(run))
    process = start(*arguments, launcher=launcher, ACCELERATE_USE_CPU="true")
    wait_for(process, run / "checkpoint-10")
    process.terminate()
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "stopped by SIGTERM after step" in output
    stopped_at = int(re.search(r"after step (\d+)", output)[1])  # type: ignore[index]
    assert (run / f"checkpoint-{stopped_at}").is_dir()
    finish(start(*arguments, launcher=launcher, ACCELERATE_USE_CPU="true"))
    one = tmp_path / "one"
    assert main([*common, "--train-batch-size", "32", "--output-dir", str(one)]) == 0
    # Sums of other order round otherwise, and sixty steps amplify that.
    same_numbers(run, one, tolerance=5e-3)


def test_two_machines_train_as_one(cache: tuple[str, str], tmp_path: Path) -> None:
    common = ("conv-vae", "--max-train-samples", "150", "--max-train-steps", "12", *cache)
    common += ("--report-to", "none", "--logging-steps", "3", "--random-flip")
    one, two = tmp_path / "one", tmp_path / "two"
    assert main([*common, "--train-batch-size", "32", "--output-dir", str(one)]) == 0
    port = str(free_port())
    machines = []
    for rank in ("0", "1"):
        launcher = (*ACCELERATE, "--multi_gpu")
        launcher += ("--num_processes", "2", "--num_machines", "2", "--machine_rank", rank)
        launcher += ("--main_process_ip", "127.0.0.1", "--main_process_port", port)
        arguments = (*common, "--train-batch-size", "16", "--output-dir", str(two))
        machines.append(start(*arguments, launcher=launcher, ACCELERATE_USE_CPU="true"))
    for machine in machines:
        finish(machine)
    same_numbers(one, two)


def test_diverging_run_stops_and_exports_nothing(
    cache: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "diverged"
    arguments = ["conv-vae", *SMALL, *cache, "--output-dir", str(run), "--max-train-steps", "50"]
    assert main([*arguments, "--learning-rate", "1e30", "--logging-steps", "1"]) == 2
    assert "the loss of step 2 is not a finite number" in capsys.readouterr().err
    assert not (run / "pipeline").exists()


def test_fine_tuning_takes_the_architecture_from_the_model(
    cache: tuple[str, str], undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrained = ("--pretrained-model-name-or-path", str(undisturbed / "pipeline"))
    pretrained += ("--subfolder", "vae")
    tiny = ["--learning-rate", "1e-12", "--max-train-steps", "1", "--ema-decay", "0"]
    run = tmp_path / "fine-tuned"
    assert main(["conv-vae", *SMALL, *cache, *pretrained, *tiny, "--output-dir", str(run)]) == 0
    name = "pipeline/vae/diffusion_pytorch_model.safetensors"
    before, after = load_file(undisturbed / name), load_file(run / name)
    assert all(torch.allclose(before[key], after[key], atol=1e-9) for key in before)
    assert main(["conv-vae", *pretrained, "--latent-channels", "3"]) == 2
    assert "brings its own architecture" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "told", "launcher", "threads"),
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
def test_threads_are_those_that_were_asked_for(
    flag: int | None,
    told: str | None,
    launcher: str | None,
    threads: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if told is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    if launcher is not None:
        monkeypatch.setenv(launcher, "no")
    try:
        torch.set_num_threads(int(told or 1))  # as a fresh process has it
        set_num_threads(flag)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    is_overruled = flag is None and told == "1" and threads > 1
    assert ("OMP_NUM_THREADS=1" in capsys.readouterr().err) == is_overruled


def test_processes_that_would_train_alone_are_refused(
    cache: tuple[str, str], tmp_path: Path
) -> None:
    launcher = (*ACCELERATE, "--multi_gpu", "--num_processes", "2")
    launcher += ("--main_process_port", str(free_port()))
    hidden = {"CUDA_VISIBLE_DEVICES": ""}
    run = str(tmp_path / "run")
    process = start("conv-vae", *SMALL, *cache, "--output-dir", run, launcher=launcher, **hidden)
    output, _ = process.communicate(timeout=240)
    assert process.returncode != 0
    assert output.count("error: 2 processes were launched") == 1, output
    assert "set ACCELERATE_USE_CPU=true before" in output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--resolution", "66"], "resolution must be a multiple of 4"),
        (["--train-batch-size", "0"], "train_batch_size must be at least 1, got 0"),
        (["--learning-rate", "-1"], "learning_rate must be a positive number, got -1.0"),
        (["--train-batch-size", "4000"], "fewer than a batch of 4,000"),
        (["--train-data-dir", "/nowhere"], "there is no folder /nowhere"),
        (["--image-column", "manga"], "faces has no image column 'manga'"),
        (["--report-to", "nobody"], "report_to 'nobody' is not available"),
        (["--mixed-precision", "fp16"], "mixed_precision fp16 does not work here"),
        (["--resume-from-checkpoint", "checkpoint-7"], "has no 'checkpoint-7'"),
        (["--pretrained-model-name-or-path", "/nowhere"], "there is no folder /nowhere"),
    ],
)
def test_bad_values_get_one_sentence_and_leave_nothing(
    flags: list[str],
    sentence: str,
    cache: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    samples = ["--max-train-samples", "150", *cache]
    assert main(["conv-vae", *samples, "--output-dir", str(tmp_path / "run"), *flags]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.strip().splitlines()[-1].startswith("error: ")
    assert not list(tmp_path.rglob("*.safetensors"))


def test_output_below_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["conv-vae", "--output-dir", str(tmp_path / "file" / "run")]) == 2
    assert f"{tmp_path / 'file'} is a file" in capsys.readouterr().err


def test_full_disk_is_a_sentence_and_the_run_goes_on_afterwards(
    cache: tuple[str, str], tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk], check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs the rights to")
    try:
        run = disk / "run"
        arguments = ("conv-vae", *SMALL, *cache, "--output-dir", str(run))
        arguments += ("--max-train-steps", "6", "--checkpointing-steps", "1")
        output = finish(start(*arguments), 2)
        assert "no space is left" in output
        assert "Traceback" not in output
        whole = [path for path in run.glob("checkpoint-*") if (path / "state.json").exists()]
        assert whole
        assert whole == list(run.glob("checkpoint-*"))
        subprocess.run(["mount", "-o", "remount,size=60m", disk], check=True)
        finish(start(*arguments))
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_help_lists_every_recipe_and_every_flag_with_its_meaning() -> None:
    listed = finish(start("--help"))
    for name in RECIPES:
        assert re.search(rf"• {name}\s+\S", listed)
    flags = finish(start("conv-vae", "--help"))
    assert all(flag in flags for flag in ("--dataset-name", "--kl-weight", "--output-dir"))


def test_mistyped_flag_is_answered_with_the_one_that_was_meant() -> None:
    output = finish(start("conv-vae", "--resolutoin", "64"), 2)
    assert "Perhaps you meant" in output
    assert "--resolution" in output
    assert "--learning-rate" in finish(start("conv-vae", "--learning-rate", "fast"), 2)


# The means of steps 1 to 3, 4 to 6, ... of the undisturbed run.
PINNED = [
    *(2120.7946, 2084.3452, 2057.0557, 2006.8060, 1985.6997, 1958.5034, 1950.4587),
    *(1930.0130, 1906.5103, 1932.4787, 1883.9847, 1917.1886, 1864.7591, 1961.6542),
]

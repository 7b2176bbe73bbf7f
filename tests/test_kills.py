"""Killed at any moment, the same command resumes and ends bit-identical."""

import json
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from hf_gen.runs.folder import RunFolder
from tests.killing import (
    PHASES,
    STEP,
    exit_code,
    start_in_child,
    start_two,
    train_in_two,
)
from tests.launching import same_numbers
from tests.reliability import FAULTS

ANY_TIME = "a moment of the clock"
# In the order of a run, so that most come before it ends.
IN_ORDER = (
    *("the dataset's preparation", "the pixel cache's build", "the log, record and pictures"),
    *(STEP, "a checkpoint's write", "the rotation of old checkpoints", "the export", ANY_TIME),
)
COMMON = (
    *("--gradient-accumulation-steps", "2", "--num-train-epochs", "3", "--random-flip"),
    *("--logging-steps", "2", "--validation-steps", "5", "--checkpointing-steps", "3"),
    *("--report-to", "none", "--num-threads", "1"),
)
VAE = (
    *("conv-vae", "--resolution", "8", "--filters", "4", "--kernel-sizes", "3", "--strides", "2"),
    *("--latent-channels", "3", "--train-batch-size", "3", *COMMON),
)
CYCLEGAN = (
    *("cyclegan-lambda10", "--resolution", "16", "--generator-channels", "2"),
    *("--generator-residual-blocks", "1", "--discriminator-channels", "2"),
    *("--discriminator-layers", "1", "--pool-size", "6", "--train-batch-size", "2"),
    *("--augment", "color", "translation", "cutout", "--identity-weight", "5"),
    *("--spectral-norm", *COMMON),
)
SPLITS = {
    "conv-vae": {"train": 30, "test": 6},
    "cyclegan-lambda10": {"trainA": 20, "trainB": 24, "testA": 8, "testB": 8},
}


def command(flags: tuple[str, ...], folder: Path, images: Path) -> list[str]:
    """A training in `folder`, on a folder of images."""
    places = ("--output-dir", folder / "run", "--cache-dir", folder / "cache")
    return [*flags, "--train-data-dir", str(images), *map(str, places)]


def write_images(folder: Path, image_folder: Callable[..., Path], recipe: str = "conv-vae") -> Path:
    for seed, (split, count) in enumerate(SPLITS[recipe].items()):
        image_folder(folder / split, count, seed=seed)
    return folder


def everything(folder: Path) -> dict[str, bytes]:
    """The files of a run and its pixels, without their paths and times."""
    files = [path for path in folder.glob("run/**/*") if path.is_file()]
    files += folder.glob("cache/**/pixels-*/*.[bn][ip][ny]")
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if path.name not in ("run.json", "timing.json", ".hf_gen.lock")
    }


def nothing_is_torn(run: Path) -> None:
    for checkpoint in RunFolder(run).checkpoints():
        json.loads((checkpoint / "state.json").read_text())
        for path in checkpoint.glob("*.safetensors"):
            load_file(path)
    for path in run.glob("pipeline/**/*.safetensors"):
        load_file(path)


def newest_checkpoint(run: Path) -> int:
    """Its step; the last good checkpoint exists until the next one does."""
    steps = [int(path.name.partition("-")[2]) for path in RunFolder(run).checkpoints()]
    return max(steps, default=0)


@pytest.mark.parametrize(
    ("flags", "phases", "times"),
    [(VAE, IN_ORDER, FAULTS), (CYCLEGAN, IN_ORDER[3:-1], max(FAULTS // 3, 1))],
    ids=["vae", "cyclegan"],
)
def test_a_run_that_is_killed_again_and_again_ends_as_if_undisturbed(
    flags: tuple[str, ...],
    phases: tuple[str, ...],
    times: int,
    tmp_path: Path,
    image_folder: Callable[..., Path],
    injected: Callable[[str, int], None],
) -> None:
    images = write_images(tmp_path / "images", image_folder, flags[0])
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    since = time.monotonic()
    code = exit_code(start_in_child(command(flags, undisturbed, images), undisturbed))
    assert code == 0, (undisturbed / "log.txt").read_text()
    seconds = time.monotonic() - since
    lengths = json.loads((undisturbed / "moments.json").read_text())
    assert lengths.keys() >= {*PHASES, STEP}
    expected = everything(undisturbed)
    assert any("pixels.bin" in name for name in expected)

    numbers = random.Random(FAULTS)
    wanted, attempt = [*phases] * times, 0
    while wanted:
        folder, last = tmp_path / str(attempt), 0
        folder.mkdir()
        code = None
        while code != 0:  # killed in one phase after the other until it finishes
            phase = wanted[0] if wanted else "no phase is left"
            moment = phase, numbers.randint(1, max(lengths.get(phase, 0) // 3, 1))
            child = start_in_child(command(flags, folder, images), folder, moment)
            code = exit_code(child, numbers.uniform(0, seconds) if phase == ANY_TIME else None)
            if code != 0:
                assert code == -signal.SIGKILL, (folder / "log.txt").read_text()
                wanted.remove(phase)
                nothing_is_torn(folder / "run")
                last, before = newest_checkpoint(folder / "run"), last
                assert last >= before
        found, attempt = everything(folder), attempt + 1
        assert found.keys() == expected.keys()
        assert [name for name, content in expected.items() if found[name] != content] == []
        assert attempt <= 10 * times * len(phases)
    for phase, count in Counter([*phases] * times).items():
        injected(f"SIGKILL of a training in {phase}", count)


def test_of_two_processes_one_is_killed_and_the_other_ends_with_a_clear_error(
    tmp_path: Path, image_folder: Callable[..., Path], injected: Callable[[str, int], None]
) -> None:
    images = write_images(tmp_path / "images", image_folder)
    flags = (*VAE, "--train-data-dir", str(images), "--cache-dir")
    undisturbed = tmp_path / "undisturbed"
    train_in_two(undisturbed, *flags, str(undisturbed / "cache"))
    numbers, kills = random.Random(FAULTS), max(FAULTS // 3, 1)
    for number in range(kills):
        folder, killed = tmp_path / str(number), numbers.randint(0, 1)
        arguments = (*flags, str(folder / "cache"))
        # Only the first process writes.
        places = ((STEP, 14), ("a checkpoint's write", 60), ("the rotation of old checkpoints", 5))
        phase, most = numbers.choice(places[: 1 if killed else 3])
        moment = phase, numbers.randint(1, most)
        since = time.monotonic()
        children = start_two(folder, *arguments, killed=killed, chosen=moment)
        codes = [exit_code(child) for child in children]
        assert time.monotonic() - since < 60
        log = (folder / "log.txt").read_text()
        assert codes == ([-9, 1] if killed == 0 else [1, -9]), log
        assert "another process of this training has ended" in log
        assert "Traceback" not in log
        train_in_two(folder, *arguments)
        found, expected = everything(folder), everything(undisturbed)
        # The sums of a log line that was begun before are added in another order.
        found["run/metrics.jsonl"] = expected["run/metrics.jsonl"]
        assert found == expected
        same_numbers(folder / "run", undisturbed / "run", tolerance=1e-6)
    injected("SIGKILL of one of two processes", kills)

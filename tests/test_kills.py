"""Killed at any moment, the same command goes on and ends as if nothing had happened."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from hf_gen.runs import RunFolder
from tests.killing import ANY_TIME, PHASES, STEP, kill_until_done, train_in_child
from tests.reliability import FAULTS

# As a run comes to them, so that most are met before it ends.
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
    *("cyclegan", "--resolution", "16", "--generator-channels", "2"),
    *("--generator-residual-blocks", "1", "--discriminator-channels", "2"),
    *("--discriminator-layers", "1", "--pool-size", "6", "--train-batch-size", "2", *COMMON),
)


def everything(folder: Path) -> dict[str, bytes]:
    """All that a run and its pixels are, but for where they lie and how long they took."""
    files = [path for path in folder.glob("run/**/*") if path.is_file()]
    files += folder.glob("cache/**/pixels-*/*.[bn][ip][ny]")
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if path.name not in ("run.json", "timing.json", ".lock")
    }


def nothing_is_torn(run: Path) -> None:
    for checkpoint in RunFolder(run).checkpoints():
        json.loads((checkpoint / "state.json").read_text())
        for path in checkpoint.glob("*.safetensors"):
            load_file(path)
    for path in run.glob("pipeline/**/*.safetensors"):
        load_file(path)


class NeverBack:
    """The last good checkpoint is there until the next one is."""

    def __init__(self) -> None:
        self._last = 0

    def __call__(self, run: Path) -> None:
        nothing_is_torn(run)
        steps = [int(path.name.partition("-")[2]) for path in RunFolder(run).checkpoints()]
        assert max(steps, default=0) >= self._last
        self._last = max(steps, default=0)


@pytest.mark.parametrize(
    ("flags", "parts", "phases"),
    [
        (VAE, {"train": 30, "test": 6}, IN_ORDER),
        (CYCLEGAN, {"trainA": 20, "trainB": 24, "testA": 8, "testB": 8}, IN_ORDER[3:-1]),
    ],
    ids=["vae", "cyclegan"],
)
def test_a_run_that_is_killed_again_and_again_ends_as_if_undisturbed(
    flags: tuple[str, ...],
    parts: dict[str, int],
    phases: tuple[str, ...],
    tmp_path: Path,
    image_folder: Callable[..., Path],
    injected: Callable[[str, int], None],
) -> None:
    images = tmp_path / "images"
    for seed, (name, count) in enumerate(parts.items()):
        image_folder(images / name, count, seed=seed)

    def command(folder: Path) -> list[str]:
        places = ("--output-dir", folder / "run", "--cache-dir", folder / "cache")
        return [*flags, "--train-data-dir", str(images), *map(str, places)]

    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    since = time.monotonic()
    code, lengths = train_in_child(command(undisturbed), undisturbed)
    assert code == 0, (undisturbed / "log.txt").read_text()
    seconds = time.monotonic() - since
    assert lengths.keys() >= {*PHASES, STEP}
    expected = everything(undisturbed)
    assert any("pixels.bin" in name for name in expected)

    numbers = random.Random(FAULTS)
    wanted = [*phases] * max(FAULTS // 3, 1)
    plan, killed = Counter(wanted), Counter[str]()
    for attempt in range(10 * len(wanted)):
        folder = tmp_path / str(attempt)
        killed += kill_until_done(command, folder, wanted, lengths, seconds, numbers, NeverBack())
        found = everything(folder)
        assert found.keys() == expected.keys()
        assert [name for name, content in expected.items() if found[name] != content] == []
        if not wanted:
            break
    assert killed == plan
    for phase, times in killed.items():
        injected(f"SIGKILL of a training in {phase}", times)

"""Killed at any moment, the same command goes on and ends as if nothing had happened."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from hf_gen.runs.folder import RunFolder
from tests.killing import (
    ANY_TIME,
    PHASES,
    STEP,
    exit_code,
    kill_until_done,
    moments_of,
    start_in_child,
)
from tests.launching import free_port, same_numbers
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
        if path.name not in ("run.json", "timing.json", ".hf_gen.lock")
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
    ("flags", "parts", "phases", "times"),
    [
        (VAE, {"train": 30, "test": 6}, IN_ORDER, FAULTS),
        (
            CYCLEGAN,
            {"trainA": 20, "trainB": 24, "testA": 8, "testB": 8},
            IN_ORDER[3:-1],
            max(FAULTS // 3, 1),
        ),
    ],
    ids=["vae", "cyclegan"],
)
def test_a_run_that_is_killed_again_and_again_ends_as_if_undisturbed(
    flags: tuple[str, ...],
    parts: dict[str, int],
    phases: tuple[str, ...],
    times: int,
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
    code = exit_code(start_in_child(command(undisturbed), undisturbed))
    assert code == 0, (undisturbed / "log.txt").read_text()
    seconds, lengths = time.monotonic() - since, moments_of(undisturbed)
    assert lengths.keys() >= {*PHASES, STEP}
    expected = everything(undisturbed)
    assert any("pixels.bin" in name for name in expected)

    numbers = random.Random(FAULTS)
    wanted = [*phases] * times
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
    for phase, count in killed.items():
        injected(f"SIGKILL of a training in {phase}", count)


def test_of_two_processes_one_is_killed_and_the_other_ends_with_a_sentence(
    tmp_path: Path, image_folder: Callable[..., Path], injected: Callable[[str, int], None]
) -> None:
    for seed, (name, count) in enumerate({"train": 30, "test": 6}.items()):
        image_folder(tmp_path / "images" / name, count, seed=seed)

    def train(
        folder: Path, killed: int | None = None, chosen: tuple[str, int] | None = None
    ) -> list[int]:
        folder.mkdir(exist_ok=True)
        both = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "ACCELERATE_USE_CPU": "true"}
        both |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        arguments = [*VAE, "--train-data-dir", str(tmp_path / "images")]
        arguments += ["--output-dir", str(folder / "run"), "--cache-dir", str(folder / "cache")]
        children = [
            start_in_child(
                arguments,
                folder,
                chosen if rank == killed else None,
                both | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            )
            for rank in range(2)
        ]
        return [exit_code(child) for child in children]

    undisturbed = tmp_path / "undisturbed"
    assert train(undisturbed) == [0, 0], (undisturbed / "log.txt").read_text()
    numbers, kills = random.Random(FAULTS), max(FAULTS // 3, 1)
    for number in range(kills):
        folder, killed = tmp_path / str(number), numbers.randint(0, 1)
        # Only the first process writes.
        places = ((STEP, 14), ("a checkpoint's write", 60), ("the rotation of old checkpoints", 5))
        phase, most = numbers.choice(places[: 1 if killed else 3])
        since = time.monotonic()
        codes = train(folder, killed, (phase, numbers.randint(1, most)))
        assert time.monotonic() - since < 60
        said = (folder / "log.txt").read_text()
        assert codes == ([-9, 1] if killed == 0 else [1, -9]), said
        assert "another process of this training has ended" in said
        assert "Traceback" not in said
        assert train(folder) == [0, 0], (folder / "log.txt").read_text()
        found, expected = everything(folder), everything(undisturbed)
        # The sums of a log line that was begun before are added in another order.
        found["run/metrics.jsonl"] = expected["run/metrics.jsonl"]
        assert found == expected
        same_numbers(folder / "run", undisturbed / "run", tolerance=1e-6)
    injected("SIGKILL of one of two processes", kills)

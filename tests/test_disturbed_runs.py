"""A disturbed training: errors of the disk, a second run, a wild clock, other images."""

import errno
import fcntl
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

from tests.killing import PHASES, STEP, Moment, exit_code, start_in_child
from tests.reliability import FAULTS
from tests.test_kills import VAE, command, everything, write_images
from train_accelerate import main

KILLED = -signal.SIGKILL


def train(
    folder: Path, images: Path, *flags: str, chosen: Moment | None = None, **options: Callable
) -> tuple[int, str]:
    """The exit code and the log of a training in a child."""
    folder.mkdir(exist_ok=True)
    arguments = [*command(VAE, folder, images), *flags]
    code = exit_code(start_in_child(arguments, folder, chosen, **options))
    log = (folder / "log.txt").read_text()
    assert "Traceback" not in log, (chosen, log)
    return code, log


def resumes(folder: Path, images: Path, undisturbed: Path) -> None:
    """Asserts that the same command ends as if undisturbed."""
    code, log = train(folder, images)
    assert code == 0, log
    assert everything(folder) == everything(undisturbed)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, image_folder: Callable[..., Path]) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), image_folder)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert train(folder, images)[0] == 0
    return folder


def test_an_error_of_the_disk_is_a_clear_error_and_the_run_resumes(
    tmp_path: Path, images: Path, undisturbed: Path, injected: Callable[[str, int], None]
) -> None:
    numbers = random.Random(FAULTS)
    lengths = json.loads((undisturbed / "moments.json").read_text())
    errors = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO, errno.EACCES)
    phases = numbers.sample(list(PHASES), len(PHASES))
    for number in range(FAULTS):
        folder, phase = tmp_path / str(number), phases[number % len(phases)]
        error = errors[number % len(errors)]

        def fail(error: int = error) -> None:
            raise OSError(error, os.strerror(error))

        moment = phase, numbers.randint(1, lengths[phase])
        code, log = train(folder, images, chosen=moment, happens=fail)
        # A few errors do not matter to a library, which continues; then nothing is missing.
        assert code in (0, 2), (moment, error, log)
        resumes(folder, images, undisturbed)
        injected(f"{errno.errorcode[error]} ({os.strerror(error).lower()}) in a phase of a run", 1)


def test_files_that_may_not_grow_are_a_clear_error_and_the_run_resumes(
    tmp_path: Path, images: Path, undisturbed: Path, injected: Callable[[str, int], None]
) -> None:
    """What a full disk does to a write in the middle of it, and needs no rights."""
    numbers = random.Random(FAULTS)
    kills = max(FAULTS // 3, 1)
    for number in range(kills):
        folder, most = tmp_path / str(number), numbers.randint(100, 5000)
        reading, writing = os.pipe()

        def limit(most: int = most, writing: int = writing) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
            # The log of the child is a file too.
            sys.stderr = os.fdopen(writing, "w", buffering=1)

        code, _ = train(folder, images, first=limit)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            errors = pipe.read()
        assert code == 2, errors
        assert "may not grow further" in errors
        assert "Traceback" not in errors
        resumes(folder, images, undisturbed)
    injected("a file that may not grow (RLIMIT_FSIZE)", kills)


LACKING = {
    "locks": (
        *(fcntl, "flock", OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))),
        "is on a disk without locks: choose a folder on a disk of this machine",
    ),
    "mmap": (
        *(torch, "from_file", RuntimeError("unable to mmap\nException raised from ...")),
        "pixels.bin cannot be mapped into memory (unable to mmap): choose another",
    ),
}


@pytest.mark.parametrize("feature", LACKING)
def test_a_disk_that_lacks_a_feature_is_a_clear_error(
    feature: str, tmp_path: Path, images: Path, injected: Callable[[str, int], None]
) -> None:
    module, name, error, message = LACKING[feature]

    def fail(*_: object, **__: object) -> None:
        raise error

    code, log = train(tmp_path, images, first=lambda: setattr(module, name, fail))
    assert code == 2
    assert message in log
    injected(f"a disk that has no {feature}", 1)


def test_a_second_run_in_the_same_folder_raises_and_does_not_disturb_the_first(
    tmp_path: Path,
    images: Path,
    undisturbed: Path,
    capsys: pytest.CaptureFixture[str],
    injected: Callable[[str, int], None],
) -> None:
    arguments = command(VAE, tmp_path, images)
    child = start_in_child(
        arguments, tmp_path, (STEP, 9), happens=lambda: os.kill(os.getpid(), signal.SIGSTOP)
    )
    os.waitpid(child, os.WUNTRACED)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    try:
        code = main(arguments)
        after = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    finally:
        os.kill(child, signal.SIGCONT)
    assert code == 2
    assert f"another process is writing to {tmp_path / 'run'}: wait" in capsys.readouterr().err
    assert before == after
    assert exit_code(child) == 0
    assert everything(tmp_path) == everything(undisturbed)
    injected("a second run in the same folder", 1)


def test_a_clock_that_jumps_changes_nothing(
    tmp_path: Path, images: Path, undisturbed: Path, injected: Callable[[str, int], None]
) -> None:
    def jump() -> None:
        numbers, now = random.Random(FAULTS), time.time
        time.time = lambda: now() + numbers.uniform(-1e9, 1e9)

    assert train(tmp_path, images, chosen=(STEP, 12), first=jump)[0] == KILLED
    assert train(tmp_path, images, first=jump)[0] == 0
    assert everything(tmp_path) == everything(undisturbed)
    injected("a clock that jumps by up to 30 years whenever it is read", 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("one more", "number of training images was 30 and is now 31. Restore"),
        ("one less", "number of training images was 30 and is now 29"),
        ("other pixels", "have changed: hash of the test pixels was"),
        ("only touched", None),
    ],
)
def test_a_run_does_not_resume_with_other_images(
    change: str,
    message: str | None,
    tmp_path: Path,
    images: Path,
    undisturbed: Path,
    injected: Callable[[str, int], None],
) -> None:
    own = shutil.copytree(images, tmp_path / "images")
    assert train(tmp_path, own, chosen=(STEP, 9))[0] == KILLED
    if change == "one more":
        shutil.copy(own / "train" / "000.png", own / "train" / "new.png")
    elif change == "one less":
        (own / "train" / "007.png").unlink()
    elif change == "other pixels":
        shutil.copy(own / "train" / "000.png", own / "test" / "003.png")
    else:
        os.utime(own / "train" / "000.png", (0, 0))
    code, log = train(tmp_path, own)
    if message is None:
        assert code == 0, log
        run, expected = everything(tmp_path), everything(undisturbed)
        assert all(run[name] == expected[name] for name in expected if "run/" in name)
    else:
        assert code == 2
        assert message in log
        assert "Restore the dataset to resume the run" in log
        injected(f"a dataset that has changed since the run was started ({change})", 1)


@pytest.mark.usefixtures("no_figures")
def test_images_of_very_different_sizes_train_to_the_end(
    tmp_path: Path, injected: Callable[[str, int], None]
) -> None:
    sizes = {
        "train": ((8, 3000), (3000, 8), (8, 8), (1500, 1500), (9, 10), (640, 480), (31, 7001)),
        "test": ((2001, 9),),
    }
    numbers = numpy.random.default_rng(0)
    for part, shapes in sizes.items():
        (tmp_path / "images" / part).mkdir(parents=True)
        for place, (width, height) in enumerate(shapes):
            rows = numbers.integers(0, 256, (height, width, 3), dtype=numpy.uint8)
            Image.fromarray(rows).save(tmp_path / "images" / part / f"{place}.png")
    # Seven images in steps of four: the last batch of an epoch is completed by the next.
    place = ("--output-dir", str(tmp_path / "run"), "--train-batch-size", "1")
    assert main([*command(VAE, tmp_path, tmp_path / "images"), *place]) == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["images"] == 1
    assert all(value == value for value in results.values() if isinstance(value, float))
    assert train(tmp_path / "two", tmp_path / "images", "--train-batch-size", "2")[0] == 0
    injected("images of 8 to 7,001 pixels a side, a batch of one, one test image", 2)

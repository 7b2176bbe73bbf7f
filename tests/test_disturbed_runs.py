"""A training on a bad day: errors of the disk, a second run, a wild clock, other images."""

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

from tests.killing import PHASES, STEP, exit_code, moments_of, start_in_child
from tests.reliability import FAULTS
from tests.test_kills import VAE, everything
from train_accelerate import main


def command(folder: Path, images: Path) -> list[str]:
    places = ("--output-dir", folder / "run", "--cache-dir", folder / "cache")
    return [*VAE, "--train-data-dir", str(images), *map(str, places)]


def new(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, image_folder: Callable[..., Path]) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for seed, (name, count) in enumerate({"train": 30, "test": 6}.items()):
        image_folder(folder / name, count, seed=seed)
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert exit_code(start_in_child(command(folder, images), folder)) == 0
    return folder


def refuse(number: int) -> Callable[[], None]:
    def happens() -> None:
        raise OSError(number, os.strerror(number))

    return happens


def test_an_error_of_the_disk_is_a_sentence_and_the_run_goes_on_afterwards(
    tmp_path: Path, images: Path, undisturbed: Path, injected: Callable[[str, int], None]
) -> None:
    numbers, lengths = random.Random(FAULTS), moments_of(undisturbed)
    errors = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO, errno.EACCES)
    phases = numbers.sample(list(PHASES), len(PHASES))
    for number in range(FAULTS):
        folder, phase = new(tmp_path / str(number)), phases[number % len(phases)]
        error = errors[number % len(errors)]
        moment = numbers.randint(1, lengths[phase])
        start = start_in_child(
            command(folder, images), folder, (phase, moment), happens=refuse(error)
        )
        code, said = exit_code(start), (folder / "log.txt").read_text()
        # A few errors do not matter to a library of ours, which goes on; then nothing is missing.
        assert code in (0, 2), (phase, moment, error, said)
        assert "Traceback" not in said, (phase, moment, error, said)
        if code:
            assert exit_code(start_in_child(command(folder, images), folder)) == 0
        assert everything(folder) == everything(undisturbed), (phase, moment, error)
        injected(f"{errno.errorcode[error]} ({os.strerror(error).lower()}) in a phase of a run", 1)


def test_files_that_may_not_grow_are_a_sentence_and_the_run_goes_on_afterwards(
    tmp_path: Path, images: Path, undisturbed: Path, injected: Callable[[str, int], None]
) -> None:
    """What a full disk does to a write in the middle of it, and needs no rights."""
    numbers = random.Random(FAULTS)
    kills = max(FAULTS // 3, 1)
    for number in range(kills):
        folder, most = new(tmp_path / str(number)), numbers.randint(100, 5000)

        ours, childs = os.pipe()

        def limit(most: int = most, childs: int = childs) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
            # The log of the child is a file too.
            sys.stderr = os.fdopen(childs, "w", buffering=1)

        child = start_in_child(command(folder, images), folder, first=limit)
        os.close(childs)
        with os.fdopen(ours) as pipe:
            said = pipe.read()
        assert exit_code(child) == 2, said
        assert "may not grow further" in said
        assert "Traceback" not in said
        assert exit_code(start_in_child(command(folder, images), folder)) == 0
        assert everything(folder) == everything(undisturbed), most
    injected("a file that may not grow (RLIMIT_FSIZE)", kills)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("no locks", "is on a disk without locks: choose a folder on a disk of this machine"),
        ("no mmap", "pixels.bin cannot be mapped into memory (unable to mmap): choose another"),
    ],
)
def test_a_disk_that_lacks_something_is_a_sentence(
    fault: str, sentence: str, tmp_path: Path, images: Path, injected: Callable[[str, int], None]
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    def no_mapping(*_: object, **__: object) -> None:
        raise RuntimeError("unable to mmap\nException raised from ...")

    def patch() -> None:
        if fault == "no locks":
            fcntl.flock = no_locks
        else:
            torch.from_file = no_mapping  # type: ignore[assignment]

    child = start_in_child(command(tmp_path, images), tmp_path, first=patch)
    assert exit_code(child) == 2
    said = (tmp_path / "log.txt").read_text()
    assert sentence in said
    assert "Traceback" not in said
    injected(f"a disk that has {fault}", 1)


def test_a_second_run_in_the_same_folder_is_refused_and_the_first_is_not_disturbed(
    tmp_path: Path,
    images: Path,
    undisturbed: Path,
    capsys: pytest.CaptureFixture[str],
    injected: Callable[[str, int], None],
) -> None:
    child = start_in_child(
        command(tmp_path, images),
        tmp_path,
        (STEP, 9),
        happens=lambda: os.kill(os.getpid(), signal.SIGSTOP),
    )
    os.waitpid(child, os.WUNTRACED)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    try:
        code = main(command(tmp_path, images))
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
    jumps = 0

    def jump() -> None:
        numbers, now = random.Random(FAULTS), time.time
        time.time = lambda: now() + numbers.uniform(-1e9, 1e9)

    for moment in (12, None):
        chosen = None if moment is None else (STEP, moment)
        code = exit_code(start_in_child(command(tmp_path, images), tmp_path, chosen, first=jump))
        assert code == (0 if moment is None else -signal.SIGKILL), (
            tmp_path / "log.txt"
        ).read_text()
        jumps += 1
    assert everything(tmp_path) == everything(undisturbed)
    injected("a clock that jumps by up to 30 years whenever it is asked", jumps)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("one more", "number of training images was 30 and is now 31. Bring"),
        ("one less", "number of training images was 30 and is now 29"),
        ("other pixels", "have changed: hash of the held-out pixels was"),
        ("only touched", None),
    ],
)
def test_a_run_does_not_go_on_with_other_images(
    change: str,
    sentence: str | None,
    tmp_path: Path,
    images: Path,
    undisturbed: Path,
    injected: Callable[[str, int], None],
) -> None:
    own = shutil.copytree(images, tmp_path / "images")
    start = command(tmp_path, own)
    assert exit_code(start_in_child(start, tmp_path, (STEP, 9))) == -signal.SIGKILL
    if change == "one more":
        shutil.copy(own / "train" / "000.png", own / "train" / "new.png")
    elif change == "one less":
        (own / "train" / "007.png").unlink()
    elif change == "other pixels":
        shutil.copy(own / "train" / "000.png", own / "test" / "003.png")
    else:
        os.utime(own / "train" / "000.png", (0, 0))
    code, said = exit_code(start_in_child(start, tmp_path)), (tmp_path / "log.txt").read_text()
    if sentence is None:
        assert code == 0, said
        run = everything(tmp_path)
        assert {name: run[name] for name in everything(undisturbed) if "run/" in name} == {
            name: value for name, value in everything(undisturbed).items() if "run/" in name
        }
    else:
        assert code == 2
        assert sentence in said
        assert "Bring the dataset back as it was to go on" in said
        injected(f"a dataset that has changed since the run was started ({change})", 1)


def test_a_run_of_before_some_fields_goes_on(
    tmp_path: Path, images: Path, undisturbed: Path, injected: Callable[[str, int], None]
) -> None:
    start = command(tmp_path, images)
    assert exit_code(start_in_child(start, tmp_path, (STEP, 9))) == -signal.SIGKILL
    file = tmp_path / "run" / "run.json"
    older = json.loads(file.read_text())
    del older["images"], older["device"], older["identity"]["objective"]["likelihood_scale"]
    del older["identity"]["optimisation"]["torch_compile"]
    file.write_text(json.dumps(older))
    changed = exit_code(start_in_child([*start, "--likelihood-scale", "0.5"], tmp_path))
    assert changed == 2
    assert "likelihood_scale was 0.2 and is now 0.5" in (tmp_path / "log.txt").read_text()
    assert exit_code(start_in_child(start, tmp_path)) == 0
    assert everything(tmp_path) == everything(undisturbed)
    injected("a run folder of an older version, resumed", 1)


def test_few_images_of_wildly_different_sizes_train_to_the_end(
    tmp_path: Path, image_folder: Callable[..., Path], injected: Callable[[str, int], None]
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
    start = command(tmp_path, tmp_path / "images")
    # Seven images in steps of four: the last batch of an epoch is finished by the next.
    for batch in ("1", "2"):
        place = ("--output-dir", str(tmp_path / batch), "--train-batch-size", batch)
        assert main([*start, *place]) == 0
        results = json.loads((tmp_path / batch / "results.json").read_text())
        assert results["images"] == 1
        assert all(value == value for value in results.values() if isinstance(value, float))
    injected("images of 8 to 7,001 pixels a side, a batch of one, one held-out image", 2)


def test_one_image_is_too_few_and_that_is_said(
    tmp_path: Path,
    image_folder: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    injected: Callable[[str, int], None],
) -> None:
    folder = image_folder(tmp_path / "images", 1)
    assert main(command(tmp_path, folder)) == 2
    assert "give it more or a test split" in capsys.readouterr().err
    injected("a dataset of one image", 1)

"""A killed build of the pixel cache continues where it was, and ends as if undisturbed."""

import errno
import hashlib
import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hf_gen.data import pixels, shards
from hf_gen.data.pixels import cached_pixels
from hf_gen.data.selection import Item, Split
from hf_gen.errors import UserError
from tests.killing import Moments, exit_code, kill_this_process
from tests.reliability import FAULTS
from tests.untrusted.limits import memory

BUILD = "the pixel cache's build"
# All of the million only where so many faults are asked for.
MANY = 1_000_000 if FAULTS >= 30 else 3_000 * FAULTS
SIZE = 32


def image(number: int) -> bytes:
    """Another image for each number."""
    some = hashlib.blake2b(str(number).encode()).digest()
    return f"P6 {SIZE} {SIZE} 255\n".encode() + some * (SIZE * SIZE * 3 // len(some))


def split(count: int, name: str = "image") -> Split:
    """`count` images, of which every 200th cannot be used."""

    def items() -> Iterator[Item]:
        for number in range(count):
            yield f"{name} {number}", None if number % 200 == 100 else image(number)

    return Split("set", "train", "key", lambda: (count, items()))


def content(cache: Path) -> dict[str, bytes]:
    """The only cache."""
    (folder,) = cache.glob("pixels-*/")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def saved(cache: Path) -> int:
    """How many images are in complete shards; an empty note is of one that is being written."""
    notes = (path.read_text() for path in cache.glob(".pixels-*.shards/*.json"))
    return sum(json.loads(note)["seen"] for note in notes if note.endswith("}"))


def in_child(work: Callable[[], object]) -> int:
    """The id of a child that does some work without a word."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        work()
        code = 0
    finally:
        os._exit(code)


@pytest.fixture
def often_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every 8 images."""
    monkeypatch.setattr(shards, "_SHARD", 8)


@pytest.mark.usefixtures("often_saved")
def test_killed_at_any_moment_it_ends_with_the_same_bytes(
    tmp_path: Path, injected: Callable[[str, int], None]
) -> None:
    def build(cache: Path, moment: int | None) -> int:
        def work() -> None:
            chosen = None if moment is None else (BUILD, moment)
            moments = Moments(cache, chosen, kill_this_process)
            moments.watch()
            cached_pixels(split(60), SIZE, cache)
            (tmp_path / "moments").write_text(str(moments.seen[BUILD]))

        return exit_code(in_child(work))

    assert build(tmp_path / "undisturbed", None) == 0
    expected = content(tmp_path / "undisturbed")
    moments = int((tmp_path / "moments").read_text())
    assert moments > 50
    kills = min(5 * FAULTS, moments)
    for moment in random.Random(FAULTS).sample(range(1, moments + 1), kills):
        cache = tmp_path / str(moment)
        assert build(cache, moment) == -signal.SIGKILL
        assert build(cache, None) == 0
        found = content(cache)
        assert found == expected
    injected("SIGKILL of the pixel cache's build", kills)


@pytest.mark.usefixtures("often_saved")
def test_what_was_saved_is_not_decoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    decoded: list[bytes] = []

    def until(most: int) -> None:
        open_image = shards.open_image

        def counted(source: bytes) -> object:
            decoded.append(source)
            if len(decoded) > most:
                raise Killed
            return open_image(source)

        with monkeypatch.context() as patch:
            patch.setattr(shards, "open_image", counted)
            cached_pixels(split(90), SIZE, tmp_path)

    with pytest.raises(Killed):
        until(50)
    assert saved(tmp_path) == 48
    decoded.clear()
    until(90)
    assert set(decoded) == {image(number) for number in range(48, 90)}


def test_shards_of_large_images_have_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they hold, and where the unreadable images are, is the same."""

    def shards_of(cache: Path) -> int:
        joined = []
        with monkeypatch.context() as patch:
            patch.setattr(pixels, "join_shards", lambda *args: joined.append(args) or join(*args))
            found, _ = cached_pixels(split(450), SIZE, cache)
        assert found.skipped == (100, 300)
        return len(joined[0][0])

    join = pixels.join_shards
    assert shards_of(tmp_path / "few") == 2
    monkeypatch.setattr(shards, "_MOST_BYTES", 5 * len(image(0)))
    # An image that is missing has no bytes.
    assert shards_of(tmp_path / "many") == 90
    assert content(tmp_path / "few") == content(tmp_path / "many")


@pytest.mark.usefixtures("often_saved")
@pytest.mark.parametrize("change", ["other names", "fewer images", "torn pixels", "torn note"])
def test_what_does_not_fit_is_decoded_again(tmp_path: Path, change: str) -> None:
    expected = {"other names": split(90, "other"), "fewer images": split(40)}.get(change, split(90))
    cached_pixels(expected, SIZE, tmp_path / "expected")

    def work() -> None:
        moments = Moments(tmp_path / "cache", (BUILD, 80), kill_this_process)
        moments.watch()
        cached_pixels(split(90), SIZE, tmp_path / "cache")

    assert exit_code(in_child(work)) == -signal.SIGKILL
    (partial,) = (tmp_path / "cache").glob(".pixels-*.shards")
    assert saved(tmp_path / "cache") > 40
    if change == "torn pixels":
        os.truncate(partial / "2.bin", 1000)
    if change == "torn note":
        (partial / "2.json").write_text('{"seen": 4')
    cached_pixels(expected, SIZE, tmp_path / "cache")
    assert content(tmp_path / "cache") == content(tmp_path / "expected")


def test_memory_is_constant_in_the_number_of_images_and_a_kill_loses_little(
    tmp_path: Path, injected: Callable[[str, int], None]
) -> None:
    cache = tmp_path / "cache"
    report = tmp_path / "report.json"

    def work() -> None:
        before, since = memory("VmRSS"), time.monotonic()
        pixels_of_all, _ = cached_pixels(split(MANY), SIZE, cache)
        growth = (memory("VmHWM") - before) / 10**6
        (tmp_path / "images").write_text(str(len(pixels_of_all.rows)))
        report.write_text(json.dumps([growth, time.monotonic() - since]))

    child = in_child(work)
    while saved(cache) < MANY // 3:
        time.sleep(0.01)
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
    at = saved(cache)
    assert exit_code(child, after=0) == -signal.SIGKILL
    assert saved(cache) >= at
    assert exit_code(in_child(work)) == 0
    growth, seconds = json.loads(report.read_text())
    print(
        f"{MANY:,} images: {growth:.0f} MB of memory at most, {seconds:.0f} s after a kill at {at}"
    )
    assert int((tmp_path / "images").read_text()) == MANY - MANY // 200
    # A million images are three gigabytes.
    assert growth < 100
    complete = cache.glob("pixels-*/pixels.bin")
    assert [path.stat().st_size for path in complete] == [(MANY - MANY // 200) * SIZE * SIZE * 3]
    injected(f"SIGKILL of a build of {MANY:,} images, whose memory stays flat", 1)


@pytest.mark.usefixtures("often_saved")
def test_processes_share_the_work_and_make_the_same_bytes(tmp_path: Path) -> None:
    count, log = 150, tmp_path / "log"

    def work() -> None:
        open_image = shards.open_image

        def noted(source: bytes) -> object:
            with log.open("a") as file:
                file.write(f"{os.getpid()} {hashlib.blake2b(source).hexdigest()}\n")
            time.sleep(0.005)
            return open_image(source)

        shards.open_image = noted  # type: ignore[assignment]
        cached_pixels(split(count), SIZE, tmp_path / "shared")

    cached_pixels(split(count), SIZE, tmp_path / "alone")
    children = [in_child(work) for _ in range(3)]
    assert [exit_code(child) for child in children] == [0, 0, 0]
    assert content(tmp_path / "shared") == content(tmp_path / "alone")
    assert not [*(tmp_path / "shared").glob(".pixels-*")]
    lines = [line.split() for line in log.read_text().splitlines()]
    assert len(lines) == len({image for _, image in lines}) == count - 1  # the 101st cannot be used
    assert len({process for process, _ in lines}) == 3


@pytest.mark.usefixtures("often_saved")
def test_a_full_disk_loses_no_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed, fsync = list[int](), os.fsync

    def fails_late(descriptor: int) -> None:
        if len(flushed) == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flushed.append(descriptor)
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails_late)
        with pytest.raises(UserError, match="no space is left"):
            cached_pixels(split(90), SIZE, tmp_path)
    assert saved(tmp_path) == 40
    cached_pixels(split(90), SIZE, tmp_path)


@pytest.mark.usefixtures("often_saved")
def test_of_several_processes_each_reports_too_many_bad_images(tmp_path: Path) -> None:
    def items() -> Iterator[Item]:
        for number in range(80):
            time.sleep(0.002)
            yield f"image {number}", None if number % 20 == 19 else image(number)

    def work() -> None:
        with pytest.raises(UserError, match="More than 1 % is too many"):
            cached_pixels(Split("set", "train", "key", lambda: (None, items())), SIZE, tmp_path)

    assert [exit_code(child) for child in [in_child(work) for _ in range(3)]] == [0, 0, 0]
    assert not [*tmp_path.glob(".pixels-*")]

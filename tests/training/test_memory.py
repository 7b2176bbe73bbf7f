"""Memory that stays with the process, or with none of its threads."""

import subprocess
import sys

import pytest

FAULTS_OF_100_BUFFERS = """
import resource
from hf_gen.training.memory import keep_freed_memory

applied = keep_freed_memory() if {wanted} else False
for _ in range(2):
    bytes(20 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    bytearray(20 << 20)[0]
print(int(applied), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(wanted: bool, program: str = FAULTS_OF_100_BUFFERS, **variables: str) -> tuple[int, int]:
    code = program.format(wanted=wanted)
    environment = {"PYTHONPATH": ":".join(sys.path), **variables}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    applied, faults = answer.stdout.split()
    return int(applied), int(faults)


MEGABYTES_HELD_AFTER_TURNS = """
import re, threading, time
from pathlib import Path
from hf_gen.training.memory import return_freed_memory

def held():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\\s+(\\d+) kB", status)[1]) // 1000

def take_turn():
    with turn:
        buffers = [bytearray(60_000) for _ in range(300)]
        kept.append(bytearray(1000))
        buffers.clear()
    everyone_was_there.wait()

applied = return_freed_memory() if {wanted} else False
before, kept, turn, everyone_was_there = held(), [], threading.Lock(), threading.Barrier(11)
for _ in range(10):
    threading.Thread(target=take_turn).start()
while len(kept) < 10 or turn.locked():
    time.sleep(0.001)
print(int(applied), held() - before)
everyone_was_there.wait()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is on Linux")
def test_large_buffers_are_not_fetched_again() -> None:
    applied, faults = run(True)
    if not applied:
        pytest.skip("this C library is not glibc")
    _, without = run(False)
    assert faults * 10 < without


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is on Linux")
def test_what_one_thread_has_freed_another_uses() -> None:
    applied, megabytes = run(True, MEGABYTES_HELD_AFTER_TURNS)
    if not applied:
        pytest.skip("this C library is not glibc")
    assert megabytes < 50
    _, without = run(False, MEGABYTES_HELD_AFTER_TURNS)
    assert without > 2 * megabytes


def test_existing_malloc_options_take_precedence() -> None:
    applied, _ = run(True, MALLOC_ARENA_MAX="2")
    assert not applied

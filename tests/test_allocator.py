"""Memory that stays with the process."""

import subprocess
import sys

import pytest

FAULTS_OF_100_BUFFERS = """
import resource
from hf_gen.allocator import keep_freed_memory

told = keep_freed_memory() if {wanted} else False
for _ in range(2):
    bytes(20 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    bytearray(20 << 20)[0]
print(int(told), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(wanted: bool, **variables: str) -> tuple[int, int]:
    code = FAULTS_OF_100_BUFFERS.format(wanted=wanted)
    environment = {"PYTHONPATH": ":".join(sys.path), **variables}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    told, faults = answer.stdout.split()
    return int(told), int(faults)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is on Linux")
def test_large_buffers_are_not_fetched_again() -> None:
    told, faults = run(True)
    if not told:
        pytest.skip("this C library is not glibc")
    _, without = run(False)
    assert faults * 10 < without


def test_who_has_said_otherwise_is_left_alone() -> None:
    told, _ = run(True, MALLOC_ARENA_MAX="2")
    assert not told

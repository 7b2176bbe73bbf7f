"""Tries inputs in a child process that has little memory, and little time for each."""

import contextlib
import multiprocessing
import os
import re
import resource
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import torch

from tests.untrusted.mutations import Input

REJECTED, ACCEPTED = "rejected", "accepted"
_MEGABYTE = 2**20
Attempt = Callable[[Input], object]
Errors = tuple[type[Exception], ...]


class Outcome(NamedTuple):
    """What came of one input: "rejected", "accepted", or what went wrong; time and memory used."""

    name: str
    result: str
    message: str
    seconds: float
    megabytes: float


def try_all(
    inputs: Sequence[Input],
    attempt: Attempt,
    errors: Errors,
    *,
    seconds: float,
    megabytes: int,
    timeout: float = 60.0,
) -> list[Outcome]:
    """Tries one input after the other, and asserts that each is rejected or accepted in limits.

    Args:
        inputs: What `attempt` gets.
        attempt: What is tried.
        errors: What it may raise to reject an input.
        seconds: Processor time that each may take.
        megabytes: By how much each may let the memory grow; four times that cannot be had at all.
        timeout: Seconds after which an input hangs.
    """
    outcomes = _outcomes(inputs, attempt, errors, megabytes, timeout)
    assert [
        one
        for one in outcomes
        if one.result not in (REJECTED, ACCEPTED)
        or one.seconds > seconds
        or one.megabytes > megabytes
    ] == []
    assert len(outcomes) == len(inputs)
    return outcomes


@contextlib.contextmanager
def replaced(folder: Path, one: Input) -> Iterator[Path]:
    """Puts a broken file in the place of the valid one for a moment; yields where."""
    place = folder / one.source
    valid = place.read_bytes()
    try:
        place.write_bytes(one.content)
        yield place
    finally:
        place.write_bytes(valid)


def _outcomes(
    inputs: Sequence[Input], attempt: Attempt, errors: Errors, megabytes: int, timeout: float
) -> list[Outcome]:
    """Of all inputs, or up to the one at which the child died or hung."""
    fork = multiprocessing.get_context("fork")
    receiving, sending = fork.Pipe(duplex=False)
    child = fork.Process(target=_try, args=(inputs, attempt, errors, megabytes, sending))
    child.start()
    sending.close()
    outcomes: list[Outcome] = []
    try:
        for one in inputs:
            if not receiving.poll(timeout):
                return [*outcomes, Outcome(one.name, "hung", "", timeout, 0.0)]
            outcomes.append(receiving.recv())
    except EOFError:
        outcomes.append(Outcome(inputs[len(outcomes)].name, "killed the process", "", 0.0, 0.0))
    finally:
        child.kill()
        child.join()
    return outcomes


def _try(
    inputs: Sequence[Input],
    attempt: Attempt,
    errors: Errors,
    megabytes: int,
    sending: Connection,
) -> None:
    torch.set_num_threads(1)  # the parent's threads do not exist here
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    most = memory("VmSize") + 4 * megabytes * _MEGABYTE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for one in inputs:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the peak
        before, began = memory("VmRSS"), time.process_time()
        result, message = ACCEPTED, ""
        try:
            attempt(one)
        except errors as error:
            result, message = REJECTED, str(error)
        except BaseException as error:
            result = f"raised {type(error).__name__}"
            message = "".join(traceback.format_exception(error)[-3:])
        seconds, grown = time.process_time() - began, memory("VmHWM") - before
        sending.send(Outcome(one.name, result, message[:2000], seconds, grown / _MEGABYTE))


def memory(field: str, process: int | str = "self") -> int:
    """Bytes, of a field of a process's status."""
    text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    (kilobytes,) = re.findall(rf"{field}:\s+(\d+) kB", text)
    return 1024 * int(kilobytes)

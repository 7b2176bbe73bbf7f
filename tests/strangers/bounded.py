"""Questions that are asked in a child, which has little memory and little time for each."""

import contextlib
import json
import os
import re
import resource
import select
import signal
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeVar

import torch

ANSWERED, LOADED = "answered", "loaded"
_MEGABYTE = 2**20
Question = TypeVar("Question")


class Answer(NamedTuple):
    """What became of one question.

    Attributes:
        name: Of the question.
        outcome: "answered" with a sentence, "loaded" since it was whole, or what went wrong.
        said: The sentence, or the last lines of what went wrong.
        seconds: Of the processor that it took.
        megabytes: By which the memory of the process grew meanwhile.
    """

    name: str
    outcome: str
    said: str
    seconds: float
    megabytes: float


def ask(
    questions: Iterable[tuple[str, Question]],
    answer: Callable[[Question], object],
    refusals: tuple[type[Exception], ...],
    seconds: float,
    megabytes: int,
) -> list[Answer]:
    """Asks one question after the other, each within its bounds.

    Args:
        questions: Their names, and what `answer` is given.
        answer: What is tried.
        refusals: What it may raise. Anything else is wrong, and so is what it raises in vain.
        seconds: What each may take; a child that takes longer is killed, as one that hangs.
        megabytes: By how much each may let the memory grow; twice that cannot be had at all.

    Returns:
        An answer for each; after a child that died or was killed there is one more, and no other.
    """
    listed = list(questions)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_the_child(listed, answer, refusals, megabytes, writing)
    os.close(writing)
    answers: list[Answer] = []
    try:
        with os.fdopen(reading, "rb", buffering=0) as lines:
            waiting = b""
            while len(answers) < len(listed):
                ready, _, _ = select.select([lines], [], [], seconds)
                more = lines.read(65_536) if ready else b""
                if not more:
                    how = "died" if ready else f"hung for {seconds:g} s"
                    answers.append(Answer(listed[len(answers)][0], how, "", seconds, 0.0))
                    break
                waiting += more
                *whole, waiting = waiting.split(b"\n")
                answers += [Answer(*json.loads(line)) for line in whole]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return answers


def wrong(answers: Iterable[Answer], seconds: float, megabytes: float) -> str:
    """The answers that are neither a sentence nor a whole thing, or took too much: for people."""
    return "\n".join(
        f"{one.name}: {one.outcome}, {one.seconds:.2f} s, {one.megabytes:,.0f} MB. {one.said}"
        for one in answers
        if one.outcome not in (ANSWERED, LOADED)
        or one.seconds > seconds
        or one.megabytes > megabytes
    )


def _be_the_child(
    questions: list[tuple[str, Question]],
    answer: Callable[[Question], object],
    refusals: tuple[type[Exception], ...],
    megabytes: int,
    writing: int,
) -> NoReturn:
    try:
        torch.set_num_threads(1)  # the threads of the parent are not here
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        most = _status("VmSize") + 2 * megabytes * _MEGABYTE
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        for name, question in questions:
            _forget_the_peak()
            held, began = _status("VmRSS"), time.process_time()
            outcome, said = LOADED, ""
            try:
                answer(question)
            except refusals as error:
                outcome, said = ANSWERED, str(error)
            except BaseException as error:
                outcome = f"raised {type(error).__name__}"
                said = "".join(traceback.format_exception(error)[-3:])
            grown = (_status("VmHWM") - held) / _MEGABYTE
            line = [name, outcome, said[:2000], time.process_time() - began, grown]
            os.write(writing, json.dumps(line).encode() + b"\n")
    finally:
        os._exit(0)


def _status(field: str) -> int:
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    (kilobytes,) = re.findall(rf"{field}:\s+(\d+) kB", text)
    return 1024 * int(kilobytes)


def _forget_the_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")

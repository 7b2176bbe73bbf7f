"""SIGTERM and Ctrl-C as a wish that the loop grants between two steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any


class Interrupted(Exception):
    """The run was asked to stop, and has written a checkpoint.

    Attributes:
        exit_code: 128 plus the number of the signal, as a shell expects it.
    """

    def __init__(self, number: int, step: int, folder: Path) -> None:
        super().__init__(
            f"stopped by {signal.Signals(number).name} after step {step:,}: the same command goes "
            f"on from the checkpoint in {folder}"
        )
        self.exit_code = 128 + number


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Yields a list that receives the number of the signal; a second one has its usual effect."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    usual: dict[int, Any] = {}

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, usual[number])

    try:
        for wanted in (signal.SIGINT, signal.SIGTERM):
            usual[wanted] = signal.signal(wanted, note)
        yield received
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)

"""Graceful shutdown: SIGTERM and Ctrl-C end a training after the step, with a checkpoint."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any


class Interrupted(Exception):
    """A signal stopped the run, which has written a checkpoint.

    Attributes:
        exit_code: 128 plus the number of the signal, as shells expect.
    """

    def __init__(self, number: int, step: int, folder: Path) -> None:
        super().__init__(
            f"stopped by {signal.Signals(number).name} after step {step:,}: the same command "
            f"resumes from the checkpoint in {folder}"
        )
        self.exit_code = 128 + number


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Yields a list to which the first signal's number is appended; a second one acts as usual.

    Raises:
        KeyboardInterrupt: If something failed after Ctrl-C, such as a compiler that it ended.
    """
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
    except Exception as error:
        if signal.SIGINT in received and not isinstance(error, Interrupted):
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)

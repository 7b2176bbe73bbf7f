"""Ctrl-C as one line and exit code 130, also while a program is still importing."""

import os
import signal
from types import FrameType

WORDS = "interrupted"
OF_TRAINING = "interrupted: the same command resumes from the last checkpoint, if there is one"


def exit_on_interrupt(words: str = WORDS) -> None:
    """Ends the process at Ctrl-C, at once: for the time in which there is nothing to clean up.

    A `KeyboardInterrupt` in the middle of an import is a traceback, or is lost in what catches it.

    Args:
        words: What is said; nothing by all processes but the first of a machine.
    """

    def end(number: int, frame: FrameType | None) -> None:
        if os.environ.get("LOCAL_RANK", "0") == "0":
            os.write(2, f"{words}\n".encode())
        os._exit(128 + number)

    signal.signal(signal.SIGINT, end)

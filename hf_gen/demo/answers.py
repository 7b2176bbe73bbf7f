"""What a visitor reads when something cannot be done, and how the work of all is shared."""

import functools
import importlib
import importlib.util
import logging
import os
import re
from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr

from hf_gen.demo.limits import AT_ONCE
from hf_gen.errors import UserError

Function = TypeVar("Function", bound=Callable[..., Any])
# One queue for all that computes.
COMPUTES: dict[str, Any] = {"concurrency_id": "models", "concurrency_limit": AT_ONCE}
# What the page does for itself is no part of the API.
OWN: dict[str, Any] = {"api_visibility": "private"}
_PATH = re.compile(r"(?<![\w/.])/(?:[\w.+-]+/)+[\w.+-]*")
_TOKEN = re.compile(r"hf_\w{8,}")
_log = logging.getLogger(__name__)


def answered(function: Function) -> Function:
    """Lets a function of the page answer with a sentence where it fails.

    A `UserError` is shown as it is, without paths and tokens; of anything else the visitor only
    reads that it happened, and the log has the rest.
    """

    @functools.wraps(function)
    def answer(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except (UserError, ValueError) as error:
            # A pipeline says with a ValueError what it cannot be asked for.
            raise sentence(str(error)) from None
        except gr.Error:
            raise
        except Exception as error:
            _log.exception("a request failed")
            if _is_out_of_memory(error):
                raise sentence("There is not enough memory for this now: ask for less") from None
            raise sentence("This did not work, and the fault is ours: try it again") from None

    return answer  # type: ignore[return-value]


def sentence(words: str) -> gr.Error:
    """What a visitor may read of an error."""
    words = _TOKEN.sub("hf_...", _PATH.sub("...", words))
    return gr.Error(words[:1].upper() + words[1:], duration=12, title="", print_exception=False)


def on_the_accelerator(function: Function) -> Function:
    """Runs a function on the GPU that a ZeroGPU Space lends for it; elsewhere as it is."""
    if not os.environ.get("SPACES_ZERO_GPU") or importlib.util.find_spec("spaces") is None:
        return function
    return importlib.import_module("spaces").GPU(function)


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"

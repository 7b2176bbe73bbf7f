"""How requests are queued, and how their errors are shown."""

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
# One queue for all listeners that compute.
QUEUE: dict[str, Any] = {"concurrency_id": "models", "concurrency_limit": AT_ONCE}
# Listeners of the page are not part of the API.
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
_PATH = re.compile(r"(?<![\w/.])/(?:[\w.+-]+/)+[\w.+-]*")
_TOKEN = re.compile(r"hf_\w{8,}")
_log = logging.getLogger(__name__)


def user_errors(function: Function) -> Function:
    """Shows a `UserError` of an event listener as a `gr.Error`, without paths and tokens.

    Of any other exception the visitor reads that it happened; the log has the traceback.
    """

    @functools.wraps(function)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except (UserError, ValueError) as error:
            # Pipelines raise ValueError for invalid arguments.
            raise as_gradio_error(str(error)) from None
        except gr.Error:
            raise
        except Exception as error:
            _log.exception("a request failed")
            if _is_out_of_memory(error):
                raise as_gradio_error("Out of memory: try fewer or smaller images") from None
            raise as_gradio_error("Internal error: try again") from None

    return wrapper  # type: ignore[return-value]


def as_gradio_error(words: str) -> gr.Error:
    """The error without paths of this machine and tokens."""
    words = _TOKEN.sub("hf_...", _PATH.sub("...", words))
    return gr.Error(words[:1].upper() + words[1:], duration=12, title="", print_exception=False)


def on_the_accelerator(function: Function) -> Function:
    """Runs a function on the GPU of a ZeroGPU Space; elsewhere unchanged."""
    if not os.environ.get("SPACES_ZERO_GPU") or importlib.util.find_spec("spaces") is None:
        return function
    return importlib.import_module("spaces").GPU(function)


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"

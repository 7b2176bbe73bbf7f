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

from hf_gen.demo.limits import CONCURRENCY_LIMIT
from hf_gen.errors import UserError

Function = TypeVar("Function", bound=Callable[..., Any])
# One queue for all listeners that compute.
QUEUE: dict[str, Any] = {"concurrency_id": "models", "concurrency_limit": CONCURRENCY_LIMIT}
_PATH = re.compile(r"(?<![\w/.])/(?:[\w.+-]+/)+[\w.+-]*")
_TOKEN = re.compile(r"hf_\w{8,}")
_log = logging.getLogger(__name__)


def listen(triggers: Any, function: Any, inputs: Any, outputs: Any, **settings: Any) -> Any:
    """Registers an event listener by `gr.on` that is not part of the API.

    By default no progress is shown, and of the events during a run only the last starts another.
    """
    defaults = {"trigger_mode": "always_last", "show_progress": "hidden"}
    options = defaults | settings
    return gr.on(triggers, function, inputs, outputs, api_visibility="private", **options)


def compute(triggers: Any, function: Any, inputs: Any, outputs: Any, **settings: Any) -> Any:
    """As `listen`, for a function that `computes`."""
    return listen(triggers, computes(function), inputs, outputs, **QUEUE | settings)


def computes(function: Function) -> Function:
    """Decorates a listener that computes: it runs on a ZeroGPU Space's GPU and shows its errors.

    A `UserError` becomes a `gr.Error` without paths and tokens. Any other exception is logged
    with its traceback and shown as an internal error.
    """
    run = _on_the_accelerator(function)

    @functools.wraps(function)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        try:
            return run(*arguments, **named)
        except UserError as error:
            raise as_gradio_error(str(error)) from None
        except gr.Error:
            raise
        except Exception as error:
            _log.exception("a request failed")
            if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
                raise as_gradio_error("Out of memory: try fewer or smaller images") from None
            raise as_gradio_error("Internal error: try again") from None

    return wrapper  # type: ignore[return-value]


def as_gradio_error(words: str) -> gr.Error:
    """The error without paths of this machine and tokens."""
    return gr.Error(without_secrets(words), duration=12, title="", print_exception=False)


def without_secrets(words: str) -> str:
    """The words without paths of this machine and tokens."""
    return _TOKEN.sub("hf_...", _PATH.sub("...", words))


def _on_the_accelerator(function: Function) -> Function:
    """The function on the GPU of a ZeroGPU Space; elsewhere unchanged."""
    if not os.environ.get("SPACES_ZERO_GPU") or importlib.util.find_spec("spaces") is None:
        return function
    return importlib.import_module("spaces").GPU(function)

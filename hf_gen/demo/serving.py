"""How the page is served: its look, its host and port, and what is in it when it arrives."""

import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from hf_gen.demo import api
from hf_gen.demo.limits import CONCURRENCY_LIMIT, MAX_FILE_BYTES, MAX_QUEUE_SIZE, MAX_SESSIONS
from hf_gen.demo.opening import Opening, icon
from hf_gen.demo.uploads import EXAMPLES
from hf_gen.errors import UserError

_STYLE = Path(__file__).with_name("style.css")


def serve(
    page: gr.Blocks,
    port: int | None = None,
    mcp: bool = False,
    wait: bool = True,
    host: str | None = None,
    share: bool = False,
    once_open: Callable[[], object] | None = None,
    opening: Mapping[str, str] | None = None,
) -> str:
    """Opens the page to visitors; returns its address, at once unless it waits.

    Args:
        page: From `build_page`.
        port: Default: GRADIO_SERVER_PORT, or the first free one from 7860.
        mcp: Whether the endpoints are also tools of an MCP server.
        wait: Whether to serve until Ctrl-C.
        host: Default: GRADIO_SERVER_NAME, or this machine alone.
        share: Whether gradio makes a public address for it.
        once_open: Called in the background as soon as the page is served.
        opening: What is in the page when it arrives, from `opening.render`.

    Raises:
        UserError: If there is no such host, or the port is taken or invalid.
    """
    page.queue(max_size=MAX_QUEUE_SIZE, default_concurrency_limit=4 * CONCURRENCY_LIMIT)
    _check_address(host or os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), port)
    _, address, _ = page.launch(
        server_name=host,
        server_port=port,
        share=share,  # explicit, since gradio shares by itself in a Colab notebook
        mcp_server=mcp,
        prevent_thread_lock=True,
        # Larger than what `open_uploads` accepts, so that its own error is the usual one.
        max_file_size=4 * MAX_FILE_BYTES,
        state_session_capacity=MAX_SESSIONS,
        show_error=False,
        allowed_paths=[str(EXAMPLES)],
        theme=_theme(),
        css_paths=_STYLE,
        favicon_path=icon(),
        app_kwargs={"middleware": [Middleware(Opening, opening=opening or {})]},
        footer_links=["api"],
        ssr_mode=False,
        quiet=not wait,
    )
    if page.mcp_server_obj is not None:
        api.return_images(page.mcp_server_obj)
    if once_open is not None:
        threading.Thread(target=once_open, daemon=True).start()
    if wait:
        page.block_thread()
    return address


def _check_address(host: str, port: int | None) -> None:
    """Checks that the page can be served: gradio would try one port after the other."""
    if port is not None and not 0 < port < 2**16:
        raise UserError(f"port must be from 1 to {2**16 - 1}, got {port}: try 7860")
    try:
        family, *_, (name, *_) = socket.getaddrinfo(host.strip("[]"), None)[0]
        socket.create_server((name, 0), family=family).close()
    except (OSError, UnicodeError) as error:
        raise UserError(
            f"this machine cannot serve at the host {host!r} ({error}): try 127.0.0.1, or 0.0.0.0 "
            "for the network"
        ) from error
    if port is None:
        return
    try:
        socket.create_server((name, port), family=family).close()
    except OSError as error:
        raise UserError(f"port {port} cannot be had ({error}): try --port {port + 1}") from error


def _theme() -> gr.themes.Base:
    theme = gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    # Its grey text and its labels are too pale to read. `set` loses its background unless that is
    # repeated.
    return theme.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_title_text_color="*primary_800",
        block_title_text_color_dark="*primary_100",
        block_title_background_fill_dark="*primary_900",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_dark="*primary_600",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        checkbox_label_background_fill_selected="*primary_600",
        checkbox_label_background_fill_selected_dark="*primary_600",
        background_fill_primary="*neutral_50",
    )

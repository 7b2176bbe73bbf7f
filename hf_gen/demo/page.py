"""The page: its tabs, links into it, and how it is served."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from hf_gen.demo import api, reconstruct, sample, translate
from hf_gen.demo.inputs import Shown
from hf_gen.demo.limits import (
    CONCURRENCY_LIMIT,
    MAX_FILE_BYTES,
    MAX_QUEUE_SIZE,
    MAX_SESSIONS,
    SESSION_SECONDS,
)
from hf_gen.demo.links import on_copy_link, parse_link
from hf_gen.demo.models import Family, ModelCache
from hf_gen.demo.requests import QUEUE, computes, listen
from hf_gen.demo.uploads import EXAMPLES
from hf_gen.errors import UserError

_STYLE = Path(__file__).with_name("style.css")
# gradio confines style.css to what is inside the frame; these are for the frame itself.
_FRAME = """
<style>
  .gradio-container > .main { max-width: 1400px !important; margin: 0 auto; }
  footer .divider { display: none !important; }
  @media (max-width: 480px) { .gradio-container > .main { padding: 12px !important; } }
</style>
"""
_ABOUT = (
    "# hf_gen\nAutoencoders and CycleGANs on anime faces, side by side. Choose a face and models."
)
_TABS: dict[str, tuple[Callable[[ModelCache], Shown], Family]] = {
    "reconstruct": (reconstruct.build, "VAEPipeline"),
    "sample": (sample.build, "VAEPipeline"),
    "translate": (translate.build, "TranslationPipeline"),
}


def build_page(cache: ModelCache) -> gr.Blocks:
    """The demo of some models, to be launched by `serve`."""
    with gr.Blocks(
        title="hf_gen: faces through VAEs and CycleGAN",
        analytics_enabled=False,
        delete_cache=(SESSION_SECONDS, SESSION_SECONDS),
    ) as page:
        with gr.Row(elem_classes="top"):
            gr.Markdown(_ABOUT)
            link = gr.Button("Copy link", size="sm", scale=0, min_width=110)
        shown: dict[gr.Tab, Shown] = {}
        with gr.Tabs() as tabs:
            for name, (build, _) in _TABS.items():
                with gr.Tab(name.capitalize(), id=name) as tab:
                    shown[tab] = build(cache)
        api.build(cache)
        linked = {name: one for each in shown.values() for name, one in each.linked.items()}
        families = {name: family for name, (_, family) in _TABS.items()}
        on_copy_link(link, linked)

        def open_link(request: gr.Request) -> list[Any]:
            query = dict(request.query_params)
            selected = query.get("tab")
            tab = gr.Tabs(selected=selected) if selected in _TABS else gr.skip()
            return [tab, *parse_link(query, linked, families, cache)]

        opened = listen(page.load, open_link, None, [tabs, *linked.values()], queue=False)
        for tab, one in shown.items():
            last = gr.State(None)
            show = computes(_unless_shown(one))
            inputs, outputs = [last, *one.inputs], [last, *one.outputs]
            # One listener for all events of a tab: no earlier result replaces a later one.
            progress = {"show_progress": "minimal", "show_progress_on": one.progress_on}
            listen([tab.select, *one.changes], show, inputs, outputs, **progress, **QUEUE)
            if tab.id == "reconstruct":
                opened.then(show, inputs, outputs, api_visibility="private", **QUEUE)
    return page


def _unless_shown(shown: Shown) -> Callable[..., Any]:
    """Fills a tab, unless it shows the results of these values already."""

    def show(last: tuple[Any, ...] | None, *values: Any) -> Any:
        return gr.skip() if values == last else [values, *shown.show(*values)]

    return show


def _theme() -> gr.themes.Base:
    theme = gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    # Its grey text is too pale to read. `set` loses its background unless that is repeated.
    return theme.set(body_text_color_subdued="*neutral_500", background_fill_primary="*neutral_50")


def serve(
    page: gr.Blocks,
    port: int | None = None,
    mcp: bool = False,
    wait: bool = True,
    host: str | None = None,
    share: bool = False,
    once_open: Callable[[], object] | None = None,
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
        head=_FRAME,
        footer_links=["api"],
        ssr_mode=False,
        quiet=not wait,
    )
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

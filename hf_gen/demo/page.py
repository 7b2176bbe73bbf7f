"""The page: its tabs, links into it, and how it is served."""

import os
import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr
from starlette.middleware import Middleware

from hf_gen.demo import api, edit, make, reconstruct, sample, translate
from hf_gen.demo.inputs import Page, Tab, build_tray, html
from hf_gen.demo.limits import (
    CONCURRENCY_LIMIT,
    MAX_FILE_BYTES,
    MAX_QUEUE_SIZE,
    MAX_SESSIONS,
    SESSION_SECONDS,
)
from hf_gen.demo.links import keep_address, parse_link
from hf_gen.demo.models import Family, ModelCache
from hf_gen.demo.opening import TITLE, WORDS, Opening, icon
from hf_gen.demo.references import check
from hf_gen.demo.requests import QUEUE, computes, listen
from hf_gen.demo.uploads import EXAMPLES
from hf_gen.errors import UserError

_STYLE = Path(__file__).with_name("style.css")
_TABS = ("sample", "edit", "reconstruct", "translate", "make")
_FAMILIES: dict[str, Family] = {
    "sample": "VAEPipeline",
    "model": "VAEPipeline",
    "reconstruct": "VAEPipeline",
    "translate": "TranslationPipeline",
}
_SWITCH = '<label class="switch"><input type="checkbox" class="show-pixels"> Show pixels</label>'
_BUS = "hfGen.bus = trigger; const events = ['go', 'restore'];"


def build_page(cache: ModelCache, opening: Mapping[str, str] | None = None) -> gr.Blocks:
    """The demo of some models, to be launched by `serve`.

    Args:
        cache: The models.
        opening: What it shows when it is opened, from `opening.render`.
    """
    with gr.Blocks(
        title=TITLE, analytics_enabled=False, delete_cache=(SESSION_SECONDS, SESSION_SECONDS)
    ) as blocks:
        with gr.Row(elem_classes="top"):
            gr.Markdown(f"# hf_gen\n{WORDS}")
            html(_SWITCH, scale=0, min_width=140)
            copy = gr.Button("Copy link", size="sm", scale=0, min_width=110)
        page = Page.of(cache)
        build_tray(page)
        with gr.Tabs(elem_classes="main") as tabs:
            tab: dict[str, gr.Tab] = {}
            parts: dict[str, list[Tab]] = {}
            for name in _TABS:
                with gr.Tab(name.capitalize(), id=name) as tab[name]:
                    parts[name] = _build(name, page, opening or {})
                listen(tab[name].select, None, None, page.active, js=f"() => '{name}'")
        api.build(cache)
        linked = {"tab": page.active, "face": page.face, "edits": page.edits, "to": page.other}
        for each in parts.values():
            linked |= {name: one for part in each for name, one in part.linked.items()}
        keep_address(linked, copy)
        _connect_links(blocks, page, tabs, linked, bool(opening))
        for name, each in parts.items():
            for part in each:
                _connect(page, name, part, opening if part is parts["sample"][0] else None)
    return blocks


def _build(name: str, page: Page, opening: Mapping[str, str]) -> list[Tab]:
    match name:
        case "sample":
            return sample.build(page, opening)
        case "edit":
            return edit.build(page)
        case "reconstruct":
            return [reconstruct.build(page)]
        case "translate":
            return [translate.build(page)]
    return [make.build(page)]


def _connect(page: Page, name: str, part: Tab, opening: Mapping[str, str] | None) -> None:
    """Fills a part of a tab whenever its tab is seen and what it depends on has changed."""

    def show(last: Any, active: str, again: str, uploads: Any, *values: Any) -> Any:
        now = (again, uploads, values)
        if active != name or last == now:
            return gr.skip()
        shown = part.show(uploads, *values)
        return [now, *(shown if isinstance(part.outputs, list) else [shown])]

    last = gr.State(("", {}, sample.OPENING) if opening else None)
    outputs = part.outputs if isinstance(part.outputs, list) else [part.outputs]
    triggers = [page.active.change, page.again.change]
    # Sliders redraw what they change themselves.
    triggers += [one.change for one in part.inputs if one is not page.edits]
    inputs = [last, page.active, page.again, page.uploads, *part.inputs]
    # One listener for all events: no earlier result replaces a later one.
    listen(triggers, computes(show), inputs, [last, *outputs], **QUEUE)


def _connect_links(
    blocks: gr.Blocks, page: Page, tabs: gr.Tabs, linked: dict[str, Any], is_filled: bool
) -> None:
    """Opens addresses, goes back, and takes faces from tab to tab."""

    def restore(query: Mapping[str, str]) -> list[Any]:
        page.cache.refresh()
        updates, dropped = parse_link(query, linked, _FAMILIES, page.cache)
        name = query.get("tab", "sample")
        if name not in _TABS:
            dropped, name = [*dropped, f"tab={name}"], "sample"
        updates[0] = name
        if dropped:
            words = escape(", ".join(dropped)[:300])
            gr.Warning(f"Not known, and left out of the address: {words}", duration=12, title="")
        return [gr.Tabs(selected=name), uuid.uuid4().hex, *updates]

    def opened(request: gr.Request) -> list[Any]:
        updates = restore(dict(request.query_params))
        if is_filled and not set(request.query_params) & {*linked}:
            # What a visitor has done in the meantime stays; only models may have come.
            kept = [
                gr.update(choices=one["choices"]) if isinstance(one, dict) else gr.skip()
                for one in updates
            ]
            return [gr.skip(), *kept[1:]]
        return updates

    def back(event: gr.EventData) -> list[Any]:
        return restore(dict(parse_qsl(str(event._data.get("query", "")).lstrip("?"))))

    def go(event: gr.EventData, active: str) -> list[Any]:
        """Takes a face to the tab of an action."""
        data = event._data or {}
        action = str(data.get("action"))
        face = check(str(data.get("face")))
        other = check(str(data["other"])) if data.get("other") else gr.skip()
        is_cartoon = face.startswith(("example:cartoon", "made:cartoon"))
        where = {"cartoon": "translate", "compare": "reconstruct"}.get(action, "edit")
        if action == "use" and active in ("edit", "reconstruct", "translate"):
            where = active
        turned = ("b_to_a" if is_cartoon else "a_to_b") if where == "translate" else gr.skip()
        return [gr.Tabs(selected=where), where, face, "", other, turned]

    outputs = [tabs, page.again, *linked.values()]
    # Through the queue, or no warning would be shown.
    listen(blocks.load, opened, None, outputs)
    bus = gr.HTML("", js_on_load=_BUS, elem_classes="bus")
    # `gr.on` takes no event of one's own.
    own: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    bus.restore(computes(back), None, outputs, **own)
    places = [tabs, page.active, page.face, page.edits, page.other, linked["direction"]]
    bus.go(computes(go), page.active, places, **own)


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

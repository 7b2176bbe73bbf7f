"""The page: its tabs, and links into it."""

import json
import uuid
from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr

from hf_gen.demo import api, edit, make, reconstruct, sample, translate
from hf_gen.demo.inputs import Page, Tab, build_tray, hidden, html
from hf_gen.demo.limits import SESSION_SECONDS
from hf_gen.demo.links import keep_address, parse_link
from hf_gen.demo.models import Family, ModelCache
from hf_gen.demo.opening import TITLE, WORDS
from hf_gen.demo.references import check
from hf_gen.demo.requests import compute, computes, listen

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
    """The demo of some models, to be launched by `serving.serve`.

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
                _connect(page, name, part, sample.OPENING if opening and name == "sample" else None)
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


def _connect(page: Page, name: str, part: Tab, shown: list[Any] | None) -> None:
    """Fills a part of a tab whenever its tab is seen and what it depends on has changed.

    What is wanted is kept as text in the browser, whose change alone computes. Were it computed at
    the events themselves, two of them at once would start all parts again and again: gradio repeats
    a whole event where one of its listeners was still busy.

    Args:
        page: What all tabs know.
        name: Of the tab.
        part: The part.
        shown: The values of its inputs that it shows when the page is opened.
    """
    first = "" if shown is None else json.dumps(["", *shown], separators=(",", ":"))
    wanted = hidden(first, "Wanted")
    # Sliders redraw what they change themselves.
    changes = [one.change for one in part.inputs if one is not page.edits]
    listen(
        [page.active.change, page.again.change, *changes],
        None,
        [wanted, page.active, page.again, *part.inputs],
        wanted,
        js=f"(was, tab, ...now) => tab === '{name}' ? JSON.stringify(now) : was",
    )
    compute(wanted.change, part.show, [page.uploads, *part.inputs], part.outputs)


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

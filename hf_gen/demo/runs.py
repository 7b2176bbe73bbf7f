"""The tab for people who train: curves over each other, the story of mode collapse, the numbers.

Everything is read from the run folders, also while a training still writes them.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from gradio.context import Context

from hf_gen.demo.run_curves import (
    MOST_PLOTS,
    alarms,
    choose_numbers,
    curves,
    empty_plot,
    limits,
    line_plot,
    numbers_of,
    sentence_case,
    timeline,
    words,
)
from hf_gen.demo.run_logs import (
    RunLog,
    Stamp,
    domains_of,
    find_runs,
    first_runs,
    read_run,
    stamp,
    status,
)
from hf_gen.demo.run_tables import colours, legend, results_table
from hf_gen.metrics import DIRECTIONS, PALETTE, Direction

_STYLE = Path(__file__).with_name("runs.css")
_SCORES = ("diversity", "kid", "nearest_translation_share")
_MOST_RUNS = len(PALETTE)
_TICK_SECONDS = 5.0

_EMPTY = """
<h3 style="margin: 8px 0">No runs yet</h3>
<p>Train one, and its curves grow here while it learns. This one takes about two minutes:</p>
<pre style="white-space: pre-wrap; margin: 12px 0; padding: 12px 16px; border-radius: 8px;
background: var(--background-fill-secondary); border: 1px solid var(--border-color-primary)"
><code style="user-select: all">accelerate launch train_accelerate.py quickstart</code></pre>
"""
_BAND = "A broad red band marks where collapse was declared."


class _Seen(NamedTuple):
    """What the page shows: as long as it is equal, nothing on it changes.

    Attributes:
        runs: The names of all there are, and of those that are chosen.
        numbers: All that were logged, and those that are plotted.
        is_own: Whether the visitor picked the numbers himself.
        stamps: Of the chosen runs.
        states: Of the chosen runs, in words.
    """

    runs: tuple[list[str], list[str]]
    numbers: tuple[list[str], list[str]]
    is_own: bool
    stamps: list[Stamp]
    states: list[str]


@dataclass(frozen=True)
class _Page:
    """The components of the tab."""

    empty: gr.Column
    full: gr.Column
    runs: gr.Dropdown
    numbers: gr.Dropdown
    legend: gr.HTML
    plots: list[gr.LinePlot]
    collapse: gr.Column
    alarms: gr.HTML
    timelines: dict[tuple[str, Direction], gr.LinePlot]
    table: gr.HTML
    timer: gr.Timer
    seen: gr.State

    def all(self) -> list[Any]:
        """What an event may change."""
        first = [self.empty, self.full, self.runs, self.numbers, self.legend, self.collapse]
        last = [self.alarms, self.table, self.timer, self.seen]
        return [*first, *self.plots, *self.timelines.values(), *last]


def build_runs_tab(folder: Path, tab: gr.Tab) -> None:
    """Builds the tab of the runs; to be called within it, and within `gr.Blocks`.

    Args:
        folder: In which the runs lie, such as runs/; it may be missing.
        tab: The tab. Of its `gr.Tabs` it hears when another tab is chosen, and then looks no more
            for what a training has written.
    """
    page = _build()

    def opened(chosen: list[str], picked: list[str], seen: _Seen | None) -> dict[Any, Any]:
        found = _shown(page, *_look(folder, chosen or None, _own(picked, seen)))
        return found | {page.timer: gr.Timer(active=True)}

    def ticked(chosen: list[str], picked: list[str], seen: _Seen | None) -> Any:
        had_runs = seen is not None and bool(seen.runs[0])
        had_numbers = seen is not None and bool(seen.numbers[0])
        names = chosen if chosen or had_runs else None
        own = _own(picked, seen)
        if seen is not None and had_numbers and picked != seen.numbers[1]:
            # Picked a moment ago, and not on the page yet.
            own = picked
        now, runs = _look(folder, names, own, completed=not had_numbers)
        if now == seen:
            return gr.skip()
        found = _shown(page, now, runs)
        # A list that someone has open stays open.
        unchanged = [] if seen is None or now.runs != seen.runs else [page.runs]
        unchanged += [] if seen is None or now.numbers != seen.numbers else [page.numbers]
        return {place: update for place, update in found.items() if place not in unchanged}

    def chose(chosen: list[str], picked: list[str], seen: _Seen | None) -> dict[Any, Any]:
        return _shown(page, *_look(folder, chosen, _own(picked, seen)))

    def picks(chosen: list[str], picked: list[str]) -> dict[Any, Any]:
        return _shown(page, *_look(folder, chosen, picked, completed=False))

    def rest(event: gr.SelectData) -> Any:
        return gr.skip() if event.value == tab.label else gr.Timer(active=False)

    inputs: list[Any] = [page.runs, page.numbers, page.seen]
    plain: Any = {"show_progress": "hidden", "api_visibility": "private"}
    tab.select(opened, inputs, page.all(), **plain)
    if Context.root_block is not None:
        Context.root_block.load(opened, inputs, page.all(), **plain)
    page.runs.input(chose, inputs, page.all(), **plain)
    page.numbers.input(picks, inputs[:2], page.all(), **plain)
    page.timer.tick(ticked, inputs, page.all(), **plain)
    if isinstance(tab.parent, gr.Tabs):
        tab.parent.select(rest, None, page.timer, **plain)


def _build() -> _Page:
    with gr.Column(visible=False) as empty:
        gr.HTML(_EMPTY, apply_default_css=False)
    with gr.Column(visible=False) as full:
        with gr.Row():
            what: Any = {"multiselect": True, "min_width": 300, "interactive": True}
            runs = gr.Dropdown([], label="Runs", max_choices=_MOST_RUNS, **what)
            numbers = gr.Dropdown([], label="Numbers", max_choices=MOST_PLOTS, **what)
        style = f"<style>{_STYLE.read_text(encoding='utf-8')}</style>${{value}}"
        legend = _html("runs-legend", html_template=style)
        with gr.Row():
            plots = [empty_plot(320) for _ in range(MOST_PLOTS)]
        with gr.Column(visible=False) as collapse:
            alarms = _html("runs-alarms")
            timelines: dict[tuple[str, Direction], gr.LinePlot] = {}
            for score in _SCORES:
                with gr.Row():
                    timelines |= {(score, way): empty_plot(240) for way in DIRECTIONS}
        table = _html("runs-table")
    # Only a selected tab is on the page, and with it what ticks.
    timer, seen = gr.Timer(_TICK_SECONDS, active=False), gr.State()
    return _Page(
        *(empty, full, runs, numbers, legend, plots),
        *(collapse, alarms, timelines, table, timer, seen),
    )


def _html(name: str, **settings: Any) -> gr.HTML:
    return gr.HTML("", apply_default_css=False, elem_classes=f"runs {name}", **settings)


def _own(picked: list[str], seen: _Seen | None) -> list[str] | None:
    """The numbers that the visitor picked himself; None if he leaves them to the page."""
    if seen is None:
        return picked or None
    return picked if seen.is_own else None


def _look(
    folder: Path,
    chosen: Sequence[str] | None,
    picked: Sequence[str] | None,
    completed: bool = True,
) -> tuple[_Seen, list[RunLog]]:
    """What the page has to show of these runs and numbers, and the runs.

    Args:
        folder: In which the runs lie.
        chosen: The runs; None for those that are shown at first.
        picked: The numbers; None for those that are shown unless some are picked.
        completed: Whether runs that have logged none of the picked numbers add their own.
    """
    known = find_runs(folder)
    logs = {name: log for name, path in known.items() if (log := read_run(name, path))}
    names = first_runs(list(logs.values())) if chosen is None else chosen
    names = [name for name in names if name in logs]
    runs = [logs[name] for name in names]
    keys, is_own, now = numbers_of(runs), picked is not None, time.time()
    if picked is None or completed:
        picked = choose_numbers(picked or [], runs)
    picked = [key for key in picked if key in keys]
    states = [status(run, now) for run in runs]
    stamps = [stamp(known[name]) for name in names]
    return _Seen((list(known), names), (keys, picked), is_own, stamps, states), runs


def _shown(page: _Page, seen: _Seen, runs: Sequence[RunLog]) -> dict[Any, Any]:
    (known, names), (keys, picked) = seen.runs, seen.numbers
    domains, colour, now = domains_of(runs), colours(names, known), time.time()
    heads = [(sentence_case(words(key, domains).name), key) for key in keys]
    return {
        page.empty: gr.Column(visible=not known),
        page.full: gr.Column(visible=bool(known)),
        page.runs: gr.Dropdown(known, value=names, multiselect=True),
        page.numbers: gr.Dropdown(heads, value=picked, multiselect=True, visible=bool(keys)),
        page.legend: legend(runs, colour, now),
        **_curve_plots(page, runs, picked, colour),
        **_timeline_plots(page, runs, colour),
        page.table: results_table(runs, colour, now),
        page.seen: seen,
    }


def _curve_plots(
    page: _Page, runs: Sequence[RunLog], picked: Sequence[str], colour: Mapping[str, str]
) -> dict[Any, Any]:
    updates: dict[Any, Any] = {plot: gr.LinePlot(visible=False) for plot in page.plots}
    for plot, key in zip(page.plots, picked, strict=False):
        frame = curves(runs, key)
        updates[plot] = line_plot(frame, words(key, domains_of(runs)), colour, limits([frame]))
    return updates


def _timeline_plots(
    page: _Page, runs: Sequence[RunLog], colour: Mapping[str, str]
) -> dict[Any, Any]:
    updates: dict[Any, Any] = {plot: gr.LinePlot(visible=False) for plot in page.timelines.values()}
    has_any = False
    for score in _SCORES:
        frames = {way: timeline(runs, way, score) for way in DIRECTIONS}
        shown = limits(list(frames.values()))
        for way, frame in frames.items():
            if len(frame):
                has_any = True
                number = words(f"{way}/{score}", domains_of(runs))
                number = replace(number, name=f"{number.short}, {number.name.partition(': ')[0]}")
                updates[page.timelines[score, way]] = line_plot(frame, number, colour, shown)
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in alarms(runs))
    said = f"<ul>{items}</ul><p>{_BAND}</p>" if items else "<p>No collapse was declared.</p>"
    said = f"<h3>Mode collapse</h3>{said}"
    return updates | {page.collapse: gr.Column(visible=has_any), page.alarms: said}

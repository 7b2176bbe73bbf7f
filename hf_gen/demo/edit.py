"""The Edit tab: one face, sliders that change it, faces like it, and the way to another."""

import json
import random
import uuid
from typing import Any

import gradio as gr

from hf_gen.demo import pictures
from hf_gen.demo.inputs import Page, Tab, Uploads, html, labelled
from hf_gen.demo.latents import SPAN, between_four, by_influence, draw, values_of
from hf_gen.demo.models import ModelCache
from hf_gen.demo.references import FaceSource, edited, edits_of, neighbour, words_of
from hf_gen.demo.requests import compute, listen

FIRST = "face-vae"
_NAMED, _NUMBERED = 12, 8
_WAY = 33
_EMPTY_PAD = pictures.note("Four faces at the corners, and all that lies between them.")


class Knobs:
    """What the sliders of a model are: its directions, then the latents of most influence."""

    def __init__(self, cache: ModelCache) -> None:
        self._cache = cache
        self._latents: dict[str, list[str]] = {}  # takes a second to find out

    def of(self, model: str) -> list[str]:
        """A name for each slider that the model has, "" for each that it has not."""
        pipeline = self._cache.get(model, "VAEPipeline")
        if model not in self._latents:
            self._latents[model] = [f"l{place}" for place in by_influence(pipeline)[:_NUMBERED]]
        named = [one.name for one in pipeline.directions][:_NAMED]
        numbered = self._latents[model]
        return named + [""] * (_NAMED - len(named)) + numbered + [""] * (_NUMBERED - len(numbered))

    def sliders(self, model: str, values: dict[str, float]) -> list[Any]:
        """Updates of the sliders."""
        pipeline = self._cache.get(model, "VAEPipeline")
        ranges = {one.name: (one.low, one.high) for one in pipeline.directions}
        updates = []
        for name in self.of(model):
            low, high = ranges.get(name, (-SPAN, SPAN))
            latent = f"latent {name[1:]}"
            label = name.replace("_", " ") if name in ranges else latent
            updates.append(
                gr.update(
                    label=label,
                    minimum=low,
                    maximum=high,
                    value=min(max(values.get(name, 0.0), low), high),
                    visible=name != "",
                )
            )
        return updates


def build(page: Page) -> list[Tab]:
    """Lays out the tab: the face with its sliders and neighbours."""
    cache, knobs = page.cache, Knobs(page.cache)
    names = cache.names("VAEPipeline")
    with gr.Row(elem_classes="work edit"):
        with gr.Column(scale=2, min_width=200, elem_classes="stay"):
            large = html(pictures.note("The face is on its way."), "large")
            with gr.Row(elem_classes="actions"):
                reset = gr.Button("Reset", size="sm", min_width=70)
                html('<button type="button" class="share save">Share card</button>')
        with gr.Column(scale=3, min_width=280):
            model = gr.Dropdown(
                labelled(names),
                value=FIRST if FIRST in names else next(iter(names), None),
                label="Model",
            )
            sliders = [_slider() for _ in range(_NAMED)]
            with gr.Accordion("More: the latents that change it most", open=True) as more:
                sliders += [_slider() for _ in range(_NUMBERED)]
    like = html("", "like")

    def show(uploads: Uploads, reference: str, edits: str, model: str) -> list[Any]:
        pipeline, source = cache.get(model, "VAEPipeline"), FaceSource(cache, uploads or {})
        values = values_of(pipeline, source.latents(reference, model), knobs.of(model))
        values |= _known(edits, values)
        return [
            *drawn(uploads, reference, edits, model),
            gr.update(open=not pipeline.directions),
            *knobs.sliders(model, values),
        ]

    def drawn(uploads: Uploads, reference: str, edits: str, model: str) -> list[str]:
        whole = edited(reference, model, edits)
        return [_large(cache, uploads, whole, model), _neighbours(cache, uploads, whole, model)]

    def move(uploads: Uploads, reference: str, model: str, *values: float) -> list[str]:
        pipeline, source = cache.get(model, "VAEPipeline"), FaceSource(cache, uploads or {})
        names = [name for name in knobs.of(model) if name]
        own = values_of(pipeline, source.latents(reference, model), names)
        given = dict(zip(knobs.of(model), values, strict=True))
        changed = [f"{one}={given[one]:g}" for one in names if abs(given[one] - own[one]) > 1e-3]
        edits = ",".join(changed)
        return [_large(cache, uploads, edited(reference, model, edits), model), edits]

    face = [page.uploads, page.face]
    moves = [slider.input for slider in sliders]
    compute(moves, move, [*face, model, *sliders], [large, page.edits])
    listen(reset.click, lambda: ["", uuid.uuid4().hex], None, [page.edits, page.again], queue=False)
    compute(
        [slider.release for slider in sliders], drawn, [*face, page.edits, model], [large, like]
    )
    inputs = [page.face, page.edits, model]
    walks = _build_walk(page, model)
    _build_pad(page, model)
    return [Tab(show, inputs, [large, like, more, *sliders], {"model": model}), walks]


def _slider() -> gr.Slider:
    return gr.Slider(-SPAN, SPAN, 0, step=0.01, label="direction", visible=False, buttons=[])


def _known(edits: str, values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in edits_of(edits).items() if name in values}


def _large(cache: ModelCache, uploads: Uploads, reference: str, model: str) -> str:
    """The face as the model has it."""
    pipeline, source = cache.get(model, "VAEPipeline"), FaceSource(cache, uploads or {})
    image = pipeline.decode(source.latents(reference, model))[0]
    return pictures.face(image, reference, words_of(reference), "big")


def _neighbours(cache: ModelCache, uploads: Uploads, reference: str, model: str) -> str:
    source = FaceSource(cache, uploads or {})
    faces = []
    latents = source.neighbour_latents(reference, model)
    for place, image in enumerate(cache.get(model, "VAEPipeline").decode(latents)):
        one = neighbour(reference, model, place)
        faces.append(pictures.face(image, one, f"like it, {place + 1}", action="like"))
    heading = "<h2>More like this</h2><p class='hint'>A click goes on from there.</p>"
    return f'<section id="like">{heading}{pictures.wall(faces)}</section>'


def _build_walk(page: Page, model: gr.Dropdown) -> Tab:
    """The way to another face, which is chosen at any face of the page."""
    cache = page.cache
    with gr.Accordion("Walk to another face", open=True, elem_id="walk"):
        film = html()
        with gr.Row():
            method = gr.Radio(
                [("straight", "linear"), ("on an arc", "spherical")],
                value="linear",
                label="Path",
                info="An arc keeps the norm of the latents.",
            )

    def show(
        uploads: Uploads, reference: str, edits: str, other: str, model: str, method: Any
    ) -> str:
        if not other:
            return pictures.note("Click on a face, choose “walk to …”, then click on the other.")
        source = FaceSource(cache, uploads or {})
        pipeline = cache.get(model, "VAEPipeline")
        first = source.latents(edited(reference, model, edits), model)
        frames = pipeline.interpolate(first, source.latents(other, model), _WAY, method)
        file = f"{pictures.file_name(model)}-walk.webp"
        animation = pictures.animation(frames, f"a walk by {model}", file)
        row = pictures.sheet([frames[::4]], ["step by step"], "the way, step by step")
        return f'<div class="way">{animation}{row}</div>'

    inputs = [page.face, page.edits, page.other, model, method]
    return Tab(show, inputs, film, {"path": method})


def _build_pad(page: Page, model: gr.Dropdown) -> None:
    """The face and three others at the corners of a pad."""
    cache = page.cache
    with gr.Accordion("A pad between four faces", open=True):
        fill = gr.Button("Four faces", size="sm", min_width=90, elem_classes="four")
        pad = html(_EMPTY_PAD)

    def show(uploads: Uploads, reference: str, edits: str, model: str) -> str:
        pipeline, source = cache.get(model, "VAEPipeline"), FaceSource(cache, uploads or {})
        first = source.latents(edited(reference, model, edits), model)
        others, *_ = draw(pipeline, 3, random.randrange(10_000))
        rows = between_four(pipeline, [first, *others.split(1)])
        return pictures.pad(rows, "Between four faces")

    compute(fill.click, show, [page.uploads, page.face, page.edits, model], pad)
    empty = f"() => {json.dumps(_EMPTY_PAD)}"
    listen([page.face.change, model.change], None, None, pad, js=empty)

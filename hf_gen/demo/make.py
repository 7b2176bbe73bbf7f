"""The Make tab: a synthetic face by its ten factors, and what each model makes of it."""

import io
import random
from typing import Any

import gradio as gr
from PIL import Image

from hf_gen.demo import pictures
from hf_gen.demo.inputs import Page, Tab, Uploads, html, settings
from hf_gen.demo.limits import MAX_MODELS
from hf_gen.demo.models import ModelCache
from hf_gen.demo.names import label_of
from hf_gen.demo.references import made
from hf_gen.demo.requests import listen
from hf_gen.faces.drawing import STYLES, face_png
from hf_gen.faces.factors import CONTINUOUS, FACTORS, Face, face_at
from hf_gen.metrics import Direction

_LARGE, _SMALL = 256, 64
_OPENING = face_at(7)
_TURNS: tuple[tuple[str, str, Direction], ...] = (
    ("anime", "cartoon", "a_to_b"),
    ("cartoon", "anime", "b_to_a"),
)


def build(page: Page) -> Tab:
    """Lays out the tab: drop-downs, dice, the face in both styles, and the models."""
    with gr.Row(elem_classes="work"):
        with gr.Column(scale=1, min_width=270, elem_classes="controls"), settings():
            variation = gr.Number(
                _OPENING.variation % 10_000,
                label="Decoration",
                precision=0,
                minimum=0,
                maximum=2**32 - 1,
                info="What no factor names: fringe, clothes, gaze.",
            )
            factors: dict[str, Any] = {
                name: gr.Dropdown(
                    [(value.replace("_", " "), value) for value in values],
                    value=getattr(_OPENING, name),
                    label=name.replace("_", " ").capitalize(),
                )
                for name, values in FACTORS.items()
            }
            factors |= {
                name: gr.Slider(
                    *limits,
                    getattr(_OPENING, name),
                    step=0.01,
                    label=name.replace("_", " ").capitalize(),
                )
                for name, limits in CONTINUOUS.items()
            }
        with gr.Column(scale=3, min_width=300, elem_classes="results"):
            shown = html(_both(_opening()))
            dice = gr.Button("Dice", size="sm", variant="primary", elem_classes="dice")
            models = html(pictures.note("The models are looking at it."))

    def show(_: Uploads, variation: int, *values: Any) -> list[str]:
        face = Face(**dict(zip(factors, values, strict=True)), variation=int(variation or 0))
        return [_both(face), _through_models(page.cache, face)]

    def roll() -> list[Any]:
        face = face_at(random.randrange(10**6))
        return [face.variation % 10_000, *(getattr(face, name) for name in factors)]

    controls = [variation, *factors.values()]
    listen(dice.click, roll, None, controls, queue=False)
    return Tab(show, controls, [shown, models], {"decoration": variation, **factors})


def _opening() -> Face:
    return Face(**{**vars(_OPENING), "variation": _OPENING.variation % 10_000})


def _drawn(face: Face, style: str, size: int) -> Image.Image:
    return Image.open(io.BytesIO(face_png(face, style, size)))


def _both(face: Face) -> str:
    """The face in both styles."""
    faces = [
        pictures.face(
            _drawn(face, style, _LARGE), made(style, face), f"a synthetic {style} face", "big"
        )
        for style in STYLES
    ]
    return f'<div class="both">{"".join(faces)}</div>'


def _through_models(cache: ModelCache, face: Face) -> str:
    """Reconstructions, and translations beside the true counterpart."""
    images = {style: _drawn(face, style, _SMALL) for style in STYLES}
    rebuilt = [
        _figure(cache.get(name, "VAEPipeline").reconstruct(images["anime"])[0], name)
        for name in cache.names("VAEPipeline")[:MAX_MODELS]
    ]
    parts = [f"<h2>Reconstructed</h2><div class='figures'>{''.join(rebuilt)}</div>"]
    for source, target, direction in _TURNS:
        translated = [_figure(images[target], "", "true counterpart")]
        for name in cache.names("TranslationPipeline")[:MAX_MODELS]:
            pipeline = cache.get(name, "TranslationPipeline")
            translated.append(
                _figure(pipeline.translate(images[source], direction, crop=True)[0], name)
            )
        heading = f"<h2>From {source} to {target}</h2>"
        parts.append(f"{heading}<div class='figures'>{''.join(translated)}</div>")
    return "".join(parts)


def _figure(image: Image.Image, name: str, words: str = "") -> str:
    words = words or label_of(name)
    return f"<figure>{pictures.picture(image, words)}<figcaption>{words}</figcaption></figure>"

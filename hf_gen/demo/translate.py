"""The Translate tab: faces into the other domain, and their cycle reconstruction."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from PIL import Image

from hf_gen.demo import html
from hf_gen.demo.cards import Card, Cards
from hf_gen.demo.inputs import (
    Faces,
    Shown,
    check_count,
    face_input,
    files,
    fill,
    model_input,
)
from hf_gen.demo.models import ModelCache
from hf_gen.demo.pixels import sheet
from hf_gen.demo.requests import PRIVATE, QUEUE, on_the_accelerator, user_errors
from hf_gen.demo.uploads import example_faces, open_uploads
from hf_gen.images import square
from hf_gen.metrics import Direction

if TYPE_CHECKING:
    from hf_gen.pipelines import TranslationPipeline

FIRST = ("cyclegan", "cyclegan-lambda10", "cyclegan-lambda5")
STYLES: dict[Direction, str] = {"a_to_b": "anime", "b_to_a": "cartoon"}
DIRECTION_LABELS: list[tuple[str, Direction]] = [
    ("anime → cartoon", "a_to_b"),
    ("cartoon → anime", "b_to_a"),
]


@dataclass(frozen=True)
class Translation:
    """An image, its translation and its cycle reconstruction.

    Attributes:
        seen: The square crop of the image at the model's resolution.
        made: Its translation.
        back: The cycle reconstruction.
        error: Mean absolute difference between `seen` and `back`, in [0, 2].
        milliseconds: Of both translations.
    """

    seen: Image.Image
    made: Image.Image
    back: Image.Image
    error: float
    milliseconds: float


def translate(
    pipeline: "TranslationPipeline", images: Sequence[Image.Image], direction: Direction
) -> list[Translation]:
    """Translates RGB images to the other domain and back."""
    seen = [square(image, pipeline.config.resolution) for image in images]
    began = time.perf_counter()
    made, back = pipeline.cycle(seen, direction)
    milliseconds = 1000 * (time.perf_counter() - began) / len(seen)
    return [
        Translation(*three, error=_error(three[0], three[2]), milliseconds=milliseconds)
        for three in zip(seen, made, back, strict=True)
    ]


def _error(first: Image.Image, second: Image.Image) -> float:
    return float(np.abs(np.asarray(first, np.float64) - np.asarray(second)).mean() / 127.5)


def build(cache: ModelCache) -> Shown:
    """Lays the tab out and wires it."""
    with gr.Row():
        with gr.Column(scale=1, min_width=280, elem_classes="controls"):
            direction = gr.Radio(
                DIRECTION_LABELS, value="a_to_b", label="Direction", elem_classes="ways"
            )
            choice = face_input("anime", "Your faces")
            models = model_input(cache, "TranslationPipeline", FIRST)
        with gr.Column(scale=3, min_width=280):
            cards = Cards()
            together = gr.HTML(padding=False)

    @user_errors
    @on_the_accelerator
    def show(faces: Faces, names: list[str], direction: Direction) -> list[Any]:
        if not faces or not names:
            what = "a face" if not faces else "a model"
            return [*cards.fill([], html.note(f"Choose {what} to see it translated.")), ""]
        check_count(names)
        images = open_uploads(files(faces))
        made = {
            name: translate(cache.get(name, "TranslationPipeline"), images, direction)
            for name in names
        }
        shown = [_card(name, translations[0]) for name, translations in made.items()]
        return [*cards.fill(shown), _all_of_them(made)]

    def turn(direction: Direction, faces: Faces, fillings: int) -> Any:
        drawn = example_faces(STYLES[direction])
        examples = gr.Dataset(samples=[[str(path)] for path in drawn])
        return *fill(faces, fillings, drawn[0]), examples

    direction.change(
        turn,
        [direction, choice.faces, choice.fillings],
        [choice.faces, choice.fillings, choice.examples],
        show_progress="hidden",
        **PRIVATE,
    )
    shown = Shown(
        show,
        [choice.faces, models, direction],
        [*cards.outputs, together],
        {"translate": models, "direction": direction},
    )
    gr.on(
        [*choice.changes, models.change],
        shown.show,
        shown.inputs,
        shown.outputs,
        trigger_mode="always_last",
        show_progress="minimal",
        show_progress_on=cards.sliders[0],
        **QUEUE,
        **PRIVATE,
    )
    choice.examples.click(
        lambda place, direction, faces, fillings: fill(
            faces, fillings, example_faces(STYLES[direction])[place]
        ),
        [choice.examples, direction, choice.faces, choice.fillings],
        [choice.faces, choice.fillings],
        show_progress="hidden",
        **PRIVATE,
    )
    return shown


def _card(name: str, one: Translation) -> Card:
    shown = {"cycle-consistency L1": f"{one.error:.3f}", "took": f"{one.milliseconds:.0f} ms"}
    back = html.picture(one.back, "cycle reconstruction", "small")
    details = (
        f'<div class="beside">{back}<div><small>cycle reconstruction</small>'
        f"{html.numbers(shown)}</div></div>"
    )
    seen = f"{one.seen.width}×{one.seen.height} pixels"
    return Card(name, seen, one.seen, one.made, details)


def _all_of_them(made: Mapping[str, Sequence[Translation]]) -> str:
    """All images in rows, for more than one; and the ZIP for any number."""
    files = {
        f"{html.file_name(name)}/{place:02d}-{part}.png": getattr(one, part)
        for name, translations in made.items()
        for place, one in enumerate(translations)
        for part in ("seen", "made", "back")
    }
    zipped = html.download(files, "translations.zip", "Download all (ZIP)")
    first = next(iter(made.values()))
    if len(first) == 1:
        return zipped
    rows = [[one.seen for one in first]]
    for translations in made.values():
        rows.append([one.made for one in translations])
    return html.sheet(sheet(rows), ["input", *made], "all faces") + zipped

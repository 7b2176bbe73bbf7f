"""The Translate tab: faces into the other domain, and their cycle reconstruction."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import gradio as gr
import numpy as np
from PIL import Image

from hf_gen.demo import pictures
from hf_gen.demo.compare import Result, check_count, compared, sheet_of_all
from hf_gen.demo.inputs import Page, Tab, Uploads, html, images_of, model_input, settings
from hf_gen.demo.references import counterpart
from hf_gen.demo.requests import listen
from hf_gen.images import square
from hf_gen.metrics import Direction

if TYPE_CHECKING:
    from hf_gen.pipelines import TranslationPipeline

FIRST = ("cyclegan",)
DIRECTION_LABELS: list[tuple[str, Direction]] = [
    ("anime → cartoon", "a_to_b"),
    ("cartoon → anime", "b_to_a"),
]


def translate(
    pipeline: "TranslationPipeline", images: Sequence[Image.Image], direction: Direction
) -> list[Result]:
    """Translates RGB images to the other domain and back.

    The metrics are "cycle_l1", the mean absolute difference of an image and its cycle
    reconstruction in [0, 2], and "milliseconds" of both translations.
    """
    inputs = [square(image, pipeline.config.resolution) for image in images]
    began = time.perf_counter()
    outputs, cycled = pipeline.cycle(inputs, direction)
    milliseconds = 1000 * (time.perf_counter() - began) / len(inputs)
    results = []
    for image, output, cycle in zip(inputs, outputs, cycled, strict=True):
        error = np.abs(np.asarray(image, np.float64) - np.asarray(cycle)).mean() / 127.5
        metrics = {"cycle_l1": float(error), "milliseconds": milliseconds}
        results.append(Result(image, output, cycle, "cycle reconstruction", metrics))
    return results


def build(page: Page) -> Tab:
    """Lays out the tab: the results, and what they depend on."""
    with gr.Row(elem_classes="work"):
        with gr.Column(scale=1, min_width=270, elem_classes="controls"), settings():
            direction = gr.Radio(DIRECTION_LABELS, value="a_to_b", label="Direction")
            models = model_input(page.cache, "TranslationPipeline", FIRST)
        with gr.Column(scale=3, min_width=300):
            shown = html(pictures.note("The face is on its way."), "results")

    def show(uploads: Uploads, reference: str, names: list[str], direction: Direction) -> str:
        if not names:
            return pictures.note("Choose a model to translate.")
        check_count(names)
        images = images_of(page.cache, uploads, reference)
        pipelines = {name: page.cache.get(name, "TranslationPipeline") for name in names}
        results = {name: translate(one, images, direction) for name, one in pipelines.items()}
        first = {name: each[0] for name, each in results.items()}
        configs = {name: one.config for name, one in pipelines.items()}
        return compared(first, configs, "translation") + summary(results)

    def turn(reference: str, direction: Direction) -> str:
        return counterpart(reference, "cartoon" if direction == "b_to_a" else "anime")

    # The visitor's own pictures stay, whatever they show.
    listen(direction.input, turn, [page.face, direction], page.face, queue=False)
    linked = {"translate": models, "direction": direction}
    return Tab(show, [page.face, models, direction], shown, linked)


def summary(results: Mapping[str, Sequence[Result]]) -> str:
    """A sheet of several images, and a ZIP of all."""
    files = {
        f"{pictures.file_name(name)}/{place:02d}-{part}.png": image
        for name, translations in results.items()
        for place, one in enumerate(translations)
        for part, image in (("input", one.input), ("output", one.output), ("cycle", one.inset))
    }
    zipped = pictures.download(files, "translations.zip", "Download all (ZIP)")
    return sheet_of_all(results, [*results]) + zipped

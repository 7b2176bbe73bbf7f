"""The Sample tab: new images of several models from one seed, edited latent by latent."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from PIL import Image

from hf_gen.demo import pictures
from hf_gen.demo.compare import Card, Cards
from hf_gen.demo.inputs import Shown, check_count, model_input
from hf_gen.demo.latents import Editor, draw, prior_of
from hf_gen.demo.limits import MAX_FACES
from hf_gen.demo.models import ModelCache
from hf_gen.demo.requests import listen
from hf_gen.metrics import PRIORS

FIRST = ("face-vae", "conv-vae")
MAX_SEED = 2**31 - 1
_DEFAULT = "default"
_COLUMNS = 4


def build(cache: ModelCache) -> Shown:
    """Lays out the tab and connects it."""
    with gr.Row():
        with gr.Column(scale=1, min_width=280, elem_classes="controls"):
            controls = _build_controls(cache)
        with gr.Column(scale=3, min_width=280):
            cards = Cards(_gallery, len(FIRST), "wide")
            save = gr.HTML(padding=False)
            editor = Editor(cache)

    def show(
        names: list[str], count: float, seed: float, prior: str, temperature: float
    ) -> list[Any]:
        check_count(names)
        chosen = prior_of(prior), None if prior == _DEFAULT else temperature
        shown, latents, faces = [], {}, {}
        for name in names:
            pipeline = cache.get(name, "VAEPipeline")
            latents[name], used, scale = draw(pipeline, int(count), int(seed or 0), *chosen)
            faces[name] = pipeline.decode(latents[name])
            instead = "" if prior in (used, _DEFAULT) else ", its default prior"
            remark = f"{PRIORS[used]}{instead}, temperature {scale:g}"
            enlarged = [pictures.enlarge(face, 256) for face in faces[name]]
            shown.append(Card(pictures.title(name, remark), enlarged))
        below = _save(faces) if names else pictures.note("Choose a model to see its faces.")
        return [*cards.fill(shown), below, *editor.show(latents)]

    outputs = [*cards.outputs, save, *editor.outputs]
    editor.connect(cards.pictures, controls["seed"], controls["prior"])
    inputs = [*controls.values()]
    changes = [control.change for control in inputs]
    return Shown(show, changes, inputs, outputs, controls, cards.pictures[0])


def _build_controls(cache: ModelCache) -> dict[str, Any]:
    """The controls by their names in a link, in the order of the arguments of `show`."""
    models = model_input(cache, "VAEPipeline", FIRST)
    count = gr.Slider(4, MAX_FACES, 12, step=4, label="Faces", info="From each model.")
    with gr.Row(elem_classes="seed"):
        seed = gr.Number(
            7,
            label="Seed",
            info="The same seed gives the same faces.",
            precision=0,
            minimum=0,
            maximum=MAX_SEED,
            min_width=120,
        )
        dice = gr.Button("Random seed", size="sm", min_width=90)
    prior = gr.Radio(
        [("each model's default", _DEFAULT), *((words, name) for name, words in PRIORS.items())],
        value=_DEFAULT,
        label="Prior",
        info="Standard normal, or fitted to the latents of the training images.",
    )
    temperature = gr.Slider(
        0,
        1.5,
        1.0,
        step=0.05,
        label="Temperature",
        info="Of a prior that is chosen here. Below 1: more typical faces.",
        interactive=False,
    )

    def unlock(prior: str) -> Any:
        return gr.update(interactive=prior != _DEFAULT)

    listen(prior.change, unlock, prior, temperature, queue=False)
    listen(dice.click, lambda: random.randrange(10_000), None, seed, queue=False)
    return {
        "sample": models,
        "faces": count,
        "seed": seed,
        "prior": prior,
        "temperature": temperature,
    }


def _gallery() -> gr.Gallery:
    return gr.Gallery(
        format="png",
        columns=_COLUMNS,
        interactive=False,
        height="auto",
        show_label=False,
        allow_preview=False,
        buttons=[],
        elem_classes="samples",
    )


def _save(faces: Mapping[str, Sequence[Image.Image]]) -> str:
    files = {}
    for name, images in faces.items():
        folder = pictures.file_name(name)
        rows = [images[start : start + _COLUMNS] for start in range(0, len(images), _COLUMNS)]
        files[f"{folder}/grid.png"] = pictures.grid(rows)
        files |= {f"{folder}/{place:02d}.png": image for place, image in enumerate(images)}
    return pictures.download(files, "faces.zip", "Download all: grids and single faces (ZIP)")

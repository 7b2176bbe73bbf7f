"""The Sample tab: new faces of several models from one seed, and a walk through them."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from PIL import Image

from hf_gen.demo import pictures
from hf_gen.demo.compare import check_count
from hf_gen.demo.inputs import Page, Tab, Uploads, html, model_input, settings
from hf_gen.demo.latents import draw, prior_of, random_walk
from hf_gen.demo.limits import MAX_FACES
from hf_gen.demo.models import ModelCache
from hf_gen.demo.names import line_of
from hf_gen.demo.references import MAX_SEED, sampled, words_of
from hf_gen.demo.requests import listen
from hf_gen.metrics import PRIORS

FIRST = "face-vae"
DEFAULT = "default"
# The values that the page opens with, in the order of the arguments of `faces_of`.
OPENING: list[Any] = [[FIRST], 12, 7, DEFAULT, 1]
_COLUMNS = 6


def build(page: Page, opening: Mapping[str, str]) -> list[Tab]:
    """Lays out the tab: the faces, and a walk, as they are when the page is opened."""
    with gr.Row(elem_classes="work"):
        with gr.Column(scale=1, min_width=270, elem_classes="controls"), settings():
            controls = _controls(page.cache)
        with gr.Column(scale=3, min_width=300, elem_classes="results"):
            dice = gr.Button("Other faces", size="sm", variant="primary", elem_classes="dice")
            with gr.Row(elem_classes="seen"):
                walls = html(opening.get("faces", ""), "walls")
                film = html(opening.get("film", ""), "walk")
    listen(dice.click, lambda: random.randrange(10_000), None, controls["seed"], queue=False)

    def faces(_: Uploads, *values: Any) -> str:
        return faces_of(page.cache, *values)

    def walk(_: Uploads, *values: Any) -> str:
        return film_of(page.cache, *values)

    inputs = [*controls.values()]
    return [Tab(faces, inputs, walls, controls), Tab(walk, inputs, film, {})]


def faces_of(
    cache: ModelCache, names: list[str], count: int, seed: int, prior: str, temperature: float
) -> str:
    """The samples of some models as HTML."""
    if not names:
        return pictures.note("Choose a model to see its faces.")
    check_count(names)
    chosen = prior_of(prior), None if prior == DEFAULT else temperature
    shown, faces = [], {}
    for name in names:
        pipeline = cache.get(name, "VAEPipeline")
        latents, used, scale = draw(pipeline, int(count), int(seed or 0), *chosen)
        faces[name] = pipeline.decode(latents)
        extra = () if prior == DEFAULT else (used, f"{scale:g}")
        wall = []
        for place, face in enumerate(faces[name]):
            reference = sampled(name, int(seed or 0), int(count), place, *extra)
            wall.append(pictures.face(face, reference, words_of(reference)))
        instead = "" if prior in (used, DEFAULT) else ", its default prior"
        remark = line_of(name, pipeline.config)
        if prior != DEFAULT:
            remark += f"; {PRIORS[used]}{instead}, temperature {scale:g}"
        shown.append(pictures.card(name, remark, pictures.wall(wall)))
    return pictures.cards(shown, "wide") + _save(faces)


def film_of(cache: ModelCache, names: list[str], _: int, seed: int, prior: str, *__: Any) -> str:
    """A random walk through the faces of the first model as HTML."""
    if not names:
        return ""
    pipeline = cache.get(names[0], "VAEPipeline")
    frames = random_walk(pipeline, int(seed or 0), prior_of(prior))
    file = f"{pictures.file_name(names[0])}-random-walk.webp"
    return pictures.animation(frames, f"a random walk of {names[0]}", file, closed=True)


def _controls(cache: ModelCache) -> dict[str, Any]:
    """The controls by their names in a link, in the order of `OPENING`."""
    models = model_input(cache, "VAEPipeline", (FIRST,))
    seed = gr.Number(
        OPENING[2],
        label="Seed",
        info="The same seed gives the same faces.",
        precision=0,
        minimum=0,
        maximum=MAX_SEED,
    )
    count = gr.Slider(4, MAX_FACES, OPENING[1], step=4, label="Faces", info="From each model.")
    prior = gr.Radio(
        [("each model's default", DEFAULT), *((words, name) for name, words in PRIORS.items())],
        value=DEFAULT,
        label="Prior",
        info="Standard normal, or fitted to the latents of the training images.",
    )
    temperature = gr.Slider(
        0,
        1.5,
        OPENING[4],
        step=0.05,
        label="Temperature",
        info="Of a prior that is chosen here. Below 1: more typical faces.",
        interactive=False,
    )

    def unlock(prior: str) -> Any:
        return gr.update(interactive=prior != DEFAULT)

    listen(prior.change, unlock, prior, temperature, queue=False)
    return {
        "sample": models,
        "faces": count,
        "seed": seed,
        "prior": prior,
        "temperature": temperature,
    }


def _save(faces: Mapping[str, Sequence[Image.Image]]) -> str:
    files = {}
    for name, images in faces.items():
        folder = pictures.file_name(name)
        rows = [images[start : start + _COLUMNS] for start in range(0, len(images), _COLUMNS)]
        files[f"{folder}/grid.png"] = pictures.grid(rows, 64)
        files |= {f"{folder}/{place:02d}.png": image for place, image in enumerate(images)}
    return pictures.download(files, "faces.zip", "Download all: grids and single faces (ZIP)")

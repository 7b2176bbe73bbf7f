"""The Sample tab: new images of several models from one seed, edited latent by latent."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr
from PIL import Image

from hf_gen.demo import html
from hf_gen.demo.inputs import Shown, check_count, model_input
from hf_gen.demo.limits import FORGET_AFTER, MOST_FACES, MOST_MODELS
from hf_gen.demo.models import ModelCache
from hf_gen.demo.pixels import enlarge, sheet
from hf_gen.demo.requests import PRIVATE, QUEUE, on_the_accelerator, user_errors
from hf_gen.errors import UserError
from hf_gen.metrics import PriorName

if TYPE_CHECKING:
    from torch import Tensor

    from hf_gen.pipelines import VAEPipeline

FIRST = ("face-vae", "conv-vae")
PRIORS: list[tuple[str, PriorName]] = [
    ("standard normal", "standard"),
    ("fitted Gaussian", "gaussian"),
    ("mixture", "mixture"),
]
MOST_SEED = 2**31 - 1
_SLIDERS = 8
_SPAN = 4.0
_STATIONS, _FRAMES = 6, 10
_COLUMNS = 4
_ONE = "**One face**"


@dataclass(frozen=True)
class Samples:
    """The samples that a visitor sees and edits.

    Attributes:
        codes: Of each model's faces, (count, channels, height, width).
        model: Whose face is changed.
        place: Which of its faces that is.
        dimensions: Of the sliders: those that move the picture most.
    """

    codes: Mapping[str, "Tensor"]
    model: str
    place: int
    dimensions: tuple[int, ...]

    def code(self, values: Sequence[float] = ()) -> "Tensor":
        """The chosen code, (1, channels, height, width), changed where the sliders are."""
        code = self.codes[self.model][self.place : self.place + 1].clone()
        for dimension, value in zip(self.dimensions, values, strict=False):
            code[:, dimension] = value
        return code


def draw(
    pipeline: "VAEPipeline", count: int, seed: int, prior: PriorName, temperature: float
) -> tuple["Tensor", PriorName]:
    """Codes from a prior; from the standard normal where the model has no such prior.

    Returns:
        (count, channels, height, width), and the prior that they are from.

    Raises:
        UserError: If the codes are maps, and there is no prior that was fitted to them.
    """
    import torch

    if pipeline.prior is None and pipeline.latent_shape[1:] != (1, 1):
        raise UserError("A model whose codes are maps needs a fitted prior to sample from")
    used = prior if prior in pipeline.priors else "standard"
    generator = torch.Generator().manual_seed(seed)
    return pipeline.sample_latents(count, generator, used, temperature), used


def random_walk(pipeline: "VAEPipeline", seed: int, prior: PriorName) -> list[Image.Image]:
    """A closed walk through faces of a prior, on arcs that keep the length of usual codes."""
    import torch

    stations, _ = draw(pipeline, _STATIONS, seed, prior, temperature=1.0)
    angles = torch.arange(_FRAMES, device=stations.device) / _FRAMES * (torch.pi / 2)
    cosine, sine = (f(angles)[:, None, None, None] for f in (torch.cos, torch.sin))
    legs = zip(stations, stations.roll(-1, 0), strict=True)
    return pipeline.decode(torch.cat([cosine * start + sine * end for start, end in legs]))


class Controls(NamedTuple):
    """The controls, in the order in which the listeners take them."""

    models: gr.CheckboxGroup
    faces: gr.Slider
    seed: gr.Number
    prior: gr.Radio
    temperature: gr.Slider


class _Explorer(NamedTuple):
    title: gr.Markdown
    face: gr.Image
    sliders: list[gr.Slider]
    film: gr.HTML
    walk: gr.Button


def build(cache: ModelCache) -> Shown:
    """Lays the tab out and wires it."""
    drawn = gr.State(None, time_to_live=FORGET_AFTER)
    with gr.Row():
        with gr.Column(scale=1, min_width=280, elem_classes="controls"):
            controls = _build_knobs(cache)
        with gr.Column(scale=3, min_width=280):
            with gr.Row(elem_classes="cards wide"):
                columns, titles, galleries = _build_galleries()
            save = gr.HTML(padding=False)
            explorer = _build_explorer()

    @user_errors
    @on_the_accelerator
    def show(
        names: list[str], count: float, seed: float, prior: PriorName, temperature: float
    ) -> list[Any]:
        check_count(names)
        codes, priors, faces = {}, {}, {}
        for name in names:
            pipeline = cache.get(name, "VAEPipeline")
            codes[name], priors[name] = draw(
                pipeline, int(count), int(seed or 0), prior, temperature
            )
            faces[name] = pipeline.decode(codes[name])
        empty = MOST_MODELS - len(names)
        shown = [
            *(gr.Column(visible=place < len(names)) for place in range(MOST_MODELS)),
            *(html.title(name, _from(priors[name], prior)) for name in names),
            *[""] * empty,
            *([enlarge(face, 256) for face in faces[name]] for name in names),
            *[None] * empty,
        ]
        if not names:
            return [*shown, html.note("Choose a model to see its faces."), None, *_unexplored()]
        seen = Samples(codes, names[0], 0, _dimensions(cache, names[0]))
        return [*shown, _save(faces), seen, *_explored(cache, seen)]

    outputs = [
        *columns,
        *titles,
        *galleries,
        save,
        drawn,
        explorer.title,
        explorer.face,
        *explorer.sliders,
    ]
    linked = controls._asdict()
    linked["sample"] = linked.pop("models")
    shown = Shown(show, [*controls], outputs, linked)
    gr.on(
        [control.change for control in controls],
        shown.show,
        shown.inputs,
        shown.outputs,
        trigger_mode="always_last",
        show_progress="minimal",
        show_progress_on=galleries[0],
        **QUEUE,
        **PRIVATE,
    )
    _wire_explorer(cache, explorer, galleries, drawn, controls)
    return shown


def _build_knobs(cache: ModelCache) -> Controls:
    models = model_input(cache, "VAEPipeline", FIRST)
    count = gr.Slider(4, MOST_FACES, 12, step=4, label="Faces", info="From each model.")
    with gr.Row(elem_classes="seed"):
        seed = gr.Number(
            7,
            label="Seed",
            info="The same seed gives the same faces.",
            precision=0,
            minimum=0,
            maximum=MOST_SEED,
            min_width=120,
        )
        dice = gr.Button("Random seed", size="sm", min_width=90)
    prior = gr.Radio(
        PRIORS,
        value="mixture",
        label="Prior",
        info="Standard normal, or fitted to the latents of the training images.",
    )
    temperature = gr.Slider(
        0, 1.5, 1.0, step=0.05, label="Temperature", info="Below 1: more typical faces."
    )
    dice.click(
        lambda: random.randrange(10_000), None, seed, queue=False, show_progress="hidden", **PRIVATE
    )
    return Controls(models, count, seed, prior, temperature)


def _build_galleries() -> tuple[list[gr.Column], list[gr.HTML], list[gr.Gallery]]:
    columns, titles, galleries = [], [], []
    for place in range(MOST_MODELS):
        with gr.Column(visible=place < len(FIRST), min_width=240, elem_classes="card") as column:
            columns.append(column)
            titles.append(gr.HTML(padding=False))
            galleries.append(
                gr.Gallery(
                    format="png",
                    columns=_COLUMNS,
                    interactive=False,
                    height="auto",
                    show_label=False,
                    allow_preview=False,
                    buttons=[],
                    elem_classes="samples",
                )
            )
    return columns, titles, galleries


def _from(used: PriorName, wanted: PriorName) -> str:
    return "" if used == wanted else "standard normal, its only prior"


def _save(faces: Mapping[str, Sequence[Image.Image]]) -> str:
    files = {}
    for name, images in faces.items():
        folder = html.file_name(name)
        rows = [images[start : start + _COLUMNS] for start in range(0, len(images), _COLUMNS)]
        files[f"{folder}/grid.png"] = sheet(rows)
        files |= {f"{folder}/{place:02d}.png": image for place, image in enumerate(images)}
    return html.download(files, "faces.zip", "Download all: grids and single faces (ZIP)")


def _build_explorer() -> _Explorer:
    with gr.Row(elem_classes="explorer"):
        with gr.Column(scale=1, min_width=240):
            title = gr.Markdown(_ONE)
            face = gr.Image(
                format="png",
                interactive=False,
                show_label=False,
                buttons=["download", "fullscreen"],
            )
            gr.HTML(html.note("Click on another face to edit it."), padding=False)
        with gr.Column(scale=1, min_width=240):
            gr.Markdown("**The latents that change it most**")
            sliders = [
                gr.Slider(-_SPAN, _SPAN, 0, step=0.05, label=f"{place}", buttons=["reset"])
                for place in range(_SLIDERS)
            ]
        with gr.Column(scale=1, min_width=240):
            walk = gr.Button("Random walk", size="sm")
            film = gr.HTML(html.note("An animation through faces of this model."), padding=False)
    return _Explorer(title, face, sliders, film, walk)


def _wire_explorer(
    cache: ModelCache,
    explorer: _Explorer,
    galleries: Sequence[gr.Gallery],
    drawn: gr.State,
    controls: Controls,
) -> None:
    @user_errors
    @on_the_accelerator
    def move(seen: Samples | None, *values: float) -> Any:
        if seen is None:
            return gr.skip()
        return _front(cache, seen, values)

    gr.on(
        [slider.input for slider in explorer.sliders],
        move,
        [drawn, *explorer.sliders],
        explorer.face,
        trigger_mode="always_last",
        show_progress="hidden",
        **QUEUE,
        **PRIVATE,
    )

    def pick(number: int) -> Any:
        @user_errors
        @on_the_accelerator
        def picked(seen: Samples | None, event: gr.SelectData) -> Any:
            if seen is None or number >= len(seen.codes):
                return gr.skip()
            model = list(seen.codes)[number]
            seen = replace(
                seen, model=model, place=event.index, dimensions=_dimensions(cache, model)
            )
            return [seen, *_explored(cache, seen)]

        return picked

    for number, gallery in enumerate(galleries):
        gallery.select(
            pick(number),
            drawn,
            [drawn, explorer.title, explorer.face, *explorer.sliders],
            show_progress="hidden",
            **QUEUE,
            **PRIVATE,
        )

    @user_errors
    @on_the_accelerator
    def film(seen: Samples | None, seed: float, prior: PriorName) -> str:
        if seen is None:
            return html.note("Choose a model to see it walk.")
        frames = random_walk(cache.get(seen.model, "VAEPipeline"), int(seed or 0), prior)
        name = f"{html.file_name(seen.model)}-random-walk.webp"
        return html.animation(frames, f"a random walk of {seen.model}", name, closed=True)

    explorer.walk.click(
        film, [drawn, controls.seed, controls.prior], explorer.film, **QUEUE, **PRIVATE
    )


def _dimensions(cache: ModelCache, name: str) -> tuple[int, ...]:
    influence = cache.get(name, "VAEPipeline").influence()
    return tuple(influence.argsort(descending=True)[:_SLIDERS].tolist())


def _front(cache: ModelCache, seen: Samples, values: Sequence[float] = ()) -> Image.Image:
    return enlarge(cache.get(seen.model, "VAEPipeline").decode(seen.code(values))[0])


def _explored(cache: ModelCache, seen: Samples) -> list[Any]:
    code = seen.code()[0].mean((1, 2)).tolist()
    shown = [
        gr.Slider(
            value=round(max(-_SPAN, min(_SPAN, code[place])), 2),
            label=f"latent {place}",
            visible=True,
        )
        for place in seen.dimensions
    ]
    hidden = [gr.Slider(visible=False)] * (_SLIDERS - len(shown))
    title = f"**A face of {seen.model}**"
    return [title, _front(cache, seen), *shown, *hidden]


def _unexplored() -> list[Any]:
    return [_ONE, None, *[gr.Slider(visible=False)] * _SLIDERS]

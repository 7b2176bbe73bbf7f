"""The tab of new faces: sampled by several models from one seed, and changed number by number."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr
from PIL import Image

from hf_gen.demo import markup
from hf_gen.demo.answers import COMPUTES, OWN, answered, on_the_accelerator
from hf_gen.demo.limits import FORGET_AFTER, MOST_FACES, MOST_MODELS
from hf_gen.demo.pictures import enlarge, sheet
from hf_gen.demo.shelf import Shelf
from hf_gen.demo.visitor import Shown, check_choice, choose_models
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
class Drawn:
    """What a visitor sees in this tab, and changes.

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
    return pipeline.draw_codes(count, generator, used, temperature), used


def random_walk(pipeline: "VAEPipeline", seed: int, prior: PriorName) -> list[Image.Image]:
    """A closed walk through faces of a prior, on arcs that keep the length of usual codes."""
    import torch

    stations, _ = draw(pipeline, _STATIONS, seed, prior, temperature=1.0)
    angles = torch.arange(_FRAMES, device=stations.device) / _FRAMES * (torch.pi / 2)
    cosine, sine = (f(angles)[:, None, None, None] for f in (torch.cos, torch.sin))
    legs = zip(stations, stations.roll(-1, 0), strict=True)
    return pipeline.decode(torch.cat([cosine * start + sine * end for start, end in legs]))


class Knobs(NamedTuple):
    """What a visitor turns; in the order in which the functions of this tab take them."""

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


def build(shelf: Shelf) -> Shown:
    """Lays the tab out and wires it."""
    drawn = gr.State(None, time_to_live=FORGET_AFTER)
    with gr.Row():
        with gr.Column(scale=1, min_width=280, elem_classes="controls"):
            knobs = _build_knobs(shelf)
        with gr.Column(scale=3, min_width=280):
            with gr.Row(elem_classes="cards wide"):
                columns, titles, galleries = _build_galleries()
            save = gr.HTML(padding=False)
            explorer = _build_explorer()

    @answered
    @on_the_accelerator
    def show(
        names: list[str], count: float, seed: float, prior: PriorName, temperature: float
    ) -> list[Any]:
        check_choice(names)
        codes, priors, faces = {}, {}, {}
        for name in names:
            pipeline = shelf.get(name, "VAEPipeline")
            codes[name], priors[name] = draw(
                pipeline, int(count), int(seed or 0), prior, temperature
            )
            faces[name] = pipeline.decode(codes[name])
        empty = MOST_MODELS - len(names)
        shown = [
            *(gr.Column(visible=place < len(names)) for place in range(MOST_MODELS)),
            *(markup.title(name, _from(priors[name], prior)) for name in names),
            *[""] * empty,
            *([enlarge(face, 256) for face in faces[name]] for name in names),
            *[None] * empty,
        ]
        if not names:
            return [*shown, markup.note("Choose a model to see its faces."), None, *_unexplored()]
        seen = Drawn(codes, names[0], 0, _dimensions(shelf, names[0]))
        return [*shown, _save(faces), seen, *_explored(shelf, seen)]

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
    linked = knobs._asdict()
    linked["sample"] = linked.pop("models")
    shown = Shown(show, [*knobs], outputs, linked)
    gr.on(
        [knob.change for knob in knobs],
        shown.show,
        shown.inputs,
        shown.outputs,
        trigger_mode="always_last",
        show_progress="minimal",
        show_progress_on=galleries[0],
        **COMPUTES,
        **OWN,
    )
    _wire_explorer(shelf, explorer, galleries, drawn, knobs)
    return shown


def _build_knobs(shelf: Shelf) -> Knobs:
    models = choose_models(shelf, "VAEPipeline", FIRST)
    count = gr.Slider(4, MOST_FACES, 12, step=4, label="Faces", info="From each model.")
    with gr.Row(elem_classes="seed"):
        seed = gr.Number(
            7,
            label="Seed",
            info="The same one, the same faces.",
            precision=0,
            minimum=0,
            maximum=MOST_SEED,
            min_width=120,
        )
        dice = gr.Button("Roll the dice", size="sm", min_width=90)
    prior = gr.Radio(
        PRIORS,
        value="mixture",
        label="Prior",
        info="Where codes come from: the textbook's, or fitted to the codes of real faces.",
    )
    temperature = gr.Slider(
        0, 1.5, 1.0, step=0.05, label="Temperature", info="Below 1: more usual faces."
    )
    dice.click(
        lambda: random.randrange(10_000), None, seed, queue=False, show_progress="hidden", **OWN
    )
    return Knobs(models, count, seed, prior, temperature)


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
    return "" if used == wanted else "from the standard normal, its only prior"


def _save(faces: Mapping[str, Sequence[Image.Image]]) -> str:
    files = {}
    for name, images in faces.items():
        folder = markup.file_name(name)
        rows = [images[start : start + _COLUMNS] for start in range(0, len(images), _COLUMNS)]
        files[f"{folder}/grid.png"] = sheet(rows)
        files |= {f"{folder}/{place:02d}.png": image for place, image in enumerate(images)}
    return markup.download(files, "faces.zip", "Download all: grids and single faces (ZIP)")


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
            gr.HTML(markup.note("Click on any other face, and it comes here."), padding=False)
        with gr.Column(scale=1, min_width=240):
            gr.Markdown("**The numbers that change it most**")
            sliders = [
                gr.Slider(-_SPAN, _SPAN, 0, step=0.05, label=f"{place}", buttons=["reset"])
                for place in range(_SLIDERS)
            ]
        with gr.Column(scale=1, min_width=240):
            walk = gr.Button("Random walk", size="sm")
            film = gr.HTML(
                markup.note("Faces of this model that turn into each other."), padding=False
            )
    return _Explorer(title, face, sliders, film, walk)


def _wire_explorer(
    shelf: Shelf,
    explorer: _Explorer,
    galleries: Sequence[gr.Gallery],
    drawn: gr.State,
    knobs: Knobs,
) -> None:
    @answered
    @on_the_accelerator
    def move(seen: Drawn | None, *values: float) -> Any:
        if seen is None:
            return gr.skip()
        return _front(shelf, seen, values)

    gr.on(
        [slider.input for slider in explorer.sliders],
        move,
        [drawn, *explorer.sliders],
        explorer.face,
        trigger_mode="always_last",
        show_progress="hidden",
        **COMPUTES,
        **OWN,
    )

    def pick(number: int) -> Any:
        @answered
        @on_the_accelerator
        def picked(seen: Drawn | None, event: gr.SelectData) -> Any:
            if seen is None or number >= len(seen.codes):
                return gr.skip()
            model = list(seen.codes)[number]
            seen = replace(
                seen, model=model, place=event.index, dimensions=_dimensions(shelf, model)
            )
            return [seen, *_explored(shelf, seen)]

        return picked

    for number, gallery in enumerate(galleries):
        gallery.select(
            pick(number),
            drawn,
            [drawn, explorer.title, explorer.face, *explorer.sliders],
            show_progress="hidden",
            **COMPUTES,
            **OWN,
        )

    @answered
    @on_the_accelerator
    def film(seen: Drawn | None, seed: float, prior: PriorName) -> str:
        if seen is None:
            return markup.note("Choose a model to see it walk.")
        frames = random_walk(shelf.get(seen.model, "VAEPipeline"), int(seed or 0), prior)
        name = f"{markup.file_name(seen.model)}-random-walk.webp"
        return markup.animation(frames, f"a random walk of {seen.model}", name, closed=True)

    explorer.walk.click(film, [drawn, knobs.seed, knobs.prior], explorer.film, **COMPUTES, **OWN)


def _dimensions(shelf: Shelf, name: str) -> tuple[int, ...]:
    influence = shelf.get(name, "VAEPipeline").influence()
    return tuple(influence.argsort(descending=True)[:_SLIDERS].tolist())


def _front(shelf: Shelf, seen: Drawn, values: Sequence[float] = ()) -> Image.Image:
    return enlarge(shelf.get(seen.model, "VAEPipeline").decode(seen.code(values))[0])


def _explored(shelf: Shelf, seen: Drawn) -> list[Any]:
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
    return [title, _front(shelf, seen), *shown, *hidden]


def _unexplored() -> list[Any]:
    return [_ONE, None, *[gr.Slider(visible=False)] * _SLIDERS]

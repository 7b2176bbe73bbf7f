"""The latents of samples: drawn from priors, edited one by one, and in a random walk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL import Image

from hf_gen.demo import pictures
from hf_gen.demo.limits import SESSION_SECONDS
from hf_gen.demo.models import ModelCache
from hf_gen.demo.requests import compute
from hf_gen.errors import UserError
from hf_gen.metrics import PRIORS, PriorName

if TYPE_CHECKING:
    from torch import Tensor

    from hf_gen.pipelines import VAEPipeline

_SLIDERS = 8
_SPAN = 4.0
_STATIONS, _FRAMES = 6, 10


@dataclass(frozen=True)
class Samples:
    """The samples that are shown and edited.

    Attributes:
        latents: Of each model's faces, (count, channels, height, width).
        model: Whose face is edited.
        place: Which of its faces that is.
        dimensions: Of the sliders: those with the most influence on the image.
    """

    latents: Mapping[str, "Tensor"]
    model: str
    place: int
    dimensions: tuple[int, ...]

    def edited(self, values: Sequence[float] = ()) -> "Tensor":
        """The latents of the chosen face, (1, channels, height, width), set by the sliders."""
        latents = self.latents[self.model][self.place : self.place + 1].clone()
        for dimension, value in zip(self.dimensions, values, strict=False):
            latents[:, dimension] = value
        return latents


def prior_of(choice: str) -> PriorName | None:
    """The prior that is chosen on the page; None for the default of each model."""
    return next((prior for prior in PRIORS if prior == choice), None)


def draw(
    pipeline: "VAEPipeline",
    count: int,
    seed: int,
    prior: PriorName | None = None,
    temperature: float | None = None,
) -> tuple["Tensor", PriorName, float]:
    """Latents from a prior, or from the default one where the model does not have it.

    Returns:
        (count, channels, height, width), and the prior and the temperature that they are from.

    Raises:
        UserError: If the latents are maps, and no prior was fitted to them.
    """
    import torch

    if pipeline.prior is None and pipeline.latent_shape[1:] != (1, 1):
        raise UserError("A model whose latents are maps needs a fitted prior to sample from")
    used, scale = pipeline.resolve_prior(prior if prior in pipeline.priors else None, temperature)
    generator = torch.Generator().manual_seed(seed)
    return pipeline.sample_latents(count, generator, used, scale), used, scale


def random_walk(
    pipeline: "VAEPipeline", seed: int, prior: PriorName | None = None
) -> list[Image.Image]:
    """A closed random walk through samples of a prior, on arcs of constant norm."""
    import torch

    stations, *_ = draw(pipeline, _STATIONS, seed, prior)
    angles = torch.arange(_FRAMES, device=stations.device) / _FRAMES * (torch.pi / 2)
    cosine, sine = (f(angles)[:, None, None, None] for f in (torch.cos, torch.sin))
    legs = zip(stations, stations.roll(-1, 0), strict=True)
    return pipeline.decode(torch.cat([cosine * start + sine * end for start, end in legs]))


class Editor:
    """One of the samples, sliders for the latents that change it most, and a random walk."""

    def __init__(self, cache: ModelCache) -> None:
        self._cache = cache
        self._samples = gr.State(None, time_to_live=SESSION_SECONDS)
        with gr.Row(elem_classes="explorer"):
            with gr.Column(scale=1, min_width=240):
                title = gr.Markdown("**One face**")
                self._face = gr.Image(
                    format="png",
                    interactive=False,
                    show_label=False,
                    buttons=["download", "fullscreen"],
                )
                gr.HTML(pictures.note("Click on another face to edit it."), padding=False)
            with gr.Column(scale=1, min_width=240):
                gr.Markdown("**The latents that change it most**")
                self._sliders = [
                    gr.Slider(-_SPAN, _SPAN, 0, step=0.05, label=f"{place}", buttons=["reset"])
                    for place in range(_SLIDERS)
                ]
            with gr.Column(scale=1, min_width=240):
                self._walk = gr.Button("Random walk", size="sm")
                hint = pictures.note("An animation through faces of this model.")
                self._film = gr.HTML(hint, padding=False)
        self.outputs = [self._samples, title, self._face, *self._sliders]

    def show(self, latents: Mapping[str, "Tensor"], model: str = "", place: int = 0) -> list[Any]:
        """The values of `outputs` for a face of a model, by default the first of the first."""
        if not latents:
            return [None, "**One face**", None, *[gr.update(visible=False)] * _SLIDERS]
        model = model or next(iter(latents))
        influence = self._cache.get(model, "VAEPipeline").influence()
        dimensions = tuple(influence.argsort(descending=True)[:_SLIDERS].tolist())
        samples = Samples(latents, model, place, dimensions)
        means = samples.edited()[0].mean((1, 2)).tolist()
        sliders = [
            gr.update(
                value=round(max(-_SPAN, min(_SPAN, means[dimension])), 2),
                label=f"latent {dimension}",
                visible=True,
            )
            for dimension in dimensions
        ]
        hidden = [gr.update(visible=False)] * (_SLIDERS - len(sliders))
        return [samples, f"**A face of {model}**", self._decoded(samples), *sliders, *hidden]

    def connect(self, galleries: Sequence[gr.Gallery], seed: gr.Number, prior: gr.Radio) -> None:
        """Registers the listeners; a click on a face of the galleries chooses it for editing."""

        def move(samples: Samples | None, *values: float) -> Any:
            return gr.skip() if samples is None else self._decoded(samples, values)

        def pick(number: int) -> Any:
            def picked(samples: Samples | None, event: gr.SelectData) -> Any:
                if samples is None or number >= len(samples.latents):
                    return gr.skip()
                return self.show(samples.latents, list(samples.latents)[number], event.index)

            return picked

        def walk(samples: Samples | None, seed: float, prior: str) -> str:
            if samples is None:
                return pictures.note("Choose a model for a random walk.")
            model = samples.model
            pipeline = self._cache.get(model, "VAEPipeline")
            frames = random_walk(pipeline, int(seed or 0), prior_of(prior))
            file = f"{pictures.file_name(model)}-random-walk.webp"
            return pictures.animation(frames, f"a random walk of {model}", file, closed=True)

        moves = [slider.input for slider in self._sliders]
        compute(moves, move, [self._samples, *self._sliders], self._face)
        for number, gallery in enumerate(galleries):
            compute(gallery.select, pick(number), self._samples, self.outputs)
        once = {"trigger_mode": "once", "show_progress": "full"}
        compute(self._walk.click, walk, [self._samples, seed, prior], self._film, **once)

    def _decoded(self, samples: Samples, values: Sequence[float] = ()) -> Image.Image:
        pipeline = self._cache.get(samples.model, "VAEPipeline")
        return pictures.enlarge(pipeline.decode(samples.edited(values))[0])

"""The API: four named endpoints, which are also the tools of the MCP server."""

import inspect
from collections.abc import Callable
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import gradio as gr
from gradio.utils import get_function_description

from hf_gen.demo.latents import draw
from hf_gen.demo.limits import MAX_FACES
from hf_gen.demo.models import ModelCache
from hf_gen.demo.pictures import enlarge
from hf_gen.demo.reconstruct import STEPS, Method
from hf_gen.demo.reconstruct import interpolate as interpolate_faces
from hf_gen.demo.reconstruct import reconstruct as reconstruct_one
from hf_gen.demo.requests import QUEUE, computes
from hf_gen.demo.sample import MAX_SEED
from hf_gen.demo.translate import translate as translate_all
from hf_gen.demo.uploads import open_uploads
from hf_gen.errors import UserError
from hf_gen.metrics import Direction, PriorName

_MAX_STEPS = 64


def build(cache: ModelCache) -> None:
    """Adds the endpoints, which are invisible on the page."""

    def reconstruct(image: str, model: str) -> tuple[Any, dict[str, float | None]]:
        """Send a face through an autoencoder.

        Args:
            image: A picture; its centre square is taken.
            model: One of the demo's autoencoders.

        Returns:
            The reconstruction, and "psnr" in decibels, "ssim", "bits_per_dimension" (null where
            the model has no likelihood) and "milliseconds".
        """
        one = reconstruct_one(cache.get(model, "VAEPipeline"), _open(image))
        return enlarge(one.output), one.metrics

    def sample(
        model: str,
        count: int = 4,
        seed: int = 0,
        prior: PriorName | None = None,
        temperature: float | None = None,
    ) -> list[Any]:
        """Sample new faces; the same seed gives the same faces.

        Args:
            model: One of the demo's autoencoders.
            count: How many faces, 1 to 36.
            seed: 0 to 2147483647.
            prior: standard (normal), or fitted: gaussian, mixture, flow. Default: the model's.
            temperature: Below 1 for more typical faces. Default: the model's, 1 for a named prior.

        Returns:
            The faces.
        """
        pipeline = cache.get(model, "VAEPipeline")
        _check("count", count, 1, MAX_FACES)
        _check("seed", seed, 0, MAX_SEED)
        if prior is not None and prior not in pipeline.priors:
            raise UserError(f"{model} has no prior {prior!r}: it has {', '.join(pipeline.priors)}")
        latents, *_ = draw(pipeline, int(count), int(seed), prior, temperature)
        return [enlarge(face) for face in pipeline.decode(latents)]

    def interpolate(
        first: str,
        second: str,
        model: str,
        steps: int = STEPS,
        method: Method = "linear",
        frozen_dims: list[int] | None = None,
    ) -> list[Any]:
        """Interpolate between two faces in the latent space of an autoencoder.

        Args:
            first: The picture at the start.
            second: The picture at the end.
            model: One of the demo's autoencoders.
            steps: How many faces, both ends included, 2 to 64.
            method: "linear" or "spherical".
            frozen_dims: Latent dimensions that stay as in the first face.

        Returns:
            The interpolated faces.
        """
        _check("steps", steps, 2, _MAX_STEPS)
        frozen = frozen_dims or []
        if not isinstance(frozen, list) or any(type(dimension) is not int for dimension in frozen):
            raise UserError(f"frozen_dims must be integers, got {frozen_dims}: try [0, 3]")
        pipeline = cache.get(model, "VAEPipeline")
        frames = interpolate_faces(
            pipeline, _open(first), _open(second), int(steps), method, frozen
        )
        return [enlarge(face) for face in frames]

    def translate(
        image: str, model: str, direction: Direction = "a_to_b"
    ) -> tuple[Any, Any, dict[str, float | None]]:
        """Translate an anime face into a cartoon, or a cartoon into an anime face, and back.

        Args:
            image: A picture; its centre square is taken.
            model: One of the demo's CycleGANs.
            direction: "a_to_b" for anime to cartoon, "b_to_a" for cartoon to anime.

        Returns:
            The translation, its cycle reconstruction, and "cycle_l1", the mean absolute
            difference of the image and its cycle reconstruction in [0, 2], with "milliseconds".
        """
        pipeline = cache.get(model, "TranslationPipeline")
        (one,) = translate_all(pipeline, [_open(image)], direction)
        return enlarge(one.output), enlarge(one.inset), one.metrics

    with gr.Row(visible=False):
        measurements = gr.JSON(label="Measurements")
        faces = gr.Gallery(label="Faces", format="png")
        output, cycle = (
            gr.Image(label=label, format="png") for label in ("Output", "Cycle reconstruction")
        )
        autoencoders, translators = (
            cache.names(family) for family in ("VAEPipeline", "TranslationPipeline")
        )
        _offer(reconstruct, autoencoders, [output, measurements])
        _offer(sample, autoencoders, [faces])
        _offer(interpolate, autoencoders, [faces])
        _offer(translate, translators, [output, cycle, measurements])


def _offer(function: Callable[..., Any], models: list[str], outputs: list[Any]) -> None:
    """Adds an endpoint, whose inputs are those of the function's signature and docstring."""
    name, (_, labels, _) = function.__name__, get_function_description(function)
    parameters = inspect.signature(function).parameters.values()
    inputs = [_component(one, labels[one.name], models) for one in parameters]
    gr.Button().click(computes(function), inputs, outputs, api_name=name, **QUEUE)


def _component(parameter: inspect.Parameter, label: str, models: list[str]) -> Any:
    """A hidden input, which accepts any value: the functions report a wrong one themselves."""
    kind, default = parameter.annotation, parameter.default
    if get_origin(kind) in (Union, UnionType):  # with None
        kind, _ = get_args(kind)
    if parameter.name in ("image", "first", "second"):
        # An image component would decode the file before `open_uploads` can check it.
        return gr.File(label=label, type="filepath")
    if kind in (int, float):
        return gr.Number(default, label=label, precision=0 if kind is int else None)
    if parameter.name == "model" or get_origin(kind) is Literal:
        choices = models if parameter.name == "model" else [*get_args(kind)]
        default = next(iter(models), None) if parameter.name == "model" else default
        return gr.Dropdown(choices, value=default, label=label, allow_custom_value=True)
    return gr.JSON(default or [], label=label)


def _open(path: str | None) -> Any:
    (image,) = open_uploads([path] if path else [])
    return image


def _check(name: str, value: float | None, low: int, high: int) -> None:
    if value is None or not low <= value <= high or value != int(value):
        raise UserError(f"{name} must be an integer from {low} to {high}, got {value}")

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
from hf_gen.demo.references import MAX_SEED
from hf_gen.demo.requests import QUEUE, computes
from hf_gen.demo.translate import translate as translate_all
from hf_gen.demo.uploads import open_uploads
from hf_gen.errors import UserError
from hf_gen.metrics import DIRECTIONS, Direction

BEST_VAES = ("face-vae", "conv-vae")
BEST_TRANSLATORS = ("cyclegan",)
Prior = Literal["default", "standard", "gaussian", "mixture", "flow"]
_MAX_STEPS, _MAX_TEMPERATURE = 64, 100


def build(cache: ModelCache) -> None:
    """Adds the endpoints, which are invisible on the page."""
    autoencoders, translators = (
        cache.names(family) for family in ("VAEPipeline", "TranslationPipeline")
    )
    vae, translator = _best(autoencoders, BEST_VAES), _best(translators, BEST_TRANSLATORS)

    def reconstruct(image: str, model: str = "") -> tuple[Any, dict[str, float | None]]:
        """Send a face through an autoencoder.

        Args:
            image: A picture; its centre square is taken.
            model: One of the demo's autoencoders; the default is the sharpest.

        Returns:
            The reconstruction, and "psnr" in decibels, "ssim", "bits_per_dimension" (null where
            the model has no likelihood) and "milliseconds".
        """
        one = reconstruct_one(cache.get(model or vae, "VAEPipeline"), _open(image))
        return enlarge(one.output), one.metrics

    def sample(
        model: str = "",
        count: int = 4,
        seed: int = 0,
        prior: Prior = "default",
        temperature: float | None = None,
    ) -> list[Any]:
        """Sample new faces; the same seed gives the same faces.

        Args:
            model: One of the demo's autoencoders; the default is the sharpest.
            count: How many faces, 1 to 36.
            seed: 0 to 2147483647.
            prior: standard (normal), gaussian, mixture or flow; default is the model's own.
            temperature: Below 1 for more typical faces; without it the model's own, or 1.

        Returns:
            The faces.
        """
        pipeline = cache.get(model or vae, "VAEPipeline")
        _check("count", count, 1, MAX_FACES)
        _check("seed", seed, 0, MAX_SEED)
        chosen = None if prior in (None, "default") else prior
        if chosen is not None and chosen not in pipeline.priors:
            known = ", ".join(["default", *pipeline.priors])
            raise UserError(f"{model or vae} has no prior {prior!r}: it has {known}")
        if temperature is not None and not 0 <= temperature <= _MAX_TEMPERATURE:
            raise UserError(
                f"temperature must be from 0 to {_MAX_TEMPERATURE}, got {temperature}: try 1"
            )
        latents, *_ = draw(pipeline, int(count), int(seed), chosen, temperature)
        return [enlarge(face) for face in pipeline.decode(latents)]

    def interpolate(
        first: str,
        second: str,
        model: str = "",
        steps: int = STEPS,
        method: Method = "linear",
        frozen_dims: list[int] | None = None,
    ) -> list[Any]:
        """Interpolate between two faces in the latent space of an autoencoder.

        Args:
            first: The picture at the start.
            second: The picture at the end.
            model: One of the demo's autoencoders; the default is the sharpest.
            steps: How many faces, both ends included, 2 to 64.
            method: "linear" or "spherical".
            frozen_dims: Latent dimensions that stay as in the first face.

        Returns:
            The interpolated faces.
        """
        _check("steps", steps, 2, _MAX_STEPS)
        _check_choice("method", method, get_args(Method))
        frozen = frozen_dims or []
        if not isinstance(frozen, list) or any(
            type(dimension) is not int or dimension < 0 for dimension in frozen
        ):
            raise UserError(
                f"frozen_dims must be integers of at least 0, got {frozen_dims!r}: try [0, 3]"
            )
        pipeline = cache.get(model or vae, "VAEPipeline")
        frames = interpolate_faces(
            pipeline, _open(first), _open(second), int(steps), method, frozen
        )
        return [enlarge(face) for face in frames]

    def translate(
        image: str, model: str = "", direction: Direction = "a_to_b"
    ) -> tuple[Any, Any, dict[str, float | None]]:
        """Translate an anime face into a cartoon, or a cartoon into an anime face, and back.

        Args:
            image: A picture; its centre square is taken.
            model: One of the demo's CycleGANs; the default is the best.
            direction: "a_to_b" for anime to cartoon, "b_to_a" for cartoon to anime.

        Returns:
            The translation, its cycle reconstruction, and "cycle_l1", the mean absolute
            difference of the image and its cycle reconstruction in [0, 2], with "milliseconds".
        """
        if direction not in DIRECTIONS:
            raise UserError(
                "direction must be a_to_b (anime to cartoon) or b_to_a (cartoon to anime), got "
                f"{direction!r}"
            )
        pipeline = cache.get(model or translator, "TranslationPipeline")
        (one,) = translate_all(pipeline, [_open(image)], direction)
        return enlarge(one.output), enlarge(one.inset), one.metrics

    with gr.Row(visible=False):
        measurements = gr.JSON(label="Measurements")
        faces = gr.Gallery(label="Faces", format="png")
        output, cycle = (
            gr.Image(label=label, format="png") for label in ("Output", "Cycle reconstruction")
        )
        _offer(reconstruct, autoencoders, vae, [output, measurements])
        _offer(sample, autoencoders, vae, [faces])
        _offer(interpolate, autoencoders, vae, [faces])
        _offer(translate, translators, translator, [output, cycle, measurements])


def return_images(server: Any) -> None:
    """Lets the tools of gradio's MCP server return images.

    Gradio takes several outputs, and the images of a gallery, for one value, and returns its text.
    """
    execute = server._execute_tool_without_progress

    async def flat(job: Any) -> list[Any]:
        (result,) = await execute(job)
        outputs = [result] if isinstance(result, dict) or _is_gallery(result) else [*result]
        return [
            part
            for one in outputs
            for part in ([face["image"] for face in one] if _is_gallery(one) else [one])
        ]

    server._execute_tool_without_progress = flat


def _is_gallery(output: Any) -> bool:
    return isinstance(output, list) and all(
        isinstance(one, dict) and "image" in one for one in output
    )


def _best(names: list[str], order: tuple[str, ...]) -> str:
    """The first of an order that is there, or any; "" without a model."""
    return next(iter([*(name for name in order if name in names), *names]), "")


def _offer(function: Callable[..., Any], models: list[str], best: str, outputs: list[Any]) -> None:
    """Adds an endpoint, whose inputs are those of the function's signature and docstring."""
    name, (_, labels, _) = function.__name__, get_function_description(function)
    parameters = inspect.signature(function).parameters.values()
    inputs = [_component(one, labels[one.name], models, best) for one in parameters]
    gr.Button().click(computes(function), inputs, outputs, api_name=name, **QUEUE)


def _component(parameter: inspect.Parameter, label: str, models: list[str], best: str) -> Any:
    """A hidden input, which accepts any value: the functions report a wrong one themselves."""
    kind, default = parameter.annotation, parameter.default
    if get_origin(kind) in (Union, UnionType):  # with None
        kind, _ = get_args(kind)
    if parameter.name in ("image", "first", "second"):
        # An image component would decode the file before `open_uploads` can check it.
        return gr.File(label=label, type="filepath")
    if kind in (int, float):
        # Without a precision: a count of 2.5 is an error, and not 2.
        return gr.Number(default, label=label)
    if parameter.name == "model" or get_origin(kind) is Literal:
        choices = models if parameter.name == "model" else [*get_args(kind)]
        default = best if parameter.name == "model" else default
        return gr.Dropdown(choices, value=default, label=label, allow_custom_value=True)
    return gr.JSON(default or [], label=label)


def _open(path: str | None) -> Any:
    (image,) = open_uploads([path] if path else [])
    return image


def _check_choice(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UserError(f"{name} must be {' or '.join(known)}, got {value!r}")


def _check(name: str, value: float | None, low: int, high: int) -> None:
    if not isinstance(value, int | float) or not low <= value <= high or value != int(value):
        raise UserError(f"{name} must be an integer from {low} to {high}, got {value}")

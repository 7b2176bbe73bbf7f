"""The API: four named endpoints, which are also the tools of the MCP server."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from hf_gen.demo.latents import draw
from hf_gen.demo.limits import MOST_FACES
from hf_gen.demo.models import Family, ModelCache
from hf_gen.demo.pictures import enlarge
from hf_gen.demo.reconstruct import STEPS, Method
from hf_gen.demo.reconstruct import interpolate as interpolate_faces
from hf_gen.demo.reconstruct import reconstruct as reconstruct_one
from hf_gen.demo.requests import QUEUE, computes
from hf_gen.demo.sample import MOST_SEED, PRIORS
from hf_gen.demo.translate import translate as translate_all
from hf_gen.demo.uploads import open_uploads
from hf_gen.errors import UserError
from hf_gen.metrics import Direction, PriorName

_MOST_STEPS = 64


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
        prior: PriorName = "standard",
        temperature: float = 1.0,
    ) -> list[Any]:
        """Sample new faces; the same seed gives the same faces.

        Args:
            model: One of the demo's autoencoders.
            count: How many faces, 1 to 36.
            seed: 0 to 2147483647.
            prior: The distribution of the latents: "standard" (normal), or "gaussian" or "mixture",
                which are fitted to the latents of the training faces.
            temperature: Multiplies the prior's standard deviations; below 1 for more typical faces.

        Returns:
            The faces.
        """
        pipeline = cache.get(model, "VAEPipeline")
        _check("count", count, 1, MOST_FACES)
        _check("seed", seed, 0, MOST_SEED)
        if not isinstance(temperature, int | float):
            raise UserError(f"temperature must be a number, got {temperature}: try 1")
        if prior not in pipeline.priors:
            raise UserError(f"{model} has no prior {prior!r}: it has {', '.join(pipeline.priors)}")
        latents, _ = draw(pipeline, int(count), int(seed), prior, temperature)
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
        _check("steps", steps, 2, _MOST_STEPS)
        frozen = frozen_dims or []
        if not isinstance(frozen, list) or any(type(dimension) is not int for dimension in frozen):
            raise UserError(f"frozen_dims must be whole numbers, got {frozen_dims}: try [0, 3]")
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
            The translation, its cycle reconstruction, and "cycle_error", the mean absolute
            difference of the image and its cycle reconstruction in [0, 2], with "milliseconds".
        """
        pipeline = cache.get(model, "TranslationPipeline")
        (one,) = translate_all(pipeline, [_open(image)], direction)
        return enlarge(one.output), enlarge(one.inset), one.metrics

    with gr.Row(visible=False):
        _offer(
            reconstruct,
            [_image("A picture; its centre square is taken"), _model(cache, "VAEPipeline")],
            [_output("Reconstruction"), gr.JSON(label="Measurements")],
        )
        _offer(
            sample,
            [
                _model(cache, "VAEPipeline"),
                gr.Number(4, label=f"Faces, 1 to {MOST_FACES}", precision=0),
                gr.Number(0, label="Seed", precision=0),
                _choice([name for _, name in PRIORS], "Prior"),
                gr.Number(1.0, label="Temperature, 1 as the prior is"),
            ],
            [gr.Gallery(label="Faces", format="png")],
        )
        _offer(
            interpolate,
            [
                _image("The picture at the start"),
                _image("The picture at the end"),
                _model(cache, "VAEPipeline"),
                gr.Number(STEPS, label=f"Faces, 2 to {_MOST_STEPS}", precision=0),
                _choice(["linear", "spherical"], "Path"),
                gr.JSON([], label="Latents that stay as in the first picture"),
            ],
            [gr.Gallery(label="Interpolation", format="png")],
        )
        _offer(
            translate,
            [
                _image("A picture; its centre square is taken"),
                _model(cache, "TranslationPipeline"),
                _choice(["a_to_b", "b_to_a"], "Direction"),
            ],
            [
                _output("Translation"),
                _output("Cycle reconstruction"),
                gr.JSON(label="Measurements"),
            ],
        )


def _offer(function: Callable[..., Any], inputs: list[Any], outputs: list[Any]) -> None:
    name = function.__name__
    gr.Button().click(computes(function), inputs, outputs, api_name=name, **QUEUE)


def _image(label: str) -> gr.File:
    # An image component would decode the file before `open_uploads` can check it.
    return gr.File(label=label, type="filepath")


def _model(cache: ModelCache, family: Family) -> gr.Dropdown:
    return _choice(cache.names(family), "Model")


def _choice(names: Sequence[str], label: str) -> gr.Dropdown:
    # Any value is accepted here: the functions report a wrong one with the right ones.
    value = names[0] if names else None
    return gr.Dropdown([*names], value=value, label=label, allow_custom_value=True)


def _output(label: str) -> gr.Image:
    return gr.Image(label=label, format="png")


def _open(path: str | None) -> Any:
    (image,) = open_uploads([path] if path else [])
    return image


def _check(name: str, value: float | None, low: int, high: int) -> None:
    if value is None or not low <= value <= high or value != int(value):
        raise UserError(f"{name} must be a whole number from {low} to {high}, got {value}")

"""The API: four named endpoints, which are also the tools of the MCP server."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from hf_gen.demo.limits import MOST_FACES
from hf_gen.demo.models import Family, ModelCache
from hf_gen.demo.pixels import enlarge
from hf_gen.demo.reconstruct import STEPS, Method, walk
from hf_gen.demo.reconstruct import reconstruct as through
from hf_gen.demo.requests import QUEUE, on_the_accelerator, user_errors
from hf_gen.demo.sample import MOST_SEED, PRIORS, draw
from hf_gen.demo.translate import translate as translate_and_back
from hf_gen.demo.uploads import open_uploads
from hf_gen.errors import UserError
from hf_gen.metrics import Direction, PriorName

_MOST_STEPS = 64


def build(cache: ModelCache) -> None:
    """Adds the endpoints to the page; nothing of them is seen there."""

    def image(label: str) -> gr.File:
        # An image component would decode what it is given, before open_uploads can look at it.
        return gr.File(label=label, type="filepath")

    def model(family: Family) -> gr.Dropdown:
        return choice(cache.names(family), "Model")

    def choice(names: Sequence[str], label: str) -> gr.Dropdown:
        # What is not among them gets the sentence of whoever knows what they are.
        value = names[0] if names else None
        return gr.Dropdown([*names], value=value, label=label, allow_custom_value=True)

    def faces(label: str) -> gr.Gallery:
        return gr.Gallery(label=label, format="png")

    def made(label: str) -> gr.Image:
        return gr.Image(label=label, format="png")

    def offer(function: Callable[..., Any], inputs: list[Any], outputs: list[Any]) -> None:
        gr.Button().click(
            user_errors(on_the_accelerator(function)),
            inputs,
            outputs,
            api_name=function.__name__,
            **QUEUE,
        )

    def reconstruct(image: str, model: str) -> tuple[Any, dict[str, float | None]]:
        """Send a face through an autoencoder.

        Args:
            image: A picture; its centre square is taken.
            model: One of the demo's autoencoders.

        Returns:
            The reconstruction, and "psnr" in decibels, "ssim", "bits_per_dimension" (null where
            the model has no likelihood) and "milliseconds".
        """
        one = through(cache.get(model, "VAEPipeline"), _opened(image))
        measured = {
            "psnr": one.psnr,
            "ssim": one.ssim,
            "bits_per_dimension": one.bits,
            "milliseconds": one.milliseconds,
        }
        return enlarge(one.made), measured

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
            prior: Where codes come from: "standard" (normal), "gaussian" or "mixture", which are
                fitted to the codes of the training faces.
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
        codes, _ = draw(pipeline, int(count), int(seed), prior, temperature)
        return [enlarge(face) for face in pipeline.decode(codes)]

    def interpolate(
        first: str,
        second: str,
        model: str,
        steps: int = STEPS,
        method: Method = "linear",
        frozen_dims: list[int] | None = None,
    ) -> list[Any]:
        """Walk from one face to another through the codes of an autoencoder.

        Args:
            first: The picture that it starts at.
            second: The picture that it ends at.
            model: One of the demo's autoencoders.
            steps: How many faces, both ends included, 2 to 64.
            method: "linear" or "spherical".
            frozen_dims: Latent dimensions that stay as in the first face.

        Returns:
            The faces along the walk.
        """
        _check("steps", steps, 2, _MOST_STEPS)
        frozen = frozen_dims or []
        if not isinstance(frozen, list) or any(type(dimension) is not int for dimension in frozen):
            raise UserError(f"frozen_dims must be whole numbers, got {frozen_dims}: try [0, 3]")
        pipeline = cache.get(model, "VAEPipeline")
        ends = _opened(first), _opened(second)
        frames = walk(pipeline, *ends, int(steps), method, frozen)
        return [enlarge(face) for face in frames]

    def translate(
        image: str, model: str, direction: Direction = "a_to_b"
    ) -> tuple[Any, Any, dict[str, float]]:
        """Turn an anime face into a cartoon, or a cartoon into an anime face, and back again.

        Args:
            image: A picture; its centre square is taken.
            model: One of the demo's CycleGANs.
            direction: "a_to_b" for anime to cartoon, "b_to_a" for cartoon to anime.

        Returns:
            The translation, its cycle reconstruction, and "cycle_error", the mean absolute
            difference of the image and that in [0, 2], with "milliseconds".
        """
        pipeline = cache.get(model, "TranslationPipeline")
        (one,) = translate_and_back(pipeline, [_opened(image)], direction)
        measured = {"cycle_error": one.error, "milliseconds": one.milliseconds}
        return enlarge(one.made), enlarge(one.back), measured

    with gr.Row(visible=False):
        offer(
            reconstruct,
            [image("A picture; its centre square is taken"), model("VAEPipeline")],
            [made("Reconstruction"), gr.JSON(label="Measurements")],
        )
        offer(
            sample,
            [
                model("VAEPipeline"),
                gr.Number(4, label=f"Faces, 1 to {MOST_FACES}", precision=0),
                gr.Number(0, label="Seed", precision=0),
                choice([name for _, name in PRIORS], "Prior"),
                gr.Number(1.0, label="Temperature, 1 as the prior is"),
            ],
            [faces("Faces")],
        )
        offer(
            interpolate,
            [
                image("The picture that the walk starts at"),
                image("The picture that it ends at"),
                model("VAEPipeline"),
                gr.Number(STEPS, label=f"Faces, 2 to {_MOST_STEPS}", precision=0),
                choice(["linear", "spherical"], "Path"),
                gr.JSON([], label="Dimensions that stay as in the first picture"),
            ],
            [faces("Walk")],
        )
        offer(
            translate,
            [
                image("A picture; its centre square is taken"),
                model("TranslationPipeline"),
                choice(["a_to_b", "b_to_a"], "Direction"),
            ],
            [made("Translation"), made("Cycle reconstruction"), gr.JSON(label="Measurements")],
        )


def _opened(path: str | None) -> Any:
    (image,) = open_uploads([path] if path else [])
    return image


def _check(name: str, value: float | None, low: int, high: int) -> None:
    if value is None or not low <= value <= high or value != int(value):
        raise UserError(f"{name} must be a whole number from {low} to {high}, got {value}")

"""A face by its reference: a line of text, kept in links, from which the face is made again.

example:anime-137                        a synthetic face that comes along
sample:face-vae:7:12:3                   model, seed, how many, which; then prior, temperature
made:anime:3.1.0.2.5.0.1.4:0.97:-3.5:8   style, factors, width, tilt, variation
upload:2                                 a file of this visitor, which no link keeps
FACE~like:face-vae:4                     the fourth neighbour by a model
FACE~edit:face-vae:head_tilt=0.5,l3=-1   along directions, or latents by number
"""

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from hf_gen.demo.latents import change, draw
from hf_gen.demo.limits import MAX_FACES
from hf_gen.demo.models import ModelCache
from hf_gen.demo.uploads import EXAMPLES, example_faces, open_upload
from hf_gen.errors import UserError
from hf_gen.faces.drawing import STYLES, face_png
from hf_gen.faces.factors import CONTINUOUS, FACTORS, Face
from hf_gen.images import square
from hf_gen.metrics import PRIORS

if TYPE_CHECKING:
    from torch import Tensor

FIRST = "example:anime-137"
NEIGHBOURS = 12
MAX_SEED = 2**31 - 1
_STRENGTH = 0.5
_MADE_SIZE = 256
_MAX_STEPS = 24


@dataclass(frozen=True)
class FaceSource:
    """Where faces are made from: the models, and the files of a visitor by their number."""

    cache: ModelCache
    uploads: Mapping[int, str]

    def image(self, reference: str) -> Image.Image:
        """The face as an RGB picture, of any size.

        Raises:
            UserError: If the reference is none, or its model or file is not here.
        """
        before, _, step = check(reference).rpartition("~")
        if before or reference.startswith("sample:"):
            model = (step if before else reference).split(":")[1]
            pipeline = self.cache.get(model, "VAEPipeline")
            return pipeline.decode(self.latents(reference, model))[0]
        kind, _, rest = reference.partition(":")
        if kind == "example":
            return Image.open(EXAMPLES / f"{rest}.png").convert("RGB")
        if kind == "upload":
            if int(rest) not in self.uploads:
                raise UserError("That picture is no longer here: drop it again")
            return open_upload(self.uploads[int(rest)])
        style, face = _made(rest)
        return Image.open(io.BytesIO(face_png(face, style, _MADE_SIZE)))

    def latents(self, reference: str, model: str) -> "Tensor":
        """The code of the face in a model, (1, channels, height, width).

        It is exact where the model has made the face; other faces are encoded.
        """
        pipeline = self.cache.get(model, "VAEPipeline")
        before, _, step = check(reference).rpartition("~")
        kind, _, rest = step.partition(":")
        name, _, value = rest.partition(":")
        if name != model or kind not in ("sample", "like", "edit"):
            return pipeline.encode(square(self.image(reference), pipeline.config.resolution))
        if kind == "like":
            return self.neighbour_latents(before, model)[int(value) : int(value) + 1]
        if kind == "edit":
            return change(pipeline, self.latents(before, model), edits_of(value))
        seed, count, place, *prior = value.split(":")
        chosen = (prior[0], float(prior[1])) if prior else (None, None)
        latents, *_ = draw(pipeline, int(count), int(seed), *chosen)
        return latents[int(place) : int(place) + 1]

    def neighbour_latents(self, reference: str, model: str) -> "Tensor":
        """The codes of faces like the face, (NEIGHBOURS, channels, height, width)."""
        import torch

        # At each step others: the same samples would lead on in the same directions.
        generator = torch.Generator().manual_seed(reference.count("~"))
        pipeline, code = self.cache.get(model, "VAEPipeline"), self.latents(reference, model)
        return pipeline.neighbour_latents(code, NEIGHBOURS, _STRENGTH, generator)


def check(reference: str) -> str:
    """The reference itself; raises a `UserError` if it is none, whatever text it is."""
    base, *steps = reference.split("~") if isinstance(reference, str) else [""]
    kind, *parts = base.split(":")
    try:
        known: dict[str, Callable[..., bool]] = {
            "example": _is_example,
            "sample": _is_sample,
            "made": _is_made,
        }
        is_one = parts[0].isdecimal() if kind == "upload" else known[kind](*parts)
        is_one = is_one and len(steps) <= _MAX_STEPS and all(map(_is_step, steps))
    except (KeyError, IndexError, TypeError, ValueError):
        is_one = False
    if not is_one:
        raise UserError(f"There is no face {str(reference)[:60]!r}: choose another")
    return reference


def sampled(model: str, seed: int, count: int, place: int, *prior: Any) -> str:
    """The reference of a sample; of one from a prior that was chosen, with its temperature."""
    return ":".join(["sample", model, *map(str, (seed, count, place, *prior))])


def made(style: str, face: Face) -> str:
    """The reference of a synthetic face."""
    places = [list(values).index(getattr(face, name)) for name, values in FACTORS.items()]
    numbers = [f"{getattr(face, name):g}" for name in CONTINUOUS]
    return ":".join(["made", style, ".".join(map(str, places)), *numbers, str(face.variation)])


def edited(reference: str, model: str, edits: str) -> str:
    """The face with edits, such as "head_tilt=0.5"; itself without any."""
    return f"{reference}~edit:{model}:{edits}" if edits else reference


def neighbour(reference: str, model: str, place: int) -> str:
    """One of the `NEIGHBOURS` of the face by a model."""
    return f"{reference}~like:{model}:{place}"


def counterpart(reference: str, style: str) -> str:
    """A synthetic face in the other style, an example by its place; any other face as it is."""
    kind, _, rest = reference.partition(":")
    other = "anime" if style == "cartoon" else "cartoon"
    if not rest.startswith(other) or "~" in reference:
        return reference
    if kind == "made":
        return f"made:{style}{rest.removeprefix(other)}"
    stems = [[path.stem for path in example_faces(one)] for one in (other, style)]
    return f"example:{stems[1][stems[0].index(rest) % len(stems[1])]}"


def edits_of(text: str) -> dict[str, float]:
    """The values by direction or latent, such as {"head_tilt": 0.5, "l3": -1.0}."""
    pairs = (pair.partition("=") for pair in text.split(",") if pair)
    values = {name: float(value) for name, _, value in pairs}
    if not all(map(math.isfinite, values.values())):
        raise ValueError(f"edits must be finite, got {text}")
    return values


def words_of(reference: str) -> str:
    """What the page calls the face."""
    base, *steps = reference.split("~")
    kind, *parts = base.split(":")
    match kind:
        case "sample":
            words = f"face {int(parts[3]) + 1} of seed {parts[1]}, {parts[0]}"
        case "example" | "made":
            style = parts[0].partition("-")[0]
            words = f"a synthetic {style} face"
        case _:
            words = "your picture"
    return words if not steps else f"{words}, changed"


def _is_example(name: str) -> bool:
    return any(name == path.stem for style in STYLES for path in example_faces(style))


def _is_sample(model: str, seed: str, count: str, place: str, *prior: str) -> bool:
    if prior:
        kind, temperature = prior
        if kind not in PRIORS or not 0 <= float(temperature) <= 100:
            return False
    return bool(model) and 0 <= int(seed) <= MAX_SEED and 0 <= int(place) < int(count) <= MAX_FACES


def _is_made(*parts: str) -> bool:
    style, _ = _made(":".join(parts))
    return style in STYLES


def _made(text: str) -> tuple[str, Face]:
    style, places, width, tilt, variation = text.split(":")
    if not places.replace(".", "").isdecimal():
        raise ValueError(f"factors must be numbers of their values, got {places}")
    values = zip(FACTORS.items(), map(int, places.split(".")), strict=True)
    chosen: dict[str, Any] = {name: options[place] for (name, options), place in values}
    numbers: dict[str, Any] = {"face_width": float(width), "head_tilt": float(tilt)}
    for name, (low, high) in CONTINUOUS.items():
        if not low <= numbers[name] <= high:
            raise ValueError(f"{name} must be from {low} to {high}, got {numbers[name]}")
    return style, Face(**chosen, **numbers, variation=int(variation) % 2**32)


def _is_step(step: str) -> bool:
    kind, model, value = step.split(":")
    if kind == "like":
        return bool(model) and 0 <= int(value) < NEIGHBOURS
    return kind == "edit" and bool(model) and len(edits_of(value)) <= 64

"""The latents of faces: drawn from priors, changed, and on the way from one to another."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from hf_gen.errors import UserError
from hf_gen.metrics import PRIORS, PriorName

if TYPE_CHECKING:
    from torch import Tensor

    from hf_gen.pipelines import VAEPipeline

SPAN = 4.0
"""How far a single latent is moved from 0."""
_STATIONS, _FRAMES = 6, 10
_PAD = 9


def prior_of(choice: str) -> PriorName | None:
    """The prior that is chosen on the page; None for the default of each model."""
    return next((prior for prior in PRIORS if prior == choice), None)


def draw(
    pipeline: "VAEPipeline",
    count: int,
    seed: int,
    prior: str | None = None,
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
    known = next((one for one in pipeline.priors if one == prior), None)
    used, scale = pipeline.resolve_prior(known, temperature)
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


def between_four(pipeline: "VAEPipeline", corners: Sequence["Tensor"]) -> list[list[Image.Image]]:
    """Rows of faces between four codes: the corners are top left, top right, bottom left, right."""
    import torch

    across = torch.linspace(0, 1, _PAD, device=corners[0].device)[:, None, None, None]
    upper, lower = (torch.lerp(left, right, across) for left, right in (corners[:2], corners[2:]))
    codes = [torch.lerp(upper, lower, down) for down in across]
    faces = pipeline.decode(torch.cat(codes))
    return [faces[start : start + _PAD] for start in range(0, len(faces), _PAD)]


def by_influence(pipeline: "VAEPipeline") -> list[int]:
    """The latent dimensions, first those that change the image most; maps in order."""
    channels, *size = pipeline.latent_shape
    if size != [1, 1]:
        return [*range(channels)]
    return pipeline.influence().argsort(descending=True).tolist()


def change(pipeline: "VAEPipeline", codes: "Tensor", edits: Mapping[str, float]) -> "Tensor":
    """Codes along the directions of the pipeline, then with single latents, "l3", set.

    Raises:
        UserError: If there is no such direction or latent, or a value is out of its range.
    """
    numbered = {name: value for name, value in edits.items() if name[1:].isdecimal()}
    named = {name: value for name, value in edits.items() if name not in numbered}
    for name, value in named.items():
        known = next((one for one in pipeline.directions if one.name == name), None)
        if known is None or not known.low <= value <= known.high:
            raise UserError(f"This model cannot change {name} to {value:g}: move another slider")
    if named:
        codes = pipeline.editor.move(codes, named)
    codes = codes.clone()
    for name, value in numbered.items():
        if name[0] != "l" or int(name[1:]) >= codes.shape[1] or abs(value) > 2 * SPAN:
            raise UserError(f"This model cannot set latent {name} to {value:g}")
        codes[:, int(name[1:])] = value
    return codes


def values_of(pipeline: "VAEPipeline", codes: "Tensor", names: Sequence[str]) -> dict[str, float]:
    """Where a face stands: 0 on a direction, its hue on a wheel, the mean of a latent's map.

    Args:
        pipeline: What made or encoded it.
        codes: (1, channels, height, width).
        names: Of directions and latents, such as "head_tilt" and "l3".
    """
    wheels = [one.name for one in pipeline.directions if one.is_wheel]
    values: dict[str, float] = {}
    for name in names:
        if name[1:].isdecimal():
            mean = codes[0, int(name[1:])].mean().item()
            values[name] = round(max(-SPAN, min(SPAN, mean)), 2)
        elif name in wheels:
            values[name] = round(_hue(pipeline.editor, codes, wheels.index(name)), 2)
        else:
            values[name] = 0.0
    return values


def _hue(editor: Any, codes: "Tensor", wheel: int) -> float:
    rows = slice(2 * wheel, 2 * wheel + 2)
    place = editor.readers[rows].float() @ codes.flatten().float() + editor.offsets[rows].float()
    return math.atan2(place[1].item(), place[0].item()) / (2 * math.pi) % 1.0

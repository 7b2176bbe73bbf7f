"""The pictures that a page shows before it has loaded a model: a wall of faces that moves.

The page draws the same faces from the same noise once the model is there: `noise` is what
hf_gen/web/js/random.js computes.
"""

import math
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hf_gen.export.graphs import Graph, graphs_of
from hf_gen.images import to_pixels
from hf_gen.models.prior import AnyKLPrior
from hf_gen.pipelines import TranslationPipeline, VAEPipeline

SEED = 7
"""Of the wall that a page opens with."""
FACES = 24
_STRIDE = 11  # from a face to the next of the walk: they are no neighbours on the wall
_STEPS = 5  # pictures from a face to the next, with the face itself
_TILE = 64
_QUALITY = {"faces": 86, "walk": 72}
_GOLDEN = 0x9E3779B9


def write_pictures(pipeline: VAEPipeline | TranslationPipeline, folder: Path) -> dict[str, Any]:
    """Writes faces.webp, and of an autoencoder walk.webp: a closed walk through the faces.

    Returns:
        How the page cuts them: `seed`, `tile` in pixels, `count` of the faces in a row of
        faces.webp, and `steps` from a face to the one `stride` places on; row i of walk.webp has
        those after face i.
    """
    if isinstance(pipeline, TranslationPipeline):
        faces = [_example(path) for path in sorted(_examples()) if path.startswith("anime")]
        _save([faces], folder / "faces.webp", "faces")
        return {"seed": SEED, "tile": _TILE, "count": len(faces), "steps": 1, "stride": 0}
    graphs = graphs_of(pipeline)
    codes = sample(pipeline, SEED, FACES)
    mean = mean_of(pipeline).view(codes.shape[1:])
    shares = torch.arange(_STEPS).view(-1, 1, 1, 1, 1) / _STEPS
    ends = codes.roll(-_STRIDE, 0)
    norms = (shares**2 + (1 - shares) ** 2).sqrt()
    # As `mix` of hf_gen/web/js/latents.js: the spread of the codes stays what it is.
    path = mean + ((1 - shares) * (codes - mean) + shares * (ends - mean)) / norms
    tile = min(_TILE, pipeline.config.resolution)
    steps = [
        [_tile(image, tile) for image in _run(graphs["decoder"], latents=step)] for step in path
    ]
    _save([steps[0]], folder / "faces.webp", "faces")
    _save(list(zip(*steps[1:], strict=True)), folder / "walk.webp", "walk")
    return {"seed": SEED, "tile": tile, "count": FACES, "steps": _STEPS, "stride": _STRIDE}


def sample(pipeline: VAEPipeline, seed: int, count: int) -> Tensor:
    """The latents of the first faces of a wall, (count, channels, height, width)."""
    size = math.prod(pipeline.latent_shape)
    keys = [derive(seed, place) for place in range(count)]
    rows = np.stack([noise(key, size) for key in keys])
    uniforms = torch.tensor([uniform(key, np.arange(1))[0] for key in keys], dtype=torch.float32)
    scaled = pipeline.config.default_temperature * torch.from_numpy(rows)
    return _run(graphs_of(pipeline)["prior"], noise=scaled, uniform=uniforms)


def mean_of(pipeline: VAEPipeline) -> Tensor:
    """What `VAEPipeline.neighbours` mixes around, (latents,): that of the fitted Gaussian, or 0."""
    prior = pipeline.prior
    if prior is None:
        return torch.zeros(math.prod(pipeline.latent_shape))
    return (prior.at(1.0) if isinstance(prior, AnyKLPrior) else prior).mean.float()


def derive(seed: int, *places: int) -> int:
    """The key of a face: of the wall's `seed`, and of its place there and among neighbours."""
    key = _mix(_mix(np.uint32(seed)))  # twice: seed and place are not to be exchanged
    for place in places:
        key = _mix(key ^ _mix(np.uint32(place)))
    return int(key)


def uniform(key: int, counter: np.ndarray) -> np.ndarray:
    """Uniform numbers between 0 and 1, exclusive, one for each counter, in float64."""
    spread = counter.astype(np.uint32) * np.uint32(_GOLDEN)
    return (_mix(_mix(np.uint32(key) ^ _mix(spread))) + 0.5) / 2**32


def noise(key: int, count: int) -> np.ndarray:
    """Standard normal numbers, (count,), in float32, by the Box-Muller transform of `uniform`."""
    pairs = np.arange((count + 1) // 2)
    radius = np.sqrt(-2 * np.log(uniform(key, 2 * pairs + 1)))
    angle = 2 * np.pi * uniform(key, 2 * pairs + 2)
    both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return both.reshape(-1)[:count].astype(np.float32)


def _mix(value: Any) -> Any:
    """Scrambles 32 bits, one to one. Source: https://github.com/skeeto/hash-prospector."""
    with np.errstate(over="ignore"):
        value = np.uint32(value) + np.uint32(_GOLDEN)
        value = (value ^ (value >> np.uint32(16))) * np.uint32(0x21F0AAAD)
        value = (value ^ (value >> np.uint32(15))) * np.uint32(0x735A2D97)
        return value ^ (value >> np.uint32(15))


def _run(graph: Graph, **given: Tensor) -> Tensor:
    """A graph on its inputs; a KL weight that it takes, too, is 1."""
    rows = len(next(iter(given.values())))
    given["kl_weight"] = torch.ones(rows)
    with torch.no_grad():
        return graph.network(**{name: given[name] for name in graph.inputs})


def _tile(image: Tensor, tile: int) -> Image.Image:
    """(3, height, width) in [-1, 1] as a small picture."""
    return Image.fromarray(to_pixels(image[None])[0]).resize((tile, tile), Image.Resampling.LANCZOS)


def _examples() -> list[str]:
    return [path.name for path in (files("hf_gen") / "demo" / "examples").iterdir()]


def _example(name: str) -> Image.Image:
    with (files("hf_gen") / "demo" / "examples" / name).open("rb") as opened:
        small = Image.open(opened).convert("RGB")
    return small.resize((_TILE, _TILE), Image.Resampling.LANCZOS)


def _save(rows: Any, path: Path, kind: str) -> None:
    tile = rows[0][0].width
    sheet = Image.new("RGB", (tile * len(rows[0]), tile * len(rows)))
    for top, row in enumerate(rows):
        for left, image in enumerate(row):
            sheet.paste(image, (left * tile, top * tile))
    sheet.save(path, "WEBP", quality=_QUALITY[kind], method=6)

"""What manifest.json says of a pipeline, beside its files: docs/export.md describes the format."""

import math
from typing import Any

from torch import Tensor

from hf_gen.export.about import About
from hf_gen.export.graphs import kl_weights_of
from hf_gen.models.directions import LatentDirections
from hf_gen.models.prior import AnyKLPrior
from hf_gen.pipelines import TranslationPipeline, VAEPipeline

Manifest = dict[str, Any]
FORMAT_VERSION = 1


def describe(
    pipeline: VAEPipeline | TranslationPipeline, about: About, weights_dtype: str
) -> Manifest:
    """The manifest of an export, with empty `graphs`.

    Args:
        pipeline: On the CPU and in float32.
        about: The model in words and numbers.
        weights_dtype: Of the weights in the files.
    """
    config = pipeline.config
    size = f"{config.resolution}x{config.resolution} pixels"
    if isinstance(pipeline, TranslationPipeline):
        domains = {"a": config.domain_a, "b": config.domain_b}
        line = f"{domains['a']} to {domains['b']} and back, {size}"
        own: Manifest = {"domains": domains}
    else:
        line = f"{about.subject} of {size} from {math.prod(pipeline.latent_shape):,} numbers each"
        own = _of_autoencoder(pipeline)
    return {
        "format_version": FORMAT_VERSION,
        "name": about.name,
        "description": line,
        "license": about.license,
        "training_data": about.training_data,
        "results": [*about.results],
        "weights_dtype": weights_dtype,
        "resolution": config.resolution,
        **own,
        "graphs": {},
    }


def _of_autoencoder(pipeline: VAEPipeline) -> Manifest:
    config, prior = pipeline.config, pipeline.prior
    fitted = prior.at(1.0) if isinstance(prior, AnyKLPrior) else prior
    own: Manifest = {
        "prior": {
            "kind": config.default_prior,
            "temperature": config.default_temperature,
            "mean": [0.0] * math.prod(pipeline.latent_shape)
            if fitted is None
            else numbers(fitted.mean),
        },
        "directions": [] if pipeline.editor is None else _directions(pipeline.editor),
    }
    if weights := kl_weights_of(pipeline):
        own["kl_weight"] = {"low": weights[0], "high": weights[1], "default": 1.0}
    return own


def _directions(model: LatentDirections) -> list[dict[str, Any]]:
    """Of each direction its vector, of each wheel its plane and what reads a code's place in it."""
    listed: list[dict[str, Any]] = []
    names, wheels = model.config.names, model.config.num_wheels
    straight = len(names) - wheels
    for place, name in enumerate(names):
        low, high = model.range_of(name)
        one = {"name": name, "low": low, "high": high}
        if not model.is_wheel(name):
            listed.append(one | {"kind": "slider", "vector": numbers(model.vectors[place])})
            continue
        first = 2 * (place - straight)
        rows = slice(first, first + 2)
        vectors = model.vectors[straight:][rows]
        wheel = {"vectors": vectors, "readers": model.readers[rows], "offsets": model.offsets[rows]}
        listed.append(
            one | {"kind": "wheel"} | {key: numbers(value) for key, value in wheel.items()}
        )
    return listed


def numbers(tensor: Tensor) -> Any:
    """Nested lists with as few digits as float32 needs."""
    if tensor.ndim:
        return [numbers(part) for part in tensor]
    return float(str(tensor.float().numpy()))

"""Image VAEs on anime faces: train, load, reconstruct, sample and walk between faces."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"
__all__ = ["ConvVAE", "DenseVAE", "VAEPipeline", "load"]

if TYPE_CHECKING:
    from hf_gen.models.vae import ConvVAE, DenseVAE
    from hf_gen.pipelines import VAEPipeline, load

_HOMES = {
    "ConvVAE": "hf_gen.models.vae",
    "DenseVAE": "hf_gen.models.vae",
    "VAEPipeline": "hf_gen.pipelines",
    "load": "hf_gen.pipelines",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)

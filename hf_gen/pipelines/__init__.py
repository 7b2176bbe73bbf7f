"""What people load: pipelines around the networks, and `load`, which picks the class."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hf_gen.pipelines.loading import load
    from hf_gen.pipelines.translation import TranslationPipeline
    from hf_gen.pipelines.vae import VAEPipeline

__all__ = ["WEIGHTS", "TranslationPipeline", "VAEPipeline", "load"]

WEIGHTS = Path(__file__).parents[1] / "weights"
"""The bundled models, a folder each."""
_MODULES = {"TranslationPipeline": "translation", "VAEPipeline": "vae", "load": "loading"}


def __getattr__(name: str) -> Any:  # torch takes seconds to import
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)

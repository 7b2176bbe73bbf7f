"""Image VAEs and CycleGANs on anime faces: train, load, sample, interpolate and translate."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hf_gen.models.any_kl_vae import AnyKLVAE
    from hf_gen.models.cyclegan import PatchDiscriminator, ResnetGenerator
    from hf_gen.models.directions import LatentDirections
    from hf_gen.models.patch_generator import PatchGenerator
    from hf_gen.models.prior import AnyKLPrior, LatentPrior
    from hf_gen.models.vae import ConvVAE, DenseVAE, PatchVAE
    from hf_gen.pipelines import TranslationPipeline, VAEPipeline, load

__version__ = "0.1.0"
__all__ = [
    "AnyKLPrior",
    "AnyKLVAE",
    "ConvVAE",
    "DenseVAE",
    "LatentDirections",
    "LatentPrior",
    "PatchDiscriminator",
    "PatchGenerator",
    "PatchVAE",
    "ResnetGenerator",
    "TranslationPipeline",
    "VAEPipeline",
    "load",
]
_MODULES = {
    "AnyKLPrior": "models.prior",
    "AnyKLVAE": "models.any_kl_vae",
    "ConvVAE": "models.vae",
    "DenseVAE": "models.vae",
    "LatentDirections": "models.directions",
    "LatentPrior": "models.prior",
    "PatchDiscriminator": "models.cyclegan",
    "PatchGenerator": "models.patch_generator",
    "PatchVAE": "models.vae",
    "ResnetGenerator": "models.cyclegan",
    "TranslationPipeline": "pipelines",
    "VAEPipeline": "pipelines",
    "load": "pipelines",
}


def __getattr__(name: str) -> Any:  # torch takes seconds to import
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)

"""Image VAEs and CycleGANs on anime faces: train, load, sample, walk and translate."""

from typing import TYPE_CHECKING

from hf_gen.lazy import lazily

__version__ = "0.1.0"
__all__ = [
    "ConvVAE",
    "DenseVAE",
    "LatentPrior",
    "PatchDiscriminator",
    "PatchVAE",
    "ResnetGenerator",
    "TranslationPipeline",
    "VAEPipeline",
    "load",
]

if TYPE_CHECKING:
    from hf_gen.models.cyclegan import PatchDiscriminator, ResnetGenerator
    from hf_gen.models.prior import LatentPrior
    from hf_gen.models.vae import ConvVAE, DenseVAE, PatchVAE
    from hf_gen.pipelines import TranslationPipeline, VAEPipeline, load

__getattr__ = lazily(
    __name__,
    {
        "ConvVAE": "hf_gen.models.vae",
        "DenseVAE": "hf_gen.models.vae",
        "LatentPrior": "hf_gen.models.prior",
        "PatchDiscriminator": "hf_gen.models.cyclegan",
        "PatchVAE": "hf_gen.models.vae",
        "ResnetGenerator": "hf_gen.models.cyclegan",
        "TranslationPipeline": "hf_gen.pipelines",
        "VAEPipeline": "hf_gen.pipelines",
        "load": "hf_gen.pipelines",
    },
)

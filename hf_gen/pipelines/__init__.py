"""What people load: pipelines around the networks, and `load`, which picks the class."""

from hf_gen.pipelines.loading import load
from hf_gen.pipelines.translation import TranslationPipeline
from hf_gen.pipelines.vae import VAEPipeline

__all__ = ["TranslationPipeline", "VAEPipeline", "load"]

"""What people load: pipelines around the networks, and `load`, which picks the class."""

from hf_gen.pipelines.foreign import load_any
from hf_gen.pipelines.loading import WEIGHTS, load
from hf_gen.pipelines.translation import TranslationPipeline
from hf_gen.pipelines.vae import VAEPipeline

__all__ = ["WEIGHTS", "TranslationPipeline", "VAEPipeline", "load", "load_any"]

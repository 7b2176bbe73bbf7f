"""What people load: pipelines around the networks, and `load`, which picks the class."""

from pathlib import Path
from typing import TYPE_CHECKING

from hf_gen.lazy import lazily

__all__ = ["WEIGHTS", "TranslationPipeline", "VAEPipeline", "load", "load_any"]

WEIGHTS = Path(__file__).parents[1] / "weights"
"""The models that come with hf_gen, a folder each."""

if TYPE_CHECKING:
    from hf_gen.pipelines.foreign import load_any
    from hf_gen.pipelines.loading import load
    from hf_gen.pipelines.translation import TranslationPipeline
    from hf_gen.pipelines.vae import VAEPipeline

__getattr__ = lazily(
    __name__,
    {
        "TranslationPipeline": "hf_gen.pipelines.translation",
        "VAEPipeline": "hf_gen.pipelines.vae",
        "load": "hf_gen.pipelines.loading",
        "load_any": "hf_gen.pipelines.foreign",
    },
)

"""Pictures and curves: every figure of a run, and of several runs side by side."""

from hf_gen.report.translation import draw_translation_figures, draw_translations
from hf_gen.report.vae import draw_vae_figures, draw_vae_pictures

__all__ = [
    "draw_translation_figures",
    "draw_translations",
    "draw_vae_figures",
    "draw_vae_pictures",
]

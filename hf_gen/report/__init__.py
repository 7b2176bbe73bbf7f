"""Figures of a run, and reports that compare several runs."""

from hf_gen.report.any_kl import draw_any_kl_figures
from hf_gen.report.run import EvaluatedRun
from hf_gen.report.translation import draw_translation_figures, draw_translations
from hf_gen.report.vae import draw_vae_figures, draw_vae_pictures

__all__ = [
    "EvaluatedRun",
    "draw_any_kl_figures",
    "draw_translation_figures",
    "draw_translations",
    "draw_vae_figures",
    "draw_vae_pictures",
]

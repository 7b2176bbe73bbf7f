"""Small models with what the bundled ones lack, made by the library's own functions."""

import torch

import hf_gen
from hf_gen.evaluation.directions import fit_directions
from hf_gen.evaluation.factors import factor_values, render_faces
from hf_gen.faces import face_at
from hf_gen.models.any_kl_vae import AnyKLVAE
from hf_gen.pipelines import VAEPipeline

_FACES = 120


def with_directions() -> VAEPipeline:
    """The bundled conv-vae, with directions from a few synthetic faces."""
    plain = hf_gen.load("conv-vae")
    faces = [face_at(place) for place in range(_FACES)]
    codes = plain.encode(render_faces(faces, "anime", 32)).float().cpu()
    editor = fit_directions(codes, factor_values(faces))
    return VAEPipeline(plain.vae, plain.prior, 32, editor=editor)


def with_every_kl_weight() -> VAEPipeline:
    """A small network that takes the weight of the KL term; it has not learned anything."""
    torch.manual_seed(0)
    network = AnyKLVAE(32, filters=(8, 8), latent_channels=4)
    return VAEPipeline(network.eval(), resolution=32)

"""The Reconstruct tab: a face through several autoencoders, and interpolation to another."""

import time
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import TYPE_CHECKING, Literal

import gradio as gr
from PIL import Image

from hf_gen.demo import pictures
from hf_gen.demo.compare import Result, build_comparison, sheet_of_all
from hf_gen.demo.inputs import FaceInput, Faces, Shown, check_count, face_input, files, model_input
from hf_gen.demo.models import ModelCache
from hf_gen.demo.requests import compute, listen
from hf_gen.demo.uploads import open_uploads
from hf_gen.images import square, to_tensor

if TYPE_CHECKING:
    from torch import Tensor

    from hf_gen.pipelines import VAEPipeline

Method = Literal["linear", "spherical"]
STEPS = 9
_DRAWS = 8
# One click each; a button is shown if the cache has two or more of its models.
PRESETS = {
    "three architectures": ("face-vae", "conv-vae", "dense-vae-z10"),
    "KL ×0, ×1, ×100": ("conv-vae-kl0", "conv-vae", "conv-vae-kl100"),
    "5 or 10 latents": ("dense-vae-z5", "dense-vae-z10"),
}
FIRST = PRESETS["three architectures"]
_NO_INTERPOLATION = pictures.note("Choose a second face to interpolate to.")


def reconstruct(pipeline: "VAEPipeline", image: Image.Image) -> Result:
    """Reconstructs one RGB image and evaluates the reconstruction.

    The metrics are "psnr" in decibels, "ssim", "milliseconds", and "bits_per_dimension", the
    negative ELBO from a few samples of the posterior, None without a likelihood or posterior.
    """
    from torchmetrics.functional.image import (
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    resized = square(image, pipeline.config.resolution)
    began = time.perf_counter()
    output = pipeline.reconstruct(resized)[0]
    milliseconds = 1000 * (time.perf_counter() - began)
    before, after = ((to_tensor([each]) + 1) / 2 for each in (resized, output))
    metrics = {
        "psnr": peak_signal_noise_ratio(after, before, data_range=1.0).item(),
        "ssim": float(structural_similarity_index_measure(after, before, data_range=1.0)),
        "bits_per_dimension": _bits(pipeline, to_tensor([resized])),
        "milliseconds": milliseconds,
    }
    config = pipeline.vae.config
    likelihood = config.get("likelihood")
    if likelihood in ("gaussian", "laplace"):
        likelihood += f" of scale {config.likelihood_scale:g}"
    error_map = pictures.error_map(resized, output)
    return Result(resized, output, error_map, "error map", metrics, likelihood)


def interpolate(
    pipeline: "VAEPipeline",
    first: Image.Image,
    second: Image.Image,
    steps: int = STEPS,
    method: Method = "linear",
    frozen_dims: Sequence[int] = (),
) -> list[Image.Image]:
    """The faces between two faces; dimensions that the model does not have are ignored."""
    known = [dimension for dimension in frozen_dims if dimension < pipeline.latent_shape[0]]
    return pipeline.interpolate(first, second, steps, method, frozen_dims=known)


def _bits(pipeline: "VAEPipeline", images: "Tensor") -> float | None:
    import torch

    from hf_gen.losses import bits_per_dimension, kl_to_standard_normal, reconstruction_nll

    config = pipeline.vae.config
    with torch.no_grad():
        encoded = pipeline.vae.encode(images.to(pipeline.device, pipeline.vae.dtype))
        if "likelihood" not in config or not hasattr(encoded, "latent_dist"):
            return None
        posterior = encoded.latent_dist
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn((_DRAWS, *posterior.mean.shape[1:]), generator=generator)
        decoded = pipeline.vae.decode(posterior.mean + posterior.std * noise.to(posterior.mean))
    predicted = decoded.logits if config.likelihood == "bernoulli" else decoded.sample
    nll = reconstruction_nll(
        images.expand_as(predicted), predicted.cpu(), config.likelihood, config.likelihood_scale
    )
    kl = kl_to_standard_normal(posterior.mean, posterior.logvar).cpu()
    return bits_per_dimension((nll.mean() + kl).item(), images.shape[-1], config.likelihood)


def build(cache: ModelCache) -> Shown:
    """Lays out the tab and connects it."""
    with gr.Row():
        with gr.Column(scale=1, min_width=280, elem_classes="controls"):
            choice = face_input("Your faces")
            with gr.Row(elem_classes="presets"):
                presets = [gr.Button(words, size="sm", min_width=120) for words in PRESETS]
            models = model_input(cache, "VAEPipeline", FIRST)
        with gr.Column(scale=3, min_width=280):
            linked = {"reconstruct": models}
            shown = build_comparison(cache, "VAEPipeline", choice, linked, _run, _summary)
            with gr.Accordion("Interpolate to a second face", open=False):
                _build_interpolation(cache, choice, models)
    for button, preset in zip(presets, PRESETS.values(), strict=True):
        known = [name for name in preset if name in cache.names("VAEPipeline")]
        button.visible = len(known) > 1
        listen(button.click, lambda known=known: known, None, models, queue=False)
    return shown


def _run(pipeline: "VAEPipeline", images: Sequence[Image.Image]) -> list[Result]:
    return [reconstruct(pipeline, image) for image in images]


def _summary(results: Mapping[str, Sequence[Result]]) -> str:
    """A sheet of several images, with the mean PSNR of each model."""
    names = [
        f"{name}, {mean(one.metrics['psnr'] for one in each):.1f} dB"
        for name, each in results.items()
    ]
    return sheet_of_all(results, names)


def _build_interpolation(cache: ModelCache, choice: FaceInput, models: gr.CheckboxGroup) -> None:
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            other = face_input("Second face", first=None)
        with gr.Column(scale=1, min_width=260):
            method = gr.Radio(
                [("straight", "linear"), ("spherical", "spherical")],
                value="linear",
                label="Interpolation",
                info="Spherical interpolation keeps the norm of the latents.",
            )
            frozen_dims = gr.Dropdown(
                [],
                multiselect=True,
                label="Frozen latents",
                info="Latents that keep the values of the first face, the most influential first.",
            )
    frames = gr.HTML(_NO_INTERPOLATION, padding=False)

    def show(
        faces: Faces, others: Faces, names: list[str], method: Method, frozen_dims: list[int]
    ) -> str:
        if not faces or not others or not names:
            return _NO_INTERPOLATION
        check_count(names)
        first, last = open_uploads([files(faces)[0], files(others)[0]])
        strips = []
        for name in names:
            pipeline = cache.get(name, "VAEPipeline")
            faces_between = interpolate(pipeline, first, last, STEPS, method, frozen_dims)
            strips.append(_strip(name, faces_between))
        return "".join(strips)

    def dimensions(names: list[str], frozen_dims: list[int]) -> gr.Dropdown:
        if not names:
            return gr.Dropdown([], value=[])
        order = _by_influence(cache.get(names[0], "VAEPipeline"))
        choices = [(f"latent {place}", place) for place in order]
        return gr.Dropdown(choices, value=[place for place in frozen_dims if place in order])

    changes = [control.change for control in (models, method, frozen_dims)]
    inputs = [choice.faces, other.faces, models, method, frozen_dims]
    changes += [*other.changes, *choice.changes]
    compute(changes, show, inputs, frames, show_progress="minimal")
    changes = [models.change, frozen_dims.focus]
    compute(changes, dimensions, [models, frozen_dims], frozen_dims)


def _by_influence(pipeline: "VAEPipeline") -> list[int]:
    """The latent dimensions, first those that change the image most; maps in order."""
    channels, *size = pipeline.latent_shape
    if size != [1, 1]:
        return [*range(channels)]
    return pipeline.influence().argsort(descending=True).tolist()


def _strip(name: str, frames: Sequence[Image.Image]) -> str:
    file = f"{pictures.file_name(name)}-interpolation.webp"
    film = pictures.animation(frames, f"an interpolation by {name}", file)
    return pictures.sheet([frames], [name], "interpolation, step by step", film, size=64)

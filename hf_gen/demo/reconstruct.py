"""The Reconstruct tab: a face through several autoencoders."""

import time
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr
from PIL import Image

from hf_gen.demo import pictures
from hf_gen.demo.compare import Result, check_count, compared, sheet_of_all
from hf_gen.demo.inputs import Page, Tab, Uploads, html, images_of, model_input, settings
from hf_gen.demo.requests import listen
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
    "KL ×0, ×1, ×100": ("conv-vae-kl0", "conv-vae", "conv-vae-kl100", "conv-vae-any-kl"),
    "5 or 10 latents": ("dense-vae-z5", "dense-vae-z10"),
}
FIRST = PRESETS["three architectures"]


def reconstruct(
    pipeline: "VAEPipeline", image: Image.Image, kl_weight: float | None = None
) -> Result:
    """Reconstructs one RGB image, at a KL weight if the model takes one, and evaluates that.

    The metrics are "psnr" in decibels, "ssim", "milliseconds", and "bits_per_dimension", the
    negative ELBO from a few samples of the posterior, None without a likelihood or posterior.
    """
    from torchmetrics.functional.image import (
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    resized = square(image, pipeline.config.resolution)
    began = time.perf_counter()
    output = pipeline.reconstruct(resized, kl_weight=kl_weight)[0]
    milliseconds = 1000 * (time.perf_counter() - began)
    before, after = ((to_tensor([each]) + 1) / 2 for each in (resized, output))
    metrics = {
        "psnr": peak_signal_noise_ratio(after, before, data_range=1.0).item(),
        "ssim": float(structural_similarity_index_measure(after, before, data_range=1.0)),
        "bits_per_dimension": _bits(pipeline, to_tensor([resized]), kl_weight),
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


def _bits(pipeline: "VAEPipeline", images: "Tensor", kl_weight: float | None) -> float | None:
    import torch

    from hf_gen.losses import bits_per_dimension, kl_to_standard_normal, reconstruction_nll

    config = pipeline.vae.config
    given = {} if kl_weight is None else {"kl_weight": kl_weight}
    with torch.no_grad():
        encoded = pipeline.vae.encode(images.to(pipeline.device, pipeline.vae.dtype), **given)
        if "likelihood" not in config or not hasattr(encoded, "latent_dist"):
            return None
        posterior = encoded.latent_dist
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn((_DRAWS, *posterior.mean.shape[1:]), generator=generator)
        decoded = pipeline.vae.decode(
            posterior.mean + posterior.std * noise.to(posterior.mean), **given
        )
    predicted = decoded.logits if config.likelihood == "bernoulli" else decoded.sample
    nll = reconstruction_nll(
        images.expand_as(predicted), predicted.cpu(), config.likelihood, config.likelihood_scale
    )
    kl = kl_to_standard_normal(posterior.mean, posterior.logvar).cpu()
    return bits_per_dimension((nll.mean() + kl).item(), images.shape[-1], config.likelihood)


def build(page: Page) -> Tab:
    """Lays out the tab: the results, and what they depend on."""
    known = page.cache.names("VAEPipeline")
    presets = {
        words: [name for name in preset if name in known] for words, preset in PRESETS.items()
    }
    with gr.Row(elem_classes="work"):
        with gr.Column(scale=1, min_width=270, elem_classes="controls"), settings():
            models = model_input(page.cache, "VAEPipeline", FIRST)
            kl_weight = gr.Slider(
                -2,
                2,
                0,
                step=0.25,
                label="KL weight, power of ten",
                visible=False,
                info="Of models with every KL weight: 2 is ×100, where codes collapse.",
            )
            with gr.Row(elem_classes="presets"):
                buttons = [gr.Button(words, size="sm", min_width=110) for words in presets]
        with gr.Column(scale=3, min_width=300):
            shown = html(pictures.note("The face is on its way."), "results")
    for button, preset in zip(buttons, presets.values(), strict=True):
        button.visible = len(preset) > 1
        listen(button.click, lambda preset=preset: preset, None, models, queue=False)

    def show(
        uploads: Uploads, reference: str, names: list[str], power: float
    ) -> tuple[str, dict[str, Any]]:
        if not names:
            return pictures.note("Choose a model to reconstruct."), gr.update(visible=False)
        check_count(names)
        images = images_of(page.cache, uploads, reference)
        pipelines = {name: page.cache.get(name, "VAEPipeline") for name in names}
        weights = {name: _weight(one, power) for name, one in pipelines.items()}
        results = {
            name: [reconstruct(one, image, weights[name]) for image in images]
            for name, one in pipelines.items()
        }
        configs = {name: one.config for name, one in pipelines.items()}
        first = {name: each[0] for name, each in results.items()}
        content = compared(first, configs, "reconstruction") + _summary(results)
        return content, gr.update(visible=any(weight is not None for weight in weights.values()))

    linked = {"reconstruct": models, "kl": kl_weight}
    return Tab(show, [page.face, models, kl_weight], [shown, kl_weight], linked)


def _weight(pipeline: "VAEPipeline", power: float) -> float | None:
    """10 to a power, for a network that was trained with every KL weight; None for others."""
    config = pipeline.vae.config
    if "max_kl_weight" not in config:
        return None
    return min(max(10.0**power, config.min_kl_weight), config.max_kl_weight)


def _summary(results: Mapping[str, Sequence[Result]]) -> str:
    """A sheet of several images, with the mean PSNR of each model."""
    names = [
        f"{name}, {mean(one.metrics['psnr'] for one in each):.1f} dB"
        for name, each in results.items()
    ]
    return sheet_of_all(results, names)

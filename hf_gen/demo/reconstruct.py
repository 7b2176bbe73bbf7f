"""The Reconstruct tab: a face through several autoencoders, and interpolation to another."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr
from PIL import Image

from hf_gen.demo import html
from hf_gen.demo.cards import Card, Cards
from hf_gen.demo.inputs import (
    FaceInput,
    Faces,
    Shown,
    check_count,
    face_input,
    files,
    model_input,
    on_example_click,
)
from hf_gen.demo.models import ModelCache
from hf_gen.demo.pixels import heat_map, sheet
from hf_gen.demo.requests import PRIVATE, QUEUE, on_the_accelerator, user_errors
from hf_gen.demo.uploads import example_faces, open_uploads
from hf_gen.images import square, to_tensor

if TYPE_CHECKING:
    from torch import Tensor

    from hf_gen.pipelines import VAEPipeline

Method = Literal["linear", "spherical"]
STEPS = 9
_DRAWS = 8
# One click each; a button is there if its models are.
PRESETS = {
    "three kinds": ("face-vae", "conv-vae", "dense-vae-z10"),
    "KL ×0, ×1, ×100": ("conv-vae-kl0", "conv-vae", "conv-vae-kl100"),
    "5 or 10 latents": ("dense-vae-z5", "dense-vae-z10"),
}
FIRST = PRESETS["three kinds"]
_NO_WALK = html.note("Choose a second face to interpolate to.")


@dataclass(frozen=True)
class Reconstruction:
    """An image and its reconstruction.

    Attributes:
        seen: The square crop of the image at the model's resolution.
        made: The reconstruction.
        psnr: In decibels.
        ssim: At most 1.
        bits: Per dimension, the negative ELBO from a few draws of the posterior; None for models
            that have no likelihood or no posterior.
        likelihood: Which they are of: bits of different likelihoods do not compare.
        milliseconds: That encoding and decoding took.
    """

    seen: Image.Image
    made: Image.Image
    psnr: float
    ssim: float
    bits: float | None
    likelihood: str | None
    milliseconds: float


def reconstruct(pipeline: "VAEPipeline", image: Image.Image) -> Reconstruction:
    """Sends one RGB image through an autoencoder and measures what comes out."""
    from torchmetrics.functional.image import (
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    seen = square(image, pipeline.config.resolution)
    began = time.perf_counter()
    made = pipeline.reconstruct(seen)[0]
    milliseconds = 1000 * (time.perf_counter() - began)
    before, after = ((to_tensor([each]) + 1) / 2 for each in (seen, made))
    return Reconstruction(
        seen,
        made,
        psnr=peak_signal_noise_ratio(after, before, data_range=1.0).item(),
        ssim=float(structural_similarity_index_measure(after, before, data_range=1.0)),
        bits=_bits(pipeline, to_tensor([seen])),
        likelihood=pipeline.vae.config.get("likelihood"),
        milliseconds=milliseconds,
    )


def walk(
    pipeline: "VAEPipeline",
    first: Image.Image,
    second: Image.Image,
    steps: int = STEPS,
    method: Method = "linear",
    frozen_dims: Sequence[int] = (),
) -> list[Image.Image]:
    """The faces between two faces; dimensions that the model does not have are ignored."""
    there = [dimension for dimension in frozen_dims if dimension < pipeline.latent_shape[0]]
    return pipeline.interpolate(first, second, steps, method, frozen_dims=there)


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
    """Lays the tab out and wires it."""
    with gr.Row():
        with gr.Column(scale=1, min_width=280, elem_classes="controls"):
            choice = face_input("anime", "Your faces")
            with gr.Row(elem_classes="presets"):
                presets = [gr.Button(words, size="sm", min_width=120) for words in PRESETS]
            models = model_input(cache, "VAEPipeline", FIRST)
            _wire_presets(presets, cache.names("VAEPipeline"), models)
        with gr.Column(scale=3, min_width=280):
            cards = Cards()
            together = gr.HTML(padding=False)
            with gr.Accordion("Interpolate to a second face", open=False):
                _build_walk(cache, choice, models)

    @user_errors
    @on_the_accelerator
    def show(faces: Faces, names: list[str]) -> list[Any]:
        if not faces or not names:
            what = "a face" if not faces else "a model"
            return [*cards.fill([], html.note(f"Choose {what} to see it reconstructed.")), ""]
        check_count(names)
        images = open_uploads(files(faces))
        made = {
            name: [reconstruct(cache.get(name, "VAEPipeline"), image) for image in images]
            for name in names
        }
        shown = [_card(name, reconstructions[0]) for name, reconstructions in made.items()]
        return [*cards.fill(shown), _all_of_them(made)]

    shown = Shown(show, [choice.faces, models], [*cards.outputs, together], {"reconstruct": models})
    gr.on(
        [*choice.changes, models.change],
        shown.show,
        shown.inputs,
        shown.outputs,
        trigger_mode="always_last",
        show_progress="minimal",
        show_progress_on=cards.sliders[0],
        **QUEUE,
        **PRIVATE,
    )
    on_example_click(choice, example_faces("anime"))
    return shown


def _wire_presets(
    buttons: Sequence[gr.Button], names: Sequence[str], models: gr.CheckboxGroup
) -> None:
    for button, preset in zip(buttons, PRESETS.values(), strict=True):
        there = [name for name in preset if name in names]
        button.visible = len(there) > 1
        button.click(
            lambda there=there: there, None, models, queue=False, show_progress="hidden", **PRIVATE
        )


def _build_walk(cache: ModelCache, choice: FaceInput, models: gr.CheckboxGroup) -> None:
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            other = face_input("anime", "Second face", first=None)
        with gr.Column(scale=1, min_width=260):
            method = gr.Radio(
                [("straight", "linear"), ("spherical", "spherical")],
                value="linear",
                label="Path",
                info="Spherical interpolation keeps the norm of the latents.",
            )
            frozen_dims = gr.Dropdown(
                [],
                multiselect=True,
                label="Frozen latents",
                info="Latents that keep the values of the first face, the most influential first.",
            )
    walks = gr.HTML(_NO_WALK, padding=False)

    @user_errors
    @on_the_accelerator
    def show(
        faces: Faces, others: Faces, names: list[str], method: Method, frozen_dims: list[int]
    ) -> str:
        if not faces or not others or not names:
            return _NO_WALK
        check_count(names)
        first, last = open_uploads([files(faces)[0], files(others)[0]])
        return "".join(
            _strip(
                name, walk(cache.get(name, "VAEPipeline"), first, last, STEPS, method, frozen_dims)
            )
            for name in names
        )

    @user_errors
    @on_the_accelerator
    def dimensions(names: list[str], frozen_dims: list[int]) -> gr.Dropdown:
        if not names:
            return gr.Dropdown([], value=[])
        order = _by_influence(cache.get(names[0], "VAEPipeline"))
        choices = [(f"latent {place}", place) for place in order]
        return gr.Dropdown(choices, value=[place for place in frozen_dims if place in order])

    changes = [models.change, method.change, frozen_dims.change]
    gr.on(
        [*other.changes, *choice.changes, *changes],
        show,
        [choice.faces, other.faces, models, method, frozen_dims],
        walks,
        trigger_mode="always_last",
        show_progress="minimal",
        **QUEUE,
        **PRIVATE,
    )
    gr.on(
        [models.change, frozen_dims.focus],
        dimensions,
        [models, frozen_dims],
        frozen_dims,
        trigger_mode="always_last",
        show_progress="hidden",
        **QUEUE,
        **PRIVATE,
    )
    on_example_click(other, example_faces("anime"))


def _by_influence(pipeline: "VAEPipeline") -> list[int]:
    """The latent dimensions, first those that move the picture most; maps as they are."""
    channels, *size = pipeline.latent_shape
    if size != [1, 1]:
        return [*range(channels)]
    return pipeline.influence().argsort(descending=True).tolist()


def _card(name: str, one: Reconstruction) -> Card:
    shown = {"PSNR": f"{one.psnr:.1f} dB", "SSIM": f"{one.ssim:.2f}"}
    if one.bits is not None:
        shown[f"bits per dimension, {one.likelihood}"] = f"{one.bits:.2f}"
    shown["took"] = f"{one.milliseconds:.0f} ms"
    errors = html.picture(heat_map(one.seen, one.made), "error map", "small")
    details = (
        f'<div class="beside">{errors}<div><small>error map</small>'
        f"{html.numbers(shown)}</div></div>"
    )
    seen = f"{one.seen.width}×{one.seen.height} pixels"
    return Card(name, seen, one.seen, one.made, details)


def _strip(name: str, frames: Sequence[Image.Image]) -> str:
    film = html.animation(frames, f"a walk through {name}", f"{html.file_name(name)}-walk.webp")
    return html.sheet(sheet([frames], 64), [name], "interpolation, step by step", film)


def _all_of_them(made: Mapping[str, Sequence[Reconstruction]]) -> str:
    """All images in rows, where there is more than one."""
    first = next(iter(made.values()))
    if len(first) == 1:
        return ""
    rows = [[one.seen for one in first]]
    for reconstructions in made.values():
        rows.append([one.made for one in reconstructions])
    means = [
        f"{name}, {sum(one.psnr for one in each) / len(each):.1f} dB" for name, each in made.items()
    ]
    return html.sheet(sheet(rows), ["input", *means], "all faces")

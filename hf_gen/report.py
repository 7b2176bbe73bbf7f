"""The figures of a run: curves with matplotlib, faces enlarged without smoothing."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from hf_gen.atomic import disk_errors_as_sentences
from hf_gen.data.pixels import Pixels
from hf_gen.images import grid
from hf_gen.pipelines import VAEPipeline
from hf_gen.runs import RunFolder

TRAIN, HELD_OUT = "#9db4c0", "#d1495b"
_SHOWN_HEIGHT = 64
_WALKS = 6
_TITLES = {
    "negative_elbo": "negative ELBO",
    "reconstruction": "reconstruction term",
    "kl": "KL term",
}


def draw_vae_figures(run: RunFolder, pipeline: VAEPipeline, held_out: Pixels, seed: int) -> None:
    """Writes learning_curve, reconstructions, samples and interpolation as PNGs into the run.

    Args:
        run: Whose log and figures folder.
        pipeline: The trained autoencoder.
        held_out: The images to show; the same ones in every figure of the same data.
        seed: Of the samples.

    Raises:
        UserError: If the disk cannot be written.
    """
    with disk_errors_as_sentences(run.figures):
        run.figures.mkdir(parents=True, exist_ok=True)
        _learning_curve(run.metrics(), run.path.name, run.figures / "learning_curve.png")
        _reconstructions(pipeline, held_out, run.figures / "reconstructions.png")
        _samples(pipeline, seed, run.figures / "samples.png")
        _interpolation(pipeline, held_out, run.figures / "interpolation.png")


def _learning_curve(metrics: list[dict[str, float]], title: str, path: Path) -> None:
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    figure.suptitle(f"{title}: learning curve")
    panels = figure.subplots(1, 3)
    for axes, name in zip(panels, ("negative_elbo", "reconstruction", "kl"), strict=True):
        _curve(axes, metrics, name)
    panels[0].legend(frameon=False)
    figure.savefig(path, dpi=150)


def _curve(axes: Axes, metrics: list[dict[str, float]], name: str) -> None:
    shown: list[float] = []
    for split, label, style in (
        ("train", "train", {"color": TRAIN}),
        ("validation", "held out", {"color": HELD_OUT, "marker": "o", "markersize": 3}),
    ):
        lines = [line for line in metrics if f"{split}/{name}" in line]
        values = [line[f"{split}/{name}"] for line in lines]
        axes.plot([line["epoch"] for line in lines], values, label=label, **style)
        shown += values[len(values) // 20 :]
    # The first steps are so far off that the rest would be a flat line beside them.
    margin = 0.05 * (max(shown) - min(shown)) or 1.0
    axes.set_ylim(min(shown) - margin, max(shown) + margin)
    axes.set(title=_TITLES[name], xlabel="epoch", ylabel="nats per image")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)


def _reconstructions(pipeline: VAEPipeline, held_out: Pixels, path: Path) -> None:
    real = held_out.images(torch.arange(min(len(held_out), 36)))
    made = pipeline.reconstruct(real, output_type="pt").cpu()
    figure = Figure(figsize=(10, 5.4), layout="constrained")
    figure.suptitle("Held-out faces, real beside reconstructed")
    for axes, title, images in zip(
        figure.subplots(1, 2), ("real", "reconstructed"), (real, made), strict=True
    ):
        show(axes, crisp_grid(images, 6), title)
    figure.savefig(path, dpi=150)


def _samples(pipeline: VAEPipeline, seed: int, path: Path) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = pipeline.sample(64, generator=generator, output_type="pt").cpu()
    figure = Figure(figsize=(6, 6.4), layout="constrained")
    show(figure.subplots(), crisp_grid(images, 8), "Samples from the standard normal prior")
    figure.savefig(path, dpi=150)


def _interpolation(pipeline: VAEPipeline, held_out: Pixels, path: Path) -> None:
    ends = held_out.images(torch.arange(2 * _WALKS) % len(held_out))
    rows: list[Tensor] = []
    for first, second in zip(ends[0::2].split(1), ends[1::2].split(1), strict=True):
        walk = pipeline.interpolate(first, second, steps=8, output_type="pt").cpu()
        rows += [first, walk, second]
    figure = Figure(figsize=(8, 0.85 * _WALKS + 0.6), layout="constrained")
    title = "From one held-out face to another (the ends of a row are real, the rest is decoded)"
    show(figure.subplots(), crisp_grid(torch.cat(rows), 10), title)
    figure.savefig(path, dpi=150)


def crisp_grid(images: Tensor, columns: int) -> Image.Image:
    """Small images as a grid whose pixels are enlarged whole."""
    return grid(images, columns, enlarge=max(1, _SHOWN_HEIGHT // images.shape[2]))


def show(axes: Axes, picture: Image.Image, title: str) -> None:
    """A picture with a title and no axes."""
    axes.imshow(np.asarray(picture), interpolation="nearest")
    axes.set_title(title, fontsize=10)
    axes.axis("off")

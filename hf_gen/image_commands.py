"""`hf-gen sample`, `reconstruct`, `edit` and `translate`: what models make, as PNGs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from hf_gen.errors import UserError, translate_os_errors
from hf_gen.metrics import Direction

if TYPE_CHECKING:
    from hf_gen.pipelines import TranslationPipeline, VAEPipeline

SplitName = Literal["train", "validation", "test"]


def sample(
    model: tyro.conf.Positional[str],
    output: Path | None = None,
    output_dir: Path | None = None,
    count: int = 32,
    prior: str | None = None,
    temperature: float | None = None,
    seed: int = 0,
) -> None:
    """Sample new images from an autoencoder into one PNG, or into a folder of PNGs.

    Args:
        model: A bundled model such as conv-vae, a run folder, or a Hub id.
        output: The PNG to write; only one that hf-gen wrote is replaced. Default: samples.png.
        output_dir: Write a PNG for each image into this new folder instead.
        count: Number of images, 8 in a row of the one PNG.
        prior: standard, gaussian, mixture or flow. Default: the model's default prior.
        temperature: Multiplies the prior's standard deviations; below 1 for more typical images.
            Default: 1 for a prior that is named, else the model's default.
        seed: Of the random numbers.
    """
    import torch

    from hf_gen.images import grid, write_png

    if output is not None and output_dir is not None:
        raise UserError("--output names one PNG and --output-dir a folder: give one of the two")
    pipeline = _autoencoder(model, "sample")
    place = output_dir or output or Path("samples.png")
    named: Any = prior
    try:
        used, scale = pipeline.resolve_prior(named, temperature)
        if output_dir is not None:
            from hf_gen.image_folders import write_samples

            write_samples(pipeline, output_dir, count, seed, prior=used, temperature=scale)
        else:
            generator = torch.Generator().manual_seed(seed)
            images = pipeline.sample(count, generator, "pt", used, scale)
            with translate_os_errors(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                enlarge = -(-96 // images.shape[-1])
                write_png(grid(images, columns=min(count, 8), enlarge=enlarge), place)
    except ValueError as error:
        raise UserError(str(error)) from error
    source = f"{used} prior at temperature {scale:g}"
    print(f"{place}: {count} images of {model}, {source}, seed {seed}")


def reconstruct(
    model: tyro.conf.Positional[str],
    source: tyro.conf.Positional[str],
    output_dir: Path,
    inputs_dir: Path | None = None,
    count: int | None = None,
    split: SplitName | None = None,
    image_column: str | None = None,
) -> None:
    """Reconstruct images by an autoencoder: a PNG for each, in a new folder.

    Args:
        model: A bundled model such as face-vae, a run folder, or a Hub id.
        source: An image, a folder, an archive, a Hub dataset, or faces: the synthetic faces.
        output_dir: A new folder for the reconstructions, which are named as the images are.
        inputs_dir: A new folder for the images as the model gets them: square and resized.
        count: Number of images. Default: all.
        split: What a training on the source uses for this, by hash where it has no such split.
            Default: all images of the folder, or of its split train.
        image_column: Of a dataset that has several.
    """
    from hf_gen.image_folders import open_source, write_outputs

    pipeline = _autoencoder(model, "reconstruct")
    size = pipeline.config.resolution
    images = open_source(source, size, split, image_column, count)
    done = write_outputs(pipeline.reconstruct, size, images, output_dir, inputs_dir, count)
    _print_written(output_dir, images.name, done, f"reconstructed by {model}")


def edit(
    model: tyro.conf.Positional[str],
    source: tyro.conf.Positional[str | None] = None,
    output_dir: Path = Path("edits"),
    values: dict[str, float] | None = None,
    inputs_dir: Path | None = None,
    count: int | None = None,
    split: SplitName | None = None,
    image_column: str | None = None,
) -> None:
    """Change properties of faces by an autoencoder's directions: a PNG for each, in a new folder.

    Without a source it lists the directions of the model and the range of their values.

    Args:
        model: A bundled model such as face-vae, a run folder, or a Hub id.
        source: An image, a folder, an archive, a Hub dataset, or faces: the synthetic faces.
        output_dir: A new folder for the edited images, which are named as the images are.
        values: Names of directions, each with a value, such as head_tilt -1 hair_colour 0.6.
        inputs_dir: A new folder for the images as the model gets them: square and resized.
        count: Number of images. Default: all.
        split: As for `hf-gen reconstruct`.
        image_column: Of a dataset that has several.
    """
    import torch

    from hf_gen.image_folders import open_source, write_outputs

    pipeline, values = _autoencoder(model, "edit"), values or {}
    if source is None:
        for name, low, high, is_wheel in pipeline.directions:
            print(f"{name}: {low:g} to {high:g}{', a hue in turns' if is_wheel else ''}")
        if not pipeline.directions:
            print(f"{model} has no directions: train with --directions")
        return
    try:
        pipeline.edit(torch.zeros(1, *pipeline.latent_shape), "pt", **values)
    except ValueError as error:
        raise UserError(str(error)) from error
    size = pipeline.config.resolution
    images = open_source(source, size, split, image_column, count)

    def transform(squares: Any) -> Any:
        return pipeline.edit(squares, "pil", **values)

    done = write_outputs(transform, size, images, output_dir, inputs_dir, count)
    moved = ", ".join(f"{name} {value:g}" for name, value in values.items())
    _print_written(output_dir, images.name, done, f"edited by {model}, {moved}")


def translate(
    model: tyro.conf.Positional[str],
    source: tyro.conf.Positional[str],
    output_dir: Path,
    direction: Direction = "a_to_b",
    inputs_dir: Path | None = None,
    count: int | None = None,
    split: SplitName | None = None,
    image_column: str | None = None,
) -> None:
    """Translate images to the other domain: a PNG for each, in a new folder.

    Args:
        model: A bundled model such as cyclegan, a run folder, or a Hub id.
        source: An image, a folder, an archive, a Hub dataset, or faces: the synthetic faces.
        output_dir: A new folder for the translations, which are named as the images are.
        direction: a_to_b, or b_to_a.
        inputs_dir: A new folder for the images as the model gets them: square and resized.
        count: Number of images. Default: all.
        split: What a training on the source uses for this, by hash where it has no such split.
            Default: all images of the folder, or of its split train.
        image_column: Of a dataset that has several.
    """
    from hf_gen.image_folders import open_source, write_outputs
    from hf_gen.pipelines import TranslationPipeline

    pipeline = _on_the_gpu(model)
    if not isinstance(pipeline, TranslationPipeline):
        raise UserError(f"{model} is an autoencoder and cannot translate: name a CycleGAN")
    side, config = direction[0], pipeline.config
    size, domain = config.resolution, config[f"domain_{side}"]
    images = open_source(source, size, split, image_column, count, domain, side)

    def transform(squares: Any) -> Any:
        return pipeline.translate(squares, direction)

    done = write_outputs(transform, size, images, output_dir, inputs_dir, count)
    _print_written(output_dir, images.name, done, f"translated by {model}, {direction}")


def _autoencoder(model: str, verb: str) -> "VAEPipeline":
    from hf_gen.pipelines import VAEPipeline

    pipeline = _on_the_gpu(model)
    if not isinstance(pipeline, VAEPipeline):
        raise UserError(f"{model} translates images and cannot {verb}: name an autoencoder")
    return pipeline


def _on_the_gpu(model: str) -> "VAEPipeline | TranslationPipeline":
    """A model, on the GPU if there is one."""
    import torch

    from hf_gen.pipelines import load

    return load(model).to("cuda" if torch.cuda.is_available() else "cpu")


def _print_written(folder: Path, images: str, done: tuple[int, int], how: str) -> None:
    written, skipped = done
    left_out = f", {skipped:,} skipped" if skipped else ""
    print(f"{folder}: {written:,} images of {images} {how}{left_out}")

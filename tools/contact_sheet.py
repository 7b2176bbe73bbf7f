"""Draws the contact sheet, `python -m tools.contact_sheet`: the same faces by every bundled model.

Eight synthetic test faces through each: reconstructions and samples of the autoencoders, and
translations in both directions of the CycleGANs; on light and on dark.
"""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
import tyro
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from hf_gen.evaluation.factors import render_faces
from hf_gen.faces import TEST_START, face_at
from hf_gen.pipelines import TranslationPipeline, VAEPipeline, load
from hf_gen.report.image_grid import Row, image_grid
from hf_gen.report.style import save
from tools.released import digest, manifest

SHEET = Path("docs/contact-sheet.png")
SHOWN = 8
WEIGHTS_KEY = "Weights"
"""The text of a sheet's PNG that says which weights it shows, see `weights_of`."""
_CELL = 64
_COLOURS = 192
_SEED = 0


def main(output: Path = SHEET) -> None:
    """Draw the contact sheet of the bundled models.

    Args:
        output: The PNG on light; that on dark has "-dark" after its stem.
    """
    names = list(manifest())
    write_sheet(sheet_rows(names), output, weights_of(names))
    print(f"{output}: {', '.join(names)}")


def weights_of(names: Iterable[str]) -> str:
    """Each model with a hash of its files, such as "conv-vae=d26edf28c8f499e6"."""
    entries = manifest()
    return " ".join(f"{name}={digest(entries[name])}" for name in names)


def sheet_rows(names: Iterable[str]) -> list[Row]:
    """The rows of a sheet, each with two groups of `SHOWN` images.

    Args:
        names: Bundled models.

    Returns:
        Of autoencoders, by resolution, reconstructions and samples; then of CycleGANs the
        translations of anime faces, and of the same faces drawn as cartoons.
    """
    pipelines = {name: load(name) for name in names}
    autoencoders = {name: one for name, one in pipelines.items() if isinstance(one, VAEPipeline)}
    sizes = sorted({pipeline.config.resolution for pipeline in autoencoders.values()})
    rows: list[Row] = []
    for size in sizes:
        alike = {name: one for name, one in autoencoders.items() if one.config.resolution == size}
        rows += _autoencoder_rows(alike, size)
    return rows + _translation_rows(
        {name: one for name, one in pipelines.items() if isinstance(one, TranslationPipeline)}
    )


def write_sheet(rows: list[Row], output: Path, weights: str) -> None:
    """Writes the sheet on light and on dark, in few colours.

    Args:
        rows: From `sheet_rows`.
        output: A PNG.
        weights: What the files say of themselves, from `weights_of`.
    """
    about = PngInfo()
    about.add_text(WEIGHTS_KEY, weights)
    title = f"The same {SHOWN} synthetic test faces by every bundled model"
    with tempfile.TemporaryDirectory() as folder:
        save(
            Path(folder, output.name),
            lambda: image_grid(title, rows, cell=_CELL, gap_before=SHOWN),
        )
        output.parent.mkdir(parents=True, exist_ok=True)
        for file in sorted(Path(folder).iterdir()):
            with Image.open(file) as drawn:
                few = drawn.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
            few.save(output.with_name(file.name), optimize=True, pnginfo=about)


def _autoencoder_rows(pipelines: Mapping[str, VAEPipeline], size: int) -> list[Row]:
    anime = _faces("anime", size)
    heading = f"Autoencoders, {size}x{size}: reconstructions left, samples right"
    rows = [Row("test faces", anime, heading=heading)]
    for name, pipeline in pipelines.items():
        generator = torch.Generator().manual_seed(_SEED)
        samples = pipeline.sample(SHOWN, generator, output_type="pt")
        reconstructions = pipeline.reconstruct(anime, output_type="pt")
        rows.append(Row(name, torch.cat((reconstructions, samples))))
    return rows


def _translation_rows(pipelines: Mapping[str, TranslationPipeline]) -> list[Row]:
    rows: list[Row] = []
    for name, pipeline in pipelines.items():
        size = pipeline.config.resolution
        anime, cartoon = _faces("anime", size), _faces("cartoon", size)
        if not rows:
            heading = f"CycleGANs, {size}x{size}: anime to cartoon left, cartoon to anime right"
            rows.append(Row("test faces", torch.cat((anime, cartoon)), heading=heading))
        translations = (
            pipeline.translate(anime, "a_to_b", output_type="pt"),
            pipeline.translate(cartoon, "b_to_a", output_type="pt"),
        )
        rows.append(Row(name, torch.cat(translations)))
    return rows


def _faces(style: str, size: int) -> Tensor:
    return render_faces([face_at(TEST_START + index) for index in range(SHOWN)], style, size)


if __name__ == "__main__":
    tyro.cli(main)

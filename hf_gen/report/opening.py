"""The beginning of a report: a summary in text and pictures, and the runs by name."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from hf_gen.config import CycleGANRecipe, VAERecipe
from hf_gen.metrics import DIRECTIONS, FEATURES_NOTE
from hf_gen.report import findings
from hf_gen.report.document import as_text, bullets, picture, table
from hf_gen.report.run import EvaluatedRun, data_of, grouped, same_but
from hf_gen.report.style import save
from hf_gen.report.translation import translations
from hf_gen.report.vae import reconstructions, samples

Runs = Sequence[EvaluatedRun]
Draw = Callable[..., str]
"""`draw` for one report: without its first argument."""


def draw(
    folder: Path, name: str, shows: str, figure: Callable[..., Figure], *arguments: object
) -> str:
    """Draws a figure under a name that no other section has taken; returns it as Markdown.

    Args:
        folder: Of the report; figures go to its folder figures/.
        name: Of the figure's file.
        shows: What is to be seen, for people who do not see it.
        figure: Makes the figure.
        arguments: Of `figure`.
    """
    figures = folder / "figures"
    taken = len(list(figures.glob(f"{name}*-dark.png")))
    name = f"{name}-{taken + 1}" if taken else name
    save(figures / f"{name}.png", partial(figure, *arguments))
    return picture(name, shows)


def opening(data: str, runs: Runs, draw: Draw) -> list[str]:
    """The summary of runs measured on the same images, in two sentences and two pictures.

    Args:
        data: What they were measured on.
        runs: Of one family.
        draw: Draws the pictures.
    """
    names = ", ".join(run.name for run in runs)
    if isinstance(runs[0].recipe, VAERecipe):
        return [
            f"## Autoencoders: {as_text(data)}",
            findings.autoencoder_summary(runs),
            draw(
                "reconstructions",
                f"A row of test images, and below it the reconstructions by {names}, a row each",
                reconstructions,
                runs,
            ),
            draw("samples", f"Rows of new images by {names}, a row each", samples, runs),
        ]
    pictures = []
    for direction in DIRECTIONS:
        source, target = runs[0].domain_names(direction)
        shows = (
            f"A row of test images of {source}, and below it their translations to {target} and "
            f"back by {names}, two rows each"
        )
        pictures.append(draw(f"translations-{direction}", shows, translations, runs, direction))
    summary = findings.translation_summary(runs)
    return [f"## Translation: {as_text(data)}", summary, *pictures]


def overview(runs: Runs, left_out: dict[str, str]) -> list[str]:
    """The section that names the runs, what they were measured on, and what is left out."""
    rows = []
    for run in runs:
        last, recipe = run.metrics[-1], run.recipe
        objective = f"KL x{run.kl_weight:g}"
        if isinstance(recipe, CycleGANRecipe):
            objective = f"lambda {recipe.objective.cycle_weight:g}"
        steps = (f"{last['step']:,}", f"{last['epoch']:.3g}")
        rows.append((as_text(run.name), as_text(data_of(run)), objective, *steps))
    parts = ["## The runs", table(("run", "data", "objective", "steps", "epochs"), rows)]
    if len({data_of(run) for run in runs}) > 1:
        parts.append(
            "The runs were measured on different test images, so each set of images has a "
            "section and tables of its own: numbers of different sections cannot be compared."
        )
    if len(list(grouped(runs, same_but("optimisation.seed")))) == len(runs) > 1:
        parts.append("Each run is of one seed: a small difference may be chance.")
    if left_out:
        lines = (f"**{as_text(name)}**: {as_text(why)}" for name, why in left_out.items())
        parts += ["Left out:", bullets(lines)]
    return [*parts, FEATURES_NOTE]

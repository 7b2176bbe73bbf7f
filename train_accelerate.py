"""The command line of training: `accelerate launch train_accelerate.py RECIPE [flags]`.

`--help` lists the recipes, `RECIPE --help` every flag. The same command with the same run folder
goes on where it was stopped.
"""

import dataclasses
import logging
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from hf_gen import __version__
from hf_gen.config import (
    CycleGANRecipe,
    Optimisation,
    Output,
    Recipe,
    VAERecipe,
    recipe_as_json,
)
from hf_gen.errors import UserError
from hf_gen.recipes import RECIPES

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator
    from diffusers import DiffusionPipeline

    from hf_gen.data.batches import Domain
    from hf_gen.runs import RunFolder
    from hf_gen.trainer import Task

MODEL_CARDS = Path(__file__).parent / "model_cards"
PINNED_IN_RUN = ("torch", "diffusers", "accelerate", "datasets")


def main(arguments: list[str]) -> int:
    """Trains what the arguments say; returns the exit code."""
    logging.basicConfig(format="%(message)s")
    try:
        name, recipe = parse(arguments)
        command = shlex.join(["accelerate", "launch", "train_accelerate.py", *arguments])
        run_recipe(name, recipe, command)
    except UserError as error:
        if _is_first_here():
            print(f"error: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        from hf_gen.stopping import Interrupted

        if not isinstance(error, Interrupted):
            raise
        if _is_first_here():
            print(error, file=sys.stderr)
        return error.exit_code
    return 0


def parse(arguments: list[str]) -> tuple[str, Recipe]:
    """The recipe's name, and the recipe with the flags' values in it.

    Raises:
        UserError: If a value is out of its range.
        SystemExit: If a recipe or flag does not exist or a value has the wrong type, after telling
            which one may be meant.
    """
    choices = tyro.extras.subcommand_type_from_defaults(
        {name: recipe for name, (_, recipe) in RECIPES.items()},
        {name: description for name, (description, _) in RECIPES.items()},
        prefix_names=False,
    )
    recipe: Recipe = tyro.cli(
        choices,
        prog="train_accelerate.py",
        description="Train a model of faces. RECIPE --help lists the flags of a recipe.",
        args=arguments,
        config=(tyro.conf.AvoidSubcommands, tyro.conf.OmitArgPrefixes),
    )
    name = arguments[0]
    pretrained = isinstance(recipe, VAERecipe) and recipe.pretrained_model_name_or_path
    if pretrained and recipe.model != RECIPES[name][1].model:
        raise UserError(
            "a pretrained model brings its own architecture: leave out the flags of the model, or "
            "--pretrained-model-name-or-path"
        )
    # What `accelerate launch` or `accelerate config` decided is a part of the run.
    precision = recipe.optimisation.mixed_precision
    launched = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if precision == "no" and launched in ("fp16", "bf16"):
        optimisation = dataclasses.replace(recipe.optimisation, mixed_precision=launched)
        recipe = dataclasses.replace(recipe, optimisation=optimisation)
    return name, recipe


def run_recipe(name: str, recipe: Recipe, command: str) -> None:
    """Trains, exports, evaluates and draws one recipe into its run folder.

    Raises:
        UserError: If anything of the recipe, the data or the folder cannot be used.
        Interrupted: If a signal asked for it; a checkpoint has been written.
    """
    import torch

    from hf_gen.data.batches import Loader
    from hf_gen.hub import write_card
    from hf_gen.pipelines import load
    from hf_gen.runs import RunFolder
    from hf_gen.trainer import train

    run = RunFolder(recipe.output.output_dir or Path("runs") / name)
    accelerator = _make_accelerator(recipe.optimisation, recipe.output, run)
    try:
        _use_all_cores(recipe.optimisation.num_threads)
        identity = {"recipe": name, "processes": accelerator.num_processes}
        identity |= recipe_as_json(recipe)
        run.check(identity)
        torch.manual_seed(recipe.optimisation.seed)
        if isinstance(recipe, VAERecipe):
            experiment = _vae_experiment(recipe)
        else:
            experiment = _cyclegan_experiment(recipe, accelerator.device)
        loader = Loader(
            experiment.domains,
            recipe.optimisation.seed,
            recipe.optimisation.train_batch_size,
            recipe.optimisation.gradient_accumulation_steps,
            recipe.data.random_flip,
            accelerator.process_index,
            accelerator.num_processes,
            accelerator.device,
        )
        if accelerator.is_main_process:
            run.start(identity, command, _versions())
        accelerator.wait_for_everyone()
        train(
            experiment.task,
            loader,
            recipe.optimisation,
            recipe.output,
            run,
            accelerator,
            experiment.measure,
            experiment.best,
        )
        if accelerator.is_main_process:
            device = f"on {accelerator.num_processes} x {accelerator.device.type}"
            experiment.conclude(run, load(run.path).to(accelerator.device))
            template = MODEL_CARDS / experiment.card
            write_card(run, template, device, experiment.pipeline_tag, experiment.numbers)
            results = run.results()
            numbers = ", ".join(f"{key} {results[key]:,.4g}" for key in experiment.numbers)
            print(f"{run.path} is done. On {results['images']:,} held-out images: {numbers}")
    finally:
        accelerator.end_training()


@dataclass(frozen=True)
class Experiment:
    """What differs from family to family.

    Attributes:
        task: What is trained.
        domains: The images.
        measure: What else is measured at each evaluation.
        best: Which of those numbers decides what is exported.
        conclude: Writes the results and the figures of a finished run.
        card: The template of its card.
        pipeline_tag: What the Hub calls such a pipeline.
        numbers: The results that the card shows.
    """

    task: "Task"
    domains: tuple["Domain", ...]
    measure: "Callable[[DiffusionPipeline], dict[str, float]] | None"
    best: str | None
    conclude: "Callable[[RunFolder, DiffusionPipeline], None]"
    card: str
    pipeline_tag: str
    numbers: dict[str, tuple[str, str]]


def _vae_experiment(recipe: VAERecipe) -> Experiment:
    from hf_gen import report
    from hf_gen.data.sources import load_domain
    from hf_gen.evaluation.reconstruction import evaluate_reconstruction
    from hf_gen.hub import VAE_NUMBERS
    from hf_gen.tasks.vae import VAETask

    task = VAETask(recipe)
    domain = load_domain(recipe.data)

    def conclude(run: "RunFolder", pipeline: "DiffusionPipeline") -> None:
        measured = evaluate_reconstruction(pipeline, domain.held_out)
        run.save_results(measured | run.last_validation())
        report.draw_vae_figures(run, pipeline, domain.held_out, recipe.optimisation.seed)

    tag = "unconditional-image-generation"
    return Experiment(task, (domain,), None, None, conclude, "vae.md", tag, VAE_NUMBERS)


def _cyclegan_experiment(recipe: CycleGANRecipe, device: "torch.device") -> Experiment:
    from hf_gen.data.domains import are_drawn, load_domains
    from hf_gen.data.sources import cache_folder
    from hf_gen.evaluation.monitor import TranslationMonitor, measure_truth
    from hf_gen.hub import TRANSLATION_NUMBERS
    from hf_gen.tasks.cyclegan import CycleGANTask
    from hf_gen.translation_report import draw_translation_figures

    task = CycleGANTask(recipe, device)
    a, b = load_domains(recipe.data, recipe.domains)
    measure = TranslationMonitor(a, b)

    def conclude(run: "RunFolder", pipeline: "DiffusionPipeline") -> None:
        pipeline.set_progress_bar_config(disable=True)
        results = {"images": measure.images} | measure(pipeline)
        if are_drawn(recipe.data, recipe.domains):
            results |= measure_truth(pipeline, a, b, cache_folder(recipe.data))
        run.save_results(results)
        draw_translation_figures(run, pipeline, a, b)

    card, tag = "cyclegan.md", "image-to-image"
    return Experiment(task, (a, b), measure, "kid", conclude, card, tag, TRANSLATION_NUMBERS)


def _make_accelerator(
    optimisation: Optimisation, output: Output, run: "RunFolder"
) -> "Accelerator":
    from accelerate import Accelerator
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
    from accelerate.utils import ProjectConfiguration

    tracker = None if output.report_to == "none" else output.report_to
    if tracker is not None and tracker not in {str(kind) for kind in get_available_trackers()}:
        known = ", ".join(LOGGER_TYPE_TO_CLASS)
        advice = f"install it (pip install {tracker})" if tracker in LOGGER_TYPE_TO_CLASS else ""
        raise UserError(
            f"report_to {tracker!r} is not available: {advice or f'choose one of {known} or none'}"
        )
    precision = optimisation.mixed_precision
    try:
        accelerator = Accelerator(
            mixed_precision=precision,
            gradient_accumulation_steps=optimisation.gradient_accumulation_steps,
            log_with=tracker,
            project_config=ProjectConfiguration(
                project_dir=str(run.path), logging_dir=str(run.path)
            ),
        )
    except ValueError as error:
        raise UserError(f"mixed_precision {precision} does not work here: {error}") from error
    if precision == "fp16" and accelerator.device.type == "cpu":
        # Accelerate would train in float32 and not say so.
        raise UserError("mixed_precision fp16 does not work here: it needs a GPU; try bf16 or no")
    return accelerator


def _use_all_cores(wish: int | None) -> None:
    """Shares the cores among the processes of this machine, unless they are told otherwise.

    `accelerate launch` and `torchrun` set OMP_NUM_THREADS to 1 where nobody has set it.
    """
    import torch

    if wish is not None:
        torch.set_num_threads(wish)
    elif os.environ.get("OMP_NUM_THREADS", "1") == "1":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        torch.set_num_threads(max((cores or 1) // processes, 1))


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {"hf_gen": __version__} | {name: version(name) for name in PINNED_IN_RUN}


def _is_first_here() -> bool:
    return os.environ.get("LOCAL_RANK", "0") == "0"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The command line of training: `accelerate launch train_accelerate.py RECIPE [flags]`.

`--help` lists the recipes, `RECIPE --help` every flag. The same command with the same run folder
resumes the run.
"""

import dataclasses
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_gen.interrupt import OF_TRAINING, exit_on_interrupt

if __name__ == "__main__":
    exit_on_interrupt(OF_TRAINING)  # before anything that takes time to import

import tyro

from hf_gen import __version__
from hf_gen.config import (
    CycleGANRecipe,
    Optimisation,
    Output,
    Recipe,
    recipe_as_json,
    with_absolute_paths,
)
from hf_gen.errors import UserError, translate_os_errors
from hf_gen.recipes import RECIPES

if TYPE_CHECKING:
    from accelerate import Accelerator

    from hf_gen.data.batches import Domain
    from hf_gen.hub.push import HubUploads
    from hf_gen.runs.folder import RunFolder

# What `accelerate launch` or `accelerate config` may set and training cannot do: the value that is
# accepted, and the remedy.
_LAUNCHER = {
    "ACCELERATE_USE_DEEPSPEED": ("false", "launch it with --multi_gpu"),
    "ACCELERATE_USE_FSDP": ("false", "launch it with --multi_gpu"),
    "ACCELERATE_USE_MEGATRON_LM": ("false", "launch it with --multi_gpu"),
    "ACCELERATE_USE_PARALLELISM_CONFIG": ("false", "launch it with --multi_gpu"),
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": ("1", "set --gradient-accumulation-steps here"),
    "ACCELERATE_DYNAMO_BACKEND": ("no", "set --torch-compile on here"),
}
SHARE_OF_GPU_FOR_PIXELS = 0.25
PINNED_IN_RUN = ("torch", "diffusers", "accelerate", "datasets")


def main(arguments: list[str]) -> int:
    """Trains what the arguments say; returns the exit code."""
    logging.basicConfig(format="%(message)s")
    try:
        name, recipe = parse(arguments)
        command = shlex.join(["accelerate", "launch", "train_accelerate.py", *arguments])
        # Code that writes names the folder more exactly; this handles what is left.
        with translate_os_errors():
            run_recipe(name, recipe, command)
    except UserError as error:
        if _is_first_here():
            print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if _is_first_here():
            print(OF_TRAINING, file=sys.stderr)
        return 130
    except Exception as error:
        from hf_gen.training.signals import Interrupted

        if _lost_other_processes(error):
            print(
                "error: another process of this training has ended or cannot be reached: the same "
                "command resumes from the last checkpoint",
                file=sys.stderr,
            )
            return 1
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
        SystemExit: If a recipe or flag does not exist or a value has the wrong type, with a
            suggestion.
    """
    choices = tyro.extras.subcommand_type_from_defaults(
        {name: recipe for name, (_, recipe) in RECIPES.items()},
        {name: description for name, (description, _) in RECIPES.items()},
        prefix_names=False,
    )
    recipe: Recipe = tyro.cli(
        choices,
        prog="train_accelerate.py",
        description="Train a model. RECIPE --help lists the flags of a recipe.",
        args=arguments,
        config=(tyro.conf.AvoidSubcommands, tyro.conf.OmitArgPrefixes),
    )
    name = arguments[0]
    if recipe.pretrained_model_name_or_path is not None:
        _check_pretrained(recipe, RECIPES[name][1])
    return name, _with_launcher(recipe)


def _with_launcher(recipe: Recipe) -> Recipe:
    """The recipe with the precision that `accelerate launch` or `accelerate config` chose."""
    for variable, (accepted, remedy) in _LAUNCHER.items():
        value = os.environ.get(variable, accepted)
        if value.lower() != accepted:
            raise UserError(f"the launcher set {variable}={value}, which is not used: {remedy}")
    launched = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if launched not in ("no", "fp16", "bf16"):
        raise UserError(f"mixed_precision must be no, fp16 or bf16, got {launched} of the launcher")
    if launched == "no" or recipe.optimisation.mixed_precision != "no":
        return recipe
    optimisation = dataclasses.replace(recipe.optimisation, mixed_precision=launched)
    return dataclasses.replace(recipe, optimisation=optimisation)


def _check_pretrained(recipe: Recipe, default: Recipe) -> None:
    """Raises UserError if a flag describes what the pretrained model brings."""
    differing = {
        field.name
        for field in dataclasses.fields(recipe.model)
        if getattr(recipe.model, field.name) != getattr(default.model, field.name)
        # Discriminators are not in a pipeline, and new ones may be of any form.
        and not field.name.startswith(("discriminator_", "spectral_norm"))
    }
    if differing:
        raise UserError(
            f"a pretrained model brings its own architecture: leave out {', '.join(differing)}, or "
            "--pretrained-model-name-or-path"
        )


def run_recipe(name: str, recipe: Recipe, command: str) -> None:
    """Trains, exports, evaluates and draws one recipe into its run folder.

    Raises:
        UserError: If anything of the recipe, the data or the folder cannot be used.
        Interrupted: After SIGTERM or Ctrl-C; a checkpoint has been written.
    """
    import torch
    from accelerate.utils import broadcast_object_list

    from hf_gen.data.batches import Loader
    from hf_gen.data.domains import load_pairs
    from hf_gen.experiments import experiment_of, task_of
    from hf_gen.metrics import formatted
    from hf_gen.runs.atomic import exclusive_lock, tidy
    from hf_gen.runs.folder import RunFolder
    from hf_gen.training.compilation import compile_networks, decide_compiling
    from hf_gen.training.loop import train
    from hf_gen.training.memory import keep_freed_memory

    keep_freed_memory()
    run = RunFolder(recipe.output.output_dir or Path("runs") / name)
    accelerator = _make_accelerator(recipe.optimisation, recipe.output, run)
    resources = ExitStack()
    try:
        set_num_threads(recipe.optimisation.num_threads)
        processes = accelerator.num_processes
        # The batch size that is trained with is known when the images are.
        run.check(_identity(name, recipe, processes), ["optimisation.train_batch_size"])
        torch.manual_seed(recipe.optimisation.seed)
        task = task_of(recipe, accelerator.device)
        experiment = experiment_of(recipe)
        pairs = load_pairs(recipe.data, recipe.pairs) if isinstance(recipe, CycleGANRecipe) else ()
        if accelerator.is_main_process:
            images = (*experiment.domains, *pairs[:1])
            print(*(domain.summary for domain in images), sep="\n")
        recipe = _with_limited_batch(recipe, (*experiment.domains, *pairs), accelerator)
        identity = _identity(name, recipe, processes)
        num_pairs = recipe.num_pairs if isinstance(recipe, CycleGANRecipe) else 0
        loader = Loader(
            experiment.domains,
            recipe.optimisation.seed,
            recipe.optimisation.train_batch_size - num_pairs,
            recipe.optimisation.gradient_accumulation_steps,
            recipe.data.random_flip,
            accelerator.process_index,
            processes,
            accelerator.device,
            pairs,
            num_pairs,
        )
        if accelerator.device.type == "cuda":
            free_bytes, _ = torch.cuda.mem_get_info(accelerator.device)
            loader = loader.on_device(int(SHARE_OF_GPU_FOR_PIXELS * free_bytes))
        images = [one.fingerprint() for one in (*experiment.domains, *pairs)]
        uploads, compiled = None, False
        if accelerator.is_main_process:
            resources.enter_context(exclusive_lock(run.path))
            run.check_images(images)
            run.check(identity)  # another run may have started here in the meantime
            tidy(run.path)
            uploads = _uploads(recipe.output, run)
            compiled = decide_compiling(task, loader, recipe.optimisation, run.compiled())
            device = f"{processes} x {accelerator.device.type}"
            run.start(identity, command, device, _versions(), images, compiled)
        accelerator.wait_for_everyone()
        (compiled,) = broadcast_object_list([compiled])
        if compiled:
            compile_networks(task.networks.values())
        train(
            task,
            loader,
            recipe.optimisation,
            recipe.output,
            run,
            accelerator,
            experiment.measure,
            experiment.best,
            uploads and uploads.start,
        )
        if accelerator.is_main_process:
            # Once more, for a run that was stopped after its last checkpoint.
            run.keep_last_checkpoints(recipe.output.checkpoints_total_limit)
            experiment.complete(run, accelerator.device)
            results = experiment.conclude(run, accelerator.device)
            shown = [key for key in experiment.family.metrics if key in results]
            numbers = ", ".join(f"{key} {formatted(results[key])}" for key in shown)
            print(f"{run.path} is done. On {results['images']:,} test images: {numbers}")
            print(f"Its figures are in {run.figures}, its card is {run.path / 'README.md'}.")
            print(f"python app.py shows it in a browser; hf-gen push {run.path} shares it.")
            if uploads is not None:
                _conclude_uploads(uploads, run)
    finally:
        _end(accelerator)
        resources.close()


def _identity(name: str, recipe: Recipe, processes: int) -> dict[str, Any]:
    """What the run is: see `RunFolder.check`."""
    values = recipe_as_json(with_absolute_paths(recipe))
    return {"recipe": name, "processes": processes, **values}


def _with_limited_batch(
    recipe: Recipe, domains: Sequence["Domain"], accelerator: "Accelerator"
) -> Recipe:
    """The recipe with a batch size for which there are enough training images."""
    from hf_gen.data.batches import limited_batch_size

    optimisation, processes = recipe.optimisation, accelerator.num_processes
    wanted, passes = optimisation.train_batch_size, optimisation.gradient_accumulation_steps
    size = limited_batch_size(domains, wanted, passes, processes)
    if size < wanted and accelerator.is_main_process:
        print(
            f"train_batch_size is {size:,} in place of {wanted:,}: {size * passes * processes:,} "
            f"of {min(len(domain.train) for domain in domains):,} training images are a step"
        )
    optimisation = dataclasses.replace(optimisation, train_batch_size=size)
    return dataclasses.replace(recipe, optimisation=optimisation)


def _end(accelerator: "Accelerator") -> None:
    if accelerator.num_processes == 1 or accelerator.device.type != "cpu":
        accelerator.end_training()
        return
    # On CPUs the processes' group ends with the process: destroying it waits now and then for a
    # thread that waits for this one (https://github.com/pytorch/pytorch/issues/75097).
    for tracker in accelerator.trackers:
        tracker.finish()


def _uploads(output: Output, run: "RunFolder") -> "HubUploads | None":
    if not output.push_to_hub:
        return None
    from huggingface_hub import HfApi

    from hf_gen.hub.push import HubUploads

    repo_id = output.hub_model_id or run.path.resolve().name
    return HubUploads(run, repo_id, output.hub_private_repo, HfApi(), output.hub_overwrite)


def _conclude_uploads(uploads: "HubUploads", run: "RunFolder") -> None:
    address = uploads.conclude()
    for failure in uploads.failures:
        print(f"not uploaded: {failure}", file=sys.stderr)
    if address is None:
        print(f"hf-gen push {run.path} uploads the run, which is complete", file=sys.stderr)
    else:
        print(f"{run.path} is on the Hub: {address}")


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
    launched = os.environ.get("WORLD_SIZE", "1")
    if str(accelerator.num_processes) != launched:
        raise UserError(
            f"{launched} processes were launched, and without a GPU each would train by itself: "
            "set ACCELERATE_USE_CPU=true before `accelerate launch --multi_gpu`, or launch one"
        )
    return accelerator


def set_num_threads(num_threads: int | None) -> None:
    """As many CPU threads as --num-threads or OMP_NUM_THREADS say, else all cores, shared.

    `accelerate launch` and `torchrun` set OMP_NUM_THREADS to 1 where nobody has set it, so that a
    1 of theirs says nothing.
    """
    import torch

    given = os.environ.get("OMP_NUM_THREADS")
    is_launched = bool({"ACCELERATE_MIXED_PRECISION", "TORCHELASTIC_RUN_ID"} & os.environ.keys())
    if num_threads is not None:
        torch.set_num_threads(num_threads)
    elif given is None or (given == "1" and is_launched):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        threads = max((cores or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")), 1)
        torch.set_num_threads(threads)
        if given is not None and threads > 1 and _is_first_here():
            print(
                f"{threads} CPU threads in each process: the launcher's OMP_NUM_THREADS=1 is taken "
                "for its default, and --num-threads 1 is not",
                file=sys.stderr,
            )


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {"hf_gen": __version__} | {name: version(name) for name in PINNED_IN_RUN}


def _lost_other_processes(error: Exception) -> bool:
    from torch.distributed import DistError

    # What gloo raises has no class of its own.
    return isinstance(error, DistError) or "/gloo/" in str(error)


def _is_first_here() -> bool:
    return os.environ.get("LOCAL_RANK", "0") == "0"


if __name__ == "__main__":
    code = main(sys.argv[1:])
    if os.environ.get("WORLD_SIZE", "1") != "1":
        # At once, for the reason that `_end` gives.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)

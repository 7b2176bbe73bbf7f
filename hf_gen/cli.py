"""`hf-gen`: the command line of everything but training."""

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from hf_gen import demo_command, image_commands
from hf_gen.errors import UserError, translate_os_errors

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from hf_gen.report.compare import Compared


def main() -> None:
    """The command line; exits with code 2 after an error of the user's input or machine."""
    commands: dict[str, Callable[..., None]] = {
        "sample": image_commands.sample,
        "reconstruct": image_commands.reconstruct,
        "edit": image_commands.edit,
        "translate": image_commands.translate,
        "evaluate": evaluate,
        "report": report,
        "reproduce": reproduce,
        "export": export,
        "push": push,
        "demo": demo_command.demo,
        "draw-faces": draw_faces,
    }
    try:
        with translate_os_errors():
            tyro.extras.subcommand_cli_from_dict(
                commands,
                prog="hf-gen",
                description="Use, show, evaluate, compare, export and push models; draw faces.",
            )
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:
        extra = "demo" if error.name == "gradio" else "train"
        remedy = f"pip install 'hf_gen[{extra}]'"
        print(f"error: this needs {error.name}, which is not installed: {remedy}", file=sys.stderr)
        sys.exit(2)


def evaluate(run: tyro.conf.Positional[Path]) -> None:
    """Evaluate a run on its test images: results.json, figures and card.

    Args:
        run: A run folder whose training has finished.
    """
    import torch

    from hf_gen.experiments import experiment_of
    from hf_gen.metrics import formatted, metric_info
    from hf_gen.runs.loading import load_run
    from hf_gen.training.memory import keep_freed_memory

    keep_freed_memory()
    finished = load_run(run)
    _print_sources([run])
    experiment = experiment_of(finished.recipe)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    results = experiment.conclude(finished.folder, device)
    rows = [
        (number.name, formatted(value), number.unit)
        for key, value in results.items()
        if not isinstance(value, list)
        for number in [metric_info(key, experiment.names)]
    ]
    names, values = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, value, unit in rows:
        print(f"{name:<{names}}  {value:>{values}}  {unit}".rstrip())


def report(runs: tyro.conf.Positional[tuple[Path, ...]], output_dir: Path = Path("report")) -> None:
    """Compare runs: tables and figures in report.md and report.html.

    Args:
        runs: Run folders whose training has finished.
        output_dir: Where to; an earlier report there is replaced, files of others are kept.
    """
    from hf_gen.report.compare import compare

    _print_sources(runs)
    _print_comparison(compare(runs, output_dir))


def reproduce(
    output_dir: Path = Path("runs/reproduce"),
    budget: Literal["small", "full"] = "small",
    dataset_name: str | None = None,
    dataset_name_b: str | None = None,
    cache_dir: Path | None = None,
) -> None:
    """Train every recipe of the two course reports and compare them. Resumes if interrupted.

    Args:
        output_dir: Where the runs and their comparison go.
        budget: small takes under 30 minutes on two cores; full trains as long as the recipes say.
        dataset_name: A Hub id or a folder. Default: the synthetic faces.
        dataset_name_b: The dataset of the second domain: with --dataset-name and without this,
            CycleGAN is left out.
        cache_dir: Cache of datasets and decoded pixels.
    """
    from hf_gen.report.reproduce import plan
    from hf_gen.report.reproduce import reproduce as run_plan

    planned = plan(output_dir, budget, dataset_name, dataset_name_b, cache_dir)
    _print_comparison(run_plan(planned, output_dir / "report"))


def export(
    models: tyro.conf.Positional[tuple[str, ...]],
    output_dir: Path,
    dtype: Literal["float16", "float32"] = "float16",
    page: bool = False,
    vendor: bool = False,
    title: str | None = None,
) -> None:
    """Export a model as ONNX files, or a page on which several run in the visitor's browser.

    Each file is run by ONNX Runtime and compared with PyTorch.

    Args:
        models: A bundled model such as face-vae, a run folder, or a Hub id; with --page several.
        output_dir: A new or an empty folder.
        dtype: Of the weights in the files; float16 halves them. Arithmetic is in float32.
        page: Write a page for any web server, with the models in its folder models.
        vendor: With --page, put onnxruntime-web beside the page, which npm downloads: the page then
            reads nothing from elsewhere.
        title: Of the page.
    """
    if not page and (vendor or title):
        raise UserError("--vendor and --title are about a page: add --page")
    if not models or (len(models) > 1 and not page):
        raise UserError(f"an export is of one model, got {len(models)}: add --page for several")
    from hf_gen.export.about import about_model
    from hf_gen.export.onnx_files import export_onnx
    from hf_gen.export.page import write_page
    from hf_gen.pipelines import load

    # Loaded first: its errors say more of what is no model.
    pipelines = [load(model) for model in models]
    about = [about_model(model) for model in models]
    if page:
        said = {one.name: one for one in about}
        if len(said) < len(models):
            names = ", ".join(models)
            raise UserError(f"models on one page must have names of their own, got {names}")
        write_page(output_dir, dict(zip(said, pipelines, strict=True)), vendor, dtype, said, title)
        size = sum(path.stat().st_size for path in output_dir.rglob("*") if path.is_file())
        print(f"{output_dir / 'index.html'}, {size / 1e6:,.2f} MB: serve it with any web server")
        return
    manifest = export_onnx(pipelines[0], output_dir, dtype, about[0])
    for graph in manifest["graphs"].values():
        difference = f"largest difference from PyTorch {graph['largest_difference']:.2g}"
        print(f"{output_dir / graph['file']}: {graph['bytes'] / 1e6:,.2f} MB, {difference}")


def push(
    run: tyro.conf.Positional[Path | None] = None,
    repo_id: str | None = None,
    component: str | None = None,
    onnx: bool = False,
    dataset: str | None = None,
    train: int = 10_000,
    validation: int = 1_000,
    test: int = 1_000,
    space: str | None = None,
    sdk: Literal["static", "gradio"] = "static",
    models: tuple[str, ...] = (),
    vendor: bool = False,
    private: bool = False,
    overwrite: bool = False,
) -> None:
    """Upload a run, a page of models, the demo, or the synthetic faces to the Hub, in one commit.

    The token comes from `hf auth login` or from HF_TOKEN. The same command resumes a push.
    Only files that hf_gen wrote are replaced or deleted; .hf_gen.json in the repository lists them.

    Args:
        run: A run folder whose training has finished.
        repo_id: Its repository, as user/name. Default: the folder's name, of the user logged in.
        component: Upload this network alone, such as vae: for `diffusers.AutoModel`.
        onnx: Upload an export as ONNX, too, in the folder onnx.
        dataset: Instead of a run: the repository of a dataset of synthetic faces.
        train: Training pairs of that dataset.
        validation: Validation pairs of that dataset.
        test: Test pairs of that dataset.
        space: The repository of a Space: a page with the run and the models of --models.
        sdk: static for a page that runs in the visitor's browser, which the Hub hosts for free;
            gradio for the demo, on a server.
        models: What else the Space shows: bundled models, run folders and Hub ids; in a Gradio
            Space Hub ids alone, besides the bundled models. Default: face-vae and cyclegan.
        vendor: Upload onnxruntime-web into the page's Space, in place of a link to a CDN.
        private: Make a new repository private.
        overwrite: Push to a repository that hf_gen did not write, too: files of the same names are
            replaced, no other file is deleted.
    """
    if models and space is None:
        raise UserError("--models says what a Space shows: name the Space by --space user/name")
    if (dataset is None) == (run is None and space is None):
        raise UserError(
            "name a run folder, or a Space by --space user/name, or a dataset by --dataset "
            "user/name, and no dataset together with others"
        )
    from huggingface_hub import HfApi

    from hf_gen.hub.faces import push_faces
    from hf_gen.hub.push import push_run
    from hf_gen.hub.upload import Repository

    api = HfApi()
    if space is not None:
        if repo_id or component or onnx:
            raise UserError(
                "--repo-id, --component and --onnx are for the repository of a run, and --space "
                "for a page: push one after the other"
            )
        if run is not None and sdk == "gradio":
            raise UserError(
                f"a Gradio Space shows models of the Hub: push {run} by --repo-id user/mine, and "
                "name that by --models"
            )
        shown = (*([str(run)] if run else ()), *models)
        print(_push_space(api, space, sdk, shown, vendor, private, overwrite))
        return
    if dataset is not None:
        repository = Repository.open(api, dataset, private, "dataset", overwrite)
        print(push_faces(repository, train, validation, test))
        return
    assert run is not None
    from hf_gen.export.onnx_files import check_installed
    from hf_gen.hub.cards import run_card
    from hf_gen.pipelines import load
    from hf_gen.runs.loading import load_run

    if onnx:
        check_installed()
    finished = load_run(run)
    pipeline = load(run)
    repository = Repository.open(api, repo_id or finished.name, private, overwrite=overwrite)
    card = run_card(finished.folder, repository.name, component)
    print(push_run(finished.folder, pipeline, card, repository, component, onnx))


def _push_space(
    api: "HfApi",
    space: str,
    sdk: str,
    models: tuple[str, ...],
    vendor: bool,
    private: bool,
    overwrite: bool,
) -> str:
    """The address of the commit."""
    if sdk == "gradio":
        from hf_gen.hub.space import push_space

        return push_space(space, models, private, api, overwrite)
    from hf_gen.hub.static_space import DEFAULT_MODELS, push_static_space

    return push_static_space(space, models or DEFAULT_MODELS, private, api, overwrite, vendor)


def draw_faces(
    folder: tyro.conf.Positional[Path],
    train: int = 10_000,
    validation: int = 1_000,
    test: int = 1_000,
    size: int = 64,
    seed: int = 0,
) -> None:
    """Draw pairs of faces, anime and cartoon, as a dataset folder in the Hub's layout.

    Args:
        folder: A new folder. `datasets.load_dataset(FOLDER)` reads it, and so does
            `train_accelerate.py RECIPE --dataset-name FOLDER --image-column anime`.
        train: Training pairs.
        validation: Validation pairs, of other faces than the training pairs.
        test: Test pairs, of other faces again.
        size: Height and width in pixels.
        seed: Of the factors.
    """
    from hf_gen.faces import write_synthetic_faces

    write_synthetic_faces(folder, train, validation, test, size, seed)
    print(f"{folder}: train {train:,}; validation {validation:,}; test {test:,} pairs of faces")


def _print_sources(runs: Iterable[Path]) -> None:
    """Names what runs that may be untrusted refer to, before it is read."""
    from hf_gen.runs.loading import load_run

    for run in runs:
        with suppress(UserError):  # the next reader reports it
            for source in load_run(run).sources:
                print(f"{run}/run.json names {source}", file=sys.stderr, flush=True)


def _print_comparison(compared: "Compared") -> None:
    for name, why in compared.left_out.items():
        print(f"left out {name}: {why}", file=sys.stderr)
    print(f"{compared.folder / 'report.md'} compares {', '.join(compared.runs)}")

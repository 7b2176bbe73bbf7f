"""A run as a repository on the Hub, pushed in one commit, and uploads while it trains."""

import shutil
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch
from diffusers import DiffusionPipeline, ModelMixin
from huggingface_hub import HfApi, ModelCard

from hf_gen.errors import HubUnreachable, UserError
from hf_gen.export.about import About
from hf_gen.export.onnx_files import export_onnx
from hf_gen.hub.cards import run_card
from hf_gen.hub.upload import Repository
from hf_gen.pipelines import load
from hf_gen.pipelines.base import clean_config
from hf_gen.pipelines.files import check_no_symlink_escape
from hf_gen.runs.folder import RunFolder

_FILES = ("README.md", "results.json", "metrics.jsonl")
_FOLDERS = ("figures", "tensorboard")
_WAITS = (2.0, 10.0)


def push_run(
    run: RunFolder,
    pipeline: DiffusionPipeline,
    card: ModelCard,
    repository: Repository,
    component: str | None = None,
    onnx: bool = False,
) -> str:
    """Uploads a finished run with its pipeline; returns the address of the commit.

    What an interrupted push uploaded is not uploaded again. The files of an earlier push that this
    one lacks are deleted in the same commit; files that hf_gen did not write are kept.

    Args:
        run: Whose figures and results.
        pipeline: In float32; its weights in half precision are uploaded too.
        card: The README of the repository.
        repository: Where to.
        component: Upload this network of the pipeline alone, such as "vae", at the root.
        onnx: Upload the pipeline as ONNX files, too, in the folder onnx.

    Raises:
        UserError: If there is no such component, the pipeline cannot be exported, a link leads out
            of the folder, the Hub refuses, or it cannot be reached.
    """
    networks = {name: part for name, part in pipeline.components.items() if part is not None}
    if component is not None and component not in networks:
        raise UserError(f"{run.path} has no component {component!r}: it has {', '.join(networks)}")
    if component is not None and onnx:
        raise UserError(f"--onnx exports a pipeline, not {component} alone: leave --component out")
    for name in (*_FILES, *_FOLDERS):
        for file in (run.path / name, *(run.path / name).rglob("*")):
            check_no_symlink_escape(run.path, file)

    def write(folder: Path) -> None:
        stage(networks[component] if component else pipeline, folder)
        for name in _FILES:
            shutil.copy2(run.path / name, folder / name)
        for name in _FOLDERS:
            if (run.path / name).is_dir():
                shutil.copytree(run.path / name, folder / name)
        if onnx:
            about = About.of_card(repository.name, card.data)
            export_onnx(pipeline, folder / "onnx", about=about)

    message = f"{run.path.name}: {run.last_line()['step']:,} steps"
    return repository.push(write, card, message)


def stage(model: DiffusionPipeline | ModelMixin, folder: Path) -> None:
    """Saves a pipeline or a network in float32, and in half precision as the variant "fp16"."""
    model.save_pretrained(folder, safe_serialization=True)
    clean_config(model, folder)
    read = load if isinstance(model, DiffusionPipeline) else type(model).from_pretrained
    half = read(folder, dtype=torch.float16)
    half.save_pretrained(folder, safe_serialization=True, variant="fp16")
    clean_config(half, folder)


class HubUploads:
    """Uploads of a run while it trains: its pipeline at each evaluation, and the run at the end.

    No failure ends a training: an upload that failed is replaced by the next, and the last one is
    retried. Only a Hub that refuses at the start raises a `UserError`.

    Attributes:
        failures: The messages of what failed, in order.
    """

    def __init__(
        self, run: RunFolder, repo_id: str, private: bool, api: HfApi, overwrite: bool = False
    ) -> None:
        self._run, self._target = run, (api, repo_id, private, "model", overwrite)
        # Where the Hub could not be reached yet, it is opened at the end.
        self._repository = Repository(api, repo_id, overwrite=overwrite)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hub-upload")
        self._running: Future[None] | None = None
        self.failures: list[str] = []
        try:
            self._repository = Repository.open(*self._target)
        except HubUnreachable as error:
            self.failures.append(str(error))

    def start(self, pipeline: DiffusionPipeline, step: int) -> bool:
        """Uploads a copy of the weights in the background; False while another upload runs."""
        if self._running is not None and not self._running.done():
            return False
        folder = tempfile.TemporaryDirectory()
        pipeline.save_pretrained(folder.name, safe_serialization=True)
        self._running = self._worker.submit(self._upload, folder, step)
        return True

    def conclude(self) -> str | None:
        """Pushes the finished run; returns the address of the commit, or None after a failure."""
        self._worker.shutdown(wait=True)
        for wait in (*_WAITS, None):
            try:
                return self._push()
            except HubUnreachable as error:
                self.failures.append(str(error))
                if wait is not None:
                    time.sleep(wait)
            except UserError as error:
                self.failures.append(str(error))
                break
        return None

    def _push(self) -> str:
        repository = Repository.open(*self._target)
        card, pipeline = run_card(self._run, repository.name), load(self._run.path)
        return push_run(self._run, pipeline, card, repository)

    def _upload(self, folder: "tempfile.TemporaryDirectory[str]", step: int) -> None:
        message = f"step {step:,}"
        with folder:
            try:
                self._repository.upload(Path(folder.name), message)
            except UserError as error:
                self.failures.append(f"{message}: {error}")

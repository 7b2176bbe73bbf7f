"""Uploads while a run trains: beside the training, and never in its way."""

import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from diffusers import DiffusionPipeline
from huggingface_hub import HfApi

from hf_gen.errors import HubUnreachable, UserError
from hf_gen.hub.cards import Family, run_card
from hf_gen.hub.push import check_access, push_run
from hf_gen.hub.upload import upload
from hf_gen.pipelines import load
from hf_gen.runs.folder import RunFolder

_WAITS = (2.0, 10.0)


class HubUploads:
    """A run on its way to the Hub: its pipeline at each evaluation, and in the end all of it.

    No failure ends a training. What could not be uploaded along the way is replaced by what
    follows; the end is tried again, and what is then missing is told.

    Args:
        run: What is uploaded.
        repo_id: Such as user/name; a name alone is the user's own.
        private: Whether a new repository is hidden from others.
        api: The client.
        overwrite: Replace files of the same names that hf_gen did not write.

    Attributes:
        failures: The sentences of what failed, in order.

    Raises:
        UserError: If the Hub refuses, so that nothing could ever be uploaded. A Hub that cannot be
            reached is no reason not to train.
    """

    def __init__(
        self, run: RunFolder, repo_id: str, private: bool, api: HfApi, overwrite: bool = False
    ) -> None:
        self._run, self._repo_id, self._private, self._api = run, repo_id, private, api
        self._overwrite = overwrite
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hub-upload")
        self._running: Future[None] | None = None
        self.failures: list[str] = []
        try:
            self._repo_id = check_access(api, repo_id, private, overwrite=overwrite)
        except HubUnreachable as error:
            self.failures.append(str(error))

    def start(self, pipeline: DiffusionPipeline, step: int) -> bool:
        """Copies the weights as they are now, and uploads the copy beside what follows.

        Returns:
            Whether it was started: not while an earlier one is still on its way.
        """
        if self._running is not None and not self._running.done():
            return False
        folder = tempfile.TemporaryDirectory()
        pipeline.save_pretrained(folder.name, safe_serialization=True)
        self._running = self._worker.submit(self._upload, folder, step)
        return True

    def conclude(self, family: Family) -> str | None:
        """Waits for what is on its way, and pushes the finished run.

        Args:
            family: Of its card.

        Returns:
            The address of the commit, or None where it failed, which `failures` then says last.
        """
        self._worker.shutdown(wait=True)
        for wait in (*_WAITS, None):
            try:
                api, overwrite = self._api, self._overwrite
                repo_id = check_access(api, self._repo_id, self._private, overwrite=overwrite)
                card, pipeline = run_card(self._run, family, repo_id), load(self._run.path)
                return push_run(self._run, pipeline, card, repo_id, api, overwrite=overwrite)
            except HubUnreachable as error:
                self.failures.append(str(error))
                if wait is not None:
                    time.sleep(wait)
            except UserError as error:
                self.failures.append(str(error))
                break
        return None

    def _upload(self, folder: "tempfile.TemporaryDirectory[str]", step: int) -> None:
        with folder:
            try:
                message, overwrite = f"step {step:,}", self._overwrite
                upload(Path(folder.name), self._repo_id, self._api, message, overwrite=overwrite)
            except UserError as error:
                self.failures.append(f"step {step:,}: {error}")

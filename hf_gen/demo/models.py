"""The models of the demo: found, loaded in the background, evicted when memory is needed.

torch and diffusers are imported with the first model, after the page is served: they take half of
the start-up time.
"""

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hf_gen import pipelines
from hf_gen.demo.limits import MAX_DOWNLOAD_BYTES, MEMORY_FRACTION, RETRY_SECONDS
from hf_gen.errors import UserError
from hf_gen.pipelines.files import INDEX, read_json

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

Family = Literal["VAEPipeline", "TranslationPipeline"]
"""The class of a pipeline, by its name."""
_BEST = ("face-vae", "cyclegan")
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_log = logging.getLogger(__name__)


@dataclass
class _Entry:
    """The folder or Hub id of a model, its family once known, and its last failure to load."""

    source: str | Path
    family: str | None = None
    failure: str = ""
    failed_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


def find_models(runs: Path, ids: Iterable[str]) -> dict[str, str | Path]:
    """The models of a demo: name -> folder or Hub id.

    They are the bundled ones, the best first, the run folders in `runs` with an exported pipeline,
    as runs/NAME, and those of the Hub in `ids`.
    """
    indices = pipelines.WEIGHTS.glob("*/model_index.json")
    folders = sorted((index.parent for index in indices), key=lambda it: (it.name not in _BEST, it))
    bundled: dict[str, str | Path] = {folder.name: folder for folder in folders}
    return bundled | _find_runs(runs) | {name: name for name in ids}


def _find_runs(runs: Path) -> dict[str, str | Path]:
    found = sorted(runs.glob("*/pipeline/model_index.json"))
    return {f"runs/{index.parents[1].name}": index.parent for index in found}


def memory_bytes(cgroups: Iterable[str] = _CGROUPS) -> int:
    """The memory that this process may use: the machine's, or what its container is given.

    Args:
        cgroups: The files in which the kernel says the limit of a container, if there is one.
    """
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in cgroups:
        file = Path(name)
        words = file.read_text().strip() if file.is_file() else "max"
        limits += [int(words)] if words.isdecimal() else []
    return min(limits)


class ModelCache:
    """Pipelines by name, shared by all visitors and safe to use from several threads.

    If the weights take more than `max_bytes`, by default a share of the memory of the machine or
    of its container, the least recently used pipelines are dropped. Runs that end in the folder
    `runs` are added by `refresh`.
    """

    def __init__(
        self,
        places: Mapping[str, str | Path],
        max_bytes: int | None = None,
        runs: Path | None = None,
    ) -> None:
        self.max_bytes = max_bytes or int(memory_bytes() * MEMORY_FRACTION)
        self._runs = runs
        self._places = {name: _Entry(source, _family_in(source)) for name, source in places.items()}
        self._loaded: OrderedDict[str, DiffusionPipeline] = OrderedDict()
        self._lock = threading.Lock()

    def names(self, family: Family) -> list[str]:
        """The models of one family; one of the Hub is among them once it has been loaded."""
        return [
            name
            for name, place in self._places.items()
            if place.family == family and not place.failure
        ]

    def refresh(self) -> None:
        """Adds the runs that have ended in the meantime, and tries failed models again later."""
        for name, source in ({} if self._runs is None else _find_runs(self._runs)).items():
            if name not in self._places:
                with self._lock:
                    self._places = self._places | {name: _Entry(source, _family_in(source))}
        due = time.monotonic() - RETRY_SECONDS
        failed = [name for name, one in self._places.items() if one.failure and one.failed_at < due]
        if failed:
            for name in failed:
                self._places[name].failed_at = time.monotonic()
            threading.Thread(target=self.load_all, args=(failed,), daemon=True).start()

    @property
    def failures(self) -> dict[str, str]:
        """The models that could not be loaded, and why."""
        return {name: place.failure for name, place in self._places.items() if place.failure}

    @property
    def bytes(self) -> int:
        """What the loaded weights take."""
        with self._lock:
            return self._size()

    def load_all(self, names: Iterable[str] = ()) -> None:
        """Loads these models, by default every one, so that the first visitor need not wait."""
        for name in names or self._places:
            place = self._places[name]
            try:
                self.get(name)
                place.failure = ""
            except UserError as error:
                place.failure, place.failed_at = str(error), time.monotonic()

    def get(self, name: str, family: Family | None = None) -> "DiffusionPipeline":
        """The pipeline of a name, loaded now if it is not in the cache.

        Raises:
            UserError: If there is no such model, it cannot be loaded, or it is of another family.
        """
        place = self._places.get(name) if isinstance(name, str) else None
        if place is None:
            offered = self.names(family) if family else [*self._places]
            raise UserError(f"There is no model {name!r}: choose one of {', '.join(offered)}")
        with place.lock:
            with self._lock:
                pipeline = self._loaded.get(name)
                if pipeline is not None:
                    self._loaded.move_to_end(name)
            if pipeline is None:
                pipeline = self._load(name, place)
        place.family = type(pipeline).__name__
        if family is not None and place.family != family:
            job = "translate" if family == "TranslationPipeline" else "reconstruct and sample"
            others = ", ".join(self.names(family))
            raise UserError(f"{name} does not {job}: choose one of {others}")
        return pipeline

    def _load(self, name: str, place: _Entry) -> "DiffusionPipeline":
        with self._lock:  # of two threads that import the same at once one may get half of it
            load = pipelines.load
        try:
            pipeline = load(place.source, max_bytes=MAX_DOWNLOAD_BYTES)
        except UserError as error:
            # Its words are for whoever runs the demo: they name folders and arguments.
            _log.warning("%s cannot be loaded: %s", name, error)
            where = "from the Hub just now" if isinstance(place.source, str) else "here"
            raise UserError(
                f"{name} cannot be loaded {where}: choose another model, or try again later"
            ) from error
        import torch

        pipeline.to("cuda" if torch.cuda.is_available() else "cpu")
        pipeline.set_progress_bar_config(disable=True)
        with self._lock:
            self._loaded[name] = pipeline
            while len(self._loaded) > 1 and self._size() > self.max_bytes:
                self._loaded.popitem(last=False)
        return pipeline

    def _size(self) -> int:
        networks = (part for one in self._loaded.values() for part in one.components.values())
        known = (one for one in networks if one is not None)
        weights = (one for part in known for one in (*part.parameters(), *part.buffers()))
        return sum(weight.numel() * weight.element_size() for weight in weights)


def _family_in(source: str | Path) -> Family | None:
    """The family of a folder, from its index; a damaged model or one of the Hub is loaded first."""
    if isinstance(source, str):
        return None
    try:
        name = str(read_json(source, INDEX).get("_class_name"))
    except UserError:
        return None
    return "TranslationPipeline" if "TranslationPipeline" in name else "VAEPipeline"

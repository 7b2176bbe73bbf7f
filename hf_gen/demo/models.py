"""The models of the demo: found, loaded in the background, evicted when memory is needed.

torch and diffusers are imported with the first model, after the page is served: they take half of
the start-up time.
"""

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hf_gen import pipelines
from hf_gen.demo.limits import MAX_DOWNLOAD_BYTES, MEMORY_FRACTION
from hf_gen.errors import UserError
from hf_gen.pipelines.files import INDEX, read_json

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

Family = Literal["VAEPipeline", "TranslationPipeline"]
"""The class of a pipeline, by its name."""
_log = logging.getLogger(__name__)


@dataclass
class _Entry:
    """The folder or Hub id of a model, its family once known, and why it could not be loaded."""

    source: str | Path
    family: str | None = None
    failure: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


def find_models(runs: Path, ids: Iterable[str]) -> dict[str, str | Path]:
    """The models of a demo: name -> folder or Hub id.

    They are the bundled ones, the run folders in `runs` with an exported pipeline, as runs/NAME,
    and those of the Hub in `ids`.
    """
    bundled = {
        index.parent.name: index.parent for index in pipelines.WEIGHTS.glob("*/model_index.json")
    }
    trained = {
        f"runs/{index.parents[1].name}": index.parent
        for index in runs.glob("*/pipeline/model_index.json")
    }
    return dict(sorted(bundled.items()) + sorted(trained.items())) | {name: name for name in ids}


class ModelCache:
    """Pipelines by name, shared by all visitors and safe to use from several threads.

    If the weights take more than `max_bytes`, by default a share of the machine's memory, the
    least recently used pipelines are dropped.
    """

    def __init__(self, places: Mapping[str, str | Path], max_bytes: int | None = None) -> None:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        self.max_bytes = max_bytes or int(memory * MEMORY_FRACTION)
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

    @property
    def failures(self) -> dict[str, str]:
        """The models that could not be loaded, and why."""
        return {name: place.failure for name, place in self._places.items() if place.failure}

    @property
    def bytes(self) -> int:
        """What the loaded weights take."""
        with self._lock:
            return self._size()

    def load_all(self) -> None:
        """Loads every model once, so that the first visitor need not wait."""
        for name in self._places:
            try:
                self.get(name)
            except UserError as error:
                self._places[name].failure = str(error)
                _log.warning("%s", error)

    def get(self, name: str, family: Family | None = None) -> "DiffusionPipeline":
        """The pipeline of a name, loaded now if it is not in the cache.

        Raises:
            UserError: If there is no such model, it cannot be loaded, or it is of another family.
        """
        place = self._places.get(name) if isinstance(name, str) else None
        if place is None:
            raise UserError(f"There is no model {name!r}: choose one of {', '.join(self._places)}")
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
            raise UserError(f"{name} does not {job}: choose another model")
        return pipeline

    def _load(self, name: str, place: _Entry) -> "DiffusionPipeline":
        with self._lock:  # of two threads that import the same at once one may get half of it
            load = pipelines.load
        try:
            pipeline = load(place.source, max_bytes=MAX_DOWNLOAD_BYTES)
        except UserError as error:
            raise UserError(str(error).replace(str(place.source), name)) from error
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

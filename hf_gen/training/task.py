"""What the loop needs of a task: a protocol of a few names."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from diffusers import DiffusionPipeline
from torch import Tensor, nn

from hf_gen.config import Optimisation
from hf_gen.data.batches import Batch


class Stateful(Protocol):
    """State of one process that a resumed run needs, besides networks and optimisers."""

    def state_dict(self) -> dict[str, Tensor]:
        """Its tensors by name."""

    def load_state_dict(self, state: dict[str, Tensor]) -> object:
        """Restores them."""


class Task(Protocol):
    """What one family of models trains.

    Attributes:
        networks: Everything trained, by name.
        turns: For each optimiser, in the order of `losses`, the networks it updates.
        prefixes: What the names of a turn's losses begin with in the log, such as "generators/".
        averaged: The networks of which EMA weights are kept: what is evaluated and exported.
        optimisations: How the weights of each turn are found.
        preview_columns: Images in a row of `preview`.
    """

    networks: dict[str, nn.Module]
    turns: dict[str, tuple[str, ...]]
    prefixes: dict[str, str]
    averaged: tuple[str, ...]
    optimisations: dict[str, Optimisation]
    preview_columns: int

    @property
    def state(self) -> Mapping[str, Stateful]:
        """What else a checkpoint holds."""

    def losses(
        self, nets: Mapping[str, nn.Module], batch: Batch
    ) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Yields once per turn its name and its named losses, means over the batch.

        A turn that a step leaves out updates nothing.

        "objective" is optimised before the generator resumes; all of them are logged.
        """

    def preview(self, nets: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """Images that show the progress of the training, in rows of `preview_columns`."""

    def pipeline(self, nets: Mapping[str, nn.Module]) -> DiffusionPipeline:
        """What a run exports."""

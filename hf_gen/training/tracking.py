"""Logged metrics: their means since the last log line, and the trackers that get them too."""

from collections.abc import Mapping
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from PIL import Image
from torch import Tensor


class MetricWindow:
    """Weighted means of named metrics since the last log line.

    Everything stays on the device until it is read, so that no step waits for the host.
    """

    def __init__(self, device: torch.device) -> None:
        self._sums: dict[str, Tensor] = {}  # of value times weight
        self._weights: dict[str, float] = {}
        self._none = torch.zeros((), device=device)
        self._first_bad = torch.full((), torch.inf, device=device)

    @torch.no_grad()
    def add(self, losses: Mapping[str, Tensor], step: int, weight: float = 1.0) -> None:
        """Adds the metrics of step `step`, means over `weight` of whatever is counted."""
        values = torch.stack(list(losses.values()))
        before = torch.stack([self._sums.get(name, self._none) for name in losses])
        sums = before + values * weight
        self._sums.update(zip(losses, sums.unbind(), strict=True))
        for name in losses:
            self._weights[name] = self._weights.get(name, 0.0) + weight
        bad_since = torch.where(values.isfinite().all(), torch.inf, step)
        self._first_bad = self._first_bad.minimum(bad_since)

    def means(self, prefix: str) -> dict[str, float]:
        """The means over all processes as "prefix/name"; starts the next window."""
        totals = self.totals()
        self._sums, self._weights = {}, {}
        return {f"{prefix}/{name}": value / weight for name, (value, weight) in totals.items()}

    def totals(self) -> dict[str, tuple[float, float]]:
        """The weighted sum and the sum of the weights over all processes, by name in order."""
        totals: dict[str, tuple[float, float]] = {}
        own = {name: (self._sums[name].item(), self._weights[name]) for name in self._sums}
        for sums in gather_object([own]):
            for name, (value, weight) in sums.items():
                before = totals.get(name, (0.0, 0.0))
                totals[name] = (before[0] + value, before[1] + weight)
        return dict(sorted(totals.items()))

    def resume(self, totals: Mapping[str, tuple[float, float]]) -> None:
        """Resumes from the `totals` of a checkpoint, in one process for all."""
        device = self._none.device
        self._sums = {name: torch.tensor(sum_, device=device) for name, (sum_, _) in totals.items()}
        self._weights = {name: weight for name, (_, weight) in totals.items()}

    def first_bad_step(self) -> int | None:
        """The first step with a value that was not finite, in any process."""
        step = min(gather_object([self._first_bad.item()]))
        return None if step == torch.inf else int(step)


def start_tracker(
    accelerator: Accelerator, report_to: str, name: str, first_step: int, identity: dict[str, Any]
) -> None:
    """Starts the tracker that the accelerator was made with, if there is one.

    Args:
        accelerator: Made with `log_with=report_to`.
        report_to: The name of a tracker, or "none".
        name: Of the run, where the tracker has a project of several.
        first_step: Steps already logged. TensorBoard purges what it has of later steps, and trackio
            appends to the run of that name.
        identity: Flat values of the run, for trackers that show them.
    """
    if report_to == "tensorboard":
        # Its hyperparameters would be a second, nameless run in the same folder.
        accelerator.init_trackers(
            "tensorboard", init_kwargs={"tensorboard": {"purge_step": first_step}}
        )
    elif report_to == "trackio":
        resume = "allow" if first_step else "never"
        accelerator.init_trackers(
            "hf_gen",
            config=identity,
            init_kwargs={"trackio": {"name": name, "resume": resume, "embed": False}},
        )
    elif report_to != "none":
        accelerator.init_trackers("hf_gen", config=identity)


def log_preview(accelerator: Accelerator, image: Image.Image, step: int) -> None:
    """Sends an image of the progress to trackio, if that is the tracker."""
    for tracker in accelerator.trackers:
        if tracker.name == "trackio":
            import trackio

            tracker.log({"preview": trackio.Image(image)}, step=step)

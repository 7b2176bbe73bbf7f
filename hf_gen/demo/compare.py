"""A face through several models: a card a model, and a sheet of all faces of a visitor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from hf_gen.demo import pictures
from hf_gen.demo.limits import MAX_MODELS
from hf_gen.demo.names import line_of
from hf_gen.errors import UserError

# What a card calls each metric of the API, and its format.
_SHOWN = {
    "psnr": ("PSNR", "{:.1f} dB"),
    "ssim": ("SSIM", "{:.2f}"),
    "bits_per_dimension": ("bits per dimension", "{:.2f}"),
    "cycle_l1": ("cycle-consistency L1", "{:.3f}"),
    "milliseconds": ("time", "{:.0f} ms"),
}


@dataclass(frozen=True)
class Result:
    """One image through one model.

    Attributes:
        input: The square crop of the image at the model's resolution.
        output: The reconstruction or translation, of the same size.
        inset: The error map of a reconstruction, or the cycle reconstruction of a translation.
        caption: What `inset` is.
        metrics: As the API returns them; None for what the model does not have.
        likelihood: Of the bits per dimension: those of different likelihoods do not compare.
    """

    input: Image.Image
    output: Image.Image
    inset: Image.Image
    caption: str
    metrics: dict[str, Any]
    likelihood: str | None = None


def compared(results: Mapping[str, Result], configs: Mapping[str, Any], kind: str) -> str:
    """Cards of one face by several models.

    Args:
        results: By the names of the models.
        configs: Of their pipelines.
        kind: What the outputs are, such as "reconstruction".
    """
    # Bits of different likelihoods or sizes are of different things: none is shown beside another.
    units = {(one.likelihood, one.input.size) for one in results.values() if one.likelihood}
    return pictures.cards(
        [
            pictures.card(name, line_of(name, configs[name]), _content(name, one, kind, units))
            for name, one in results.items()
        ]
    )


def sheet_of_all(results: Mapping[str, Sequence[Result]], names: Sequence[str]) -> str:
    """All images, a row a model with its name; empty for a single image."""
    first = next(iter(results.values()))
    if len(first) == 1:
        return ""
    rows = [[one.input for one in first]]
    rows += [[one.output for one in each] for each in results.values()]
    return pictures.sheet(rows, ["input", *names], "all faces")


def check_count(names: Sequence[str]) -> None:
    """Raises a `UserError` if these are more models than fit side by side."""
    if len(names) > MAX_MODELS:
        raise UserError(f"{len(names)} models do not fit side by side: choose up to {MAX_MODELS}")


def _content(name: str, one: Result, kind: str, units: set[Any]) -> str:
    metrics = {
        label: form.format(one.metrics[key])
        for key, (label, form) in _SHOWN.items()
        if one.metrics.get(key) is not None and (key != "bits_per_dimension" or len(units) == 1)
    }
    crisp = "crisp small" if one.caption == "error map" else "small"
    inset = pictures.picture(one.inset, f"{one.caption} of {name}", crisp)
    pair = pictures.before_after(one.input, one.output, ("input", f"{kind} by {name}"))
    return (
        f'{pair}<div class="details"><figure>{inset}<figcaption>{one.caption}</figcaption></figure>'
        f"{pictures.metrics_table(metrics)}</div>"
    )

"""The faces of a visitor through several models: a card a model, and a sheet of all faces."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr
from PIL import Image

from hf_gen.demo import pictures
from hf_gen.demo.inputs import FaceInput, Faces, Shown, check_count, files
from hf_gen.demo.limits import MAX_MODELS
from hf_gen.demo.models import Family, ModelCache
from hf_gen.demo.pictures import enlarge
from hf_gen.demo.uploads import open_uploads

# As many as are chosen when the page opens, so that nothing moves then.
_INITIAL_CARDS = 3


# What a card calls each metric of the API, and its format.
_SHOWN = {
    "psnr": ("PSNR", "{:.1f} dB"),
    "ssim": ("SSIM", "{:.2f}"),
    "bits_per_dimension": ("bits per dimension, {likelihood}", "{:.2f}"),
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


class Card(NamedTuple):
    """HTML above, the value of a component for images, and HTML below."""

    title: str = ""
    picture: Any = None
    details: str = ""


class Cards:
    """As many cards as models fit side by side; those without content are hidden."""

    def __init__(
        self, make: Callable[[], gr.components.Component], at_first: int, kind: str = ""
    ) -> None:
        self.pictures: list[Any] = []
        self.outputs: list[Any] = []
        with gr.Row(elem_classes=f"cards {kind}".split()):
            for place in range(MAX_MODELS):
                with gr.Column(
                    visible=place < at_first, min_width=240, elem_classes="card"
                ) as column:
                    title = gr.HTML(padding=False)
                    self.pictures.append(make())
                    details = gr.HTML(padding=False)
                self.outputs += [column, title, self.pictures[-1], details]

    def fill(self, cards: Sequence[Card]) -> list[Any]:
        """The values of `outputs` that show these cards, at most as many as fit."""
        values: list[Any] = []
        for place in range(MAX_MODELS):
            card = cards[place] if place < len(cards) else Card()
            values += [
                gr.update(visible=place < len(cards)),
                card.title,
                gr.update(value=card.picture, visible=card.picture is not None),
                gr.update(value=card.details, visible=card.details != ""),
            ]
        return values


def build_comparison(
    cache: ModelCache,
    family: Family,
    choice: FaceInput,
    linked: dict[str, Any],
    run: Callable[..., Sequence[Result]],
    summary: Callable[[Mapping[str, Sequence[Result]]], str],
) -> Shown:
    """Lays out the results of a tab.

    Args:
        cache: The models.
        family: Of the models that the tab compares.
        choice: The faces.
        linked: The checkboxes of the models by the name of the tab, then other controls.
        run: Takes a pipeline, images and the values of the other controls.
        summary: HTML below the cards.

    Returns:
        What updates them when faces or models change.
    """
    tab, models = next(iter(linked.items()))
    cards = Cards(_slider, _INITIAL_CARDS)
    below = gr.HTML(padding=False)

    def show(faces: Faces, names: list[str], *controls: Any) -> list[Any]:
        if not faces or not names:
            hint = pictures.note(f"Choose a face and a model to {tab}.")
            return [*cards.fill([Card(details=hint)]), ""]
        check_count(names)
        images = open_uploads(files(faces))
        results = {name: run(cache.get(name, family), images, *controls) for name in names}
        shown = [_card(name, each[0]) for name, each in results.items()]
        return [*cards.fill(shown), summary(results)]

    changes, inputs = [*choice.changes, models.change], [choice.faces, *linked.values()]
    return Shown(show, changes, inputs, [*cards.outputs, below], linked, cards.pictures[0])


def sheet_of_all(results: Mapping[str, Sequence[Result]], names: Sequence[str]) -> str:
    """All images, a row a model with its name; empty for a single image."""
    first = next(iter(results.values()))
    if len(first) == 1:
        return ""
    rows = [[one.input for one in first]]
    rows += [[one.output for one in each] for each in results.values()]
    return pictures.sheet(rows, ["input", *names], "all faces")


def _slider() -> gr.ImageSlider:
    return gr.ImageSlider(
        format="png",
        buttons=["download", "fullscreen"],
        show_label=False,
        slider_position=30,
    )


def _card(name: str, one: Result) -> Card:
    metrics = {
        label.format(likelihood=one.likelihood): form.format(one.metrics[key])
        for key, (label, form) in _SHOWN.items()
        if one.metrics.get(key) is not None
    }
    details = (
        f'<div class="details">{pictures.picture(one.inset, one.caption, "small")}<div>'
        f"<small>{one.caption}</small>{pictures.metrics_table(metrics)}</div></div>"
    )
    title = pictures.title(name, f"{one.input.width}×{one.input.height} pixels")
    return Card(title, (enlarge(one.input), enlarge(one.output)), details)

"""One card a model: input and output with a slider between them, and metrics below."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import gradio as gr
from PIL import Image

from hf_gen.demo import html
from hf_gen.demo.limits import MOST_MODELS
from hf_gen.demo.pixels import enlarge

# As many as are chosen when the page opens, so that nothing moves then.
_AT_FIRST = 3


class Card(NamedTuple):
    """What a card shows.

    Attributes:
        title: The model.
        subtitle: What is good to know of it.
        before: What went in, at the model's resolution.
        after: What came out, of the same size.
        details: HTML below.
    """

    title: str
    subtitle: str
    before: Image.Image
    after: Image.Image
    details: str


class Cards:
    """As many cards as there can be models side by side; those that have nothing to show hide."""

    def __init__(self) -> None:
        self.columns, self.titles, self.sliders, self.details = [], [], [], []
        with gr.Row(elem_classes="cards"):
            for place in range(MOST_MODELS):
                with gr.Column(
                    visible=place < _AT_FIRST, min_width=240, elem_classes="card"
                ) as column:
                    self.columns.append(column)
                    self.titles.append(gr.HTML(padding=False))
                    self.sliders.append(
                        gr.ImageSlider(
                            format="png",
                            buttons=["download", "fullscreen"],
                            show_label=False,
                            slider_position=30,
                        )
                    )
                    self.details.append(gr.HTML(padding=False))

    @property
    def outputs(self) -> list[gr.Blocks]:
        """What `fill` gives new values to."""
        return [*self.columns, *self.titles, *self.sliders, *self.details]

    def fill(self, cards: Sequence[Card], instead: str = "") -> list[Any]:
        """The values that show these cards.

        Args:
            cards: At most as many as there are places.
            instead: HTML that the first place shows where there is no card.
        """
        empty = MOST_MODELS - len(cards)
        titles = [html.title(card.title, card.subtitle) for card in cards]
        sliders = [
            gr.ImageSlider((enlarge(card.before), enlarge(card.after)), visible=True)
            for card in cards
        ]
        blank = gr.ImageSlider(None, visible=False)
        details = [card.details for card in cards] + [""] * empty
        if not cards:
            details[0] = instead
        shown = max(1, len(cards))
        return [
            *(gr.Column(visible=place < shown) for place in range(MOST_MODELS)),
            *titles,
            *[""] * empty,
            *sliders,
            *[blank] * empty,
            *details,
        ]

"""What the tabs share: the face of a visitor, where faces come from, and the choice of models."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import gradio as gr
from PIL import Image

from hf_gen.demo import pictures
from hf_gen.demo.limits import MAX_IMAGES, MAX_MODELS, SESSION_SECONDS
from hf_gen.demo.models import Family, ModelCache
from hf_gen.demo.names import label_of
from hf_gen.demo.references import FIRST, FaceSource, words_of
from hf_gen.demo.requests import compute, without_secrets
from hf_gen.demo.uploads import example_faces, open_upload, usable_uploads

Uploads = Mapping[int, str] | None
_THUMBNAIL = 96


class Tab(NamedTuple):
    """A part of a tab: what fills it, the values it depends on, and what a link keeps, by name.

    `show` is called with the uploads and the values of `inputs`.
    """

    show: Callable[..., Any]
    inputs: list[Any]
    outputs: Any
    linked: dict[str, Any]


@dataclass(frozen=True)
class Page:
    """What all tabs of a page know.

    Attributes:
        cache: The models.
        uploads: The files of the visitor, by their number.
        face: The reference of the face that the visitor has chosen.
        edits: What the sliders have changed of it.
        other: The reference of the face that a walk leads to.
        active: The tab that is seen.
        again: Differs whenever what is seen has to be made again.
    """

    cache: ModelCache
    uploads: gr.State
    face: gr.Textbox
    edits: gr.Textbox
    other: gr.Textbox
    active: gr.Textbox
    again: gr.Textbox

    @classmethod
    def of(cls, cache: ModelCache) -> "Page":
        """Adds the values to the page, unseen."""
        uploads = gr.State({}, time_to_live=SESSION_SECONDS)
        values = {"Face": FIRST, "Edits": "", "To": "", "Tab": "sample", "Again": ""}
        return cls(cache, uploads, *(hidden(value, label) for label, value in values.items()))


def hidden(value: str, label: str) -> gr.Textbox:
    """A value of the browser that is not seen; it is in the page, or it would fire no event."""
    return gr.Textbox(value, label=label, visible="hidden", interactive=True)


def html(value: str = "", *classes: str, **settings: Any) -> gr.HTML:
    """A part of the page that is made here, and looks as style.css says, not as gradio's text."""
    return gr.HTML(value, elem_classes=[*classes], apply_default_css=False, **settings)


def settings() -> AbstractContextManager[Any]:
    """The drawer of the settings of a tab, which is below the pictures on a phone."""
    return gr.Accordion("Settings", open=True, elem_classes="settings")


def model_input(cache: ModelCache, family: Family, first: Sequence[str]) -> gr.CheckboxGroup:
    """Checkboxes of the cache's models of one family."""
    names = cache.names(family)
    return gr.CheckboxGroup(
        labelled(names),
        value=[name for name in first if name in names] or names[:1],
        label="Models",
        info=f"Up to {MAX_MODELS}, side by side.",
        elem_classes="models",
    )


def labelled(names: Sequence[str]) -> list[tuple[str, str]]:
    """Choices of models, each with a line that says what to expect of it."""
    return [(label_of(name), name) for name in names]


def images_of(cache: ModelCache, uploads: Uploads, reference: str) -> list[Image.Image]:
    """The face, and if it is one of several files of the visitor the others after it."""
    source = FaceSource(cache, uploads or {})
    mine = [f"upload:{number}" for number in uploads or {}]
    others = [one for one in mine if reference in mine and one != reference]
    return [source.image(one) for one in (reference, *others)]


def build_tray(page: Page) -> None:
    """Examples, and the visitor's own files: dropped, pasted, chosen, or from the camera."""
    with gr.Row(elem_classes="tray"):
        button = gr.UploadButton(
            "Your picture",
            file_count="multiple",
            size="sm",
            scale=0,
            min_width=110,
            elem_classes="upload",
        )
        tray = html(_thumbnails({}), "thumbnails")

    def keep(files: list[str] | None, uploads: Uploads) -> Any:
        usable, reasons = usable_uploads(files or [])
        if reasons:
            gr.Warning(escape(without_secrets(" ".join(reasons))), duration=12, title="")
        known = dict(uploads or {})
        for path in usable:
            known[max(known, default=-1) + 1] = path
        known = dict([*known.items()][-MAX_IMAGES:])
        shown = [f"upload:{max(known)}", "", _thumbnails(known)] if usable else [gr.skip()] * 3
        return [None, known, *shown]

    outputs = [button, page.uploads, page.face, page.edits, tray]
    arrived = compute(button.upload, keep, [button, page.uploads], outputs)
    arrived.then(None, None, None, js="() => hfGen.showFace()", api_visibility="private")


def _thumbnails(uploads: Mapping[int, str]) -> str:
    """The visitor's files, newest first, then the examples; a click shows one large."""
    own = [(f"upload:{number}", open_upload(uploads[number])) for number in reversed([*uploads])]
    drawn = [
        (f"example:{path.stem}", Image.open(path).convert("RGB"))
        for style in ("anime", "cartoon")
        for path in example_faces(style)
    ]
    camera = '<button type="button" class="camera">Camera</button>'
    faces = [
        pictures.face(pictures.thumbnail(image, _THUMBNAIL), one, words_of(one), "small", "use")
        for one, image in own + drawn
    ]
    words = "Drop or paste faces anywhere. The models know anime faces: photographs come out wrong."
    return f'<div class="strip">{camera}{"".join(faces)}</div>{pictures.note(words)}'

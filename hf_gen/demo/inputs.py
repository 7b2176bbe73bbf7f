"""The inputs that all tabs share: faces and models."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from hf_gen.demo.limits import MOST_MODELS
from hf_gen.demo.models import Family, ModelCache
from hf_gen.demo.requests import PRIVATE
from hf_gen.demo.uploads import EXAMPLES, example_faces
from hf_gen.errors import UserError

Faces = list[tuple[str, Any]] | None


class Shown(NamedTuple):
    """What a tab shows, for the page to show it first.

    Attributes:
        show: Computes it.
        inputs: What it is computed from.
        outputs: Where it is shown.
        linked: What a link can set, by its name there.
    """

    show: Callable[..., Any]
    inputs: list[Any]
    outputs: list[Any]
    linked: dict[str, Any]


class FaceInput(NamedTuple):
    """Where a visitor gives faces.

    Attributes:
        faces: Files, not opened yet.
        examples: Synthetic faces to click on.
        fillings: How often an empty gallery was filled from here.
    """

    faces: gr.Gallery
    examples: gr.Dataset
    fillings: gr.State

    @property
    def changes(self) -> list[Any]:
        """The events after which the faces are others."""
        return [self.faces.change, self.fillings.change]


def face_input(style: str, label: str, first: int | None = 0) -> FaceInput:
    """Faces by upload, paste or webcam, and synthetic examples of a style, one of them preselected.

    A gallery gives its files as they came, so that nothing decodes them before `open_uploads`.
    """
    drawn = example_faces(style)
    faces = gr.Gallery(
        None if first is None else [str(drawn[first])],
        label=label,
        interactive=True,
        type="filepath",
        format="png",
        sources=["upload", "clipboard", "webcam"],
        columns=4,
        fit_columns=False,
        height="auto",
        object_fit="contain",
        allow_preview=False,
        buttons=[],
        elem_classes="faces",
    )
    examples = gr.Dataset(
        components=[gr.Image(render=False)],
        samples=[[str(path)] for path in drawn],
        type="index",
        label="Examples",
        elem_classes="examples",
    )
    faces.upload(_without_example, faces, faces, queue=False, show_progress="hidden", **PRIVATE)
    return FaceInput(faces, examples, gr.State(0))


def _without_example(faces: Faces) -> Any:
    """An example gives way to what a visitor sends."""
    first, *others = files(faces)
    return others if others and (EXAMPLES / Path(first).name).exists() else gr.skip()


def on_example_click(choice: FaceInput, drawn: Sequence[Path]) -> None:
    """Lets a click on an example take the place of the faces."""
    choice.examples.click(
        lambda place, faces, fillings: fill(faces, fillings, drawn[place]),
        [choice.examples, choice.faces, choice.fillings],
        [choice.faces, choice.fillings],
        show_progress="hidden",
        **PRIVATE,
    )


def fill(faces: Faces, fillings: int, face: Path) -> tuple[list[str], int]:
    """The values of a gallery and its fillings that show one face.

    A gallery that was empty does not tell of its change. So the fillings do, which has to go
    through the queue: without it no change of a state is told.
    """
    return [str(face)], fillings if faces else fillings + 1


def model_input(cache: ModelCache, family: Family, first: Sequence[str]) -> gr.CheckboxGroup:
    """Checkboxes of the cache's models of one family."""
    names = cache.names(family)
    return gr.CheckboxGroup(
        names,
        value=[name for name in first if name in names] or names[:1],
        label="Models",
        info=f"Up to {MOST_MODELS}, side by side.",
        elem_classes="models",
    )


def files(faces: Faces) -> list[str]:
    """The paths of what a gallery holds."""
    return [path for path, _ in faces or []]


def check_count(names: Sequence[str]) -> None:
    """Raises a `UserError` if these are more models than stand side by side."""
    if len(names) > MOST_MODELS:
        raise UserError(f"{len(names)} models do not fit side by side: choose up to {MOST_MODELS}")

"""The inputs that the tabs share: faces and models."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from hf_gen.demo.limits import MAX_MODELS
from hf_gen.demo.models import Family, ModelCache
from hf_gen.demo.requests import listen
from hf_gen.demo.uploads import EXAMPLES, example_faces
from hf_gen.errors import UserError
from hf_gen.metrics import Direction

Faces = list[tuple[str, Any]] | None
STYLES: dict[Direction, str] = {"a_to_b": "anime", "b_to_a": "cartoon"}


class Shown(NamedTuple):
    """What fills a tab, after which events, and the controls that a link sets, by name."""

    show: Callable[..., Any]
    changes: list[Any]
    inputs: list[Any]
    outputs: list[Any]
    linked: dict[str, Any]
    progress_on: Any


class FaceInput(NamedTuple):
    """A gallery of files that are not opened yet, and the events after which they differ."""

    faces: gr.Gallery
    changes: list[Any]


def face_input(label: str, first: int | None = 0, direction: gr.Radio | None = None) -> FaceInput:
    """Faces by upload, paste or webcam, and synthetic examples to click on.

    A gallery returns its files as they were sent, so that nothing decodes them before
    `open_uploads`. The examples have the input style of the direction, by default anime.
    """
    drawn = example_faces("anime")
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
    # An empty gallery fires no change event when it is filled. So the count of its fillings does,
    # which has to go through the queue: without it a state fires none either.
    fillings = gr.State(0)
    values = [faces, fillings, *([direction] if direction is not None else [])]
    listen(faces.upload, _without_example, faces, faces, queue=False)
    listen(examples.click, _take_example, [examples, *values], [faces, fillings])
    if direction is not None:
        listen(direction.change, _turn, values, [faces, fillings, examples])
    return FaceInput(faces, [faces.change, fillings.change])


def _without_example(faces: Faces) -> Any:
    """Removes the example when a visitor sends faces."""
    first, *others = files(faces)
    return others if others and (EXAMPLES / Path(first).name).exists() else gr.skip()


def _take_example(
    place: int, faces: Faces, fillings: int, direction: Direction = "a_to_b"
) -> tuple[list[str], int]:
    face = example_faces(STYLES[direction])[place]
    return [str(face)], fillings if faces else fillings + 1


def _turn(faces: Faces, fillings: int, direction: Direction) -> Any:
    drawn = example_faces(STYLES[direction])
    examples = gr.Dataset(samples=[[str(path)] for path in drawn])
    return *_take_example(0, faces, fillings, direction), examples


def model_input(cache: ModelCache, family: Family, first: Sequence[str]) -> gr.CheckboxGroup:
    """Checkboxes of the cache's models of one family."""
    names = cache.names(family)
    return gr.CheckboxGroup(
        names,
        value=[name for name in first if name in names] or names[:1],
        label="Models",
        info=f"Up to {MAX_MODELS}, side by side.",
        elem_classes="models",
    )


def files(faces: Faces) -> list[str]:
    """The paths of the files in a gallery."""
    return [path for path, _ in faces or []]


def check_count(names: Sequence[str]) -> None:
    """Raises a `UserError` if these are more models than fit side by side."""
    if len(names) > MAX_MODELS:
        raise UserError(f"{len(names)} models do not fit side by side: choose up to {MAX_MODELS}")

"""Broken and hostile images are answered with a sentence, or they are images after all."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hf_gen.demo.uploads import open_uploads
from hf_gen.errors import UserError
from hf_gen.images import square
from tests.reliability import FAULTS
from tests.strangers.bounded import LOADED, ask, wrong
from tests.strangers.mutations import BYTES, broken
from tests.strangers.pictures import strange_images, whole_images

_SECONDS, _MEGABYTES = 10.0, 600
# Strange, and images: a photograph of 49 megapixels, metadata in a circle, bytes left over.
_IMAGES = {"dense.png", "chunks.png", "more-pixels.png", "loop-in-exif.jpg", "long-exif.jpg"}


def test_whatever_is_uploaded_becomes_an_image_or_a_sentence(
    tmp_path: Path, injected: Callable[[str, int], None]
) -> None:
    wholes, strange = whole_images(), strange_images()
    questions = [(name, (name, content)) for name, content in (wholes | strange).items()]
    for one in broken(wholes, BYTES, 80 * FAULTS):
        questions.append((one.name, (one.name.partition(",")[0], one.content)))
    filled = {name: content for name, content in strange.items() if content}
    for one in broken(filled, BYTES, 10 * FAULTS, seed=1):
        questions.append((one.name, (one.name.partition(",")[0], one.content)))

    def send(file: tuple[str, bytes]) -> None:
        path = tmp_path / file[0]
        path.write_bytes(file[1])
        (image,) = open_uploads([path])
        assert np.asarray(square(image, 32)).shape == (32, 32, 3)

    answers = ask(questions, send, (UserError,), 60.0, 2 * _MEGABYTES)
    assert wrong(answers, _SECONDS, _MEGABYTES) == ""
    assert len(answers) == len(questions)
    loaded = {one.name for one in answers if one.outcome == LOADED}
    films = {name for name in wholes if name.startswith(("film", "pages"))}
    assert loaded & {*wholes} == {*wholes} - films
    assert loaded & {*strange} == _IMAGES
    injected("a broken or hostile image is uploaded", len(questions) - len(wholes))

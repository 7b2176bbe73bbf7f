"""Broken and hostile images are rejected with a clear error, or they are images after all."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hf_gen.demo.uploads import open_uploads
from hf_gen.errors import UserError
from hf_gen.images import square
from tests.reliability import FAULTS
from tests.untrusted.limits import ACCEPTED, try_all
from tests.untrusted.mutations import BYTES, Input, broken
from tests.untrusted.pictures import hostile_images, valid_images

# Unusual, and images: a photograph of 49 megapixels, circular metadata, bytes left over.
_IMAGES = {"dense.png", "chunks.png", "more-pixels.png", "loop-in-exif.jpg", "long-exif.jpg"}


def test_an_upload_becomes_an_image_or_a_clear_error(
    tmp_path: Path, injected: Callable[[str, int], None]
) -> None:
    valid, hostile = valid_images(), hostile_images()
    filled = {name: content for name, content in hostile.items() if content}
    inputs = [
        *(Input(name, content) for name, content in (valid | hostile).items()),
        *broken(valid, BYTES, 80 * FAULTS),
        *broken(filled, BYTES, 10 * FAULTS, seed=1),
    ]

    def upload(one: Input) -> None:
        path = tmp_path / one.source
        path.write_bytes(one.content)
        (image,) = open_uploads([path])
        assert np.asarray(square(image, 32)).shape == (32, 32, 3)

    outcomes = try_all(inputs, upload, (UserError,), seconds=10, megabytes=600)
    accepted = {one.name for one in outcomes if one.result == ACCEPTED}
    films = {name for name in valid if name.startswith(("film", "pages"))}
    assert accepted & valid.keys() == valid.keys() - films
    assert accepted & hostile.keys() == _IMAGES
    injected("a broken or hostile image is uploaded", len(inputs) - len(valid))

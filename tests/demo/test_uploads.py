"""Uploads are opened as untrusted files, or refused with a clear error."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hf_gen.demo.limits import MAX_FILE_BYTES, MAX_IMAGES
from hf_gen.demo.uploads import EXAMPLES, open_uploads
from hf_gen.errors import UserError
from hf_gen.images import square


def test_a_large_file_is_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    with file.open("wb") as large:
        large.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(UserError, match=r"the file large\.png is larger than 20 MB"):
        open_uploads([file])


def test_large_photographs_are_cropped_and_shrunk(tmp_path: Path) -> None:
    for size, kept in (((2000, 2000), (2000, 2000)), ((4200, 1400), (1400, 1400))):
        rows = np.linspace(0, 255, size[0]).astype(np.uint8)
        photo = Image.fromarray(np.broadcast_to(rows[None, :, None], (*size[::-1], 3)).copy())
        photo.save(tmp_path / "photo.png")
        (opened,) = open_uploads([tmp_path / "photo.png"])
        assert opened.size == kept
        seen, expected = (np.asarray(square(one, 64), np.int64) for one in (opened, photo))
        assert np.abs(seen - expected).max() <= 1
    Image.new("RGB", (2100, 2400)).save(tmp_path / "photo.png")
    opened = open_uploads([tmp_path / "photo.png"] * MAX_IMAGES)
    assert {image.size for image in opened} == {(1050, 1050)}


def test_no_file_and_too_many_are_errors() -> None:
    with pytest.raises(UserError, match="There is no image yet"):
        open_uploads([])
    with pytest.raises(UserError, match=f"{MAX_IMAGES + 1} images are more than"):
        open_uploads([EXAMPLES] * (MAX_IMAGES + 1))

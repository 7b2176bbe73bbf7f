"""Uploads are opened as untrusted files, or refused with a clear error."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hf_gen.demo.limits import MAX_FILE_BYTES, MAX_IMAGES
from hf_gen.demo.uploads import EXAMPLES, example_faces, open_uploads, usable_uploads
from hf_gen.errors import UserError
from hf_gen.images import square


def test_a_large_file_is_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    with file.open("wb") as large:
        large.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(UserError, match=r"large\.png is larger than 20 MB"):
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


def test_usable_files_are_kept_and_each_reason_is_given_once(tmp_path: Path) -> None:
    good = [str(path) for path in example_faces("anime")[:2]]
    (tmp_path / "notes.txt").write_text("hello")
    bad, gone = str(tmp_path / "notes.txt"), str(tmp_path / "gone.png")
    usable, reasons = usable_uploads([good[0], bad, gone, bad, good[1]])
    assert usable == good
    assert reasons == [
        "notes.txt cannot be used: not an image of a known format. Try a JPEG or PNG",
        "gone.png is no longer here: upload it again",
    ]
    usable, reasons = usable_uploads(good[:1] * (MAX_IMAGES + 1))
    assert len(usable) == MAX_IMAGES
    assert reasons == [f"{MAX_IMAGES + 1} images at once are more than {MAX_IMAGES}"]

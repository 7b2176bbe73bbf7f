"""Uploads, opened as untrusted files."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from hf_gen.demo.limits import MAX_FILE_BYTES, MAX_IMAGES
from hf_gen.errors import UserError
from hf_gen.images import ImageError, open_image

_LARGE, _SIDE = 4_000_000, 1024
EXAMPLES = Path(__file__).parent / "examples"


def example_faces(style: str) -> list[Path]:
    """The synthetic example faces of the style "anime" or "cartoon"."""
    return sorted(EXAMPLES.glob(f"{style}-*.png"))


def open_uploads(paths: Sequence[str | Path]) -> list[Image.Image]:
    """Opens the files of one visitor.

    Raises:
        UserError: If there is none, there are too many, or one cannot be used; it names the file.
    """
    if not paths:
        raise UserError("There is no image yet: drop one, or choose one of the examples")
    if len(paths) > MAX_IMAGES:
        raise UserError(f"{len(paths)} images are more than the {MAX_IMAGES} at once: drop fewer")
    return [open_upload(path) for path in paths]


def usable_uploads(paths: Sequence[str | Path]) -> tuple[list[str], list[str]]:
    """The files that can be opened, at most `MAX_IMAGES`, and a sentence for each of the others."""
    usable: list[str] = []
    reasons: list[str] = []
    for path in map(str, paths):
        try:
            if len(usable) == MAX_IMAGES:
                raise UserError(f"{len(paths)} images at once are more than {MAX_IMAGES}")
            open_upload(path)
            usable.append(path)
        except UserError as error:
            reasons.append(str(error))
    return usable, [*dict.fromkeys(reasons)]


def open_upload(path: str | Path) -> Image.Image:
    """Opens one file.

    Raises:
        UserError: If it cannot be used; it names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path.name} is no longer here: upload it again")
    if path.stat().st_size > MAX_FILE_BYTES:
        megabytes = MAX_FILE_BYTES // 2**20
        raise UserError(f"{path.name} is larger than {megabytes} MB: save it smaller and try again")
    try:
        with warnings.catch_warnings(action="ignore"):
            return _crop_and_shrink(open_image(path, still=True))
    except ImageError as error:
        # The decoder's own message, in brackets, helps no visitor.
        reason = str(error).partition(" (")[0]
        raise UserError(f"{path.name} cannot be used: {reason}. Try a JPEG or PNG") from error


def _crop_and_shrink(image: Image.Image) -> Image.Image:
    """The centre square of a large photograph, no smaller than any model needs it.

    At full size, as many photographs as one visitor may send would take 2.4 GB.
    """
    if image.width * image.height <= _LARGE:
        return image
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).reduce(max(1, side // _SIDE))

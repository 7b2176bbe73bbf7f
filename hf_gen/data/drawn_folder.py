"""The drawn faces as a folder of parquet files in the Hub's layout."""

from pathlib import Path

from hf_gen.data.faces import TEST_START, drawn_faces
from hf_gen.errors import UserError
from hf_gen.runs.atomic import whole_folder


def write_drawn_faces(folder: Path, train: int, test: int, size: int, seed: int) -> None:
    """Draws pairs of faces into a folder, which is there whole in the end or not at all.

    Args:
        folder: Replaced, if it is there.
        train: Pairs to train on.
        test: Held-out pairs: other faces than those to train on.
        size: Height and width in pixels.
        seed: Another seed draws other faces.

    Raises:
        UserError: If a number is out of its range, or the disk cannot be written.
    """
    try:
        splits = {
            name: drawn_faces(count, start=start, seed=seed, size=size)
            for name, count, start in (("train", train, 0), ("test", test, TEST_START))
        }
    except ValueError as error:
        raise UserError(str(error)) from error
    with whole_folder(folder) as partial:
        for name, split in splits.items():
            target = partial / "data" / f"{name}-00000-of-00001.parquet"
            target.parent.mkdir(exist_ok=True)
            split.to_parquet(target)

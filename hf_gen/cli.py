"""`hf-gen`: what one does beside training."""

import sys
from pathlib import Path

import tyro

from hf_gen.errors import UserError


def main() -> None:
    """The command line; exits with code 2 after a sentence where something cannot be done."""
    try:
        tyro.extras.subcommand_cli_from_dict(
            {"draw-faces": draw_faces},
            prog="hf-gen",
            description="Draw the embedded dataset of faces.",
        )
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:
        remedy = "pip install 'hf_gen[train]'"
        print(f"error: this needs {error.name}, which is not installed: {remedy}", file=sys.stderr)
        sys.exit(2)


def draw_faces(
    folder: tyro.conf.Positional[Path],
    train: int = 10_000,
    test: int = 1_000,
    size: int = 64,
    seed: int = 0,
) -> None:
    """Draw pairs of faces, anime and cartoon, as a dataset folder in the Hub's layout.

    Args:
        folder: Where to; a new folder. `datasets.load_dataset(FOLDER)` reads it, and so does
            `train_accelerate.py RECIPE --dataset-name FOLDER --image-column anime`.
        train: Pairs to train on.
        test: Held-out pairs: other faces than those to train on.
        size: Height and width in pixels.
        seed: Another seed draws other faces.
    """
    from hf_gen.atomic import whole_folder
    from hf_gen.data.faces import TEST_START, drawn_faces

    if folder.exists():
        raise UserError(f"{folder} exists already: name a new folder")
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
    print(f"{folder}: {train:,} pairs of faces to train on and {test:,} held out")

"""Folders of PNGs: samples of a model, and the images of a dataset reconstructed or translated."""

import os
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tqdm.auto import tqdm

from hf_gen.config import Data
from hf_gen.data.selection import Choice, Item, Split, find_split
from hf_gen.data.shards import open_item
from hf_gen.data.sources import cache_folder, is_synthetic, open_dataset
from hf_gen.data.splits import named_split
from hf_gen.errors import UserError
from hf_gen.faces import style_of
from hf_gen.images import EXTENSIONS, ImageError, square
from hf_gen.pipelines import VAEPipeline
from hf_gen.runs.atomic import atomic_dir

_BATCH_SIZE = 64
_MAX_NAME_BYTES = 200  # of a name, with a number and an extension behind it
_CONTROL = re.compile(r"[\x00-\x1f]")


def write_samples(
    pipeline: VAEPipeline, folder: Path, count: int, seed: int = 0, **how: Any
) -> None:
    """Writes samples as 00000.png, 00001.png and so on, of the model's resolution.

    Args:
        pipeline: What is sampled.
        folder: A new one, which appears when all are written.
        count: How many.
        seed: Of the random numbers.
        **how: The prior and the temperature, as `VAEPipeline.sample` takes them.

    Raises:
        UserError: If the folder exists, or the disk cannot be written.
        ValueError: If the count, the prior or the temperature is none that `sample` takes.
    """
    generator = torch.Generator().manual_seed(seed)
    digits = max(5, len(str(count - 1)))
    with (
        atomic_dir(folder) as partial,
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=count, desc="sampling", unit=" images") as bar,
    ):
        for start in range(0, max(count, 1), _BATCH_SIZE):
            images = pipeline.sample(min(count - start, _BATCH_SIZE), generator, **how)
            names = [f"{start + place:0{digits}}.png" for place in range(len(images))]
            list(pool.map(_save, images, [partial / name for name in names]))
            bar.update(len(images))


def open_source(
    name: str,
    resolution: int,
    split: str | None = None,
    image_column: str | None = None,
    count: int | None = None,
    domain: str = "",
    side: str = "",
) -> Split:
    """The images of a file, a folder, an archive or a dataset.

    Args:
        name: The path of one image, or any dataset that a training takes.
        resolution: Of the model: with which a training splits the images by hash.
        split: What such a training uses as "train", "validation" or "test". Default: all images of
            the folder or split train, or of the only split.
        image_column: Of a dataset that has several.
        count: How many are wanted: a random subset where no split is named. Default: all.
        domain: What the images are, such as cartoon: which style of the synthetic faces.
        side: "a" or "b": which domain of a folder with trainA and trainB, or testA and testB.

    Raises:
        UserError: If there is no such dataset, it has no such split or column, or the count is less
            than 1.
    """
    if count is not None and count < 1:
        raise UserError(f"count must be at least 1, got {count}: leave it out for all images")
    path = Path(os.path.expanduser(name))  # noqa: PTH111, since Path fails for unknown users
    if path.is_file() and path.suffix.lower() in EXTENSIONS:
        return Split(str(path.parent), path.name, name, lambda: (1, iter([(path.name, path)])))
    data = Data(dataset_name=name)
    if split is None or (is_synthetic(data) and split == "train"):
        data = replace(data, max_train_samples=count)
    if is_synthetic(data) and image_column is None:
        image_column = style_of(domain)
    dataset = open_dataset(data)
    choice = Choice(image_column, side=side if dataset.sides else "")
    present = dataset.splits(choice.side)
    if split is None:
        return dataset.select(choice, present[0] if len(present) == 1 else "train").train
    if find_split(present, "train") in present:
        return named_split(dataset.select(choice), split, resolution, cache_folder(data))
    return dataset.select(choice, split).train


def write_outputs(
    transform: Callable[[list[Image.Image]], list[Image.Image]],
    resolution: int,
    split: Split,
    folder: Path,
    inputs_folder: Path | None = None,
    count: int | None = None,
) -> tuple[int, int]:
    """Writes what a model makes of each image, under the name of the image.

    Images that cannot be used are named on the terminal and skipped.

    Args:
        transform: Square images to as many outputs.
        resolution: Height and width of the images in pixels.
        split: The images.
        folder: Of the outputs: a new one, which appears when all are written.
        inputs_folder: Of the images as the model gets them, likewise. Default: none.
        count: How many images are read. Default: all.

    Returns:
        How many images were written, and how many were skipped.

    Raises:
        UserError: If a folder exists or is in the other one, no image can be used, or the disk
            cannot be written.
    """
    if inputs_folder is not None:
        places = folder.resolve(), inputs_folder.resolve()
        if any(one.is_relative_to(other) for one, other in (places, places[::-1])):
            raise UserError(f"{inputs_folder} and {folder} must be apart: name two folders")
    total, items = split.read()
    items, taken = islice(items, count), dict[str, int]()
    known = total if total is None or count is None else min(total, count)
    written, skipped = 0, 0
    with ExitStack() as stack:
        outputs = stack.enter_context(atomic_dir(folder))
        inputs = stack.enter_context(atomic_dir(inputs_folder)) if inputs_folder else None
        pool = stack.enter_context(ThreadPoolExecutor(os.cpu_count()))
        bar = stack.enter_context(tqdm(total=known, desc=split.name, unit=" images"))
        while batch := list(islice(items, _BATCH_SIZE)):
            opened = list(pool.map(lambda item: _open(item, resolution), batch))
            for (name, _), image in zip(batch, opened, strict=True):
                if isinstance(image, ImageError):
                    bar.write(f"skipped {name}: {image}", file=sys.stderr)
            usable = {
                output_name(name, taken): image
                for (name, _), image in zip(batch, opened, strict=True)
                if not isinstance(image, ImageError)
            }
            squares = list(usable.values())
            if usable:
                list(pool.map(_save, transform(squares), [outputs / name for name in usable]))
            if inputs is not None:
                list(pool.map(_save, squares, [inputs / name for name in usable]))
            written, skipped = written + len(usable), skipped + len(batch) - len(usable)
            bar.update(len(batch))
        if not written:
            raise UserError(f"{split.name} holds no image that can be used: name one that has some")
    return written, skipped


def output_name(name: str, taken: dict[str, int]) -> str:
    """The path of an output in its folder, which follows the name of the input.

    Args:
        name: A path from the folder of the input, or what a dataset calls the image.
        taken: How often each path was used, in lower case and without its extension; it is
            updated, and a path that was used before gets a number.
    """
    path = _CONTROL.sub("_", name.partition("::")[0]).replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".", "..")] or ["image"]
    if path.startswith("/") or ":" in path:  # elsewhere: its folders say nothing here
        parts = parts[-1:]
    wanted = found = "/".join(map(_without_extension, parts))
    while found.lower() in taken:
        taken[wanted.lower()] += 1
        found = f"{wanted}-{taken[wanted.lower()]}"
    taken[found.lower()] = 1
    return f"{found}.png"


def _without_extension(part: str) -> str:
    """A part of a path, short enough for every disk."""
    stem, dot, extension = part.rpartition(".")
    if stem and f"{dot}{extension.lower()}" in EXTENSIONS:
        part = stem
    return part.encode()[:_MAX_NAME_BYTES].decode(errors="ignore")


def _open(item: Item, resolution: int) -> Image.Image | ImageError:
    try:
        return square(open_item(item[1]), resolution)
    except ImageError as error:
        return error


def _save(image: Image.Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file, "PNG")

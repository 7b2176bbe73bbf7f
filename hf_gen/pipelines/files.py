"""The files of a saved model: their names, their bounds, and no symlink out of their folder."""

import json
import re
from pathlib import Path
from typing import Any

from hf_gen.errors import UserError

INDEX = "model_index.json"
MAX_JSON_BYTES = 10**6


def network_files(subfolder: str = "", variant: str | None = None) -> list[str]:
    """The patterns of a network's files, in one piece or in shards: the config comes first."""
    if variant is not None and not re.fullmatch(r"\w+", variant):
        raise UserError(f"variant must be a word such as fp16, got {variant!r}")
    stem = "diffusion_pytorch_model" + (f".{variant}" if variant else "")
    names = ("config.json", f"{stem}.safetensors", f"{stem}-*-of-*.safetensors")
    return [f"{subfolder}/{name}" if subfolder else name for name in names]


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Reads a JSON object from a model folder.

    Args:
        folder: The model folder.
        name: The path of the file in it.

    Raises:
        UserError: If the file is missing, larger than 1 MB, not a JSON object, or a symlink out of
            the folder.
    """
    file = folder / name
    check_no_symlink_escape(folder, file)
    try:
        if (size := file.stat().st_size) > MAX_JSON_BYTES:
            raise ValueError(f"it must not be larger than 1 MB, and has {size / 1e6:,.1f} MB")
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is not a JSON object")
    except FileNotFoundError as error:
        raise UserError(f"{folder} has no {name}: check the folder, or export it again") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} is damaged ({error}): export or download it again") from error
    return content


def check_no_symlink_escape(folder: Path, file: Path) -> None:
    """Checks that no symlink leads out of a folder; those of the Hub's cache lead to its blobs.

    Args:
        folder: The folder that was named, such as that of a pipeline.
        file: What is to be read in it, whether it exists or not.

    Raises:
        UserError: If a symlink leads elsewhere, or in a circle.
    """
    try:
        root, place = folder.resolve(), file.resolve()
    except (OSError, RuntimeError) as error:
        raise UserError(f"{file} is a link that leads nowhere ({error}): remove it") from error
    if root.parent.name == "snapshots":  # models--user--name/snapshots/commit
        root = root.parents[1]
    if not place.is_relative_to(root):
        raise UserError(f"{file} is a link that leads out of {folder}: put the file itself there")

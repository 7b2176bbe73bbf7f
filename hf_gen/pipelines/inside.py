"""Whether a file lies where it seems to: a stranger's folder may hold links to our own files."""

from pathlib import Path

from hf_gen.errors import UserError


def check_no_symlink_escape(folder: Path, file: Path) -> None:
    """Makes sure that no link leads out of a folder; those of the Hub's cache lead to its blobs.

    Args:
        folder: What was named, such as that of a pipeline.
        file: What is to be read in it, whether it is there or not.

    Raises:
        UserError: If a link leads elsewhere, or in a circle.
    """
    try:
        root, place = folder.resolve(), file.resolve()
    except (OSError, RuntimeError) as error:
        raise UserError(f"{file} is a link that leads nowhere ({error}): remove it") from error
    if root.parent.name == "snapshots":  # models--user--name/snapshots/commit
        root = root.parents[1]
    if not place.is_relative_to(root):
        raise UserError(f"{file} is a link that leads out of {folder}: put the file itself there")

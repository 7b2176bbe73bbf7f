"""A cache of tensors that several runs share."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock
from safetensors.torch import load_file, save_file
from torch import Tensor

from hf_gen.errors import UserError, translate_os_errors
from hf_gen.runs.atomic import atomic_dir

_FILE = "tensors.safetensors"


def cached(
    cache_dir: Path | None, name: str, compute: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """The tensors that `compute` returns, computed once per name.

    Args:
        cache_dir: Where they are kept; None for no cache. If it cannot be written, nothing is kept.
        name: Must change with everything that the tensors depend on.
        compute: Called if the cache does not hold the name.
    """
    if cache_dir is None:
        return compute()
    folder = cache_dir / name
    if folder.exists():
        return load_file(folder / _FILE)
    tensors = compute()
    with suppress(UserError), translate_os_errors(cache_dir):
        cache_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(cache_dir / f"{name}.lock"):
            if not folder.exists():
                with atomic_dir(folder, marker=_FILE) as partial:
                    save_file(tensors, partial / _FILE)
    return tensors

"""Which runs may stand side by side: those that were measured on the same images, and so on."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from hf_gen.config import CycleGANRecipe, DenseVAEConfig, Output, VAERecipe
from hf_gen.report.comparison import Shown

Key = TypeVar("Key", bound=Hashable)


def grouped(
    runs: Iterable[Shown], key: Callable[[Shown], Key]
) -> Iterable[tuple[Key, list[Shown]]]:
    """The runs by what `key` says of them, in the order of the first of each group."""
    groups: dict[Key, list[Shown]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return groups.items()


def data_of(run: Shown) -> str:
    """What a run was measured on: numbers of runs that differ in it are not compared."""
    recipe, size = run.recipe, run.recipe.data.resolution
    names = [_source(recipe.data.train_data_dir, recipe.data.dataset_name)]
    if isinstance(recipe, CycleGANRecipe):
        other = recipe.domains.train_data_dir_b or recipe.domains.dataset_name_b
        names += [] if other is None else [Path(other).name]
    count = " and ".join(f"{len(pixels):,}" for pixels in run.held_out)
    column = recipe.data.image_column
    kind = f" ({column})" if column else ""
    return f"{' and '.join(names)}{kind}, {size}x{size}, {count} held-out images"


def likelihood_of(run: Shown) -> str:
    """Under which likelihood the nats of an autoencoder are."""
    if not isinstance(run.recipe, VAERecipe):
        return ""
    objective = run.recipe.objective
    scale = f", scale {objective.likelihood_scale:g}"
    return objective.likelihood + ("" if objective.likelihood == "bernoulli" else scale)


def apart_from_kl_weight(run: Shown) -> Hashable:
    """Equal for runs that differ in the weight of the KL term and nothing else that is computed."""
    if not isinstance(run.recipe, VAERecipe):
        return run.name
    return replace(
        run.recipe, objective=replace(run.recipe.objective, kl_weight=1.0), output=Output()
    )


def apart_from_latents(run: Shown) -> Hashable:
    """Equal for fully connected VAEs that differ in the number of latents alone."""
    recipe = run.recipe
    if not isinstance(recipe, VAERecipe) or not isinstance(recipe.model, DenseVAEConfig):
        return run.name
    return replace(recipe, model=replace(recipe.model, latent_channels=1), output=Output())


def is_dense(run: Shown) -> bool:
    """Whether it is a fully connected VAE."""
    return isinstance(run.recipe, VAERecipe) and isinstance(run.recipe.model, DenseVAEConfig)


def _source(folder: Path | None, name: str) -> str:
    """A folder by its own name, a dataset by its id."""
    if folder is not None:
        return folder.name
    return Path(name).name if Path(name).is_dir() else name

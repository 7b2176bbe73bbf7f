"""A run with its log, results, model and test images, and which runs are comparable."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from hf_gen.config import (
    AnyKLVAEConfig,
    CycleGANRecipe,
    Objective,
    Recipe,
    VAERecipe,
    recipe_as_json,
)
from hf_gen.data.batches import Domain
from hf_gen.data.domains import load_domains
from hf_gen.data.pixels import Pixels
from hf_gen.data.sources import load_domain
from hf_gen.errors import UserError
from hf_gen.metrics import Direction
from hf_gen.pipelines import TranslationPipeline, VAEPipeline, load
from hf_gen.report.document import as_text
from hf_gen.runs.folder import RunFolder
from hf_gen.runs.loading import LoadedRun, load_run
from hf_gen.runs.record import flat

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class EvaluatedRun:
    """A run as figures and tables show it.

    Attributes:
        name: The name of its folder, or another that tells it from other runs.
        recipe: What was trained.
        metrics: The lines of its log.
        results: What was measured after training.
        pipeline: What it exported.
        test: The test images of each domain.
    """

    name: str
    recipe: Recipe
    metrics: list[dict[str, float]]
    results: dict[str, Any]
    pipeline: VAEPipeline | TranslationPipeline
    test: tuple[Pixels, ...]

    @classmethod
    def of(
        cls,
        folder: RunFolder,
        recipe: Recipe,
        pipeline: VAEPipeline | TranslationPipeline,
        domains: Iterable[Domain],
    ) -> "EvaluatedRun":
        """Reads the log and the results of a run folder.

        Raises:
            UserError: If one of them is damaged.
        """
        test = tuple(domain.test for domain in domains)
        metrics, results = folder.metrics(), folder.results()
        return cls(folder.path.name, recipe, metrics, results, pipeline, test)

    @property
    def bold(self) -> str:
        """The name in a sentence of a report."""
        return f"**{as_text(self.name)}**"

    def images(self, count: int, domain: int = 0) -> Tensor:
        """The first test images, (at most `count`, 3, height, width)."""
        return self.test[domain].images(torch.arange(min(len(self.test[domain]), count)))

    def fact(self, key: str, words: str) -> str:
        """A result in words such as "PSNR {:.1f} dB"; empty if it was not measured."""
        return words.format(self.results[key]) if key in self.results else ""

    @property
    def kl_weight(self) -> float:
        """Weight of the KL term; 0 without one."""
        return self.recipe.objective.kl_weight if isinstance(self.recipe, VAERecipe) else 0.0

    @property
    def measured_at(self) -> str:
        """At which KL weight a network of every weight is measured, behind its name."""
        is_any_kl = isinstance(self.recipe.model, AnyKLVAEConfig)
        return f" at KL weight {self.kl_weight:g}" if is_any_kl else ""

    def domain_names(self, direction: Direction) -> tuple[str, str]:
        """Source and target of a translation."""
        a, b = self.pipeline.config.domain_a, self.pipeline.config.domain_b
        return (a, b) if direction == "a_to_b" else (b, a)


def open_runs(paths: Sequence[Path]) -> tuple[list[EvaluatedRun], dict[str, str]]:
    """The runs that can be reported, and why the others cannot: names without paths."""
    evaluated: list[EvaluatedRun] = []
    left_out: dict[str, str] = {}
    resolved = list(dict.fromkeys(path.resolve() for path in paths))
    names = [path.name for path in resolved]
    for path in resolved:
        name = path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}"
        try:
            evaluated.append(_evaluated(load_run(path), name))
        except UserError as error:
            # Others read the report, in which a run has its name and no path.
            left_out[name] = str(error).replace(f"{path.parent}/", "")
    return evaluated, left_out


def check_measured(run: LoadedRun) -> None:
    """Checks that a run has a log and results.

    Raises:
        UserError: If something is missing or damaged.
    """
    run.folder.last_line()
    if "images" not in run.folder.results():
        raise UserError(
            f"{run.folder.path}/results.json has no images: measure the run again with hf-gen "
            f"evaluate {run.folder.path}"
        )


def grouped(
    runs: Iterable[EvaluatedRun], key: Callable[[EvaluatedRun], Key]
) -> Iterable[tuple[Key, list[EvaluatedRun]]]:
    """The runs by their key, in the order of the first of each group."""
    groups: dict[Key, list[EvaluatedRun]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return groups.items()


def data_of(run: EvaluatedRun) -> str:
    """What a run was measured on: numbers of runs that differ in it are not compared."""
    recipe, size = run.recipe, run.recipe.data.resolution
    sources = [part.source for part in recipe.data.parts]
    names = [Path(name).name if Path(name).is_dir() else name for name in sources]
    if isinstance(recipe, CycleGANRecipe):
        names += [Path(name).name for name in recipe.domains.sources]
    count = " and ".join(f"{len(pixels):,}" for pixels in run.test)
    column = f" ({recipe.data.image_column})" if recipe.data.image_column else ""
    return f"{' and '.join(names)}{column}, {size}x{size}, {count} test images"


def likelihood_of(run: EvaluatedRun) -> str:
    """The likelihood in whose nats an autoencoder is measured."""
    objective = run.recipe.objective
    if not isinstance(objective, Objective) or objective.likelihood == "bernoulli":
        return "bernoulli"
    return f"{objective.likelihood}, scale {objective.likelihood_scale:g}"


def same_but(field: str) -> Callable[[EvaluatedRun], Hashable]:
    """A key that is equal for runs that differ in one field of their recipes, or in their output.

    Args:
        field: Such as "objective.kl_weight".
    """

    def key(run: EvaluatedRun) -> Hashable:
        values = flat(recipe_as_json(run.recipe))
        kept = {name for name in values if name != field and not name.startswith("output.")}
        return type(run.recipe), tuple((name, repr(values[name])) for name in sorted(kept))

    return key


def _evaluated(run: LoadedRun, name: str) -> EvaluatedRun:
    check_measured(run)
    recipe = run.recipe
    domains: tuple[Domain, ...]
    if isinstance(recipe, CycleGANRecipe):
        domains = load_domains(recipe.data, recipe.domains)
    else:
        domains = (load_domain(recipe.data),)
    pipeline = load(run.folder.path)
    pipeline.set_progress_bar_config(disable=True)
    return replace(EvaluatedRun.of(run.folder, recipe, pipeline, domains), name=name)

"""What differs from family to family: the images, the numbers, the figures and the card.

Training an experiment ends with what `hf-gen evaluate` does to a run that has ended.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DiffusionPipeline

from hf_gen.config import CycleGANRecipe, Recipe, VAERecipe
from hf_gen.data.batches import Domain
from hf_gen.data.domains import are_synthetic, load_domains
from hf_gen.data.sources import cache_folder, is_synthetic, load_domain
from hf_gen.faces import TEST_START, face_at
from hf_gen.hub.cards import AUTOENCODER, TRANSLATION, Family, run_card
from hf_gen.metrics import DIRECTIONS
from hf_gen.models.any_kl_vae import AnyKLVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline, load
from hf_gen.runs.atomic import atomic_dir, atomic_write_text
from hf_gen.runs.folder import RunFolder
from hf_gen.tasks.cyclegan import CycleGANTask
from hf_gen.tasks.vae import VAETask
from hf_gen.training.task import Task

_CODES_FOR_THE_PRIOR = 20_000


@dataclass(frozen=True)
class Experiment:
    """A family's part of a run.

    Attributes:
        domains: The images.
        evaluate: Everything that is measured of a pipeline on the test images.
        draw: Writes the figures of a run, whose results have been saved.
        family: What its card shows, and the terminal after training.
        names: What the two domains of a translation are called.
        learn_more: Adds to a trained pipeline what is learned from its latents after training.
        measure: What else is measured on the validation images along the training.
        best: Which of those numbers decides what is exported; None for the last weights.
    """

    domains: tuple[Domain, ...]
    evaluate: Callable[[DiffusionPipeline], dict[str, Any]]
    draw: Callable[[RunFolder, DiffusionPipeline], None]
    family: Family
    names: tuple[str, str] = ("a", "b")
    learn_more: Callable[[DiffusionPipeline], DiffusionPipeline] | None = None
    measure: Callable[[DiffusionPipeline], dict[str, float]] | None = None
    best: str | None = None

    def complete(self, run: RunFolder, device: torch.device) -> None:
        """Saves the exported pipeline of a run again, with what is learned after training."""
        if self.learn_more is not None:
            pipeline = self.learn_more(load(run.path).to(device))
            with atomic_dir(run.pipeline, marker="model_index.json") as partial:
                pipeline.save_pretrained(partial, safe_serialization=True)

    def conclude(self, run: RunFolder, device: torch.device) -> dict[str, Any]:
        """Measures what a run exported, draws its figures, writes its card; returns the results."""
        pipeline = load(run.path).to(device)
        results = self.evaluate(pipeline)
        run.save_results(results)
        self.draw(run, pipeline)
        atomic_write_text(run.path / "README.md", str(run_card(run)))
        return results


def task_of(recipe: Recipe, device: torch.device) -> Task:
    """What is trained; see the tasks for their errors."""
    if isinstance(recipe, CycleGANRecipe):
        return CycleGANTask(recipe, device)
    return VAETask(recipe, device)


def experiment_of(recipe: Recipe, domains: tuple[Domain, ...] = ()) -> Experiment:
    """The images of a recipe, and what is asked of its pipeline.

    Args:
        recipe: What is trained.
        domains: The images, where they are there already. Default: what the recipe names.

    Raises:
        UserError: If the data cannot be used.
    """
    if isinstance(recipe, CycleGANRecipe):
        return _translation(recipe, domains)
    return _autoencoding(recipe, domains)


def _autoencoding(recipe: VAERecipe, domains: tuple[Domain, ...]) -> Experiment:
    (domain,), seed = domains or (load_domain(recipe.data),), recipe.optimisation.seed

    # What is needed after the training is imported then: it takes seconds.
    def evaluate(pipeline: VAEPipeline) -> dict[str, Any]:
        from hf_gen.evaluation.anchors import evaluate_anchors
        from hf_gen.evaluation.autoencoder import evaluate_autoencoder
        from hf_gen.evaluation.factors import factor_values

        factors = None
        if is_synthetic(recipe.data):
            places = range(TEST_START, TEST_START + len(domain.test))
            factors = factor_values([face_at(place) for place in places])
        cache_dir = cache_folder(recipe.data)
        results = evaluate_autoencoder(
            pipeline, recipe.objective, domain.test, factors, seed, cache_dir
        )
        if isinstance(pipeline.vae, AnyKLVAE):
            from hf_gen.evaluation.any_kl import evaluate_kl_weights

            results |= evaluate_kl_weights(pipeline, recipe.objective, domain.test, seed, cache_dir)
        return results | evaluate_anchors(domain.test, domain.train, cache_dir)

    def learn_more(pipeline: VAEPipeline) -> VAEPipeline:
        from hf_gen.evaluation.directions import find_directions
        from hf_gen.evaluation.prior import choose_prior, fit_prior, training_codes

        vae, size = pipeline.vae, pipeline.config.resolution
        is_any_kl = isinstance(vae, AnyKLVAE)
        if is_any_kl:
            from hf_gen.evaluation.any_kl import fit_any_kl_prior

            prior = fit_any_kl_prior(pipeline, domain.train, _CODES_FOR_THE_PRIOR, seed)
        else:
            codes = training_codes(pipeline, domain.train, _CODES_FOR_THE_PRIOR, seed)
            prior = fit_prior(
                codes, seed=seed, flow_steps=recipe.flow_prior_steps, device=pipeline.device
            )
        fitted = VAEPipeline(vae, prior, size).to(pipeline.device)
        default = fitted.resolve_prior()
        # What is best at one KL weight can be bad at another: the mixture was fitted at each.
        if domain.can_choose and not is_any_kl:
            default = choose_prior(fitted, domain.validation, seed)
        made = VAEPipeline(vae, prior, size, *default)
        if not recipe.directions:
            return made
        editor, _ = find_directions(made, cache_folder(recipe.data), seed)
        return VAEPipeline(vae, prior, size, *default, editor)

    def draw(run: RunFolder, pipeline: VAEPipeline) -> None:
        from hf_gen.report import EvaluatedRun, draw_any_kl_figures, draw_vae_figures

        evaluated = EvaluatedRun.of(run, recipe, pipeline, (domain,))
        draw_vae_figures(evaluated, run.figures)
        if isinstance(pipeline.vae, AnyKLVAE):
            draw_any_kl_figures(evaluated, run.figures)

    return Experiment(
        domains=(domain,),
        evaluate=evaluate,
        draw=draw,
        family=AUTOENCODER,
        learn_more=learn_more,
    )


def _translation(recipe: CycleGANRecipe, domains: tuple[Domain, ...]) -> Experiment:
    from hf_gen.evaluation.agreement import evaluate_agreement
    from hf_gen.evaluation.anchors import evaluate_anchors
    from hf_gen.evaluation.translation import (
        MAX_IMAGES,
        MAX_TRAIN_FACES,
        TranslationEvaluator,
        evaluate_against_ground_truth,
    )

    a, b = domains or load_domains(recipe.data, recipe.domains)
    cache_dir = cache_folder(recipe.data)
    measure = TranslationEvaluator(a.validation, b.validation, cache_dir)
    measure_test = TranslationEvaluator(a.test, b.test, cache_dir)

    def evaluate(pipeline: TranslationPipeline) -> dict[str, Any]:
        pipeline.set_progress_bar_config(disable=True)
        results = {"images": measure_test.images} | measure_test(pipeline, complete=True)
        for direction, target in zip(DIRECTIONS, (b, a), strict=True):
            results |= evaluate_anchors(
                target.test, target.train, cache_dir, f"{direction}/", MAX_IMAGES
            )
        train_faces = MAX_TRAIN_FACES
        if are_synthetic(recipe.data, recipe.domains):
            train_faces = min(train_faces, recipe.data.max_train_samples or train_faces)
            results |= evaluate_against_ground_truth(
                pipeline, a.test, b.test, cache_dir, train_faces
            )
        return results | evaluate_agreement(pipeline, a.test, b.test, cache_dir, train_faces)

    def draw(run: RunFolder, pipeline: TranslationPipeline) -> None:
        from hf_gen.report import EvaluatedRun, draw_translation_figures

        draw_translation_figures(EvaluatedRun.of(run, recipe, pipeline, (a, b)), run.figures)

    return Experiment(
        domains=(a, b),
        evaluate=evaluate,
        draw=draw,
        family=TRANSLATION,
        names=recipe.domain_names,
        measure=measure,
        best="kernel_distance" if a.can_choose and b.can_choose else None,
    )

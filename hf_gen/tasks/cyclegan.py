"""Training CycleGAN: two generators, two discriminators, unpaired images, and pairs as guidance.

Source: Zhu, Park, Isola and Efros, Unpaired Image-to-Image Translation using Cycle-Consistent
Adversarial Networks, 2017, https://arxiv.org/abs/1703.10593.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, l1_loss

from hf_gen.config import CycleGANRecipe, PatchCycleGANConfig
from hf_gen.data.batches import Batch
from hf_gen.errors import UserError
from hf_gen.features import perceptual_loss
from hf_gen.losses import discriminator_loss, squared_gradient
from hf_gen.models.cyclegan import PatchDiscriminator, ResnetGenerator
from hf_gen.models.patch_generator import PatchGenerator
from hf_gen.pipelines import TranslationPipeline
from hf_gen.tasks.adversarial import frozen, judged
from hf_gen.tasks.augment import RANDOM_NUMBERS, differentiable_augment
from hf_gen.tasks.feature_discriminator import FeatureDiscriminator
from hf_gen.tasks.pool import ImagePool

SHOWN = 8
_MOVED = 0.05  # how far images are moved for R1 and R2, in units of [-1, 1]


class CycleGANTask:
    """The task of a `CycleGANRecipe`: `a_to_b` and `b_to_a` against `disc_a` and `disc_b`.

    Args:
        recipe: Which networks, objective and resolution.
        device: Where the image pools are kept.

    Raises:
        UserError: If the networks cannot be built or cannot take the resolution.
    """

    def __init__(self, recipe: CycleGANRecipe, device: torch.device) -> None:
        self.objective, self.resolution = recipe.objective, recipe.data.resolution
        self.names = recipe.domain_names
        self.networks = _new_networks(recipe)
        if recipe.pretrained_model_name_or_path is not None:
            pretrained = TranslationPipeline.from_pretrained(recipe.pretrained_model_name_or_path)
            if (size := pretrained.config.resolution) != self.resolution:
                raise UserError(
                    f"the pretrained generators take {size}x{size} images: add --resolution {size}"
                )
            self.networks |= {"a_to_b": pretrained.a_to_b, "b_to_a": pretrained.b_to_a}
        self.turns: dict[str, tuple[str, ...]] = {
            "generators": ("a_to_b", "b_to_a"),
            "discriminators": ("disc_a", "disc_b"),
        }
        self.prefixes = {turn: f"{turn}/" for turn in self.turns}
        self.averaged: tuple[str, ...] = ("a_to_b", "b_to_a")
        common = recipe.optimisation
        self.optimisations = {
            "generators": common,
            "discriminators": recipe.discriminators.applied_to(common),
        }
        self.preview_columns = SHOWN
        self.state = {
            name: ImagePool(recipe.objective.pool_size, self.resolution, device)
            for name in ("pool_a", "pool_b")
        }

    def losses(
        self, nets: Mapping[str, nn.Module], batch: Batch
    ) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """The generators' turn, then the discriminators' (section 3, equations 1 to 3).

        What goes through one network at the same time goes through it as one batch. Pairs take part
        in the adversarial losses; in place of a cycle they have their counterparts.
        """
        real_a, real_b = batch.images
        pair_a, pair_b = batch.pairs.images if batch.pairs else (real_a[:0], real_b[:0])
        has_identity = self.objective.identity_weight > 0
        same_a, same_b = (real_a, real_b) if has_identity else (real_a[:0], real_b[:0])

        fake_b, paired_b, identity_b = _translate(nets["a_to_b"], real_a, pair_a, same_b)
        fake_a, paired_a, cycle_a, identity_a = _translate(
            nets["b_to_a"], real_b, pair_b, fake_b, same_a
        )
        (cycle_b,) = _translate(nets["a_to_b"], fake_a)
        with frozen(nets["disc_a"], nets["disc_b"]) as (disc_a, disc_b):
            shown_b = self._augment(fake_b, paired_b, batch, "shown b")
            shown_a = self._augment(fake_a, paired_a, batch, "shown a")
            seen_a = self._augment(real_a, pair_a, batch, "real a")
            seen_b = self._augment(real_b, pair_b, batch, "real b")
            kind = self.objective.adversarial
            losses = {
                "adversarial_a_to_b": judged(disc_b, kind, shown_b, seen_b),
                "adversarial_b_to_a": judged(disc_a, kind, shown_a, seen_a),
            }
        losses |= {
            "cycle_a": self._cycle_loss(cycle_a, real_a),
            "cycle_b": self._cycle_loss(cycle_b, real_b),
        }
        if has_identity:
            losses["identity_a"] = l1_loss(identity_a, real_a)
            losses["identity_b"] = l1_loss(identity_b, real_b)
        if batch.pairs:
            losses |= self._paired_losses(batch.pairs, paired_a, paired_b)
        yield "generators", {"objective": self._objective(losses)} | losses

        losses = {}
        for side, real, fake, paired in (
            ("a", seen_a, fake_a, paired_a),
            ("b", seen_b, fake_b, paired_b),
        ):
            fake = self._query_pool(fake.detach(), batch, side)
            fake = self._augment(fake, paired.detach(), batch, f"fake {side}")
            images = torch.cat((real, fake))
            moved = self._moved(images, batch)
            logits = nets[f"disc_{side}"](_joined((images, moved)))
            of_real, of_fake, of_moved = logits.split([len(real), len(fake), len(moved)])
            losses[f"disc_{side}"] = discriminator_loss(of_real, of_fake, kind)
            if len(moved):
                unmoved = logits[: len(images)]
                losses[f"gradient_{side}"] = squared_gradient(unmoved, of_moved, _MOVED)
        objective = losses["disc_a"] + losses["disc_b"]
        if "gradient_a" in losses:
            # R1 and R2 have half of the weight each, and half of the images.
            steepness = losses["gradient_a"] + losses["gradient_b"]
            objective = objective + self.objective.gradient_penalty * steepness
        yield "discriminators", {"objective": objective} | losses

    def preview(self, nets: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """Domain a and its translations, then domain b and its translations, `SHOWN` of each."""
        real_a, real_b = (images[:SHOWN] for images in batch.images)
        pipeline = self.pipeline(nets)
        fake_b = pipeline.translate(real_a, "a_to_b", output_type="pt")
        fake_a = pipeline.translate(real_b, "b_to_a", output_type="pt")
        return torch.cat((real_a, fake_b, real_b, fake_a))

    def pipeline(self, nets: Mapping[str, nn.Module]) -> TranslationPipeline:
        """A pipeline around the two generators of `nets`."""
        pipeline = TranslationPipeline(
            a_to_b=nets["a_to_b"],
            b_to_a=nets["b_to_a"],
            resolution=self.resolution,
            domain_a=self.names[0],
            domain_b=self.names[1],
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _augment(self, images: Tensor, pairs: Tensor, batch: Batch, stream: str) -> Tensor:
        """Images of a batch, and of its pairs, as a discriminator sees them."""
        if kinds := self.objective.augment:
            numbers = batch.uniform(stream, (RANDOM_NUMBERS,))
            images = differentiable_augment(images, numbers, kinds)
            if batch.pairs:
                numbers = batch.pairs.uniform(stream, (RANDOM_NUMBERS,))
                pairs = differentiable_augment(pairs, numbers, kinds)
        return _joined((images, pairs))

    def _moved(self, images: Tensor, batch: Batch) -> Tensor:
        """Real images and translations of a batch with noise added; none without a penalty."""
        if not self.objective.gradient_penalty:
            return images[:0]
        groups = [batch, batch.pairs] if batch.pairs else [batch]
        noise = torch.cat([group.normal("moved", tuple(images.shape[1:])) for group in groups])
        return images + _MOVED * torch.cat((noise, noise))

    def _cycle_loss(self, cycled: Tensor, real: Tensor) -> Tensor:
        if (factor := self.objective.cycle_downsample) > 1:
            cycled, real = avg_pool2d(cycled, factor), avg_pool2d(real, factor)
        return l1_loss(cycled, real)

    def _paired_losses(self, pairs: Batch, paired_a: Tensor, paired_b: Tensor) -> dict[str, Tensor]:
        """How far the translations of pairs are from their counterparts."""
        real_a, real_b = pairs.images
        losses = {"paired_a_to_b": l1_loss(paired_b, real_b)}
        losses["paired_b_to_a"] = l1_loss(paired_a, real_a)
        if self.objective.paired_perceptual_weight > 0:
            distance = perceptual_loss(str(real_a.device))
            both = distance(torch.cat((real_a, real_b)), torch.cat((paired_a, paired_b)))
            losses["paired_perceptual"] = 2 * both.mean()
        return losses

    def _objective(self, losses: dict[str, Tensor]) -> Tensor:
        """The weighted sum of the generators' losses."""
        objective = self.objective
        total = losses["adversarial_a_to_b"] + losses["adversarial_b_to_a"]
        for weight, names in (
            (objective.cycle_weight, ("cycle_a", "cycle_b")),
            (objective.identity_weight, ("identity_a", "identity_b")),
            (objective.paired_weight, ("paired_a_to_b", "paired_b_to_a")),
            (objective.paired_perceptual_weight, ("paired_perceptual",)),
        ):
            if present := [losses[name] for name in names if name in losses]:
                total = total + weight * sum(present)
        return total

    def _query_pool(self, fake: Tensor, batch: Batch, side: str) -> Tensor:
        if not batch.is_training or not self.objective.pool_size:
            return fake
        return self.state[f"pool_{side}"].exchange(fake, batch.host_generator(f"pool {side}"))


def _new_networks(recipe: CycleGANRecipe) -> dict[str, nn.Module]:
    model, size = recipe.model, recipe.data.resolution
    kind: type[ResnetGenerator | PatchGenerator]
    of_generator: dict[str, Any]
    if isinstance(model, PatchCycleGANConfig):
        kind, of_generator = (
            PatchGenerator,
            {
                "bottleneck_channels": model.generator_bottleneck_channels,
                "head_channels": model.generator_head_channels,
            },
        )
    else:
        kind, of_generator = (
            ResnetGenerator,
            {
                "num_downsamples": model.generator_downsamples,
                "normalization": model.generator_normalization,
                "upsample": model.upsample,
            },
        )
    of_generator |= {
        "sample_size": size,
        "channels": model.generator_channels,
        "num_residual_blocks": model.generator_residual_blocks,
    }
    of_discriminator = {
        "channels": model.discriminator_channels,
        "num_layers": model.discriminator_layers,
        "num_residual_blocks": model.discriminator_residual_blocks,
        "normalization": model.discriminator_normalization,
        "spectral_norm": model.spectral_norm,
        "statistics": model.discriminator_statistics,
    }
    try:
        kind.check_size(of_generator)
        PatchDiscriminator.check_size(of_discriminator)
        networks: dict[str, nn.Module] = {
            name: kind(**of_generator) for name in ("a_to_b", "b_to_a")
        }
        for name in ("disc_a", "disc_b"):
            patches = PatchDiscriminator(**of_discriminator)
            has_features = model.discriminator_features
            networks[name] = FeatureDiscriminator(patches) if has_features else patches
        with torch.no_grad():
            networks["disc_a"](torch.zeros(1, 3, size, size))
    except ValueError as error:
        raise UserError(str(error).replace("sample_size must", "resolution must")) from error
    return networks


def _translate(net: nn.Module, *groups: Tensor) -> tuple[Tensor, ...]:
    """What a generator makes of several groups of images, as one batch."""
    (images,) = net(_joined(groups), return_dict=False)
    parts: tuple[Tensor, ...] = images.split([len(group) for group in groups])
    return parts


def _joined(groups: tuple[Tensor, ...]) -> Tensor:
    present = [group for group in groups if len(group)]
    return present[0] if len(present) == 1 else torch.cat(present)

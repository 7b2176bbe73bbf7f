"""Training CycleGAN: two generators, two discriminators, no pairs.

Source: Zhu, Park, Isola and Efros, Unpaired Image-to-Image Translation using Cycle-Consistent
Adversarial Networks, 2017, https://arxiv.org/abs/1703.10593.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from hf_gen.config import CycleGANRecipe
from hf_gen.data.batches import Batch
from hf_gen.errors import UserError
from hf_gen.losses import discriminator_loss, generator_loss
from hf_gen.models.cyclegan import PatchDiscriminator, ResnetGenerator
from hf_gen.pipelines import TranslationPipeline
from hf_gen.tasks.augment import RANDOM_NUMBERS, differentiable_augment
from hf_gen.tasks.pool import ImagePool

SHOWN = 8


class CycleGANTask:
    """The task of a `CycleGANRecipe`: `a_to_b` and `b_to_a` against `disc_a` and `disc_b`.

    Args:
        recipe: Which networks, objective and resolution.
        device: Where the image pools are kept.

    Raises:
        UserError: If the networks cannot be made or cannot take the resolution.
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
        self.averaged: tuple[str, ...] = ("a_to_b", "b_to_a")
        common, own = recipe.optimisation, asdict(recipe.discriminators)
        differing = {
            name.removeprefix("discriminator_"): value
            for name, value in own.items()
            if value is not None
        }
        self.optimisations = {"generators": common, "discriminators": replace(common, **differing)}
        self.preview_columns = SHOWN
        self.state = {
            name: ImagePool(recipe.objective.pool_size, self.resolution, device)
            for name in ("pool_a", "pool_b")
        }

    def losses(
        self, nets: Mapping[str, nn.Module], batch: Batch
    ) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """The generators' turn, then the discriminators' (section 3, equations 1 to 3).

        What goes through one network at the same time goes through it as one batch.
        """
        real_a, real_b = batch.images
        count, objective = len(real_a), self.objective
        keeps = objective.identity_weight > 0

        # The generators: adversarial, cycle-consistency and identity losses.
        first = _image(nets["a_to_b"], torch.cat((real_a, real_b)) if keeps else real_a)
        fake_b = first[:count]
        inputs = (real_b, fake_b, real_a) if keeps else (real_b, fake_b)
        second = _image(nets["b_to_a"], torch.cat(inputs))
        fake_a, cycle_a = second[:count], second[count : 2 * count]
        cycle_b = _image(nets["a_to_b"], fake_a)
        with _frozen(nets["disc_a"], nets["disc_b"]) as (disc_a, disc_b):
            judged_b = disc_b(self._augment(fake_b, batch, "shown b"))
            judged_a = disc_a(self._augment(fake_a, batch, "shown a"))
        adversarial = {
            "adversarial_a_to_b": generator_loss(judged_b, objective.adversarial),
            "adversarial_b_to_a": generator_loss(judged_a, objective.adversarial),
        }
        cycle = {"cycle_a": l1_loss(cycle_a, real_a), "cycle_b": l1_loss(cycle_b, real_b)}
        identity = {}
        if keeps:
            identity["identity_a"] = l1_loss(second[2 * count :], real_a)
            identity["identity_b"] = l1_loss(first[count:], real_b)
        total = (
            adversarial["adversarial_a_to_b"]
            + adversarial["adversarial_b_to_a"]
            + objective.cycle_weight * sum(cycle.values())
            + objective.identity_weight * sum(identity.values())
        )
        yield "generators", {"objective": total, **adversarial, **cycle, **identity}

        # The discriminators: real images against translations, some of them from the pool.
        d_losses = {}
        for side, real, fake in (("a", real_a, fake_a), ("b", real_b, fake_b)):
            fake = self._query_pool(fake.detach(), batch, side)
            real, fake = (
                self._augment(images, batch, f"{stream} {side}")
                for stream, images in (("real", real), ("fake", fake))
            )
            logits = nets[f"disc_{side}"](torch.cat((real, fake)))
            d_losses[side] = discriminator_loss(
                logits[:count], logits[count:], objective.adversarial
            )
        total = d_losses["a"] + d_losses["b"]
        named = {"disc_a": d_losses["a"], "disc_b": d_losses["b"]}
        yield "discriminators", {"objective": total, **named}

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

    def _augment(self, images: Tensor, batch: Batch, stream: str) -> Tensor:
        if not self.objective.augment:
            return images
        return differentiable_augment(images, batch.uniform(stream, (RANDOM_NUMBERS,)))

    def _query_pool(self, fake: Tensor, batch: Batch, side: str) -> Tensor:
        if not batch.is_training or not self.objective.pool_size:
            return fake
        return self.state[f"pool_{side}"].exchange(fake, batch.host_generator(f"pool {side}"))


@contextmanager
def _frozen(*wrapped: nn.Module) -> Iterator[list[nn.Module]]:
    """Networks through which gradients pass, but not into their weights; not wrapped for ranks."""
    networks = [getattr(net, "module", net) for net in wrapped]
    for net in networks:
        net.requires_grad_(False)
    try:
        yield networks
    finally:
        for net in networks:
            net.requires_grad_(True)


def _new_networks(recipe: CycleGANRecipe) -> dict[str, nn.Module]:
    model, size = recipe.model, recipe.data.resolution
    of_generator = {
        "sample_size": size,
        "channels": model.generator_channels,
        "num_downsamples": model.generator_downsamples,
        "num_residual_blocks": model.generator_residual_blocks,
        "normalization": model.generator_normalization,
        "upsample": model.upsample,
    }
    of_discriminator = {
        "channels": model.discriminator_channels,
        "num_layers": model.discriminator_layers,
        "num_residual_blocks": model.discriminator_residual_blocks,
        "normalization": model.discriminator_normalization,
        "spectral_norm": model.spectral_norm,
    }
    try:
        ResnetGenerator.check_size(of_generator)
        PatchDiscriminator.check_size(of_discriminator)
        networks: dict[str, nn.Module] = {
            **{name: ResnetGenerator(**of_generator) for name in ("a_to_b", "b_to_a")},
            **{name: PatchDiscriminator(**of_discriminator) for name in ("disc_a", "disc_b")},
        }
        with torch.no_grad():
            networks["disc_a"](torch.zeros(1, 3, size, size))
    except ValueError as error:
        raise UserError(str(error).replace("sample_size must", "resolution must")) from error
    return networks


def _image(net: nn.Module, images: Tensor) -> Tensor:
    (image,) = net(images, return_dict=False)
    return image

"""The adversarial turn of an autoencoder: a discriminator of images and their reconstructions.

Source: Larsen, Sonderby, Larochelle and Winther, Autoencoding beyond Pixels using a Learned
Similarity Metric, 2016; Esser, Rombach and Ommer, Taming Transformers for High-Resolution Image
Synthesis, 2021, section 3.1, for patches.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from hf_gen.config import AdversarialLoss, AdversarialTerm
from hf_gen.data.batches import Batch
from hf_gen.errors import UserError
from hf_gen.losses import discriminator_loss, generator_loss
from hf_gen.models.cyclegan import PatchDiscriminator
from hf_gen.tasks.augment import RANDOM_NUMBERS, differentiable_augment


@contextmanager
def frozen(*wrapped: nn.Module) -> Iterator[list[nn.Module]]:
    """Networks through which gradients pass, but not into their weights; not wrapped for ranks."""
    networks = [getattr(net, "module", net) for net in wrapped]
    for net in networks:
        net.requires_grad_(False)
    try:
        yield networks
    finally:
        for net in networks:
            net.requires_grad_(True)


def new_discriminator(term: AdversarialTerm, resolution: int) -> PatchDiscriminator:
    """The discriminator of a term, with spectral normalisation and both heads.

    Raises:
        UserError: If it cannot take the resolution.
    """
    arguments = {"channels": term.discriminator_channels, "num_layers": term.discriminator_layers}
    try:
        PatchDiscriminator.check_size(arguments)
        network = PatchDiscriminator(**arguments)
        with torch.no_grad():
            network(torch.zeros(1, 3, resolution, resolution))
    except ValueError as error:
        raise UserError(f"the discriminator cannot be made: {error}") from error
    return network


def adversarial_loss(
    term: AdversarialTerm, discriminator: nn.Module, made: Tensor, batch: Batch
) -> Tensor:
    """The autoencoder's loss: how real the discriminator finds its reconstructions, a scalar."""
    (real,) = batch.images
    if term.adversarial == "relativistic":  # the others do not look at real images here
        real = _augment(term, real, batch, "real")
    with frozen(discriminator) as (network,):
        return judged(network, term.adversarial, _augment(term, made, batch, "shown"), real)


def judged(network: nn.Module, kind: AdversarialLoss, shown: Tensor, real: Tensor) -> Tensor:
    """The loss of what a discriminator is shown; `real` is for the relativistic one alone."""
    if kind != "relativistic":
        return generator_loss(network(shown), kind)
    of_shown, of_real = network(torch.cat((shown, real))).split(len(shown))
    return generator_loss(of_shown, kind, of_real)


def discrimination_loss(
    term: AdversarialTerm, discriminator: nn.Module, made: Tensor, batch: Batch
) -> Tensor:
    """The discriminator's loss on the images of a batch and on their reconstructions, a scalar."""
    (images,) = batch.images
    real = _augment(term, images, batch, "real")
    fake = _augment(term, made.detach(), batch, "fake")
    of_real, of_fake = discriminator(torch.cat((real, fake))).split(len(real))
    return discriminator_loss(of_real, of_fake, term.adversarial)


def _augment(term: AdversarialTerm, images: Tensor, batch: Batch, stream: str) -> Tensor:
    if not term.augment:
        return images
    return differentiable_augment(images, batch.uniform(stream, (RANDOM_NUMBERS,)), term.augment)

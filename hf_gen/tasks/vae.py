"""Training a variational autoencoder: ours, or one of diffusers'.

Source: Kingma and Welling, Auto-Encoding Variational Bayes, 2013; with a KL weight other than 1,
Higgins et al., beta-VAE, 2017.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, ModelMixin
from torch import Tensor, nn

from hf_gen.config import (
    AnyKLVAEConfig,
    AutoencoderKLConfig,
    AutoencoderTinyConfig,
    ConvVAEConfig,
    DenseVAEConfig,
    Objective,
    PatchVAEConfig,
    VAEModel,
    VAERecipe,
)
from hf_gen.data.batches import Batch
from hf_gen.errors import UserError
from hf_gen.features import perceptual_loss
from hf_gen.losses import kl_to_standard_normal, reconstruction_nll
from hf_gen.models.any_kl_vae import AnyKLVAE
from hf_gen.models.pretrained import StrictModel
from hf_gen.models.vae import ConvVAE, DenseVAE, PatchVAE
from hf_gen.pipelines import VAEPipeline
from hf_gen.pipelines.download import download
from hf_gen.pipelines.networks import load_network
from hf_gen.tasks.adversarial import adversarial_loss, discrimination_loss, new_discriminator

_NETWORKS: dict[type, type[StrictModel]] = {
    ConvVAEConfig: ConvVAE,
    AnyKLVAEConfig: AnyKLVAE,
    DenseVAEConfig: DenseVAE,
    PatchVAEConfig: PatchVAE,
}
_CPU = torch.device("cpu")
_GROUPS = 32  # of a group normalisation, as many as all channels can be divided into


class NegativeELBO(nn.Module):
    """An autoencoder of diffusers' protocol with its loss, as one module to wrap and compile.

    Args:
        vae: The autoencoder.
        objective: The likelihood and the weights of the terms.
        device: Where images will be.
    """

    def __init__(self, vae: ModelMixin, objective: Objective, device: torch.device) -> None:
        super().__init__()
        self.vae = vae
        self.objective = objective
        # In a tuple, so that it is no submodule: neither trained nor saved.
        self.perceptual = (perceptual_loss(str(device)),) if objective.perceptual_weight else ()

    def forward(
        self, images: Tensor, noise: Tensor, kl_weights: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The losses in nats per image, means over the batch; the perceptual one has no unit.

        Without a posterior there is no "kl" and no "negative_elbo".

        Args:
            images: In [-1, 1], (batch, 3, height, width).
            noise: Standard normal, of the shape of the batch's codes.
            kl_weights: Of an `AnyKLVAE`, one for each image, (batch,). Default: the objective's.

        Returns:
            The losses by name, and the reconstructions, of the shape of the images.
        """
        given = {} if kl_weights is None else {"kl_weight": kl_weights}
        likelihood, scale = self.objective.likelihood, self.objective.likelihood_scale
        encoded = self.vae.encode(images, **given)
        posterior = getattr(encoded, "latent_dist", None)
        codes = encoded.latents if posterior is None else posterior.mean + posterior.std * noise
        decoded = self.vae.decode(codes, **given)
        # Sums over pixels need float32, whatever the networks compute in.
        predicted = (decoded.logits if likelihood == "bernoulli" else decoded.sample).float()
        nlls = reconstruction_nll(images, predicted, likelihood, scale)
        reconstruction = nlls.mean()
        losses = {"objective": reconstruction, "reconstruction": reconstruction}
        if posterior is not None:
            kls = kl_to_standard_normal(posterior.mean.float(), posterior.logvar.float())
            kl = kls.mean()
            losses["objective"] = reconstruction + self.objective.kl_weight * kl
            if kl_weights is not None:
                losses["objective"] = (nlls + kl_weights * kls).mean()
            losses |= {"negative_elbo": reconstruction + kl, "kl": kl}
        for loss in self.perceptual:
            perceptual = loss(images, decoded.sample).mean()
            weighted = self.objective.perceptual_weight * perceptual
            losses["objective"] = losses["objective"] + weighted
            losses["perceptual"] = perceptual
        return losses, decoded.sample


class VAETask:
    """The task of a `VAERecipe`.

    Args:
        recipe: Which network, objective and resolution.
        device: Where it will be trained.

    Raises:
        UserError: If the network cannot be built or loaded, or cannot take the resolution or the
            likelihood.
    """

    def __init__(self, recipe: VAERecipe, device: torch.device = _CPU) -> None:
        self.resolution = recipe.data.resolution
        if recipe.pretrained_model_name_or_path is None:
            vae = _new_network(recipe.model, recipe.objective, self.resolution)
        else:
            vae = _pretrained_network(recipe.pretrained_model_name_or_path, recipe.subfolder)
        is_any_kl = isinstance(vae, AnyKLVAE)
        if is_any_kl and recipe.objective.kl_weight != 1:
            raise UserError(
                "kl_weight must be 1 for a network that is trained with every weight, got "
                f"{recipe.objective.kl_weight:g}: leave --kl-weight out, and choose the weight "
                "when the network is used, as pipeline.sample(kl_weight=10)"
            )
        if is_any_kl and recipe.flow_prior_steps:
            raise UserError(
                "flow_prior_steps must be 0 for a network that is trained with every KL weight, "
                f"whose priors are interpolated, got {recipe.flow_prior_steps}: leave it out"
            )
        bernoulli = recipe.objective.likelihood == "bernoulli"
        if bernoulli and not isinstance(vae, StrictModel):
            raise UserError(
                f"likelihood bernoulli needs a decoder that gives logits, and {type(vae).__name__} "
                "gives images: try --likelihood laplace or gaussian"
            )
        self.latent_shape = _latent_shape(vae, self.resolution)
        config = vae.config
        self.kl_range = (config.min_kl_weight, config.max_kl_weight) if is_any_kl else None
        if recipe.freeze_encoder:
            for part in ("encoder", "quant_conv"):
                if isinstance(module := getattr(vae, part, None), nn.Module):
                    module.requires_grad_(False)
        self.term = recipe.adversarial
        self.networks: dict[str, nn.Module] = {"vae": NegativeELBO(vae, recipe.objective, device)}
        self.turns: dict[str, tuple[str, ...]] = {"vae": ("vae",)}
        self.prefixes = {"vae": "", "discriminator": "discriminator/"}
        self.averaged: tuple[str, ...] = ("vae",)
        self.optimisations = {"vae": recipe.optimisation}
        if self.term.adversarial_weight > 0:
            self.networks["disc"] = new_discriminator(self.term, self.resolution)
            self.turns["discriminator"] = ("disc",)
            own = recipe.discriminator.applied_to(recipe.optimisation)
            self.optimisations["discriminator"] = own
        self.state: dict[str, Any] = {}
        self.preview_columns = 16

    def losses(
        self, nets: Mapping[str, nn.Module], batch: Batch
    ) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """The objective and its terms (see `NegativeELBO.forward`), then the discriminator's turn.

        The discriminator begins at `adversarial_start` and the adversarial loss after the warm-up,
        so that it is one of a discriminator that can tell the images apart.
        """
        (images,) = batch.images
        noise = batch.normal("posterior", self.latent_shape)
        losses, made = nets["vae"](images, noise, self._kl_weights(batch))
        if self.kl_range is not None and batch.is_training:
            # Terms at random weights compare with nothing, so the objective alone is logged.
            losses = {"objective": losses["objective"]}
        if "disc" not in nets:
            yield "vae", losses
            return
        term, trained = self.term, batch.step - self.term.adversarial_start
        if trained >= term.adversarial_warmup:
            adversarial = adversarial_loss(term, nets["disc"], made, batch)
            objective = losses["objective"] + term.adversarial_weight * adversarial
            losses |= {"objective": objective, "adversarial": adversarial}
        yield "vae", losses
        if trained >= 0:
            loss = discrimination_loss(term, nets["disc"], made, batch)
            yield "discriminator", {"objective": loss}

    def _kl_weights(self, batch: Batch) -> Tensor | None:
        """Of an `AnyKLVAE`: drawn for each training image, and 1 for the others."""
        if self.kl_range is None:
            return None
        if batch.is_training:
            return log_uniform(batch, *self.kl_range)
        (images,) = batch.images
        return torch.ones(len(images), device=images.device)

    def preview(self, nets: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """The real images, then their reconstructions."""
        (images,) = batch.images
        return torch.cat((images, self.pipeline(nets).reconstruct(images, output_type="pt")))

    def pipeline(self, nets: Mapping[str, nn.Module]) -> VAEPipeline:
        """A pipeline around the autoencoder of `nets`."""
        return VAEPipeline(vae=nets["vae"].vae, resolution=self.resolution)


def log_uniform(batch: Batch, low: float, high: float) -> Tensor:
    """Weights of the KL term, (batch,), whose logarithms are uniform between those of the ends."""
    places = batch.uniform("kl_weight", ())
    return low * (high / low) ** places


def _new_network(model: VAEModel, objective: Objective, resolution: int) -> ModelMixin:
    try:
        match model:
            case ConvVAEConfig() | AnyKLVAEConfig() | DenseVAEConfig() | PatchVAEConfig():
                arguments = {
                    "sample_size": resolution,
                    **asdict(model),
                    "likelihood": objective.likelihood,
                    "likelihood_scale": objective.likelihood_scale,
                }
                network = _NETWORKS[type(model)]
                network.check_size(arguments)
                return network(**arguments)
            case AutoencoderKLConfig():
                count = len(model.block_out_channels)
                return AutoencoderKL(
                    down_block_types=("DownEncoderBlock2D",) * count,
                    up_block_types=("UpDecoderBlock2D",) * count,
                    norm_num_groups=math.gcd(_GROUPS, *model.block_out_channels),
                    sample_size=resolution,
                    **asdict(model),
                )
            case AutoencoderTinyConfig():
                channels = (model.channels,) * len(model.num_blocks)
                return AutoencoderTiny(
                    encoder_block_out_channels=channels,
                    decoder_block_out_channels=channels,
                    num_encoder_blocks=model.num_blocks,
                    num_decoder_blocks=model.num_blocks[::-1],
                    latent_channels=model.latent_channels,
                )
    except ValueError as error:
        message = str(error).replace("sample_size must", "resolution must")
        raise UserError(message) from error


def _pretrained_network(name: str, subfolder: str | None) -> ModelMixin:
    """From a folder, a run folder, a bundled model or the Hub; of a pipeline, its autoencoder."""
    if subfolder is None:
        return VAEPipeline.from_pretrained(name).vae
    folder = Path(name)
    return load_network(folder if folder.is_dir() else download(name, (subfolder,)), subfolder)


@torch.no_grad()
def _latent_shape(vae: ModelMixin, resolution: int) -> tuple[int, ...]:
    """The latents' shape of one image, by encoding one: unsupported resolutions raise here."""
    factor = 1 if isinstance(vae, StrictModel) else 2 ** (len(_block_channels(vae)) - 1)
    if resolution % factor:
        below = resolution // factor * factor
        tries = f"{below} or {below + factor}" if below else f"{factor}"
        raise UserError(
            f"resolution must be a multiple of {factor} for this network, got {resolution}: "
            f"try {tries}"
        )
    takes = vae.config.sample_size if isinstance(vae, StrictModel) else resolution
    if takes != resolution:
        raise UserError(
            f"the pretrained network takes {takes}x{takes} images: add --resolution {takes}"
        )
    encoded = vae.encode(torch.zeros(1, 3, resolution, resolution))
    code = encoded.latent_dist.mean if hasattr(encoded, "latent_dist") else encoded.latents
    return tuple(code.shape[1:])


def _block_channels(vae: ModelMixin) -> list[int]:
    config = vae.config
    return list(config.get("block_out_channels") or config.get("encoder_block_out_channels"))

"""Small networks of every class that loads, and what tests do with saved ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTinyOutput
from diffusers.models.autoencoders.vae import DecoderOutput
from torch import Tensor

from hf_gen.models.any_kl_vae import AnyKLVAE
from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.prior import LatentPrior
from hf_gen.models.vae import ConvVAE, DenseVAE, PatchVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline

WEIGHTS = "diffusion_pytorch_model.safetensors"


class Identity(ModelMixin, ConfigMixin):
    """Latents that are the image itself, and a multiple as its translation: both can be seen."""

    @register_to_config
    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(factor))

    def encode(self, x: Tensor) -> AutoencoderTinyOutput:
        return AutoencoderTinyOutput(latents=x.clone())

    def decode(self, z: Tensor) -> DecoderOutput:
        return DecoderOutput(sample=z)

    def forward(self, sample: Tensor) -> DecoderOutput:
        return DecoderOutput(sample=sample * self.scale)


def kl(**config: Any) -> AutoencoderKL:
    blocks = {"down_block_types": ("DownEncoderBlock2D",), "up_block_types": ("UpDecoderBlock2D",)}
    given = {key: kind * 2 for key, kind in blocks.items()} | {"norm_num_groups": 2} | config
    return AutoencoderKL(block_out_channels=(4, 4), **given)


def tiny(**config: Any) -> AutoencoderTiny:
    blocks = {"num_encoder_blocks": (1, 1), "num_decoder_blocks": (1, 1)}
    widths = {"encoder_block_out_channels": (4, 4), "decoder_block_out_channels": (4, 4)}
    return AutoencoderTiny(**widths, **(blocks | config))


NETWORKS: dict[str, Callable[[], ModelMixin]] = {
    "ConvVAE": lambda: ConvVAE(16, filters=(6, 4), latent_channels=5),
    "AnyKLVAE": lambda: AnyKLVAE(16, filters=(6, 4), latent_channels=5),
    "DenseVAE": lambda: DenseVAE(16, hidden=(12, 8), latent_channels=5),
    "PatchVAE": lambda: PatchVAE(16, filters=(6, 4), bottleneck_channels=3, latent_channels=5),
    "AutoencoderKL": kl,
    "AutoencoderTiny": tiny,
}


def vae_pipeline() -> VAEPipeline:
    """With a prior that is a mixture, and another by default."""
    torch.manual_seed(0)
    prior = LatentPrior((5, 1, 1), 3)
    prior.means.normal_()
    return VAEPipeline(NETWORKS["ConvVAE"]().eval(), prior, 16, "gaussian", 0.7)


def translation_pipeline() -> TranslationPipeline:
    torch.manual_seed(0)
    networks = [ResnetGenerator(16, 4, num_residual_blocks=1).eval() for _ in range(2)]
    return TranslationPipeline(*networks, 16, "anime", "cartoon")


def change_json(file: Path, **changes: Any) -> None:
    """Changes the values of some keys; those that become `...` are removed."""
    content = json.loads(file.read_text()) | changes
    kept = {key: value for key, value in content.items() if value is not ...}
    file.write_text(json.dumps(kept))


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }

"""The architectures: what a recipe says of its networks, value by value."""

from dataclasses import dataclass
from typing import Literal

from hf_gen.config.ranges import Count, Counts, check_ranges

# No field has a default here: a network's are those of its constructor, and `recipes.py` states
# each value of each recipe. Our own constructors check their arguments, also from a config.json.


@dataclass(frozen=True)
class ConvVAEConfig:
    """A convolutional encoder and a mirrored decoder; a latent vector."""

    filters: tuple[int, ...]
    """Filters of each convolution of the encoder, outermost first."""
    kernel_sizes: tuple[int, ...]
    """Kernel size of each convolution, odd numbers."""
    strides: tuple[int, ...]
    """Stride of each convolution."""
    downsample: Literal["stride", "max_pool"]
    """Downsample by strided convolutions, or by max pooling after each."""
    latent_channels: int
    """Number of latents."""


@dataclass(frozen=True)
class AnyKLVAEConfig:
    """A convolutional VAE whose channels are scaled by gates of the KL weight; a latent vector."""

    filters: tuple[int, ...]
    """Filters of each convolution of the encoder, outermost first."""
    kernel_sizes: tuple[int, ...]
    """Kernel size of each convolution, odd numbers."""
    strides: tuple[int, ...]
    """Stride of each convolution."""
    latent_channels: int
    """Number of latents."""
    min_kl_weight: float
    """Lowest weight of the KL term; each training image has one of its own, log-uniform."""
    max_kl_weight: float
    """Highest weight of the KL term."""


@dataclass(frozen=True)
class DenseVAEConfig:
    """Fully connected encoder and decoder; a latent vector."""

    hidden: tuple[int, ...]
    """Widths of the encoder's hidden layers; the decoder has them in reverse."""
    latent_channels: int
    """Number of latents."""


@dataclass(frozen=True)
class PatchVAEConfig:
    """Convolutions and residual blocks on patches of the image; a latent vector."""

    patch_size: int
    """Height and width of a patch in pixels."""
    filters: tuple[int, ...]
    """Channels of each level, outermost first; every level but the first halves the size."""
    num_blocks: tuple[int, ...]
    """Residual blocks of each level."""
    bottleneck_channels: int
    """Channels of the smallest feature map, before and after the latents."""
    latent_channels: int
    """Number of latents."""
    num_head_channels: int
    """Channels of last layers that overlap, so that patches join without a seam; 0 for none."""


@dataclass(frozen=True)
class AutoencoderKLConfig:
    """diffusers' AutoencoderKL, the VAE of Stable Diffusion: a map of latents."""

    block_out_channels: Counts
    """Channels of each resolution; every block but the last halves the image."""
    layers_per_block: Count
    """Residual layers in each block."""
    latent_channels: Count
    """Channels of the latent map."""

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class AutoencoderTinyConfig:
    """diffusers' AutoencoderTiny, a small plain autoencoder: no posterior, so no KL term."""

    channels: Count
    """Channels of every resolution."""
    num_blocks: Counts
    """Residual blocks of each resolution in the encoder; the decoder has them in reverse."""
    latent_channels: Count
    """Channels of the latent map."""

    def __post_init__(self) -> None:
        check_ranges(self)


VAEModel = (
    ConvVAEConfig
    | AnyKLVAEConfig
    | DenseVAEConfig
    | PatchVAEConfig
    | AutoencoderKLConfig
    | AutoencoderTinyConfig
)


@dataclass(frozen=True)
class _Discriminators:
    discriminator_channels: int
    """Channels of the discriminators' first layer."""
    discriminator_layers: int
    """Downsampling layers of the discriminators."""
    discriminator_residual_blocks: int
    """Residual blocks of the discriminators."""
    discriminator_normalization: Literal["instance", "none"]
    """Normalisation of the discriminators."""
    discriminator_statistics: bool
    """A second head of the discriminators, on statistics of their last feature map."""
    discriminator_features: bool
    """A head of the discriminators on each early feature map of a frozen ImageNet network."""
    spectral_norm: bool
    """Spectral normalisation of the discriminators' weights."""


@dataclass(frozen=True)
class ResnetCycleGANConfig(_Discriminators):
    """Two ResNet generators and two PatchGAN discriminators."""

    generator_channels: int
    """Channels of the generators at full resolution."""
    generator_downsamples: int
    """Downsampling layers of the generators, before their residual blocks."""
    generator_residual_blocks: int
    """Residual blocks of the generators."""
    generator_normalization: Literal["instance", "none"]
    """Normalisation of the generators."""
    upsample: Literal["resize", "transposed"]
    """Upsampling: resize and convolve (no checkerboard), or transposed convolution."""


@dataclass(frozen=True)
class PatchCycleGANConfig(_Discriminators):
    """Two generators on patches, with skip connections, and two PatchGAN discriminators."""

    generator_channels: int
    """Channels of the generators at a quarter of the size."""
    generator_bottleneck_channels: int
    """Channels of the generators at an eighth of the size."""
    generator_head_channels: int
    """Channels of the generators at half of the size."""
    generator_residual_blocks: int
    """Residual blocks of the generators at an eighth of the size."""


CycleGANModel = ResnetCycleGANConfig | PatchCycleGANConfig

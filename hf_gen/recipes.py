"""Every experiment by name: the one table to read first.

`accelerate launch train_accelerate.py NAME` runs one; its flags override single fields. Networks
are written out value by value; the filters, latents and KL factors are those of the two reports
that hf_gen repeats. What was measured for those that we recommend is in docs/recipes.md.
"""

from dataclasses import replace

from hf_gen.config import (
    AdversarialObjective,
    AnyKLVAEConfig,
    AutoencoderKLConfig,
    AutoencoderTinyConfig,
    ConvVAEConfig,
    CycleGANRecipe,
    Data,
    DenseVAEConfig,
    DiscriminatorOptimisation,
    Objective,
    Optimisation,
    Output,
    PatchCycleGANConfig,
    PatchVAEConfig,
    Recipe,
    ResnetCycleGANConfig,
    VAERecipe,
)

_STRIDED = ConvVAEConfig(
    filters=(64, 32),
    kernel_sizes=(5, 3),
    strides=(2, 2),
    downsample="stride",
    latent_channels=50,
)
_ANY_KL = AnyKLVAEConfig(
    filters=(64, 32),
    kernel_sizes=(5, 3),
    strides=(2, 2),
    latent_channels=50,
    min_kl_weight=0.01,
    max_kl_weight=100.0,
)
_DENSE = DenseVAEConfig(hidden=(512, 256), latent_channels=10)
CONV_VAE = VAERecipe(model=_STRIDED)
_AUTOENCODER_KL = VAERecipe(
    data=Data(resolution=64),
    model=AutoencoderKLConfig(
        block_out_channels=(32, 64, 64), layers_per_block=1, latent_channels=4
    ),
    objective=Objective(likelihood="laplace"),
    optimisation=Optimisation(train_batch_size=32, learning_rate=3e-4, max_grad_norm=1.0),
)
_FACE_VAE = VAERecipe(
    data=Data(resolution=64, random_flip=True),
    model=PatchVAEConfig(
        patch_size=4,
        filters=(64, 192),
        num_blocks=(0, 0),
        bottleneck_channels=32,
        latent_channels=192,
        num_head_channels=0,
    ),
    objective=Objective(likelihood="laplace", likelihood_scale=0.1, perceptual_weight=10_000.0),
    optimisation=Optimisation(
        train_batch_size=64,
        learning_rate=2e-3,
        lr_scheduler="cosine",
        lr_warmup_steps=100,
        max_grad_norm=2000.0,
    ),
)
CYCLEGAN_LAMBDA10 = CycleGANRecipe(
    data=Data(resolution=64),
    model=ResnetCycleGANConfig(
        generator_channels=32,
        generator_downsamples=2,
        generator_residual_blocks=2,
        generator_normalization="instance",
        upsample="transposed",
        discriminator_channels=32,
        discriminator_layers=3,
        discriminator_residual_blocks=2,
        discriminator_normalization="instance",
        discriminator_statistics=False,
        discriminator_features=False,
        spectral_norm=False,
    ),
    optimisation=Optimisation(train_batch_size=100, learning_rate=1e-4, adam_beta1=0.5),
)
_CYCLEGAN = CycleGANRecipe(
    data=Data(resolution=64, random_flip=True),
    model=PatchCycleGANConfig(
        generator_channels=64,
        generator_bottleneck_channels=128,
        generator_head_channels=32,
        generator_residual_blocks=4,
        discriminator_channels=32,
        discriminator_layers=3,
        discriminator_residual_blocks=0,
        discriminator_normalization="none",
        discriminator_statistics=True,
        discriminator_features=False,
        spectral_norm=True,
    ),
    objective=AdversarialObjective(
        adversarial="hinge",
        cycle_weight=5.0,
        paired_weight=20.0,
        paired_perceptual_weight=2.0,
        cycle_downsample=2,
        pool_size=0,
        augment=("translation",),
    ),
    optimisation=Optimisation(
        train_batch_size=32,
        num_train_epochs=30,
        learning_rate=4e-4,
        lr_scheduler="late_linear",
        lr_warmup_steps=100,
        adam_beta1=0.5,
        adam_beta2=0.99,
    ),
    discriminators=DiscriminatorOptimisation(
        discriminator_learning_rate=8e-4, discriminator_adam_beta1=0.0
    ),
)

RECIPES: dict[str, tuple[str, Recipe]] = {
    "quickstart": (
        "a short conv-vae on 4,000 synthetic faces: a first result in a minute or two",
        replace(
            CONV_VAE,
            data=Data(max_train_samples=4000),
            optimisation=Optimisation(num_train_epochs=30),
            output=Output(validation_steps=100, checkpointing_steps=200),
        ),
    ),
    "conv-vae": (
        "convolutional VAE, strided 5x5 and 3x3 convolutions, 50 latents",
        CONV_VAE,
    ),
    "conv-vae-maxpool": (
        "the same with max pooling in place of strides",
        replace(CONV_VAE, model=replace(_STRIDED, downsample="max_pool")),
    ),
    "conv-vae-kl100": (
        "the same with the KL term x100: codes tell little, outputs are close to the mean face",
        replace(CONV_VAE, objective=Objective(kl_weight=100.0)),
    ),
    "conv-vae-kl0": (
        "the same without the KL term: nothing draws the codes towards the standard normal",
        replace(CONV_VAE, objective=Objective(kl_weight=0.0)),
    ),
    "conv-vae-any-kl": (
        "one network for every weight of the KL term from 0.01 to 100, chosen when it is used",
        replace(CONV_VAE, model=_ANY_KL),
    ),
    "dense-vae-z5": (
        "fully connected VAE with 5 latents",
        replace(CONV_VAE, model=replace(_DENSE, latent_channels=5)),
    ),
    "dense-vae-z10": (
        "fully connected VAE with 10 latents",
        replace(CONV_VAE, model=_DENSE),
    ),
    "face-vae": (
        "the autoencoder that we recommend (one seed): faces of 64x64, from 192 latents",
        _FACE_VAE,
    ),
    "autoencoder-kl": (
        "diffusers' AutoencoderKL, small, at 64x64: a map of 4x16x16 latents",
        _AUTOENCODER_KL,
    ),
    "autoencoder-tiny": (
        "diffusers' AutoencoderTiny, small, at 64x64: no posterior, no KL term",
        replace(
            _AUTOENCODER_KL,
            model=AutoencoderTinyConfig(channels=32, num_blocks=(1, 2, 2), latent_channels=4),
        ),
    ),
    "cyclegan": (
        "the CycleGAN that we recommend: generators on patches, which pairs can guide",
        _CYCLEGAN,
    ),
    "cyclegan-lambda10": (
        "the report's: anime <-> cartoon, 2 residual blocks, lambda 10, batch 100",
        CYCLEGAN_LAMBDA10,
    ),
    "cyclegan-lambda5": (
        "the same with lambda 5",
        replace(CYCLEGAN_LAMBDA10, objective=AdversarialObjective(cycle_weight=5.0)),
    ),
}

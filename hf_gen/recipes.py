"""Every experiment by name: the one table to read first.

`accelerate launch train_accelerate.py NAME` runs one; its flags override single fields. The
filters, latents and KL factors are those of the two reports that hf_gen repeats.
"""

from dataclasses import replace

from hf_gen.config import (
    AdversarialObjective,
    AutoencoderKLConfig,
    AutoencoderTinyConfig,
    ConvVAEConfig,
    CycleGANRecipe,
    Data,
    DenseVAEConfig,
    Objective,
    Optimisation,
    Output,
    Recipe,
    VAERecipe,
)

_CONV_VAE = VAERecipe()
_LATENT_MAP = VAERecipe(
    data=Data(resolution=64),
    objective=Objective(likelihood="laplace"),
    optimisation=Optimisation(train_batch_size=32, learning_rate=3e-4, max_grad_norm=1.0),
)
_CYCLEGAN = CycleGANRecipe()

RECIPES: dict[str, tuple[str, Recipe]] = {
    "quickstart": (
        "a short conv-vae on 4,000 drawn faces: a first result in a minute or two",
        replace(
            _CONV_VAE,
            data=Data(max_train_samples=4000),
            optimisation=Optimisation(num_train_epochs=30),
            output=Output(validation_steps=100, checkpointing_steps=200),
        ),
    ),
    "conv-vae": (
        "convolutional VAE, strided 5x5 and 3x3 convolutions, 50 latents",
        _CONV_VAE,
    ),
    "conv-vae-maxpool": (
        "the same with max pooling in place of strides",
        replace(_CONV_VAE, model=ConvVAEConfig(downsample="max_pool")),
    ),
    "conv-vae-kl100": (
        "the same with the KL term x100: codes tell nothing, every output is the mean face",
        replace(_CONV_VAE, objective=Objective(kl_weight=100.0)),
    ),
    "conv-vae-kl0": (
        "the same without the KL term: sharp reconstructions, no prior to sample from",
        replace(_CONV_VAE, objective=Objective(kl_weight=0.0)),
    ),
    "dense-vae-z5": (
        "fully connected VAE with 5 latents",
        replace(_CONV_VAE, model=DenseVAEConfig(latent_channels=5)),
    ),
    "dense-vae-z10": (
        "fully connected VAE with 10 latents",
        replace(_CONV_VAE, model=DenseVAEConfig(latent_channels=10)),
    ),
    "autoencoder-kl": (
        "diffusers' AutoencoderKL, small, at 64x64: a map of 4x16x16 latents",
        replace(_LATENT_MAP, model=AutoencoderKLConfig()),
    ),
    "autoencoder-tiny": (
        "diffusers' AutoencoderTiny, small, at 64x64: no posterior, no KL term",
        replace(_LATENT_MAP, model=AutoencoderTinyConfig()),
    ),
    "cyclegan-lambda10": (
        "CycleGAN anime <-> cartoon, 2 residual blocks, lambda 10, batch 100",
        _CYCLEGAN,
    ),
    "cyclegan-lambda5": (
        "the same with lambda 5",
        replace(_CYCLEGAN, objective=AdversarialObjective(cycle_weight=5.0)),
    ),
}

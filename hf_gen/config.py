"""The fields of a recipe: frozen dataclasses, each field a flag of `train_accelerate.py`.

The docstring of a field is its `--help`. Values are checked when an instance is made. Nothing here
imports torch, so that `--help` is fast.
"""

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from hf_gen.errors import UserError

Likelihood = Literal["bernoulli", "gaussian", "laplace"]
AdversarialLoss = Literal["least_squares", "hinge", "non_saturating"]


# Docstrings of fields stay on one line: `--help` would show the line breaks.
@dataclass(frozen=True)
class Data:
    """Which images, and how they become pixels."""

    dataset_name: str = "faces"
    """faces (synthetic), a Hub id, or a local folder or archive of images or parquet files."""
    dataset_config_name: str | None = None
    """The configuration of a Hub dataset that has several."""
    revision: str | None = None
    """Branch, tag or commit of a Hub dataset."""
    data_files: tuple[str, ...] = ()
    """Only these files of the dataset, as names or globs (huggan/anime-faces: data.zip)."""
    train_data_dir: Path | None = None
    """A local folder or archive to train on, in place of --dataset-name."""
    image_column: str | None = None
    """The column with the images. Default: the only one, or "image"; "anime" for faces."""
    split: str = "train"
    """The split to train on. Others validate and test; a missing one is 5 % of it, by hash."""
    max_train_samples: int | None = None
    """Number of images: a fixed random subset; the first ones of a stream or of the faces."""
    streaming: bool = False
    """Stream a Hub dataset, keeping the decoded pixels and no second copy on the disk."""
    resolution: int = 32
    """Height and width of an image in pixels, after a centre crop."""
    random_flip: bool = False
    """Flip training images horizontally at random."""
    cache_dir: Path | None = None
    """Cache of datasets and decoded pixels. Default: the Hugging Face cache (HF_HOME)."""

    def __post_init__(self) -> None:
        _at_least("resolution", self.resolution, 8)
        _at_least("max_train_samples", self.max_train_samples, 1)
        if not self.dataset_name:
            raise UserError('dataset_name is empty: try "faces", a Hub id or a local folder')
        if self.train_data_dir is not None and self.dataset_name != "faces":
            raise UserError(
                f"train_data_dir {str(self.train_data_dir)!r} and dataset_name "
                f"{self.dataset_name!r} both name a dataset: give one of the two"
            )


@dataclass(frozen=True)
class ConvVAEConfig:
    """A convolutional encoder and a mirrored decoder; a latent vector."""

    filters: tuple[int, ...] = (64, 32)
    """Filters of each convolution of the encoder, outermost first."""
    kernel_sizes: tuple[int, ...] = (5, 3)
    """Kernel size of each convolution, odd numbers."""
    strides: tuple[int, ...] = (2, 2)
    """Stride of each convolution."""
    downsample: Literal["stride", "max_pool"] = "stride"
    """Downsample by strided convolutions, or by max pooling after each."""
    latent_channels: int = 50
    """Number of latents."""


@dataclass(frozen=True)
class DenseVAEConfig:
    """Fully connected encoder and decoder; a latent vector."""

    hidden: tuple[int, ...] = (512, 256)
    """Widths of the encoder's hidden layers; the decoder has them in reverse."""
    latent_channels: int = 10
    """Number of latents."""


@dataclass(frozen=True)
class PatchVAEConfig:
    """Convolutions and residual blocks on patches of the image; a latent vector."""

    patch_size: int = 4
    """Height and width of a patch in pixels."""
    filters: tuple[int, ...] = (48, 128)
    """Channels of each level, outermost first; every level but the first halves the size."""
    num_blocks: tuple[int, ...] = (0, 1)
    """Residual blocks of each level."""
    bottleneck_channels: int = 32
    """Channels of the smallest feature map, before and after the latents."""
    latent_channels: int = 128
    """Number of latents."""


@dataclass(frozen=True)
class AutoencoderKLConfig:
    """diffusers' AutoencoderKL, the VAE of Stable Diffusion: a map of latents."""

    block_out_channels: tuple[int, ...] = (32, 64, 64)
    """Channels of each resolution; every block but the last halves the image."""
    layers_per_block: int = 1
    """Residual layers in each block."""
    latent_channels: int = 4
    """Channels of the latent map."""

    def __post_init__(self) -> None:
        _all_at_least("block_out_channels", self.block_out_channels, 1)
        _at_least("layers_per_block", self.layers_per_block, 1)
        _at_least("latent_channels", self.latent_channels, 1)


@dataclass(frozen=True)
class AutoencoderTinyConfig:
    """diffusers' AutoencoderTiny, a small plain autoencoder: no posterior, so no KL term."""

    block_out_channels: tuple[int, ...] = (32, 32, 32)
    """Channels of each resolution; every block but the first halves the image."""
    num_blocks: tuple[int, ...] = (1, 2, 2)
    """Residual blocks of each resolution in the encoder; the decoder has them in reverse."""
    latent_channels: int = 4
    """Channels of the latent map."""

    def __post_init__(self) -> None:
        _all_at_least("block_out_channels", self.block_out_channels, 1)
        _all_at_least("num_blocks", self.num_blocks, 1)
        _at_least("latent_channels", self.latent_channels, 1)
        channels, blocks = self.block_out_channels, self.num_blocks
        if len({*channels}) > 1:
            raise UserError(
                f"block_out_channels of an AutoencoderTiny must all be equal, got {channels}: try "
                f"{' '.join([str(max(channels))] * len(channels))}"
            )
        if len(blocks) != len(channels):
            raise UserError(
                f"num_blocks must be a number for each of the {len(channels)} block_out_channels, "
                f"got {blocks}: try {' '.join(['1'] * len(channels))}"
            )


VAEModel = (
    ConvVAEConfig | DenseVAEConfig | PatchVAEConfig | AutoencoderKLConfig | AutoencoderTinyConfig
)


@dataclass(frozen=True)
class Objective:
    """The objective: reconstruction + kl_weight x KL, in nats per image, + perceptual term."""

    likelihood: Likelihood = "bernoulli"
    """Likelihood of a pixel: Bernoulli (cross-entropy), Gaussian or Laplace."""
    likelihood_scale: float = 0.2
    """Standard deviation (Gaussian) or scale (Laplace) of a pixel in [-1, 1]."""
    kl_weight: float = 1.0
    """Weight of the KL term; 1 gives the evidence lower bound."""
    perceptual_weight: float = 0.0
    """Weight of the perceptual distance between an image and its reconstruction; 0 for none."""

    def __post_init__(self) -> None:
        _positive("likelihood_scale", self.likelihood_scale)
        _not_negative("kl_weight", self.kl_weight)
        _not_negative("perceptual_weight", self.perceptual_weight)


@dataclass(frozen=True)
class Optimisation:
    """The optimiser, its schedule, and how it computes."""

    train_batch_size: int = 128
    """Images per process and forward pass."""
    num_train_epochs: int = 20
    """Passes over the training images."""
    max_train_steps: int | None = None
    """Optimiser steps; overrides --num-train-epochs."""
    gradient_accumulation_steps: int = 1
    """Forward passes whose gradients are accumulated before a step."""
    learning_rate: float = 1e-3
    """Learning rate of Adam after the warm-up."""
    lr_scheduler: Literal["constant", "linear", "late_linear", "cosine"] = "constant"
    """Decay of the learning rate to zero (late_linear: in the second half), or constant."""
    lr_warmup_steps: int = 0
    """Steps of linear warm-up."""
    adam_beta1: float = 0.9
    """Decay of Adam's first moment."""
    adam_beta2: float = 0.999
    """Decay of Adam's second moment."""
    adam_weight_decay: float = 0.0
    """Decoupled weight decay (AdamW)."""
    adam_epsilon: float = 1e-8
    """Added to Adam's denominator."""
    max_grad_norm: float = 0.0
    """Clip the gradients of a turn to this norm; 0 for no clipping."""
    ema_decay: float = 0.999
    """Decay of the EMA weights, which are evaluated and exported; 0 for the raw weights."""
    mixed_precision: Literal["no", "fp16", "bf16"] = "no"
    """Precision of the forward pass; the weights stay in float32."""
    torch_compile: Literal["auto", "on", "off"] = "auto"
    """torch.compile the networks. auto: on a CPU with a C++ compiler, if the run is long."""
    seed: int = 0
    """Seed of the weights, the order of the images, flips and noise."""
    num_threads: int | None = None
    """CPU threads per process. Default: OMP_NUM_THREADS, or all cores, shared by the processes."""

    def __post_init__(self) -> None:
        for name in ("train_batch_size", "num_train_epochs", "gradient_accumulation_steps"):
            _at_least(name, getattr(self, name), 1)
        _at_least("max_train_steps", self.max_train_steps, 1)
        _at_least("num_threads", self.num_threads, 1)
        for name in ("learning_rate", "adam_epsilon"):
            _positive(name, getattr(self, name))
        for name in ("lr_warmup_steps", "adam_weight_decay", "max_grad_norm", "seed"):
            _not_negative(name, getattr(self, name))
        for name in ("adam_beta1", "adam_beta2", "ema_decay"):
            _below_one(name, getattr(self, name))


@dataclass(frozen=True)
class Output:
    """What a run writes, and how often."""

    output_dir: Path | None = None
    """The run folder. Default: runs/<recipe>. The same command with the same folder resumes."""
    logging_steps: int = 20
    """Steps between two lines of metrics.jsonl, each with the means since the last."""
    validation_steps: int = 200
    """Steps between two evaluations on the validation images."""
    checkpointing_steps: int = 500
    """Steps between two checkpoints."""
    checkpoints_total_limit: int = 2
    """Maximum number of checkpoints to keep; the oldest are removed."""
    resume_from_checkpoint: str = "latest"
    """"latest", or the name of a checkpoint in the run folder, such as checkpoint-500."""
    report_to: str = "tensorboard"
    """Also log to this tracker of Accelerate's (tensorboard, trackio, wandb, ...), or "none"."""
    push_to_hub: bool = False
    """Upload the pipeline at each evaluation, and at the end the complete run with its card."""
    hub_model_id: str | None = None
    """The repository, user/name. Default: the name of the run folder, of the logged-in user."""
    hub_private_repo: bool = False
    """Make a new repository private."""
    hub_overwrite: bool = False
    """Push to a repository that hf_gen did not write, too; files of other names are kept."""

    def __post_init__(self) -> None:
        for name in ("logging_steps", "validation_steps", "checkpointing_steps"):
            _at_least(name, getattr(self, name), 1)
        _at_least("checkpoints_total_limit", self.checkpoints_total_limit, 1)


@dataclass(frozen=True)
class VAERecipe:
    """An experiment with a variational autoencoder."""

    data: Data = field(default_factory=Data)
    model: VAEModel = field(default_factory=ConvVAEConfig)
    objective: Objective = field(default_factory=Objective)
    optimisation: Optimisation = field(default_factory=Optimisation)
    output: Output = field(default_factory=Output)
    pretrained_model_name_or_path: str | None = None
    """Fine-tune this autoencoder of hf_gen or diffusers: a Hub id, bundled name, run or folder."""
    subfolder: str | None = None
    """The sub-folder of the pretrained model. Default: of a pipeline, "vae"."""


@dataclass(frozen=True)
class Domains:
    """The second domain, and the names of both."""

    dataset_name_b: str | None = None
    """The dataset of domain b. Default: --dataset-name holds both domains."""
    dataset_config_name_b: str | None = None
    """The configuration of domain b's dataset."""
    revision_b: str | None = None
    """Branch, tag or commit of domain b's dataset."""
    data_files_b: tuple[str, ...] = ()
    """Only these files of domain b's dataset."""
    train_data_dir_b: Path | None = None
    """A local folder with the images of domain b."""
    image_column_b: str | None = None
    """The column with domain b's images, in its own dataset or in the one that holds both."""
    split_b: str = "train"
    """The split of domain b's dataset."""
    label_column: str | None = None
    """A column that says which domain an image belongs to, where one dataset holds both."""
    label_a: str | None = None
    """The label of domain a in that column."""
    label_b: str | None = None
    """The label of domain b in that column."""
    domain_a: str | None = None
    """What domain a is called. Default: as its label, column, folder or dataset is."""
    domain_b: str | None = None
    """What domain b is called. Default: as its label, column, folder or dataset is."""

    def __post_init__(self) -> None:
        labels = (self.label_column, self.label_a, self.label_b)
        if any(labels) and not all(labels):
            raise UserError(
                "label_column, label_a and label_b belong together, got "
                f"{self.label_column!r}, {self.label_a!r} and {self.label_b!r}: give all three"
            )
        if self.label_a is not None and self.label_a == self.label_b:
            raise UserError(f"label_a and label_b are both {self.label_a!r}: name two domains")
        if self.domain_a is not None and self.domain_a == self.domain_b:
            raise UserError(f"domain_a and domain_b are both {self.domain_a!r}: name them apart")


@dataclass(frozen=True)
class CycleGANModel:
    """Two ResNet generators and two PatchGAN discriminators."""

    generator_channels: int = 32
    """Channels of the generators at full resolution."""
    generator_downsamples: int = 2
    """Downsampling layers of the generators, before their residual blocks."""
    generator_residual_blocks: int = 2
    """Residual blocks of the generators."""
    generator_normalization: Literal["instance", "none"] = "instance"
    """Normalisation of the generators."""
    upsample: Literal["resize", "transposed"] = "transposed"
    """Upsampling: resize and convolve (no checkerboard), or transposed convolution."""
    discriminator_channels: int = 32
    """Channels of the discriminators' first layer."""
    discriminator_layers: int = 3
    """Downsampling layers of the discriminators."""
    discriminator_residual_blocks: int = 2
    """Residual blocks of the discriminators."""
    discriminator_normalization: Literal["instance", "none"] = "instance"
    """Normalisation of the discriminators."""
    spectral_norm: bool = False
    """Spectral normalisation of the discriminators' weights."""


@dataclass(frozen=True)
class AdversarialObjective:
    """The objectives of the generators and the discriminators."""

    adversarial: AdversarialLoss = "least_squares"
    """Adversarial loss: least squares (as in the paper), hinge, or non-saturating."""
    cycle_weight: float = 10.0
    """Lambda, the weight of the cycle-consistency L1."""
    identity_weight: float = 0.0
    """Weight of the identity loss."""
    pool_size: int = 50
    """Size of the pool of earlier translations, shown to the discriminators; 0 for none."""
    augment: bool = False
    """Differentiable augmentation (colour, translation, cutout) of what discriminators see."""

    def __post_init__(self) -> None:
        for name in ("cycle_weight", "identity_weight", "pool_size"):
            _not_negative(name, getattr(self, name))


@dataclass(frozen=True)
class DiscriminatorOptimisation:
    """What differs from the generators' optimiser."""

    discriminator_learning_rate: float | None = None
    """Learning rate of the discriminators. Default: --learning-rate."""
    discriminator_adam_beta1: float | None = None
    """Decay of their Adam's first moment. Default: --adam-beta1."""
    discriminator_adam_beta2: float | None = None
    """Decay of their Adam's second moment. Default: --adam-beta2."""


@dataclass(frozen=True)
class CycleGANRecipe:
    """An experiment with unpaired translation between two domains."""

    data: Data = field(default_factory=lambda: Data(resolution=64))
    domains: Domains = field(default_factory=Domains)
    model: CycleGANModel = field(default_factory=CycleGANModel)
    objective: AdversarialObjective = field(default_factory=AdversarialObjective)
    optimisation: Optimisation = field(
        default_factory=lambda: Optimisation(
            train_batch_size=100, learning_rate=1e-4, adam_beta1=0.5
        )
    )
    discriminators: DiscriminatorOptimisation = field(default_factory=DiscriminatorOptimisation)
    output: Output = field(default_factory=Output)
    pretrained_model_name_or_path: str | None = None
    """Fine-tune the generators of this translation: a Hub id, bundled name, run or folder."""

    @property
    def domain_names(self) -> tuple[str, str]:
        """What domain a and domain b are called.

        Raises:
            UserError: If both have one name.
        """
        found = _names_in(self.data, self.domains)
        a, b = self.domains.domain_a or found[0], self.domains.domain_b or found[1]
        if a == b:
            raise UserError(f"domain_a and domain_b are both {a!r}: name them apart")
        return a, b


Recipe = VAERecipe | CycleGANRecipe
T = TypeVar("T")


def recipe_as_json(recipe: Recipe) -> dict[str, Any]:
    """The recipe as nested plain values, for run.json."""
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(recipe), default=str))
    if isinstance(recipe, CycleGANRecipe):
        names = recipe.domain_names
        values["domains"] |= {"domain_a": names[0], "domain_b": names[1]}
    return values


def with_absolute_paths(recipe: Recipe) -> Recipe:
    """The same recipe for every working directory: local paths absolute, datasets as folders.

    A local dataset is in `train_data_dir`, whichever of the two flags named it.
    """
    data, changes = recipe.data, dict[str, Any]()
    if data.cache_dir is not None:
        data = dataclasses.replace(data, cache_dir=data.cache_dir.resolve())
    if folder := _dataset_folder(data.train_data_dir, data.dataset_name):
        data = dataclasses.replace(data, dataset_name="faces", train_data_dir=folder)
    if isinstance(recipe, CycleGANRecipe):
        domains = recipe.domains
        if folder := _dataset_folder(domains.train_data_dir_b, domains.dataset_name_b):
            changes["domains"] = dataclasses.replace(
                domains, dataset_name_b=None, train_data_dir_b=folder
            )
    if (name := recipe.pretrained_model_name_or_path) and Path(name).is_dir():
        changes["pretrained_model_name_or_path"] = str(Path(name).resolve())
    return dataclasses.replace(recipe, data=data, **changes)


def _dataset_folder(folder: Path | None, name: str | None) -> Path | None:
    if folder is None and name in (None, "faces"):
        return None
    path = Path(os.path.expanduser(folder or str(name)))  # noqa: PTH111, fails for unknown users
    return path.resolve() if folder is not None or path.is_dir() else None


def recipe_from_json(like: Recipe, values: dict[str, Any]) -> Recipe:
    """The recipe that `recipe_as_json` was given.

    Args:
        like: A recipe of the same shape, such as the one of the same name: fields that `values`
            lacks, since they came later, are taken from it.
        values: What `recipe_as_json` made. Keys that no field has are passed over.

    Raises:
        UserError: If a value is out of its range.
        TypeError, ValueError: If the values are of another shape.
    """
    return _filled(like, values)


def _filled(like: T, values: dict[str, Any]) -> T:
    changes: dict[str, Any] = {}
    for known in dataclasses.fields(like):  # type: ignore[arg-type]
        if known.name not in values:
            continue
        value, before = values[known.name], getattr(like, known.name)
        if dataclasses.is_dataclass(before):
            value = _filled(before, value)
        elif isinstance(value, list):
            value = tuple(value)
        elif value is not None and Path in get_args(known.type):
            value = Path(value)
        changes[known.name] = value
    return dataclasses.replace(like, **changes)  # type: ignore[type-var]


def _names_in(data: Data, domains: Domains) -> tuple[str, str]:
    """What the data calls its two domains."""
    if domains.label_a and domains.label_b:
        return domains.label_a, domains.label_b
    first = str(data.train_data_dir or data.dataset_name)
    second = str(domains.train_data_dir_b or domains.dataset_name_b or first)
    usual = ("anime", "cartoon") if "faces" in (first, second) else ("A", "B")
    columns = (data.image_column or usual[0], domains.image_column_b or usual[1])
    if first == second:
        return columns
    parts = [
        (column,) if source == "faces" else Path(source).absolute().parts
        for source, column in zip((first, second), columns, strict=True)
    ]
    # From the last on: of horses/train and zebras/train the names are horses and zebras.
    differing = (pair for pair in zip(*map(reversed, parts), strict=False) if pair[0] != pair[1])
    a, b = next(differing, columns)
    return a, b


def _at_least(name: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise UserError(f"{name} must be at least {least}, got {value}")


def _all_at_least(name: str, values: tuple[int, ...], least: int) -> None:
    if not values or min(values) < least:
        raise UserError(f"{name} must be one or more numbers of at least {least}, got {values}")


def _positive(name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise UserError(f"{name} must be a positive number, got {value}")


def _not_negative(name: str, value: float) -> None:
    if not 0 <= value < float("inf"):
        raise UserError(f"{name} must be zero or a positive number, got {value}")


def _below_one(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise UserError(f"{name} must be at least 0 and less than 1, got {value}: try 0.9")

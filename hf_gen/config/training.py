"""What is optimised, how, and what a run writes."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from hf_gen.config.ranges import Count, CountOrZero, Decay, NotNegative, Positive, check_ranges

Likelihood = Literal["bernoulli", "gaussian", "laplace"]
AdversarialLoss = Literal["least_squares", "hinge", "non_saturating", "relativistic"]
Augmentation = Literal["color", "translation", "cutout"]


@dataclass(frozen=True)
class Objective:
    """The objective: reconstruction + kl_weight x KL, in nats per image, + perceptual term."""

    likelihood: Likelihood = "bernoulli"
    """Likelihood of a pixel: Bernoulli (cross-entropy), Gaussian or Laplace."""
    likelihood_scale: Positive = 0.2
    """Standard deviation (Gaussian) or scale (Laplace) of a pixel in [-1, 1]."""
    kl_weight: NotNegative = 1.0
    """Weight of the KL term; 1 gives the evidence lower bound."""
    perceptual_weight: NotNegative = 0.0
    """Weight of the perceptual distance between an image and its reconstruction; 0 for none."""

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class AdversarialTerm:
    """A discriminator of reconstructions, which makes them sharp."""

    adversarial_weight: NotNegative = 0.0
    """Weight of the adversarial loss, in nats per image; 0 for no discriminator."""
    adversarial_start: CountOrZero = 0
    """Step from which the discriminator trains."""
    adversarial_warmup: CountOrZero = 200
    """Steps of the discriminator alone, before the autoencoder gets the adversarial loss."""
    adversarial: AdversarialLoss = "hinge"
    """Adversarial loss: least squares, hinge, non-saturating, or its relativistic form."""
    discriminator_channels: Count = 32
    """Channels of the discriminator's first layer."""
    discriminator_layers: Count = 3
    """Downsampling layers of the discriminator."""
    augment: tuple[Augmentation, ...] = ("translation",)
    """Differentiable augmentation of what the discriminator sees."""

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class AdversarialObjective:
    """The objectives of the generators and the discriminators."""

    adversarial: AdversarialLoss = "least_squares"
    """Adversarial loss: least squares (as in the paper), hinge, non-saturating, or relativistic."""
    gradient_penalty: NotNegative = 0.0
    """Weight of R1 and R2, the discriminators' squared gradients at images and translations."""
    cycle_weight: NotNegative = 10.0
    """Lambda, the weight of the cycle-consistency L1."""
    identity_weight: NotNegative = 0.0
    """Weight of the identity loss."""
    paired_weight: NotNegative = 10.0
    """Weight of the L1 between the translations of pairs and their counterparts."""
    paired_perceptual_weight: NotNegative = 0.0
    """Weight of the perceptual distance between the same; 0 for none."""
    cycle_downsample: Count = 1
    """Compare cycles at this fraction of the size, such as 2 for half of it; 1 for all of it."""
    pool_size: CountOrZero = 50
    """Size of the pool of earlier translations, shown to the discriminators; 0 for none."""
    augment: tuple[Augmentation, ...] = ()
    """Differentiable augmentation of what discriminators see."""

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Optimisation:
    """The optimiser, its schedule, and how it computes."""

    train_batch_size: Count = 128
    """Images per process and forward pass, limited to what the training images allow."""
    num_train_epochs: Count = 20
    """Passes over the training images."""
    max_train_steps: Count | None = None
    """Optimiser steps; overrides --num-train-epochs."""
    gradient_accumulation_steps: Count = 1
    """Forward passes whose gradients are accumulated before a step."""
    learning_rate: Positive = 1e-3
    """Learning rate of Adam after the warm-up."""
    lr_scheduler: Literal["constant", "linear", "late_linear", "cosine"] = "constant"
    """Decay of the learning rate to zero (late_linear: in the second half), or constant."""
    lr_warmup_steps: CountOrZero = 0
    """Steps of linear warm-up."""
    adam_beta1: Decay = 0.9
    """Decay of Adam's first moment."""
    adam_beta2: Decay = 0.999
    """Decay of Adam's second moment."""
    adam_weight_decay: NotNegative = 0.0
    """Decoupled weight decay (AdamW)."""
    adam_epsilon: Positive = 1e-8
    """Added to Adam's denominator."""
    max_grad_norm: NotNegative = 0.0
    """Clip the gradients of a turn to this norm; 0 for no clipping."""
    ema_decay: Decay = 0.999
    """Decay of the EMA weights, which are evaluated and exported; 0 for the raw weights."""
    mixed_precision: Literal["no", "fp16", "bf16"] = "no"
    """Precision of the forward pass; the weights stay in float32."""
    torch_compile: Literal["auto", "on", "off"] = "auto"
    """torch.compile the networks. auto: on a CPU with a C++ compiler, if the run is long."""
    seed: CountOrZero = 0
    """Seed of the weights, the order of the images, flips and noise."""
    num_threads: Count | None = None
    """CPU threads per process. Default: OMP_NUM_THREADS, or all cores, shared by the processes."""

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class DiscriminatorOptimisation:
    """What differs in the optimiser of the discriminators."""

    discriminator_learning_rate: Positive | None = None
    """Learning rate of the discriminators. Default: --learning-rate."""
    discriminator_adam_beta1: Decay | None = None
    """Decay of their Adam's first moment. Default: --adam-beta1."""
    discriminator_adam_beta2: Decay | None = None
    """Decay of their Adam's second moment. Default: --adam-beta2."""

    def applied_to(self, common: Optimisation) -> Optimisation:
        """The optimisation of the discriminators, where `common` is that of the other networks."""
        differing = {
            name.removeprefix("discriminator_"): value
            for name, value in asdict(self).items()
            if value is not None
        }
        return replace(common, **differing)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Output:
    """What a run writes, and how often."""

    output_dir: Path | None = None
    """The run folder. Default: runs/<recipe>. The same command with the same folder resumes."""
    logging_steps: Count = 20
    """Steps between two lines of metrics.jsonl, each with the means since the last."""
    validation_steps: Count = 200
    """Steps between two evaluations on the validation images."""
    checkpointing_steps: Count = 500
    """Steps between two checkpoints."""
    checkpoints_total_limit: Count = 2
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
        check_ranges(self)

"""Variational autoencoders of small images, convolutional and fully connected.

Source: Kingma and Welling, Auto-Encoding Variational Bayes, 2013, https://arxiv.org/abs/1312.6114.

This file imports torch, diffusers and safetensors only: it is also the remote code of a repository
on the Hub. Images are floats in [-1, 1], (batch, 3, sample_size, sample_size). A code is a 1x1 map
of latents, (batch, latent_channels, 1, 1), so that what takes an `AutoencoderKL` takes these too.
"""

import itertools
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.outputs import BaseOutput
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

_SOURCE_NAME = "modeling_hf_gen_vae"  # format: what this file is called beside its weights
_LIKELIHOODS = ("bernoulli", "gaussian", "laplace")
_LARGEST = 4096
_MOST_WEIGHTS = 2**27
_MOST_BLOCKS = 64
_DOWNSAMPLINGS = ("stride", "max_pool")


@dataclass
class VAEDecoderOutput(BaseOutput):
    """What `decode` returns.

    Attributes:
        sample: The mean image, in [-1, 1], (batch, 3, height, width).
        logits: The same before the squashing, `sample = 2 sigmoid(logits) - 1`: what a Bernoulli
            likelihood is computed from without loss of precision.
    """

    sample: Tensor
    logits: Tensor


class StrictModel(ModelMixin, ConfigMixin):
    """A network that loads exactly what was saved of it, or not at all.

    Attributes:
        source_name: What the file that defines it is called beside its weights.
    """

    source_name = _SOURCE_NAME
    _where_to_look = ("subfolder", "revision", "cache_dir", "local_files_only", "token", "proxies")

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str, **kwargs: Any
    ) -> Self | tuple[Self, dict[str, Any]]:
        """Loads a model that `save_pretrained` or `push_to_hub` wrote, or refuses it.

        Takes what diffusers' `from_pretrained` takes. Weights are read from safetensors only.

        Raises:
            ValueError: If the config names another class, or the weights are of other shapes,
                incomplete, more than the network has, or not finite.
            OSError: If there is no config or no safetensors file, or one is damaged.
        """
        name = f"{pretrained_model_name_or_path}/{kwargs.get('subfolder') or ''}".rstrip("/")
        where = {key: kwargs[key] for key in cls._where_to_look if key in kwargs}
        try:
            saved_class = cls.load_config(pretrained_model_name_or_path, **where)["_class_name"]
        except (KeyError, TypeError, IndexError, RecursionError) as error:
            raise ValueError(
                f"the config.json in {name} describes no network ({error!r}): download it again"
            ) from error
        if saved_class != cls.__name__:
            raise ValueError(
                f"{name} holds a {saved_class}, not a {cls.__name__}: "
                f"load it with {saved_class}.from_pretrained"
            )
        wants_information = kwargs.pop("output_loading_info", False)
        try:
            model, information = super().from_pretrained(
                pretrained_model_name_or_path,
                **{**kwargs, "use_safetensors": True, "output_loading_info": True},
            )
        except (SafetensorError, RuntimeError, KeyError, AttributeError, TypeError) as error:
            raise ValueError(
                f"the weights in {name} cannot be loaded ({error}): download or export them again"
            ) from error
        for key in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if information[key]:
                raise ValueError(
                    f"the weights in {name} do not fit its config: {key.replace('_', ' ')} "
                    f"{sorted(map(str, information[key]))[:3]}: download or export them again"
                )
        for key, weight in model.state_dict().items():
            # Both ends are NaN if one number is; this takes no memory, as isfinite does.
            if weight.element_size() > 1 and not torch.stack(weight.aminmax()).isfinite().all():
                raise ValueError(
                    f"the weights in {name} are not all finite numbers, {key} for one: download or "
                    "export them again"
                )
        return (model, information) if wants_information else model

    @classmethod
    def _load_pretrained_model(
        cls, model: Any, state_dict: Any, resolved_model_file: list[str], *args: Any, **kwargs: Any
    ) -> Any:
        """As diffusers does, but for shards: an index may name pickles, or weights not in them."""
        if state_dict is None:
            found: set[str] = set()
            for file in resolved_model_file:
                if not file.endswith(".safetensors"):
                    raise ValueError(f"{file} can run code and is never read: export it again")
                with safe_open(file, "pt") as weights:
                    found.update(weights.keys())
            missing = sorted(model.state_dict().keys() - found)
            if missing:
                raise ValueError(f"{resolved_model_file} lack {missing[:3]}: export them again")
        return super()._load_pretrained_model(
            model, state_dict, resolved_model_file, *args, **kwargs
        )

    @classmethod
    def extract_init_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As diffusers does, but for `auto_map`, which tells others where this class is."""
        known = {key: value for key, value in config_dict.items() if key != "auto_map"}
        return super().extract_init_dict(known, **kwargs)

    def to_json_string(self) -> str:
        """The config, and where diffusers' `AutoModel` finds the class."""
        config = json.loads(super().to_json_string())
        config.pop("_name_or_path", None)  # it may be a path of this machine
        config["auto_map"] = {"AutoModel": f"{self.source_name}.{type(self).__name__}"}
        return json.dumps(config, indent=2, sort_keys=True) + "\n"

    def save_config(
        self, save_directory: str | Path, push_to_hub: bool = False, **kwargs: Any
    ) -> None:
        """Writes the config and this file beside it, so that the model loads without hf_gen."""
        copy = Path(save_directory, f"{self.source_name}.py")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(Path(__file__).read_bytes())
        super().save_config(save_directory, push_to_hub, **kwargs)


class VectorVAE(StrictModel):
    """A variational autoencoder whose code is one vector: diffusers' autoencoder protocol.

    A subclass builds `encoder`, images to (batch, 2 latent_channels, 1, 1) with the means first and
    the log variances after, and `decoder`, codes to logits of images.
    """

    encoder: nn.Module
    decoder: nn.Module

    def encode(
        self, x: Tensor, return_dict: bool = True
    ) -> AutoencoderKLOutput | tuple[DiagonalGaussianDistribution]:
        """Images in [-1, 1], (batch, 3, sample_size, sample_size), to the posterior of their codes.

        Raises:
            ValueError: If the images are of another shape, here and in `forward`.
        """
        _check_images(x, self.config.sample_size)
        posterior = DiagonalGaussianDistribution(self.encoder(x))
        return AutoencoderKLOutput(latent_dist=posterior) if return_dict else (posterior,)

    def decode(
        self, z: Tensor, return_dict: bool = True, generator: torch.Generator | None = None
    ) -> VAEDecoderOutput | tuple[Tensor]:
        """Codes, (batch, latent_channels, 1, 1), to images in [-1, 1]; `generator` is not used.

        Raises:
            ValueError: If the codes are of another shape.
        """
        if z.shape[1:] != (self.config.latent_channels, 1, 1):
            raise ValueError(
                f"codes must be (batch, {self.config.latent_channels}, 1, 1), got {tuple(z.shape)}"
            )
        logits = self.decoder(z)
        sample = (logits / 2).tanh_()
        return VAEDecoderOutput(sample=sample, logits=logits) if return_dict else (sample,)

    def forward(
        self,
        sample: Tensor,
        sample_posterior: bool = False,
        return_dict: bool = True,
        generator: torch.Generator | None = None,
    ) -> VAEDecoderOutput | tuple[Tensor]:
        """Images to their reconstructions, from the mean code or from a sampled one."""
        _check_images(sample, self.config.sample_size)
        posterior = DiagonalGaussianDistribution(self.encoder(sample))
        code = posterior.sample(generator) if sample_posterior else posterior.mode()
        return self.decode(code, return_dict=return_dict)


class ConvVAE(VectorVAE):
    """Convolutions that shrink the image, a linear layer to the code, and the mirror image of both.

    The default is the reports' network: 64 filters 5x5 stride 2, 32 filters 3x3 stride 2, 50
    latents, on 32x32 images.

    Args:
        sample_size: Height and width of an image, a multiple of the product of the strides.
        filters: Filters of each convolution, outermost first.
        kernel_sizes: Kernel size of each convolution, odd.
        strides: Factor by which each convolution shrinks the image.
        downsample: "stride" shrinks in the convolution, "max_pool" after it; the decoder is the
            same for both.
        latent_channels: Number of latents.
        likelihood: How images are scored given `decode`'s output: "bernoulli" on the logits,
            "gaussian" or "laplace" around the sample.
        likelihood_scale: Standard deviation or scale of a pixel, in units of [-1, 1].
        scaling_factor: What code written for `AutoencoderKL` multiplies the codes by before it
            trains a diffusion model on them. Not used here.

    Raises:
        ValueError: If the arguments do not make a network.
    """

    @register_to_config
    def __init__(
        self,
        sample_size: int = 32,
        filters: tuple[int, ...] = (64, 32),
        kernel_sizes: tuple[int, ...] = (5, 3),
        strides: tuple[int, ...] = (2, 2),
        downsample: Literal["stride", "max_pool"] = "stride",
        latent_channels: int = 50,
        likelihood: Literal["bernoulli", "gaussian", "laplace"] = "bernoulli",
        likelihood_scale: float = 0.2,
        scaling_factor: float = 1.0,
    ) -> None:
        super().__init__()
        _check_sizes("filters", filters)
        _check_sizes("kernel_sizes", kernel_sizes)
        _check_sizes("strides", strides)
        if not len(filters) == len(kernel_sizes) == len(strides):
            raise ValueError(
                "filters, kernel_sizes and strides must have the same length, got "
                f"{len(filters)}, {len(kernel_sizes)} and {len(strides)}"
            )
        for kernel_size in kernel_sizes:
            if kernel_size % 2 == 0:
                raise ValueError(
                    f"kernel_sizes must be odd, got {kernel_size}: try {kernel_size + 1}"
                )
        if downsample not in _DOWNSAMPLINGS:
            raise ValueError(f"downsample must be one of {_DOWNSAMPLINGS}, got {downsample!r}")
        _check_shared(sample_size, latent_channels, likelihood, likelihood_scale, scaling_factor)
        factor = math.prod(strides)
        _check_divides(sample_size, factor, f"strides {list(strides)}")
        narrowest = (filters[-1], sample_size // factor, sample_size // factor)
        features = math.prod(narrowest)
        down = [
            _shrink(incoming, outgoing, kernel_size, stride, downsample)
            for incoming, outgoing, kernel_size, stride in zip(
                (3, *filters[:-1]), filters, kernel_sizes, strides, strict=True
            )
        ]
        up = [
            _grow(incoming, outgoing, kernel_size, stride)
            for incoming, outgoing, kernel_size, stride in zip(
                filters, (3, *filters[:-1]), kernel_sizes, strides, strict=True
            )
        ]
        self.encoder = nn.Sequential(
            *down,  # (batch, filters[-1], sample_size / factor, sample_size / factor)
            nn.Flatten(),
            _linear(features, 2 * latent_channels),
            nn.Unflatten(1, (2 * latent_channels, 1, 1)),
        )
        self.decoder = nn.Sequential(
            nn.Flatten(),
            _linear(latent_channels, features),
            _Map(1, narrowest),
            *reversed(up),  # (batch, 3, sample_size, sample_size)
        )


class DenseVAE(VectorVAE):
    """Fully connected layers from pixels to a few latents, and back.

    Args:
        sample_size: Height and width of an image.
        hidden: Widths of the encoder's hidden layers; the decoder has them in reverse.
        latent_channels: Number of latents.
        likelihood: As for `ConvVAE`.
        likelihood_scale: As for `ConvVAE`.
        scaling_factor: As for `ConvVAE`.

    Raises:
        ValueError: If the arguments do not make a network.
    """

    @register_to_config
    def __init__(
        self,
        sample_size: int = 32,
        hidden: tuple[int, ...] = (512, 256),
        latent_channels: int = 10,
        likelihood: Literal["bernoulli", "gaussian", "laplace"] = "bernoulli",
        likelihood_scale: float = 0.2,
        scaling_factor: float = 1.0,
    ) -> None:
        super().__init__()
        _check_sizes("hidden", hidden)
        _check_shared(sample_size, latent_channels, likelihood, likelihood_scale, scaling_factor)
        image = (3, sample_size, sample_size)
        inward = (math.prod(image), *hidden)
        outward = (*reversed(hidden), math.prod(image))
        self.encoder = nn.Sequential(
            nn.Flatten(),
            *[_dense(*widths) for widths in itertools.pairwise(inward)],
            _linear(hidden[-1], 2 * latent_channels),
            nn.Unflatten(1, (2 * latent_channels, 1, 1)),
        )
        self.decoder = nn.Sequential(
            nn.Flatten(),
            _linear(latent_channels, hidden[-1]),
            *[nn.Sequential(nn.ReLU(), _linear(*widths)) for widths in itertools.pairwise(outward)],
            nn.Unflatten(1, image),
        )


class PatchVAE(VectorVAE):
    """Residual blocks on patches, a linear layer to the code, and the mirror image of both.

    An image becomes a map of its patches, so that every convolution is small in space and wide in
    channels, which is what processors are fast at; each further level halves the map. The last
    layer gives the pixels of each patch.

    Source: He et al., Identity Mappings in Deep Residual Networks, 2016, for the blocks; Shi et
    al., Real-Time Single Image and Video Super-Resolution, 2016, for pixels as channels.

    Args:
        sample_size: Height and width of an image, a multiple of `patch_size` and of a factor 2 for
            each level after the first.
        patch_size: Height and width of a patch.
        filters: Channels of each level, outermost first.
        num_blocks: Residual blocks of each level, 0 or more.
        bottleneck_channels: Channels of the smallest map on its way to and from the code.
        latent_channels: Number of latents.
        likelihood: As for `ConvVAE`.
        likelihood_scale: As for `ConvVAE`.
        scaling_factor: As for `ConvVAE`.

    Raises:
        ValueError: If the arguments do not make a network.
    """

    @register_to_config
    def __init__(
        self,
        sample_size: int = 64,
        patch_size: int = 4,
        filters: tuple[int, ...] = (48, 128),
        num_blocks: tuple[int, ...] = (0, 1),
        bottleneck_channels: int = 32,
        latent_channels: int = 128,
        likelihood: Literal["bernoulli", "gaussian", "laplace"] = "laplace",
        likelihood_scale: float = 0.2,
        scaling_factor: float = 1.0,
    ) -> None:
        super().__init__()
        _check_size("patch_size", patch_size)
        _check_sizes("filters", filters)
        _check_size("bottleneck_channels", bottleneck_channels)
        _check_blocks(num_blocks, len(filters))
        _check_shared(sample_size, latent_channels, likelihood, likelihood_scale, scaling_factor)
        factor = patch_size * 2 ** (len(filters) - 1)
        _check_divides(sample_size, factor, f"patch_size {patch_size} and {len(filters)} levels")
        side = sample_size // factor
        narrowest = (bottleneck_channels, side, side)
        patch = 3 * patch_size**2
        down, up = [], []
        for level, (width, blocks) in enumerate(zip(filters, num_blocks, strict=True)):
            if level:
                wider = _convolution(width, 4 * filters[level - 1], 1)
                down += [
                    nn.ReLU(inplace=True),
                    _convolution(filters[level - 1], width, 3, stride=2),
                ]
                # The last comes first, since all of `up` is reversed below.
                up += [nn.PixelShuffle(2), wider, nn.ReLU(inplace=True)]
            down += [_ResidualBlock(width) for _ in range(blocks)]
            up += [_ResidualBlock(width) for _ in range(blocks)]
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(patch_size),  # (batch, patch, sample_size / patch_size, the same)
            _convolution(patch, filters[0], 3),
            *down,  # (batch, filters[-1], side, side)
            nn.ReLU(inplace=True),
            _convolution(filters[-1], bottleneck_channels, 1),
            nn.Flatten(),
            _linear(math.prod(narrowest), 2 * latent_channels),
            nn.Unflatten(1, (2 * latent_channels, 1, 1)),
        )
        self.decoder = nn.Sequential(
            nn.Flatten(),
            _linear(latent_channels, math.prod(narrowest)),
            _Map(1, narrowest),
            _convolution(bottleneck_channels, filters[-1], 1),
            *reversed(up),  # (batch, filters[0], sample_size / patch_size, the same)
            nn.ReLU(inplace=True),
            _convolution(filters[0], patch, 3),
            nn.PixelShuffle(patch_size),  # (batch, 3, sample_size, sample_size)
        )


class _Map(nn.Unflatten):
    """To a map with its channels last: convolutions are faster with those, and keep them so."""

    def forward(self, input: Tensor) -> Tensor:
        return _channels_last(super().forward(input))


class _ResidualBlock(nn.Module):
    """(batch, channels, height, width) -> the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(),  # not in place: what comes in is added in the end
            _convolution(channels, channels, 3),
            nn.ReLU(inplace=True),
            _convolution(channels, channels, 3),
        )

    def forward(self, features: Tensor) -> Tensor:
        change: Tensor = self.layers(features)
        return features + change


class _Enlarging(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d` to stride times the size, without what makes it slow on a CPU.

    With gradients outside of training it is that very layer: what transforms and exports networks
    knows no operators of ours.
    """

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        stride, with_gradients = self.stride[0], torch.is_grad_enabled()
        outside = with_gradients and not self.training
        if input.device.type != "cpu" or self.bias is None or outside:
            return super().forward(input, output_size)
        if not with_gradients:
            return _channels_last(_enlarged(input, self.weight, self.bias, stride))
        tensors: tuple[Tensor, ...] = (input, self.weight, self.bias)
        if torch.is_autocast_enabled("cpu"):
            tensors = tuple(tensor.to(torch.get_autocast_dtype("cpu")) for tensor in tensors)
        enlarged: Tensor = _enlarged_with_gradients(*tensors, stride)
        return enlarged


def _enlarged(input: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """A transposed convolution; one to an image is an ordinary one, five times as fast."""
    kernel_size, outgoing = weight.shape[2], weight.shape[1]
    if outgoing > 3 or stride == 1:
        enlarged = nn.functional.conv_transpose2d(
            input, weight, bias, stride, kernel_size // 2, stride - 1
        )
    else:  # each place makes the stride x stride pixels over it
        reach = (kernel_size // 2 + stride - 1) // stride  # of a place, in places
        before = stride * reach - kernel_size // 2
        after = stride * (2 * reach + 1) - kernel_size - before
        weight = nn.functional.pad(weight, (before, after) * 2)
        weight = weight.unflatten(3, (-1, stride)).unflatten(2, (-1, stride))
        weight = weight.permute(1, 3, 5, 0, 2, 4).flatten(0, 2).flip(2, 3)
        bias = bias.repeat_interleave(stride**2)
        places = nn.functional.conv2d(input, weight, bias, padding=reach)
        enlarged = nn.functional.pixel_shuffle(places, stride)
    return enlarged


def _channels_last(features: Tensor) -> Tensor:
    """`contiguous(memory_format=torch.channels_last)`, which `torch.func.vmap` does not know."""
    return features.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


# An operator, or else the compiler computes a loss pixel by pixel in the order of the shuffle. Of
# its own name in each copy of this file, since names of operators are those of the whole process.
@torch.library.custom_op(f"{re.sub(r'[^a-zA-Z0-9]', '_', __name__)}::enlarged", mutates_args=())
def _enlarged_with_gradients(input: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    enlarged = _enlarged(input, weight, bias, stride)
    return enlarged.contiguous(memory_format=torch.channels_last)


@_enlarged_with_gradients.register_fake
def _of_its_shape(input: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    batch, _, height, width = input.shape
    enlarged = input.new_empty(batch, weight.shape[1], stride * height, stride * width)
    return enlarged.contiguous(memory_format=torch.channels_last)


def _remember(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, int], output: Tensor) -> None:
    input, weight, _, ctx.stride = inputs
    ctx.save_for_backward(input, weight)


def _gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    input, weight = ctx.saved_tensors
    outgoing, kernel_size = weight.shape[1:3]
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    of_input, of_weight, _ = torch.ops.aten.convolution_backward(
        gradient,
        input,
        weight,
        [outgoing],
        stride=[ctx.stride] * 2,
        padding=[kernel_size // 2] * 2,
        dilation=[1, 1],
        transposed=True,
        output_padding=[ctx.stride - 1] * 2,
        groups=1,
        output_mask=[*ctx.needs_input_grad[:2], False],
    )
    # The bias's would take as long there as everything else.
    places = gradient.permute(0, 2, 3, 1).flatten(1)
    of_bias = (places.new_ones(1, len(places)) @ places).view(-1, outgoing).sum(0)
    return of_input, of_weight, of_bias, None


_enlarged_with_gradients.register_autograd(_gradients, setup_context=_remember)


def _shrink(
    incoming: int, outgoing: int, kernel_size: int, stride: int, downsample: str
) -> nn.Module:
    """(batch, incoming, height, width) -> (batch, outgoing, height / stride, width / stride)."""
    padding = kernel_size // 2
    if downsample == "stride":
        return nn.Sequential(
            nn.Conv2d(incoming, outgoing, kernel_size, stride=stride, padding=padding),
            nn.ReLU(inplace=True),
        )
    return nn.Sequential(
        nn.Conv2d(incoming, outgoing, kernel_size, padding=padding),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(stride),
    )


def _grow(incoming: int, outgoing: int, kernel_size: int, stride: int) -> nn.Module:
    """(batch, incoming, height, width) -> (batch, outgoing, height x stride, width x stride)."""
    return nn.Sequential(
        nn.ReLU(inplace=True),
        _Enlarging(
            incoming,
            outgoing,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            output_padding=stride - 1,
        ),
    )


def _dense(incoming: int, outgoing: int) -> nn.Module:
    return nn.Sequential(_linear(incoming, outgoing), nn.ReLU())


def _linear(incoming: int, outgoing: int) -> nn.Linear:
    # A stranger's config.json must not ask for more memory than a machine has.
    if incoming * outgoing > _MOST_WEIGHTS:
        raise ValueError(
            f"a layer from {incoming:,} to {outgoing:,} numbers has more than {_MOST_WEIGHTS:,} "
            "weights: lower sample_size, hidden, filters or latent_channels"
        )
    return nn.Linear(incoming, outgoing)


def _convolution(incoming: int, outgoing: int, kernel_size: int, stride: int = 1) -> nn.Conv2d:
    count = incoming * outgoing * kernel_size**2
    if count > _MOST_WEIGHTS:
        raise ValueError(
            f"a convolution from {incoming:,} to {outgoing:,} channels has more than "
            f"{_MOST_WEIGHTS:,} weights: lower filters or patch_size"
        )
    return nn.Conv2d(incoming, outgoing, kernel_size, stride=stride, padding=kernel_size // 2)


def _check_images(images: Tensor, size: int) -> None:
    if images.shape[1:] != (3, size, size):
        raise ValueError(
            f"images must be (batch, 3, {size}, {size}), got {tuple(images.shape)}: resize them"
        )


def _check_blocks(num_blocks: Sequence[int], levels: int) -> None:
    if (
        not isinstance(num_blocks, list | tuple)
        or len(num_blocks) != levels
        or any(type(blocks) is not int or not 0 <= blocks <= _MOST_BLOCKS for blocks in num_blocks)
    ):
        raise ValueError(
            f"num_blocks must be a whole number from 0 to {_MOST_BLOCKS} for each of the {levels} "
            f"filters, got {num_blocks!r}"
        )


def _check_divides(sample_size: int, factor: int, because: str) -> None:
    if sample_size % factor:
        below = sample_size // factor * factor
        tries = f"{below} or {below + factor}" if below else f"{factor}"
        raise ValueError(
            f"sample_size must be a multiple of {factor} with {because}, "
            f"got {sample_size}: try {tries}"
        )


def _check_sizes(name: str, sizes: Sequence[int]) -> None:
    if not isinstance(sizes, list | tuple) or not sizes:
        raise ValueError(f"{name} must name at least one layer, got none: try {name}=(64, 32)")
    for size in sizes:
        _check_size(name, size)


def _check_size(name: str, size: int) -> None:
    if type(size) is not int or not 1 <= size <= _LARGEST:
        raise ValueError(f"{name} must be whole numbers from 1 to {_LARGEST}, got {size!r}")


def _check_shared(
    sample_size: int,
    latent_channels: int,
    likelihood: str,
    likelihood_scale: float,
    scaling_factor: float,
) -> None:
    _check_size("sample_size", sample_size)
    _check_size("latent_channels", latent_channels)
    if likelihood not in _LIKELIHOODS:
        raise ValueError(f"likelihood must be one of {_LIKELIHOODS}, got {likelihood!r}")
    positive = {"likelihood_scale": likelihood_scale, "scaling_factor": scaling_factor}
    for name, value in positive.items():
        if not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ValueError(f"{name} must be a positive number, got {value}")

"""The two networks of a CycleGAN: a generator from images to images, a discriminator of patches.

Source: Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks,
2017, appendix 7.2, https://arxiv.org/abs/1703.10593.

This file imports torch, diffusers and safetensors only: it is also the remote code of a repository
on the Hub. Images are floats in [-1, 1], (batch, 3, height, width).
"""

import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.outputs import BaseOutput
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

_SOURCE_NAME = "modeling_hf_gen_cyclegan"  # format: what this file is called beside its weights
_NORMALIZATIONS = ("instance", "none")
_UPSAMPLINGS = ("resize", "transposed")
_LARGEST = 4096
_MOST_BLOCKS = 64
_MOST_HALVINGS = 8
_MOST_NUMBERS = 2**27
_SHIFTS = ((0, 0), (0, 1), (1, 0), (1, 1))


@dataclass
class ResnetGeneratorOutput(BaseOutput):
    """What a generator returns.

    Attributes:
        sample: The translated image, in [-1, 1], of the size of the one given.
    """

    sample: Tensor


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


class ResnetGenerator(StrictModel):
    """Convolutions that shrink the image, residual blocks, and convolutions that enlarge it.

    Source: Johnson et al., Perceptual Losses for Real-Time Style Transfer, 2016, for the network;
    Odena et al., Deconvolution and Checkerboard Artifacts, 2016, for resizing before convolving.

    Args:
        sample_size: Height and width of an image, a multiple of 2^num_downsamples. Other sizes that
            are such multiples are taken too.
        channels: Filters at full size; each halving of the size doubles them.
        num_downsamples: How often the size is halved.
        num_residual_blocks: Blocks at the narrowest size.
        normalization: "instance", with no weights of its own, or "none".
        upsample: "resize" doubles the size by nearest neighbours, then convolves; "transposed" does
            both in one transposed convolution, as the paper does.

    Raises:
        ValueError: If the arguments do not make a network.
    """

    @register_to_config
    def __init__(
        self,
        sample_size: int = 64,
        channels: int = 64,
        num_downsamples: int = 2,
        num_residual_blocks: int = 2,
        normalization: Literal["instance", "none"] = "instance",
        upsample: Literal["resize", "transposed"] = "resize",
    ) -> None:
        super().__init__()
        _check_count("sample_size", sample_size, 1, _LARGEST)
        _check_count("channels", channels, 1, _LARGEST)
        _check_count("num_downsamples", num_downsamples, 0, _MOST_HALVINGS)
        _check_count("num_residual_blocks", num_residual_blocks, 0, _MOST_BLOCKS)
        _check_choice("normalization", normalization, _NORMALIZATIONS)
        _check_choice("upsample", upsample, _UPSAMPLINGS)
        _check_side("sample_size", sample_size, num_downsamples)
        widths = [channels * 2**halvings for halvings in range(num_downsamples + 1)]
        _check_memory("numbers in a feature map", channels * sample_size**2)
        _check_memory(
            "weights",
            2 * 7 * 7 * 3 * channels
            + 2 * 3 * 3 * sum(a * b for a, b in itertools.pairwise(widths))
            + 2 * 3 * 3 * num_residual_blocks * widths[-1] ** 2,
        )

        self.stem = nn.Sequential(
            _ImageConvolution(3, channels, _has_bias(normalization)),
            _norm(normalization),
            nn.ReLU(),
        )
        self.down = nn.Sequential(
            *[_halve(*pair, normalization) for pair in itertools.pairwise(widths)]
        )
        self.residual = nn.Sequential(
            *[
                _residual(widths[-1], normalization, nn.ReLU(), "reflect")
                for _ in range(num_residual_blocks)
            ]
        )
        self.up = nn.Sequential(
            *[_double(*pair, normalization, upsample) for pair in itertools.pairwise(widths[::-1])]
        )
        self.head = _ImageConvolution(channels, 3, bias=True)
        self.apply(_initialise)

    def forward(
        self, sample: Tensor, return_dict: bool = True
    ) -> ResnetGeneratorOutput | tuple[Tensor]:
        """Images of one domain, (batch, 3, height, width), to images of the other.

        Raises:
            ValueError: If the images are of another shape, or the height or the width is no
                multiple of 2^num_downsamples.
        """
        _check_images(sample)
        for name, side in zip(("height", "width"), sample.shape[2:], strict=True):
            _check_side(f"the {name} of an image", side, self.config.num_downsamples)
        features = self.stem(sample)  # (batch, channels, height, width)
        features = self.down(features)  # halved in size and doubled in width, num_downsamples times
        features = self.residual(features)
        features = self.up(features)  # (batch, channels, height, width)
        image = torch.tanh(self.head(features))
        return ResnetGeneratorOutput(sample=image) if return_dict else (image,)


class PatchDiscriminator(StrictModel):
    """Real or made: one logit for each of the overlapping patches of an image.

    The default is the PatchGAN of the paper. A patch is 9 * 2^num_layers - 2 pixels wide, 70 by
    default; a residual block adds 4 * 2^num_layers.

    Args:
        channels: Filters of the first layer; each further layer has twice as many, up to eight
            times.
        num_layers: How often the size is halved.
        num_residual_blocks: Blocks at the narrowest size, before the last convolution.
        normalization: "instance", with no weights of its own, or "none"; never after the first
            layer.
        spectral_norm: Divide each weight by its largest singular value
            (https://arxiv.org/abs/1802.05957).

    Raises:
        ValueError: If the arguments do not make a network.
    """

    @register_to_config
    def __init__(
        self,
        channels: int = 64,
        num_layers: int = 3,
        num_residual_blocks: int = 0,
        normalization: Literal["instance", "none"] = "instance",
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        _check_count("channels", channels, 1, _LARGEST)
        _check_count("num_layers", num_layers, 1, _MOST_HALVINGS)
        _check_count("num_residual_blocks", num_residual_blocks, 0, _MOST_BLOCKS)
        _check_choice("normalization", normalization, _NORMALIZATIONS)
        if type(spectral_norm) is not bool:
            raise ValueError(f"spectral_norm must be true or false, got {spectral_norm!r}")
        widths = [channels * min(2**layer, 8) for layer in range(num_layers + 1)]
        _check_memory(
            "weights",
            4 * 4 * sum(a * b for a, b in itertools.pairwise((3, *widths, 1)))
            + 2 * 3 * 3 * num_residual_blocks * widths[-1] ** 2,
        )

        strides = (*[2] * (num_layers - 1), 1)
        self.stem = _conv_block(3, channels, 2, "none")
        self.layers = nn.Sequential(
            *[
                _conv_block(incoming, outgoing, stride, normalization)
                for (incoming, outgoing), stride in zip(
                    itertools.pairwise(widths), strides, strict=True
                )
            ]
        )
        self.residual = nn.Sequential(
            *[
                _residual(widths[-1], normalization, nn.LeakyReLU(0.2), "zeros")
                for _ in range(num_residual_blocks)
            ]
        )
        self.head = _convolution(widths[-1], 1, 4, "none", padding_mode="zeros")
        self.apply(_initialise)
        if spectral_norm:
            for module in list(self.modules()):  # a list, since this adds modules
                if isinstance(module, nn.Conv2d):
                    nn.utils.parametrizations.spectral_norm(module)

    def forward(self, sample: Tensor) -> Tensor:
        """Images, (batch, 3, height, width), to logits, positive for real.

        Returns:
            (batch, 1, height // 2^num_layers - 2, width // 2^num_layers - 2).

        Raises:
            ValueError: If the images are of another shape, or too small for the layers.
        """
        _check_images(sample)
        num_layers = self.config.num_layers
        smallest, (height, width) = 3 * 2**num_layers, sample.shape[2:]
        if min(height, width) < smallest:
            raise ValueError(
                f"images must be at least {smallest}x{smallest} with num_layers={num_layers}, got "
                f"{height}x{width}: try larger images or fewer layers"
            )
        features = self.stem(sample)  # (batch, channels, height // 2, width // 2)
        features = self.layers(features)  # (batch, …, height // 2^num_layers - 1, …)
        features = self.residual(features)
        logits: Tensor = self.head(features)
        return logits


class _InstanceNorm(nn.Module):
    """`nn.InstanceNorm2d` of the same numbers, in the layout of channels that come last.

    PyTorch's own turns the features around and leaves them so for all layers that follow.
    """

    def forward(self, features: Tensor) -> Tensor:
        batch, channels, height, width = features.shape
        pixels = features.permute(0, 2, 3, 1).reshape(batch, height * width, channels)
        precision = torch.promote_types(features.dtype, torch.float32)
        centred = pixels - pixels.mean(dim=1, keepdim=True, dtype=precision)
        variance = centred.square().mean(dim=1, keepdim=True)
        normalised = (centred * torch.rsqrt(variance + 1e-5)).to(features.dtype)
        return normalised.view(batch, height, width, channels).permute(0, 3, 1, 2)


class _ImageConvolution(nn.Conv2d):
    """A 7x7 convolution of images, or to images, without what makes it slow on a CPU.

    With gradients outside of training it is `nn.Conv2d` itself: what transforms and exports
    networks knows no operators of ours.
    """

    def __init__(self, incoming: int, outgoing: int, bias: bool) -> None:
        super().__init__(incoming, outgoing, 7, padding=3, padding_mode="reflect", bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        with_gradients, is_odd = torch.is_grad_enabled(), any(side % 2 for side in input.shape[2:])
        outside = with_gradients and not self.training
        if input.device.type != "cpu" or is_odd or outside:
            return super().forward(input)
        input = nn.functional.pad(input, [3] * 4, mode="reflect")
        weight, bias = self.weight, self.bias
        if not with_gradients:
            return _convolved(input, weight, bias)
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            input, weight = input.to(dtype), weight.to(dtype)
            bias = None if bias is None else bias.to(dtype)
        convolved: Tensor = _convolved_with_gradients(input, weight, bias)
        return convolved


def _convolved(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution whose result has an even height and width."""
    if weight.shape[0] <= 3:
        convolved = _by_fours(input, weight, bias)
    else:
        convolved = nn.functional.conv2d(input, weight, bias)
    return convolved.contiguous(memory_format=torch.channels_last)


def _by_fours(input: Tensor, weight: Tensor, bias: Tensor | None, padding: int = 0) -> Tensor:
    """A convolution to three channels as one to twelve, those of 2x2 pixels: twice as fast."""
    bias = None if bias is None else bias.repeat_interleave(4)
    fours = nn.functional.conv2d(input, _of_fours(weight), bias, stride=2, padding=padding)
    return nn.functional.pixel_shuffle(fours, 2)


def _of_fours(weight: Tensor) -> Tensor:
    """(outgoing, …, side, side) -> (4 outgoing, …, side + 1, side + 1), a shift for each pixel."""
    shifted = [nn.functional.pad(weight, (x, 1 - x, y, 1 - y)) for y, x in _SHIFTS]
    wide = torch.stack(shifted, dim=1).flatten(0, 1)
    return wide.contiguous(memory_format=torch.channels_last)


# An operator, or else the compiler computes what follows pixel by pixel in the order of the
# shuffle. Of its own name in each copy of this file, since those are of the whole process.
_convolved_with_gradients = torch.library.custom_op(
    f"{re.sub(r'[^a-zA-Z0-9]', '_', __name__)}::convolved", _convolved, mutates_args=()
)


@_convolved_with_gradients.register_fake
def _of_its_shape(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    batch, _, height, width = input.shape
    margin = weight.shape[2] - 1
    convolved = input.new_empty(batch, weight.shape[0], height - margin, width - margin)
    return convolved.contiguous(memory_format=torch.channels_last)


def _remember(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
    input, weight, _ = inputs
    ctx.save_for_backward(input, weight)


def _gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    input, weight = ctx.saved_tensors
    wants_input, wants_weight, wants_bias = ctx.needs_input_grad
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    side, of_input, of_weight, of_bias = weight.shape[2], None, None, None
    if weight.shape[0] <= 3:
        if wants_input:
            of_input, _ = _backward(gradient, input, weight, 1, [True, False])
        if wants_weight:
            fours = nn.functional.pixel_unshuffle(gradient, 2)
            fours = fours.contiguous(memory_format=torch.channels_last)
            _, wide = _backward(fours, input, _of_fours(weight), 2, [False, True])
            wide = wide.unflatten(0, (-1, 4))
            parts = [
                wide[:, place, :, y : y + side, x : x + side]
                for place, (y, x) in enumerate(_SHIFTS)
            ]
            of_weight = torch.stack(parts).sum(0)
    else:
        if wants_input:
            mirrored = weight.flip(2, 3).transpose(0, 1)
            of_input = _by_fours(gradient, mirrored, None, padding=side - 1)
        if wants_weight:
            _, of_weight = _backward(gradient, input, weight, 1, [False, True])
    if wants_bias:
        pixels = gradient.permute(0, 2, 3, 1).flatten(1)
        of_bias = (pixels.new_ones(1, len(pixels)) @ pixels).view(-1, len(weight)).sum(0)
    return of_input, of_weight, of_bias


def _backward(
    gradient: Tensor, input: Tensor, weight: Tensor, stride: int, wanted: list[bool]
) -> tuple[Tensor, Tensor]:
    """PyTorch's gradients of a convolution by its input and its weight, those that are wanted."""
    of_input, of_weight, _ = torch.ops.aten.convolution_backward(
        gradient,
        input,
        weight,
        None,
        stride=[stride] * 2,
        padding=[0, 0],
        dilation=[1, 1],
        transposed=False,
        output_padding=[0, 0],
        groups=1,
        output_mask=[*wanted, False],
    )
    return of_input, of_weight


_convolved_with_gradients.register_autograd(_gradients, setup_context=_remember)


class _Residual(nn.Sequential):
    """Layers whose result is added to what they were given."""

    def forward(self, features: Tensor) -> Tensor:
        change: Tensor = super().forward(features)
        return features + change


def _halve(incoming: int, outgoing: int, normalization: str) -> nn.Module:
    """(batch, incoming, height, width) -> (batch, outgoing, height / 2, width / 2)."""
    return nn.Sequential(
        _convolution(incoming, outgoing, 3, normalization, stride=2),
        _norm(normalization),
        nn.ReLU(),
    )


def _double(incoming: int, outgoing: int, normalization: str, upsample: str) -> nn.Module:
    """(batch, incoming, height, width) -> (batch, outgoing, height x 2, width x 2)."""
    if upsample == "resize":
        larger = nn.Sequential(
            nn.Upsample(scale_factor=2.0, mode="nearest"),
            _convolution(incoming, outgoing, 3, normalization),
        )
    else:
        bias = _has_bias(normalization)
        larger = nn.Sequential(
            nn.ConvTranspose2d(
                incoming, outgoing, 3, stride=2, padding=1, output_padding=1, bias=bias
            )
        )
    return nn.Sequential(*larger, _norm(normalization), nn.ReLU())


def _conv_block(incoming: int, outgoing: int, stride: int, normalization: str) -> nn.Module:
    """A layer of the discriminator: to half the height and width, or with stride 1 to one less."""
    return nn.Sequential(
        _convolution(incoming, outgoing, 4, normalization, stride, "zeros"),
        _norm(normalization),
        nn.LeakyReLU(0.2),
    )


def _residual(
    width: int, normalization: str, activation: nn.Module, padding_mode: Literal["reflect", "zeros"]
) -> nn.Module:
    return _Residual(
        _convolution(width, width, 3, normalization, padding_mode=padding_mode),
        _norm(normalization),
        activation,
        _convolution(width, width, 3, normalization, padding_mode=padding_mode),
        _norm(normalization),
    )


def _convolution(
    incoming: int,
    outgoing: int,
    kernel_size: int,
    normalization: str,
    stride: int = 1,
    padding_mode: Literal["reflect", "zeros"] = "reflect",
) -> nn.Conv2d:
    return nn.Conv2d(
        incoming,
        outgoing,
        kernel_size,
        stride,
        padding=(kernel_size - 1) // 2,
        padding_mode=padding_mode,
        bias=_has_bias(normalization),
    )


def _has_bias(normalization: str) -> bool:
    return normalization == "none"  # instance normalisation would take a bias away again


def _norm(normalization: str) -> nn.Module:
    return _InstanceNorm() if normalization == "instance" else nn.Identity()


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _check_images(images: Tensor) -> None:
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images must be (batch, 3, height, width), got {tuple(images.shape)}")


def _check_count(name: str, count: int, lowest: int, highest: int) -> None:
    if type(count) is not int or not lowest <= count <= highest:
        raise ValueError(f"{name} must be a whole number from {lowest} to {highest}, got {count!r}")


def _check_choice(name: str, choice: str, choices: tuple[str, ...]) -> None:
    if choice not in choices:
        raise ValueError(f"{name} must be one of {choices}, got {choice!r}")


def _check_side(name: str, side: int, num_downsamples: int) -> None:
    factor = 2**num_downsamples
    # Reflection padding takes its pixels from inside: 3 around the image, 1 at the narrowest size.
    smallest = max(4, 2 * factor)
    if side % factor or side < smallest:
        below = side // factor * factor
        tries = f"{below} or {below + factor}" if below >= smallest else f"{smallest}"
        raise ValueError(
            f"{name} must be a multiple of {factor} and at least {smallest} with "
            f"num_downsamples={num_downsamples}, got {side}: try {tries}"
        )


def _check_memory(what: str, count: int) -> None:
    # A stranger's config.json must not ask for more memory than a machine has.
    if count > _MOST_NUMBERS:
        raise ValueError(
            f"the network must not have more than {_MOST_NUMBERS:,} {what}, got {count:,}: lower "
            "its channels"
        )

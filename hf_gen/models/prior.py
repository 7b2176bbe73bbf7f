"""The latent prior: where the codes of new images come from.

Source: Ghosh et al., From Variational to Deterministic Autoencoders, 2019, section 4, for densities
fitted to the codes after training, https://arxiv.org/abs/1903.12436.

This file imports torch, diffusers and safetensors only: it is also the remote code of a repository
on the Hub. A code is (batch, channels, height, width), a vector code (batch, channels, 1, 1).
"""

import json
import math
from pathlib import Path
from typing import Any, Literal, Self

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.torch_utils import randn_tensor
from safetensors import SafetensorError, safe_open
from torch import Tensor

_SOURCE_NAME = "modeling_hf_gen_prior"  # format: what this file is called beside its weights
PriorName = Literal["standard", "gaussian", "mixture"]
_LARGEST = 4096
_MOST_COMPONENTS = 256
_MOST_NUMBERS = 2**24


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


class LatentPrior(StrictModel):
    """Three densities of a code: N(0, I), a Gaussian of each latent, and a mixture of Gaussians.

    A new one is N(0, I) whichever is asked; `hf_gen.evaluation.prior.fit_prior` fits the last two.

    Args:
        latent_shape: Channels, height and width of a code.
        num_components: Gaussians with a full covariance in the mixture; 0 for no mixture.

    Attributes:
        mean: Of each latent, (latents,) as all that follows: a code is flattened.
        deviation: Standard deviation of each latent, (latents,).
        weights: Share of each component, (components,), with the next two only in a mixture.
        means: (components, latents).
        cholesky: Lower triangular factor of each covariance, (components, latents, latents).

    Raises:
        ValueError: If the arguments do not make a prior.
    """

    mean: Tensor
    deviation: Tensor
    weights: Tensor
    means: Tensor
    cholesky: Tensor

    @register_to_config
    def __init__(
        self, latent_shape: tuple[int, int, int] = (50, 1, 1), num_components: int = 0
    ) -> None:
        super().__init__()
        _check_config(latent_shape, num_components)
        latents = math.prod(latent_shape)
        self.register_buffer("mean", torch.zeros(latents))
        self.register_buffer("deviation", torch.ones(latents))
        if num_components:
            self.register_buffer("weights", torch.full((num_components,), 1 / num_components))
            self.register_buffer("means", torch.zeros(num_components, latents))
            self.register_buffer("cholesky", torch.eye(latents).repeat(num_components, 1, 1))

    @property
    def kinds(self) -> tuple[PriorName, ...]:
        """The densities that there are."""
        fitted: tuple[PriorName, ...] = ("standard", "gaussian")
        return (*fitted, "mixture") if self.config.num_components else fitted

    @torch.no_grad()
    def sample(
        self,
        count: int,
        kind: PriorName = "gaussian",
        generator: torch.Generator | list[torch.Generator] | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """New codes, (count, channels, height, width), on the device and in the dtype of the prior.

        The noise is drawn in float32 whatever the dtype, and the same for every kind.

        Args:
            count: How many.
            kind: One of `kinds`.
            generator: Makes them repeatable, one for all or a list with one for each code; those on
                the CPU give the same codes on any device.
            temperature: Multiplies the standard deviations, in a mixture those of its components:
                0 gives means.

        Raises:
            ValueError: If the count is less than 1, the temperature is negative or not finite,
                there is no such kind, or the list of generators is of another length.
        """
        self._check_kind(kind)
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        if not 0 <= temperature < math.inf:
            raise ValueError(
                f"temperature must be a finite number of at least 0, got {temperature}: try 1"
            )
        if isinstance(generator, list) and len(generator) != count:
            raise ValueError(
                f"a list of generators must have one for each of the {count} codes, got "
                f"{len(generator)}"
            )
        shape = (count, self.mean.numel())
        noise = temperature * randn_tensor(
            shape, generator=generator, device=self.device, dtype=torch.float32
        )
        if kind == "standard":
            codes = noise
        elif kind == "gaussian":
            codes = self.mean.float() + self.deviation.float() * noise
        else:
            codes = self._from_components(noise, generator)
        return codes.to(self.dtype).unflatten(1, tuple(self.config.latent_shape))

    def log_prob(self, latents: Tensor, kind: PriorName = "gaussian") -> Tensor:
        """The log density of codes, (batch, channels, height, width), in nats, (batch,), float32.

        Raises:
            ValueError: If the codes are of another shape, or there is no such kind.
        """
        self._check_kind(kind)
        expected = tuple(self.config.latent_shape)
        if latents.shape[1:] != expected:
            raise ValueError(
                f"codes must be (batch, {', '.join(map(str, expected))}), "
                f"got {tuple(latents.shape)}: encode them with the autoencoder of this prior"
            )
        codes = latents.flatten(1).float()
        if kind == "standard":
            return _log_normal(codes, torch.zeros(()))
        if kind == "gaussian":
            deviation = self.deviation.float()
            return _log_normal((codes - self.mean.float()) / deviation, deviation.log().sum())
        parts = []
        for mean, factor in zip(self.means.float(), self.cholesky.float(), strict=True):
            whitened = torch.linalg.solve_triangular(factor, (codes - mean).T, upper=False).T
            parts.append(_log_normal(whitened, factor.diagonal().log().sum()))
        return torch.logsumexp(torch.stack(parts, dim=1) + self.weights.float().log(), dim=1)

    def _from_components(
        self, noise: Tensor, generator: torch.Generator | list[torch.Generator] | None
    ) -> Tensor:
        each = generator if isinstance(generator, list) else [generator]
        drawn = []
        for one in each:
            shares = self.weights.float().to(self.device if one is None else one.device)
            count = len(noise) // len(each)
            drawn.append(torch.multinomial(shares, count, replacement=True, generator=one))
        chosen = torch.cat([part.to(self.device) for part in drawn])
        codes = torch.empty_like(noise)
        for component, (mean, factor) in enumerate(
            zip(self.means.float(), self.cholesky.float(), strict=True)
        ):
            rows = chosen == component
            # A copy, since the last bit of a product can depend on where in memory its factors lie,
            # and those from a file lie elsewhere than those just fitted.
            codes[rows] = mean + noise[rows] @ factor.clone().T
        return codes

    def _check_kind(self, kind: str) -> None:
        if kind not in self.kinds:
            raise ValueError(
                f"kind must be one of {self.kinds}, got {kind!r}: choose one of them, or make a "
                "prior with num_components=10 for a mixture"
            )


def _log_normal(whitened: Tensor, log_scale: Tensor) -> Tensor:
    """Log density of N(mean, scale scale^T) at mean + scale whitened, given log det scale."""
    squares = whitened.square().sum(1)
    return -0.5 * (squares + whitened.shape[1] * math.log(2 * math.pi)) - log_scale


def _check_config(latent_shape: tuple[int, int, int], num_components: int) -> None:
    if (
        not isinstance(latent_shape, list | tuple)
        or len(latent_shape) != 3
        or any(type(size) is not int or not 1 <= size <= _LARGEST for size in latent_shape)
    ):
        raise ValueError(
            f"latent_shape must be three whole numbers from 1 to {_LARGEST}, channels, height and "
            f"width, got {latent_shape!r}: try (50, 1, 1)"
        )
    if type(num_components) is not int or not 0 <= num_components <= _MOST_COMPONENTS:
        raise ValueError(
            f"num_components must be a whole number from 0 to {_MOST_COMPONENTS}, "
            f"got {num_components!r}: try 10, or 0 for no mixture"
        )
    # A stranger's config.json must not ask for more memory than a machine has.
    latents = math.prod(latent_shape)
    count = latents + num_components * latents**2
    if count > _MOST_NUMBERS:
        raise ValueError(
            f"the prior must not have more than {_MOST_NUMBERS:,} numbers, got {count:,}: lower "
            "num_components or latent_shape"
        )

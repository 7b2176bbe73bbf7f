"""The latent prior: where the codes of new images come from.

Source: Ghosh et al., From Variational to Deterministic Autoencoders, 2019, section 4, for densities
fitted to the codes after training, https://arxiv.org/abs/1903.12436. That of the flow: see `Flow`.

This file imports torch, diffusers and safetensors only: it is also the remote code of a repository
on the Hub. A code is (batch, channels, height, width), a vector code (batch, channels, 1, 1).
"""

import math
from typing import Literal

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from hf_gen.models.flow import WIDTH, Flow
from hf_gen.models.pretrained import StrictModel

PriorName = Literal["standard", "gaussian", "mixture", "flow"]


class LatentPrior(StrictModel):
    """Densities of a code: N(0, I), a Gaussian of each latent, a mixture of Gaussians, and a flow.

    A new one is N(0, I) whichever is named; `hf_gen.evaluation.prior.fit_prior` and `fit_flow` fit
    the others.

    Args:
        latent_shape: Channels, height and width of a code.
        num_components: Gaussians with a full covariance in the mixture; 0 for no mixture.
        num_flow_layers: Residual layers of the flow; 0 for no flow.
        flow_width: Their channels.

    Attributes:
        mean: Of each latent, (latents,) as all that follows: a code is flattened.
        deviation: Standard deviation of each latent, (latents,).
        weights: Share of each component, (components,), with the next two only in a mixture.
        means: (components, latents).
        cholesky: Lower triangular factor of each covariance, (components, latents, latents).
        flow: Carries noise to codes standardised by `mean` and `deviation`, only where it is one.

    Raises:
        ValueError: If the arguments do not make a prior.
    """

    source_name = "modeling_hf_gen_prior"
    mean: Tensor
    deviation: Tensor
    weights: Tensor
    means: Tensor
    cholesky: Tensor

    @register_to_config
    def __init__(
        self,
        latent_shape: tuple[int, int, int] = (50, 1, 1),
        num_components: int = 0,
        num_flow_layers: int = 0,
        flow_width: int = WIDTH,
    ) -> None:
        super().__init__()
        latents = math.prod(latent_shape)
        self.register_buffer("mean", torch.zeros(latents))
        self.register_buffer("deviation", torch.ones(latents))
        if num_components:
            self.register_buffer("weights", torch.full((num_components,), 1 / num_components))
            self.register_buffer("means", torch.zeros(num_components, latents))
            self.register_buffer("cholesky", torch.eye(latents).repeat(num_components, 1, 1))
        if num_flow_layers:
            self.flow = Flow(latents, num_flow_layers, flow_width)

    @property
    def kinds(self) -> tuple[PriorName, ...]:
        """The densities that there are."""
        kinds: tuple[PriorName, ...] = ("standard", "gaussian")
        if self.config.num_components:
            kinds = (*kinds, "mixture")
        return (*kinds, "flow") if self.config.num_flow_layers else kinds

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
                0 gives means. In a flow the deviation of the noise that it carries.

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
        elif kind == "mixture":
            codes = self._from_components(noise, generator)
        else:
            standardised = self.flow.carry(noise) if kind == "flow" else noise
            codes = self.mean.float() + self.deviation.float() * standardised
        return codes.to(self.dtype).unflatten(1, tuple(self.config.latent_shape))

    def log_prob(self, latents: Tensor, kind: PriorName = "gaussian") -> Tensor:
        """The log density of codes, (batch, channels, height, width), in nats, (batch,), float32.

        Raises:
            ValueError: If the codes are of another shape, there is no such kind, or it is a flow,
                whose density has no closed form.
        """
        self._check_kind(kind)
        if kind == "flow":
            raise ValueError("the flow has no density in closed form: ask for the mixture's")
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
                f"kind must be one of {self.kinds}, got {kind!r}: choose one of them, or create a "
                "prior with num_components=10 for a mixture, num_flow_layers=4 for a flow"
            )


class AnyKLPrior(LatentPrior):
    """A `LatentPrior` at each of several KL weights, for an `AnyKLVAE`; interpolated in between.

    Its buffers are those of `LatentPrior` with an axis of the weights in front, which are evenly
    spaced in their logarithms. Components of a mixture correspond between weights.

    Args:
        latent_shape: Channels, height and width of a code.
        num_components: Gaussians with a full covariance in each mixture; 0 for no mixture.
        num_kl_weights: Number of weights, at least 2.
        min_kl_weight: The lowest.
        max_kl_weight: The highest.

    Raises:
        ValueError: If the arguments do not make a prior.
    """

    @register_to_config
    def __init__(
        self,
        latent_shape: tuple[int, int, int] = (50, 1, 1),
        num_components: int = 0,
        num_kl_weights: int = 5,
        min_kl_weight: float = 0.01,
        max_kl_weight: float = 100.0,
    ) -> None:
        super().__init__(latent_shape, num_components)
        ordered = min_kl_weight <= 1 <= max_kl_weight and min_kl_weight < max_kl_weight
        if num_kl_weights < 2 or not ordered:
            raise ValueError(
                "the KL weights must be two or more and have 1, the default, between them, got "
                f"{num_kl_weights} from {min_kl_weight:g} to {max_kl_weight:g}: try 5 from 0.01 "
                "to 100"
            )
        for name, buffer in [*self.named_buffers()]:
            self.register_buffer(name, torch.stack([buffer] * num_kl_weights))

    @property
    def kl_weights(self) -> list[float]:
        """The weights that it was fitted at."""
        low, high = self.config.min_kl_weight, self.config.max_kl_weight
        steps = self.config.num_kl_weights - 1
        inner = [low * (high / low) ** (step / steps) for step in range(1, steps)]
        return [low, *inner, high]

    @torch.no_grad()
    def at(self, kl_weight: float) -> LatentPrior:
        """The prior at one weight: every buffer is linear in the logarithm of the weight.

        Raises:
            ValueError: If the weight is out of the range of those it was fitted at.
        """
        config = self.config
        low, high = config.min_kl_weight, config.max_kl_weight
        if not low <= kl_weight <= high:
            raise ValueError(
                f"kl_weight must be from {low:g} to {high:g}, which this prior was fitted at, got "
                f"{kl_weight!r}: try 1"
            )
        place = math.log(kl_weight / low) / math.log(high / low) * (config.num_kl_weights - 1)
        first = min(int(place), config.num_kl_weights - 2)
        prior = LatentPrior(tuple(config.latent_shape), config.num_components)
        prior.load_state_dict(
            {
                name: torch.lerp(buffer[first].float(), buffer[first + 1].float(), place - first)
                for name, buffer in self.named_buffers()
            }
        )
        return prior.to(self.device, self.dtype)

    def sample(
        self,
        count: int,
        kind: PriorName = "gaussian",
        generator: torch.Generator | list[torch.Generator] | None = None,
        temperature: float = 1.0,
        kl_weight: float = 1.0,
    ) -> Tensor:
        """New codes for one KL weight; see `LatentPrior.sample`."""
        return self.at(kl_weight).sample(count, kind, generator, temperature)

    def log_prob(
        self, latents: Tensor, kind: PriorName = "gaussian", kl_weight: float = 1.0
    ) -> Tensor:
        """The log density of codes of one KL weight; see `LatentPrior.log_prob`."""
        return self.at(kl_weight).log_prob(latents, kind)


def _log_normal(whitened: Tensor, log_scale: Tensor) -> Tensor:
    """Log density of N(mean, scale scale^T) at mean + scale whitened, given log det scale."""
    squares = whitened.square().sum(1)
    return -0.5 * (squares + whitened.shape[1] * math.log(2 * math.pi)) - log_scale

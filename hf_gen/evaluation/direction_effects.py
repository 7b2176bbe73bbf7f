"""What steps along directions of a latent space change in faces, as a factor predictor reads."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hf_gen.evaluation.distributions import manifold_scores
from hf_gen.evaluation.factor_numbers import factor_numbers
from hf_gen.evaluation.factors import FactorPredictor
from hf_gen.faces import CONTINUOUS
from hf_gen.features import feature_extractor
from hf_gen.models.directions import LatentDirections
from hf_gen.pipelines import VAEPipeline

MIN_EFFECT = 0.25
"""How much of what is asked the predictor has to read, on synthetic and on sampled faces."""
MAX_SIDE_EFFECT = 1 / 3
"""How far the readings of any other factor may move on average, from 0 to 1."""
MIN_PRECISION = 0.9
"""Share of edited faces that have to be near unedited ones, in features of Lite2."""
VALUES = (1.0, 1.5, 2.0)
"""How far a direction is followed, both ways."""
_HUES = (0.0, 0.25, 0.5, 0.75)
_FACES_FOR_RANGE = 32


@dataclass(frozen=True)
class Measured:
    """What a step along a direction does.

    Attributes:
        name: Of the direction.
        is_wheel: Whether its value is a hue.
        effects: Share of what is asked that is read, on synthetic and on sampled faces.
        side_effects: On both: by factor, how far its readings move on average, 0 to 1.
        precision: By value, the share of sampled faces that stay near unedited ones.
    """

    name: str
    is_wheel: bool
    effects: tuple[float, float]
    side_effects: tuple[dict[str, float], dict[str, float]]
    precision: dict[float, float]

    @property
    def worst(self) -> tuple[str, float]:
        """The other factor that moves most, and by how much."""
        both = [pair for moved in self.side_effects for pair in moved.items()]
        return max(both, key=lambda pair: pair[1])

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest value up to which faces stay faces; 0 for none."""
        if self.is_wheel:
            return 0.0, float(min(self.precision.values()) >= MIN_PRECISION)
        ends = []
        for sign in (-1, 1):
            end = 0.0
            for value in VALUES:
                if self.precision.get(sign * value, 0.0) < MIN_PRECISION:
                    break
                end = sign * value
            ends.append(end)
        return ends[0], ends[1]

    @property
    def is_kept(self) -> bool:
        """Whether it changes its factor on both, leaves the others, and faces stay faces."""
        stays = self.range[1] >= 1 and (self.is_wheel or self.range[0] <= -1)
        return stays and min(self.effects) >= MIN_EFFECT and self.worst[1] <= MAX_SIDE_EFFECT


@torch.no_grad()
def measure_directions(
    pipeline: VAEPipeline,
    directions: LatentDirections,
    codes: tuple[Tensor, Tensor],
    predictor: FactorPredictor,
) -> list[Measured]:
    """What each direction changes in faces, as a factor predictor reads them.

    Args:
        pipeline: Decodes the codes.
        directions: All that were fitted.
        codes: Of synthetic and of sampled faces, (images, channels, height, width) each.
        predictor: Of the synthetic faces' style.
    """
    extractor = feature_extractor(str(pipeline.device))

    def features(codes: Tensor) -> Tensor:
        return extractor(pipeline.decode(codes, "pt")).features.double()

    unedited, few = torch.cat([features(faces) for faces in codes]), codes[1][:_FACES_FOR_RANGE]
    measured = []
    for name in directions.config.names:
        is_wheel = directions.is_wheel(name)
        synthetic, sampled = (
            _effects(pipeline, directions, name, faces, predictor) for faces in codes
        )
        values = _HUES if is_wheel else tuple(sign * value for value in VALUES for sign in (-1, 1))
        precision = {
            value: manifold_scores(unedited, features(directions.move(few, {name: value})))[
                "precision"
            ]
            for value in values
        }
        effects = synthetic[0], sampled[0]
        side_effects = synthetic[1], sampled[1]
        measured.append(Measured(name, is_wheel, effects, side_effects, precision))
    return measured


def _effects(
    pipeline: VAEPipeline,
    directions: LatentDirections,
    name: str,
    codes: Tensor,
    predictor: FactorPredictor,
) -> tuple[float, dict[str, float]]:
    """How much of what is asked of a direction is read, and how far the other factors move."""
    factor, table = factor_numbers()[name]
    is_wheel, before = directions.is_wheel(name), _read(predictor, pipeline.decode(codes, "pt"))
    effects, moved = [], {other: 0.0 for other in before if other != factor}
    values = _HUES if is_wheel else (-1.0, 1.0)
    for value in values:
        edited = directions.move(codes, {name: value})
        after = _read(predictor, pipeline.decode(edited, "pt"))
        # Of a wheel where the hue is, of others how far the number moved: hues cancel over a turn.
        change = (after[factor] - before[factor]) @ table
        angle = 2 * math.pi * value
        asked = torch.tensor((math.cos(angle), math.sin(angle)) if is_wheel else (value,))
        effects.append((change @ asked).mean().item())
        for other in moved:
            apart = (after[other] - before[other]).abs().sum(1) / 2
            moved[other] += apart.mean().item() / len(values)
    return sum(effects) / len(effects), moved


def _read(predictor: FactorPredictor, images: Tensor) -> dict[str, Tensor]:
    """Probabilities of the values, (images, values), or numbers from -1 to 1, (images, 1)."""
    return {
        name: (output if name in CONTINUOUS else output.softmax(1)).cpu()
        for name, output in predictor(images).items()
    }

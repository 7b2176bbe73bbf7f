"""Directions are found where codes follow factors, and kept where a reader sees what they say."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTinyOutput
from diffusers.models.autoencoders.vae import DecoderOutput
from torch import Tensor, nn

from hf_gen.evaluation import directions
from hf_gen.evaluation.direction_effects import (
    MIN_EFFECT,
    MIN_PRECISION,
    Measured,
    measure_directions,
)
from hf_gen.evaluation.directions import find_directions, fit_directions, keep
from hf_gen.evaluation.factors import factor_values, train_factor_predictor
from hf_gen.faces import CONTINUOUS, FACTORS, face_at
from hf_gen.models.directions import LatentDirections
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import VAEPipeline

SCALARS = {"head_tilt", "face_width", "skin_tone", "glasses", "hair_length", "mouth_open"}
SCALARS |= {"hair_lightness"}
WHEELS = {"hair_colour", "background", "eye_colour"}


class Colours(ModelMixin, ConfigMixin):
    """Latents are the colour of an image."""

    @register_to_config
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def encode(self, x: Tensor) -> AutoencoderTinyOutput:
        return AutoencoderTinyOutput(latents=x.mean((2, 3), keepdim=True))

    def decode(self, z: Tensor) -> DecoderOutput:
        return DecoderOutput(sample=z.expand(-1, -1, 8, 8))


class ReadsColours(nn.Module):
    """Reads the tilt from red, the width from green, and nothing else."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        colour = images.mean((2, 3))
        blank = {name: torch.zeros(len(images), len(values)) for name, values in FACTORS.items()}
        return {**blank, "head_tilt": 4 * colour[:, :1], "face_width": 4 * colour[:, 1:2]}


def test_directions_are_the_codes_that_go_with_factors() -> None:
    faces = [face_at(place) for place in range(1_500)]
    factors, generator = factor_values(faces), torch.Generator().manual_seed(0)
    low, high = CONTINUOUS["head_tilt"]
    tilt = (2 * factors["head_tilt"] - low - high) / (high - low)
    red = (factors["hair_colour"] == FACTORS["hair_colour"].index("red")).float()
    codes = 0.1 * torch.randn(len(faces), 4, 1, 1, generator=generator)
    codes[:, 0, 0, 0] += 3 * tilt
    codes[:, 1, 0, 0] += red
    found = fit_directions(codes, factors)
    assert set(found.config.names) == SCALARS | WHEELS
    assert {name for name in found.config.names if found.is_wheel(name)} == WHEELS
    names = list(found.config.names)
    expected = torch.tensor([3.0, 0.0, 0.0, 0.0])
    torch.testing.assert_close(found.vectors[names.index("head_tilt")], expected, rtol=0, atol=0.05)
    still = found.vectors[[names.index("glasses"), names.index("skin_tone")]]
    torch.testing.assert_close(still, torch.zeros(2, 4), rtol=0, atol=0.05)
    # Red is hue 0, so only the first number of the wheel follows it.
    wheel = len(SCALARS) + 2 * (names.index("hair_colour") - len(SCALARS))
    assert found.vectors[wheel, 1] > 0.1
    reads = codes.flatten(1) @ found.readers.T + found.offsets
    first = reads[:, wheel - len(SCALARS)]
    assert first[red == 1].mean() > first[red == 0].mean() + 0.2


def test_a_step_is_measured_by_what_is_read() -> None:
    pipeline = VAEPipeline(Colours().eval(), resolution=8)
    made = LatentDirections((3, 1, 1), ("head_tilt", "face_width", "glasses", "background"), 1)
    vectors = [(0.25, 0, 0), (0.1, 0.125, 0), (0, 0, 0.1), (0, 0, 0), (0, 0, 0)]
    weights = {"vectors": torch.tensor(vectors), "lows": torch.tensor([-3.0, -3, -3, 0])}
    weights |= {"highs": torch.tensor([3.0, 3, 3, 1])}
    made.load_state_dict(weights | {"readers": torch.zeros(2, 3), "offsets": torch.zeros(2)})
    codes = torch.rand(12, 3, 1, 1, generator=torch.Generator().manual_seed(0)) / 2 - 0.25
    reader: Any = ReadsColours()
    measured = measure_directions(pipeline, made, (codes, codes[:8]), reader)
    tilt, width, glasses, background = measured
    assert tilt.effects == pytest.approx((1, 1), abs=1e-5)
    assert tilt.worst[1] == pytest.approx(0, abs=1e-6)
    assert width.effects == pytest.approx((0.5, 0.5), abs=1e-5)
    assert width.worst == ("head_tilt", pytest.approx(0.2, abs=1e-5))
    assert glasses.effects == background.effects == pytest.approx((0, 0), abs=1e-5)
    assert glasses.worst[1] == pytest.approx(0, abs=1e-6)
    assert not glasses.is_kept
    assert background.is_wheel
    assert background.precision == {0.0: 1.0, 0.25: 1.0, 0.5: 1.0, 0.75: 1.0}
    assert not background.is_kept


GOOD = {sign * value: 0.95 for value in (1.0, 1.5, 2.0) for sign in (-1, 1)}


def measured(name: str, **changes: Any) -> Measured:
    values: dict[str, Any] = {
        "is_wheel": False,
        "effects": (0.9, 0.6),
        "side_effects": ({"mouth": 0.1}, {"mouth": 0.2}),
        "precision": GOOD,
    }
    return Measured(name, **(values | changes))


@pytest.mark.parametrize(
    ("changes", "is_kept"),
    [
        ({}, True),
        ({"effects": (0.9, MIN_EFFECT - 0.01)}, False),
        ({"effects": (MIN_EFFECT - 0.01, 0.9)}, False),
        ({"side_effects": ({"mouth": 0.1}, {"mouth": 0.1, "brows": 0.4})}, False),
        ({"precision": GOOD | {-1.0: MIN_PRECISION - 0.01}}, False),
        ({"precision": GOOD | {1.5: MIN_PRECISION - 0.01}}, True),
        ({"is_wheel": True, "precision": {0.0: 0.95, 0.5: 0.95}}, True),
        ({"is_wheel": True, "precision": {0.0: 0.95, 0.5: 0.7}}, False),
    ],
)
def test_a_direction_is_kept_where_all_of_it_holds(changes: Any, is_kept: bool) -> None:
    assert measured("head_tilt", **changes).is_kept == is_kept


def test_the_range_ends_before_faces_do_not_stay_faces() -> None:
    assert measured("head_tilt").range == (-2.0, 2.0)
    assert measured("head_tilt", precision=GOOD | {1.5: 0.7, -2.0: 0.7}).range == (-1.5, 1.0)


def test_what_is_kept_moves_codes_as_before() -> None:
    everything = LatentDirections(
        (4, 1, 1), ("head_tilt", "glasses", "skin_tone", "eye", "hair"), 2
    )
    generator = torch.Generator().manual_seed(0)
    weights = {
        "vectors": torch.randn(7, 4, generator=generator),
        "readers": torch.randn(4, 4, generator=generator),
        "offsets": torch.randn(4, generator=generator),
        "lows": torch.tensor([-3.0, -3, -3, 0, 0]),
        "highs": torch.tensor([3.0, 3, 3, 1, 1]),
    }
    everything.load_state_dict(weights)
    wheel = {"is_wheel": True, "precision": {0.0: 0.95, 0.5: 0.95}}
    found = [
        measured("head_tilt", effects=(0, 0)),
        measured("glasses", precision=GOOD | {-1.5: 0.1}),
        measured("skin_tone"),
        measured("eye", **wheel, effects=(0, 0)),
        measured("hair", **wheel),
    ]
    kept = keep(everything, found)
    assert kept is not None
    assert tuple(kept.config.names) == ("glasses", "skin_tone", "hair")
    assert [kept.range_of(name) for name in kept.config.names] == [(-1, 2), (-2, 2), (0, 1)]
    codes, values = torch.randn(5, 4, 1, 1), {"glasses": -0.5, "skin_tone": 2.0, "hair": 0.3}
    torch.testing.assert_close(kept.move(codes, values), everything.move(codes, values))
    assert keep(everything, found[:1]) is None


def test_an_autoencoder_that_was_not_trained_has_no_directions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = partial(train_factor_predictor, count=50, epochs=1)
    monkeypatch.setattr(directions, "train_factor_predictor", few)
    monkeypatch.setattr(directions, "_FACES", 60)
    monkeypatch.setattr(directions, "_TEST_FACES", 8)
    torch.manual_seed(0)
    vae = ConvVAE(16, filters=(6, 4), latent_channels=5).eval()
    before = torch.random.get_rng_state()
    found, everything = find_directions(VAEPipeline(vae, resolution=16), tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert found is None
    assert {one.name for one in everything} == SCALARS | WHEELS

"""Directions move codes by what they say, and wheels set what they read."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from hf_gen.models.directions import LatentDirections

SHAPE = (3, 1, 2)
LATENTS = 6


def directions() -> LatentDirections:
    """Two directions and a wheel that reads what its vectors write."""
    made = LatentDirections(SHAPE, ("tilt", "width", "hue"), 1)
    generator = torch.Generator().manual_seed(0)
    square, _ = torch.linalg.qr(torch.randn(LATENTS, LATENTS, generator=generator))
    made.load_state_dict(
        {
            "vectors": square[:4] * torch.tensor([2.0, 3.0, 1.5, 1.5])[:, None],
            "lows": torch.tensor([-2.0, -1.0, 0.0]),
            "highs": torch.tensor([3.0, 1.0, 1.0]),
            "readers": square[2:4] / 1.5,
            "offsets": torch.tensor([0.3, -0.2]),
        }
    )
    return made


def codes(count: int = 5) -> torch.Tensor:
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(1))


def test_a_direction_adds_its_vector_as_often_as_it_is_told() -> None:
    made = directions()
    moved = made.move(codes(), {"tilt": -1.5, "width": 0.5})
    expected = -1.5 * made.vectors[0] + 0.5 * made.vectors[1]
    torch.testing.assert_close((moved - codes()).flatten(1), expected.expand(5, LATENTS))
    assert torch.equal(made.move(codes(), {}), codes())


@pytest.mark.parametrize("hue", [0.0, 0.25, 0.6, 1.0])
def test_a_wheel_sets_the_hue_wherever_the_code_was(hue: float) -> None:
    made = directions()
    moved = made.move(codes(), {"hue": hue}).flatten(1)
    read = moved @ made.readers.T + made.offsets
    angle = 2 * math.pi * hue
    torch.testing.assert_close(read, torch.tensor([[math.cos(angle), math.sin(angle)]] * 5))
    # And changes nothing beside its plane.
    others = made.vectors[:2] @ (moved - codes().flatten(1)).T
    torch.testing.assert_close(others, torch.zeros(2, 5), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_rounds_and_no_more(dtype: torch.dtype) -> None:
    values = {"tilt": 1.0, "hue": 0.3}
    exact, half = directions().move(codes(), values), directions().to(dtype)
    moved = half.move(codes().to(dtype), values)
    assert moved.dtype == dtype
    torch.testing.assert_close(moved.float(), exact, rtol=0, atol=0.05)


def test_names_say_what_they_are() -> None:
    made = directions()
    assert [made.is_wheel(name) for name in ("tilt", "width", "hue")] == [False, False, True]
    assert made.range_of("tilt") == (-2.0, 3.0)


REFUSED: list[tuple[str, Callable[[], Any]]] = [
    (
        "no direction 'age': choose of tilt, width, hue",
        lambda: directions().move(codes(), {"age": 1}),
    ),
    ("tilt must be from -2 to 3, .* got 3.5", lambda: directions().move(codes(), {"tilt": 3.5})),
    ("hue must be from 0 to 1", lambda: directions().move(codes(), {"hue": -0.1})),
    ("width must be .*, got nan", lambda: directions().move(codes(), {"width": math.nan})),
    (r"\(batch, 3, 1, 2\), got \(1, 6\)", lambda: directions().move(torch.zeros(1, 6), {})),
    ("names must differ", lambda: LatentDirections(SHAPE, ("tilt", "tilt"))),
    ("at least as many as the wheels", lambda: LatentDirections(SHAPE, ("tilt",), 2)),
    ("names must be 1 to 64 names", lambda: LatentDirections(SHAPE, ())),
    ("names must be 1 to 64 names", lambda: LatentDirections(SHAPE, ("Tilt me",))),
    ("names must be 1 to 64 names", lambda: LatentDirections(SHAPE, "tilt")),  # type: ignore[arg-type]
    ("names must be 1 to 64 names", lambda: LatentDirections(SHAPE, (1,))),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("sentence", "call"), REFUSED)
def test_what_cannot_be_done_is_an_error(sentence: str, call: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()

"""The factors of a synthetic face, the same in both styles.

A face is a pure function of (seed, index): every factor comes from its own hash, so the factors are
independent and uniform, and the same face is drawn on every machine and in every process.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

FACTORS: dict[str, tuple[str, ...]] = {
    "hair_style": (
        "bob",
        "long",
        "twin_tails",
        "short_spiky",
        "bun",
        "curls",
        "ponytail",
        "braids",
        "cap",
        "buzz",
    ),
    "hair_colour": (
        "black",
        "brown",
        "ginger",
        "blonde",
        "red",
        "pink",
        "violet",
        "blue",
        "green",
        "silver",
    ),
    "eye_colour": ("brown", "amber", "red", "violet", "blue", "cyan", "green", "grey"),
    "skin_tone": ("porcelain", "light", "beige", "tan", "brown", "dark"),
    "mouth": ("smile", "grin", "open", "flat", "frown", "round"),
    "brows": ("flat", "arched", "angry", "worried"),
    "glasses": ("none", "round", "square"),
    "background": ("white", "cream", "rose", "lavender", "sky", "mint"),
}
# Name -> lowest and highest value: a width relative to the average head, and degrees.
CONTINUOUS = {"face_width": (0.85, 1.15), "head_tilt": (-12.0, 12.0)}
# The splits start at these indices, so they never meet the train split, which starts at 0.
VALIDATION_START = 500_000_000
TEST_START = 1_000_000_000


@dataclass(frozen=True)
class Face:
    """One person, whatever the style: the factors, and what only decorates.

    The ten factors are independent and uniform. `variation` decides what no factor names (fringe,
    side of the ponytail, jaw, gaze, clothes, accessories, small shifts): decoration, shared where
    both styles draw it, and never a hint at a factor.
    """

    hair_style: str
    hair_colour: str
    eye_colour: str
    skin_tone: str
    mouth: str
    brows: str
    glasses: str
    background: str
    face_width: float
    """Width relative to the style's average head, in [0.85, 1.15]."""
    head_tilt: float
    """Clockwise rotation of the head in degrees, in [-12, 12]."""
    variation: int
    """Decoration, in [0, 2**32)."""

    def decoration(self, name: str) -> float:
        """A number in [0, 1) for one named piece of decoration, the same in both styles."""
        return _uniform(f"{self.variation}:{name}")

    @property
    def accessory(self) -> str:
        """What the hair wears, where the hair style has room for it."""
        choices = ("none", "none", "none", "clip", "flower", "headband")
        return choices[int(self.decoration("accessory") * len(choices))]

    @property
    def clothes(self) -> int:
        """Which of a style's eight cloth colours the collar has."""
        return int(8 * self.decoration("clothes"))

    @property
    def accent(self) -> int:
        """Which of a style's eight cloth colours the cap and the accessories have."""
        return int(8 * self.decoration("accent"))


def face_at(index: int, seed: int = 0) -> Face:
    """The face at `index` of the endless series that `seed` names."""
    chosen: dict[str, Any] = {}
    for factor, values in FACTORS.items():
        chosen[factor] = values[int(_uniform(f"{seed}:{index}:{factor}") * len(values))]
    for factor, (low, high) in CONTINUOUS.items():
        chosen[factor] = round(low + (high - low) * _uniform(f"{seed}:{index}:{factor}"), 4)
    variation = int(_uniform(f"{seed}:{index}:variation") * 2**32)
    return Face(**chosen, variation=variation)


def _uniform(key: str) -> float:
    """A number in [0, 1) from 53 bits of the key's hash: exact, so the same everywhere."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53

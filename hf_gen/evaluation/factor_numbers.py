"""Factors of synthetic faces as numbers, which a direction of a latent space can follow."""

import colorsys
import math
from collections.abc import Mapping
from functools import cache

import torch
from PIL import ImageColor
from torch import Tensor

from hf_gen.faces import CONTINUOUS, FACTORS
from hf_gen.faces.artwork import artwork

STYLE = "anime"
"""The style whose colours the numbers are made of."""
# Of the values that have no number, those that are not named are 0.
_SCALES: dict[str, tuple[str, Mapping[str, float]]] = {
    "skin_tone": (
        "skin_tone",
        {"porcelain": -1, "light": -0.6, "beige": -0.2, "tan": 0.2, "brown": 0.6, "dark": 1},
    ),
    "glasses": ("glasses", {"none": -1, "round": 1, "square": 1}),
    "hair_length": (
        "hair_style",
        {"buzz": -1, "short_spiky": -1, "cap": -1, "bun": -1, "long": 1, "twin_tails": 1}
        | {"braids": 1},
    ),
    "mouth_open": (
        "mouth",
        {"smile": -1, "flat": -1, "frown": -1, "grin": 1, "open": 1, "round": 1},
    ),
}
WHEELS = {
    "hair_colour": ("hair_colour", "hair"),
    "background": ("background", "ground_bottom"),
    "eye_colour": ("eye_colour", "iris_bottom"),
}
"""Directions that are hues: of which factor, and in which colour of the artwork."""
_LIGHTNESS = {"hair_lightness": ("hair_colour", "hair")}


@cache
def factor_numbers() -> dict[str, tuple[str, Tensor]]:
    """By direction, the factor and the number of each of its values, (values, 1 or 2)."""
    tables = {name: (name, torch.ones(1, 1)) for name in CONTINUOUS}
    for name, (factor, scale) in _SCALES.items():
        values = [[scale.get(value, 0.0)] for value in FACTORS[factor]]
        tables[name] = (factor, torch.tensor(values, dtype=torch.float32))
    colours = artwork(STYLE)["colours"]
    for name, (factor, part) in (_LIGHTNESS | WHEELS).items():
        known = [ImageColor.getrgb(colours[factor][value][part]) for value in FACTORS[factor]]
        pixels = torch.tensor(known) / 255
        if name in _LIGHTNESS:
            luma = (pixels @ torch.tensor((0.299, 0.587, 0.114)))[:, None]
            tables[name] = (factor, 2 * (luma - luma.min()) / (luma.max() - luma.min()) - 1)
            continue
        hues = [colorsys.rgb_to_hsv(*pixel)[0] for pixel in pixels.tolist()]
        chroma = pixels.amax(1) - pixels.amin(1)
        angles = 2 * math.pi * torch.tensor(hues)
        points = chroma[:, None] * torch.stack((angles.cos(), angles.sin()), dim=1)
        # 1 is the mean of the values with at least half of the strongest colour.
        strong = chroma[chroma >= chroma.max() / 2].mean()
        tables[name] = (factor, points / strong)
    return tables

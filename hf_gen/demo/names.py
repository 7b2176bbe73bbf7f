"""What the page calls a model: its id, and a line that says what to expect of it."""

from typing import Any

_LINES = {
    "face-vae": "sharpest, 64 pixels",
    "conv-vae": "small, 32 pixels",
    "conv-vae-kl0": "KL ×0: an autoencoder, not made for sampling",
    "conv-vae-kl100": "KL ×100: collapsed on purpose",
    "conv-vae-any-kl": "every KL weight in one network",
    "conv-vae-maxpool": "max pooling in place of strides",
    "dense-vae-z5": "5 latents, no convolution",
    "dense-vae-z10": "10 latents, no convolution",
    "cyclegan": "best: learned from pairs of synthetic faces too",
    "cyclegan-lambda5": "an early, short training: cycle loss ×5",
    "cyclegan-lambda10": "an early, short training: cycle loss ×10",
}


def line_of(name: str, config: Any = None) -> str:
    """What a visitor reads beside the id of a model.

    Args:
        name: The id.
        config: Of its pipeline, where it is known: of a model that does not come along, its size.
    """
    if name in _LINES:
        return _LINES[name]
    size = (config or {}).get("resolution")
    whose = "your run" if name.startswith("runs/") else "from the Hub"
    return f"{whose}, {size} pixels" if size else whose


def label_of(name: str, config: Any = None) -> str:
    """The id and the line, for a list of choices."""
    return f"{name} · {line_of(name, config)}"

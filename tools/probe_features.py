"""What a linear probe reads from the features of each network, at several sizes of its input.

`python -m tools.probe_features` prints a row for each network and size: milliseconds per image, and
the accuracy, or correlation, for some factors of synthetic anime faces of 64x64 pixels.
"""

import time
from itertools import product

import torch

from hf_gen.evaluation.disentanglement import evaluate_disentanglement
from hf_gen.evaluation.factors import factor_values, render_faces
from hf_gen.faces import face_at
from hf_gen.features import FeatureExtractor
from hf_gen.metrics import NetworkName

_NETWORKS: tuple[NetworkName, ...] = ("Lite0", "Lite1", "Lite2")
_SIZES = (64, 96, 128)
_FACES = 1_000
_SHOWN = ("hair_colour", "eye_colour", "skin_tone", "hair_style", "mouth", "glasses", "face_width")


def main(threads: int = 1) -> None:
    """Prints the table, in Markdown."""
    torch.set_num_threads(threads)
    faces = [face_at(index) for index in range(_FACES)]
    images, factors = render_faces(faces, "anime", 64), factor_values(faces)
    shown = [name for name in _SHOWN if name in factors]
    print(f"| network | size | ms | {' | '.join(name.replace('_', ' ') for name in shown)} |")
    print("|---" * (3 + len(shown)) + "|")
    for name, size in product(_NETWORKS, _SIZES):
        extractor = FeatureExtractor(name, size)
        extractor(images[:32])
        began = time.perf_counter()
        features = extractor(images).features
        milliseconds = 1_000 * (time.perf_counter() - began) / _FACES
        scores = evaluate_disentanglement(features, factors)
        read = " | ".join(f"{scores[f'factors/{factor}']:.2f}" for factor in shown)
        print(f"| {name} | {size} | {milliseconds:.2f} | {read} |", flush=True)


if __name__ == "__main__":
    main()

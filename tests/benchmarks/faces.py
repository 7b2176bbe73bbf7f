"""`python -m tests.benchmarks.faces`: how many faces one core draws in a second."""

import time

from hf_gen.faces import STYLES, face_at, face_png


def faces_per_second(style: str) -> float:
    """Of 64x64 pixels, as PNG."""
    start = time.perf_counter()
    for index in range(300):
        face_png(face_at(index), style)
    return 300 / (time.perf_counter() - start)


if __name__ == "__main__":
    for style in STYLES:
        print(f"{style} faces of 64x64, one core: {faces_per_second(style):6,.0f} a second")

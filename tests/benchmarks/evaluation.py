"""How long two large sets of images take to compare, and how long with the real ones cached."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from hf_gen.evaluation.samples import evaluate_samples, reference
from hf_gen.features import feature_extractor
from hf_gen.pipelines import load
from hf_gen.training.memory import keep_freed_memory
from tests.benchmarks.table import Row, bounded, row

IMAGES = 10_000


def rows(threads: int, images: int = IMAGES) -> Iterator[Row]:
    """Samples of two bundled models: the time does not depend on the images."""
    torch.set_num_threads(threads)
    keep_freed_memory()  # as `hf-gen evaluate` does
    generator = torch.Generator().manual_seed(0)
    real, made = (
        load(name).sample(images, generator, "pt", "mixture")
        for name in ("conv-vae-kl0", "conv-vae")
    )
    with tempfile.TemporaryDirectory() as place:
        seconds = []
        for _ in range(2):  # the second time the real ones are in the cache
            began = time.perf_counter()
            known = reference(real, feature_extractor(), Path(place))
            evaluate_samples(made, known, feature_extractor())
            seconds.append(time.perf_counter() - began)
    first, again = seconds
    what = f"Frechet distance, kernel distance and the rest of {images:,} against {images:,} images"
    yield bounded(what, 120, [first], "s")
    yield row(f"{what}, the real ones known", "all of it", [first / again], (again, first), "s")

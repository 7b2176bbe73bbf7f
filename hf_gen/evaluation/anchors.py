"""Two anchors of every distance between sets: what real images score, and what one image scores."""

from pathlib import Path

import torch

from hf_gen.data.pixels import Pixels
from hf_gen.evaluation.distributions import set_distances
from hf_gen.evaluation.samples import MAX_SAMPLES, MIN_IMAGES, reference
from hf_gen.features import feature_extractor
from hf_gen.metrics import MEASURED_IN, SECOND_OPINION


@torch.no_grad()
def evaluate_anchors(
    test: Pixels,
    train: Pixels,
    cache_dir: Path | None = None,
    group: str = "",
    max_images: int = MAX_SAMPLES,
) -> dict[str, float]:
    """Measures what needs no model, by the distances that models are measured by.

    Args:
        test: The images with which a model's images are compared.
        train: Other images of the same dataset; as many of them are used, evenly spaced.
        cache_dir: Where the statistics of both are kept.
        group: Of the anchored metrics, such as "a_to_b/".
        max_images: How many of each are compared at most.

    Returns:
        Nothing for fewer than 8 test images, or for fewer training images than test images, since
        distances compare at equal numbers only; else, in both networks,
        "anchors/floor/NAME": distances of the training images to the test images, which a model
            can hardly do better than;
        "anchors/ceiling/NAME": those of the mean of the training images, repeated, to which a
            model that has learned nothing but the average image comes.
    """
    count = min(len(test), max_images)
    if count < MIN_IMAGES or len(train) < count:
        return {}
    real = test.images(torch.arange(count))
    others = train.images(torch.arange(count) * len(train) // count)
    mean = others.mean(0, keepdim=True)
    results: dict[str, float] = {}
    for network, ending in ((MEASURED_IN, ""), (SECOND_OPINION, f"_{SECOND_OPINION.lower()}")):
        extractor = feature_extractor(name=network)
        target, floor = (reference(one, extractor, cache_dir).features for one in (real, others))
        ceiling = extractor(mean).features.cpu().expand(count, -1)
        for anchor, features in (("floor", floor), ("ceiling", ceiling)):
            for name, distance in set_distances(target, features).items():
                results[f"anchors/{anchor}/{group}{name}{ending}"] = distance
    return results

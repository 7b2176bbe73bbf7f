"""The alarm rings for generators that say the same to everyone, and for no others."""

from collections.abc import Callable

import pytest
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from hf_gen.data.batches import Domain
from hf_gen.data.pixels import Pixels
from hf_gen.errors import UserError
from hf_gen.evaluation.monitor import MOST, TranslationMonitor
from hf_gen.evaluation.translation import evaluate_translations
from hf_gen.features import feature_extractor
from hf_gen.metrics import DIRECTIONS
from hf_gen.models.cyclegan import ResnetGeneratorOutput
from hf_gen.pipelines import TranslationPipeline

SIZE, COUNT = 16, 24
NAMES = {
    "diversity",
    "precision",
    "recall",
    "density",
    "coverage",
    "kid",
    "frechet_distance",
    "nearest_translation_share",
    "collapsed",
    "cycle",
}


class Affine(ModelMixin, ConfigMixin):
    """Every image times `scale`, plus `offset`."""

    @register_to_config
    def __init__(self, scale: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(scale))
        self.added = torch.nn.Parameter(torch.tensor(offset))

    def forward(self, sample: Tensor) -> ResnetGeneratorOutput:
        return ResnetGeneratorOutput(sample=sample * self.factor + self.added)


def pixels(count: int = COUNT, seed: int = 0) -> Pixels:
    """Coarse patches of random colours, each image its own."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (count, 4, 4, 3), generator=generator).to(torch.uint8)
    rows = coarse.repeat_interleave(SIZE // 4, 1).repeat_interleave(SIZE // 4, 2)
    return Pixels(rows.reshape(count, -1), torch.arange(count), SIZE)


def domain(count: int = COUNT, seed: int = 0) -> Domain:
    return Domain(pixels(8, seed + 100), pixels(count, seed))


def pipeline(a_to_b: Affine, b_to_a: Affine) -> TranslationPipeline:
    made = TranslationPipeline(a_to_b, b_to_a, SIZE)
    made.set_progress_bar_config(disable=True)
    return made


def real(of: Domain) -> Tensor:
    return of.held_out.images(torch.arange(len(of.held_out)))


@pytest.fixture(scope="module")
def equal() -> TranslationMonitor:
    """Of two domains that are the same images."""
    return TranslationMonitor(domain(), domain())


def test_all_numbers_have_their_names(equal: TranslationMonitor) -> None:
    numbers = equal(pipeline(Affine(), Affine()))
    assert numbers.keys() == {f"{way}/{name}" for way in DIRECTIONS for name in NAMES} | {"kid"}
    for value in numbers.values():
        assert type(value) is float
        assert torch.tensor(value).isfinite()
    assert numbers["kid"] == pytest.approx((numbers["a_to_b/kid"] + numbers["b_to_a/kid"]) / 2)


def test_the_identity_on_equal_domains_is_as_good_as_it_gets(equal: TranslationMonitor) -> None:
    numbers = equal(pipeline(Affine(), Affine()))
    for way in DIRECTIONS:
        assert numbers[f"{way}/collapsed"] == 0
        assert numbers[f"{way}/cycle"] == 0
        assert numbers[f"{way}/diversity"] == pytest.approx(1, abs=1e-4)
        for name in ("precision", "recall", "coverage"):
            assert numbers[f"{way}/{name}"] == 1
        assert numbers[f"{way}/nearest_translation_share"] < 0.2
        assert numbers[f"{way}/kid"] < 0.01


def test_one_image_for_everyone_is_declared_collapsed_both_ways(
    equal: TranslationMonitor,
) -> None:
    numbers = equal(pipeline(Affine(0.0, 0.3), Affine(0.0, -0.2)))
    for way in DIRECTIONS:
        assert numbers[f"{way}/collapsed"] == 1
        assert numbers[f"{way}/diversity"] == pytest.approx(0, abs=1e-4)
        assert numbers[f"{way}/nearest_translation_share"] == 1
    healthy = equal(pipeline(Affine(), Affine()))
    assert numbers["kid"] > healthy["kid"] + 0.01


def test_a_collapse_one_way_is_declared_for_that_way_only(equal: TranslationMonitor) -> None:
    for collapsed, networks in (
        ("a_to_b", (Affine(0.0, 0.3), Affine())),
        ("b_to_a", (Affine(), Affine(0.0, 0.3))),
    ):
        numbers = equal(pipeline(*networks))
        for way in DIRECTIONS:
            assert numbers[f"{way}/collapsed"] == (way == collapsed)


def test_each_way_is_compared_with_the_domain_it_leads_to() -> None:
    a, b = domain(), domain(seed=1)
    networks = Affine(0.9, -0.05), Affine(0.5, 0.2)
    numbers = TranslationMonitor(a, b)(pipeline(*networks))
    extractor = feature_extractor()
    ways = zip(DIRECTIONS, networks, networks[::-1], (a, b), (b, a), strict=True)
    for way, there, back, source, target in ways:
        made = there(real(source)).sample.detach().clamp(-1, 1)
        for name, value in evaluate_translations(made, real(target), extractor).items():
            assert numbers[f"{way}/{name}"] == pytest.approx(value, abs=1e-5), name
        returned = back(made).sample.detach().clamp(-1, 1)
        error = (returned - real(source)).abs().mean().item()
        assert numbers[f"{way}/cycle"] == pytest.approx(error, abs=1e-6)
    assert numbers["a_to_b/cycle"] > 0.05


def test_the_numbers_are_the_same_every_time_and_leave_the_global_generator_alone(
    equal: TranslationMonitor,
) -> None:
    made = pipeline(Affine(0.7), Affine(0.9, 0.1))
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = equal(made)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    assert equal(made) == first


def test_domains_may_differ_in_size() -> None:
    monitor = TranslationMonitor(domain(8), domain(30, seed=1))
    assert monitor.images == 8
    numbers = monitor(pipeline(Affine(), Affine()))
    assert all(torch.tensor(value).isfinite() for value in numbers.values())


def test_only_the_first_held_out_images_are_translated(
    equal: TranslationMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST == 400
    monkeypatch.setattr("hf_gen.evaluation.monitor.MOST", COUNT)
    more = domain(COUNT + 10)
    first = Domain(more.train, Pixels(more.held_out.rows[:COUNT], torch.arange(COUNT), SIZE))
    made = pipeline(Affine(0.7), Affine(0.9))
    assert TranslationMonitor(more, more)(made) == TranslationMonitor(first, first)(made)


@pytest.mark.parametrize(
    "order", [lambda few, more: (few, more), lambda few, more: (more, few)], ids=["a", "b"]
)
def test_too_few_held_out_images_are_a_sentence(
    order: Callable[[Domain, Domain], tuple[Domain, Domain]],
) -> None:
    with pytest.raises(UserError, match=r"5 images are held out .*at least 8"):
        TranslationMonitor(*order(domain(5), domain(12)))

"""Whether translations agree with their inputs, where nothing else is known of either."""

from pathlib import Path

import pytest
import torch
from diffusers import ModelMixin
from torch import Tensor

from hf_gen.data.pixels import Pixels
from hf_gen.evaluation.agreement import (
    AGREEMENT_FACTORS,
    agreement,
    evaluate_agreement,
    styles_of,
)
from hf_gen.faces import TEST_START
from hf_gen.metrics import DIRECTIONS, metric_info
from hf_gen.pipelines import TranslationPipeline
from tests.evaluation.small import Affine, Counterparts, all_of, face_pixels

SIZE, COUNT, TRAIN_FACES = 32, 100, 800


@pytest.mark.parametrize(
    ("domains", "styles"),
    [
        (("anime", "cartoon"), ("anime", "cartoon")),
        (("cartoon-faces", "Anime faces"), ("cartoon", "anime")),
        (("anime-faces", "anime-portraits"), None),
        (("horse", "zebra"), None),
        (("anime", "selfie"), None),
        (("A", "B"), None),
    ],
)
def test_domains_are_the_styles_that_their_names_begin_with(
    domains: tuple[str, str], styles: tuple[str, str] | None
) -> None:
    assert styles_of(domains) == styles


def test_the_chance_level_is_the_mean_over_random_pairings() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randint(0, high, (2000,), generator=generator) for high in (3, 5))
    share, chance = agreement(first, second, 5)
    assert share == (first == second).double().mean()
    pairings = [second[torch.randperm(2000, generator=generator)] for _ in range(200)]
    shares = torch.stack([(first == paired).double().mean() for paired in pairings])
    assert chance == pytest.approx(shares.mean().item(), abs=0.003)
    assert agreement(first, first, 5)[0] == 1
    constant = torch.full_like(first, 2)
    share, chance = agreement(first, constant, 5)
    assert share == pytest.approx(chance)


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("predictors")


@pytest.fixture(scope="module")
def faces() -> dict[str, Pixels]:
    """The same test faces in both styles."""
    return {style: face_pixels(style, TEST_START, COUNT, SIZE) for style in ("anime", "cartoon")}


def scores(
    networks: tuple[ModelMixin, ModelMixin],
    domains: dict[str, Pixels],
    cache_dir: Path,
) -> dict[str, float]:
    pipeline = TranslationPipeline(*networks, SIZE, *domains)
    pipeline.set_progress_bar_config(disable=True)
    return evaluate_agreement(pipeline, *domains.values(), cache_dir, TRAIN_FACES)


def exact(a: Tensor, b: Tensor) -> tuple[ModelMixin, ModelMixin]:
    return Counterparts().pair(a, b), Counterparts().pair(b, a)


@pytest.mark.parametrize("order", [("anime", "cartoon"), ("cartoon", "anime")])
def test_ground_truth_pairs_agree_at_the_ceiling_and_random_pairs_at_chance(
    order: tuple[str, str], faces: dict[str, Pixels], cache_dir: Path
) -> None:
    domains = {style: faces[style] for style in order}
    a, b = map(all_of, domains.values())
    truth = scores(exact(a, b), domains, cache_dir)
    others = scores(exact(a, b.roll(7, 0)), domains, cache_dir)
    one = scores((Counterparts().pair(a, b[:1].expand_as(b)),) * 2, domains, cache_dir)
    assert truth.keys() == {
        f"{way}/agreement/{name}{ending}"
        for way in DIRECTIONS
        for name in AGREEMENT_FACTORS
        for ending in ("", "_ceiling", "_chance")
    }
    for key in (f"{way}/agreement/{name}" for way in DIRECTIONS for name in AGREEMENT_FACTORS):
        assert truth[key] == pytest.approx(truth[f"{key}_ceiling"], abs=0.2)
        assert truth[key] > truth[f"{key}_chance"] + 0.25
        assert others[key] == pytest.approx(others[f"{key}_chance"], abs=0.15)
        assert one[key] == pytest.approx(one[f"{key}_chance"]), key
        assert metric_info(key).better == "higher"


def test_other_domains_have_no_agreement(faces: dict[str, Pixels], tmp_path: Path) -> None:
    domains = dict(zip(("horse", "zebra"), faces.values(), strict=True))
    assert scores((Affine(), Affine()), domains, tmp_path) == {}
    assert not list(tmp_path.iterdir())

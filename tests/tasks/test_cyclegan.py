"""Both turns of a CycleGAN are those of the book, each loss with forward passes of its own."""

import copy
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, l1_loss

from hf_gen.config import (
    AdversarialLoss,
    AdversarialObjective,
    Augmentation,
    CycleGANModel,
    CycleGANRecipe,
    Data,
    DiscriminatorOptimisation,
    Domains,
    Optimisation,
    PatchCycleGANConfig,
)
from hf_gen.data.batches import Batch
from hf_gen.errors import UserError
from hf_gen.features import perceptual_loss
from hf_gen.losses import discriminator_loss, generator_loss
from hf_gen.models.cyclegan import PatchDiscriminator, ResnetGenerator
from hf_gen.pipelines import TranslationPipeline
from hf_gen.recipes import CYCLEGAN_LAMBDA10
from hf_gen.tasks.cyclegan import SHOWN, CycleGANTask
from hf_gen.tasks.pool import ImagePool

SIZE = 16
TINY = replace(
    CYCLEGAN_LAMBDA10.model,
    generator_channels=4,
    generator_downsamples=1,
    generator_residual_blocks=1,
    discriminator_channels=4,
    discriminator_layers=2,
    discriminator_residual_blocks=1,
)
TINY_PATCHES = PatchCycleGANConfig(
    generator_channels=16,
    generator_bottleneck_channels=16,
    generator_head_channels=4,
    generator_residual_blocks=1,
    discriminator_channels=4,
    discriminator_layers=2,
    discriminator_residual_blocks=0,
    discriminator_normalization="none",
    discriminator_statistics=True,
    discriminator_features=False,
    spectral_norm=False,
)
TINY_FEATURES = replace(TINY_PATCHES, discriminator_features=True)
GAMES: tuple[AdversarialLoss, ...] = ("least_squares", "hinge", "non_saturating", "relativistic")
GENERATORS, DISCRIMINATORS = ("a_to_b", "b_to_a"), ("disc_a", "disc_b")
AUGMENT: tuple[Augmentation, ...] = ("color", "translation", "cutout")
CPU = torch.device("cpu")
Losses = dict[str, Tensor]


def recipe(model: CycleGANModel = TINY, resolution: int = SIZE, **values: Any) -> CycleGANRecipe:
    return replace(
        CYCLEGAN_LAMBDA10,
        data=Data(resolution=resolution),
        model=model,
        objective=AdversarialObjective(**values),
    )


def make(model: CycleGANModel = TINY, resolution: int = SIZE, **values: Any) -> CycleGANTask:
    """A task whose networks are far enough from zero that every term weighs in."""
    torch.manual_seed(0)
    task = CycleGANTask(recipe(model, resolution, **values), CPU)
    with torch.no_grad():
        for net in task.networks.values():
            for weight in net.parameters():
                weight.mul_(4)
    return task


def batch(count: int = 4, seed: int = 1, step: int = 0, split: str = "train") -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(2, count, 3, SIZE, SIZE, generator=generator) * 2 - 1
    return Batch((images[0], images[1]), (0, split, step), slice(0, count), count)


def both(task: CycleGANTask, one: Batch) -> tuple[Losses, Losses]:
    (first, generators), (second, discriminators) = task.losses(task.networks, one)
    assert (first, second) == ("generators", "discriminators")
    return generators, discriminators


def with_pairs(count: int = 2) -> Batch:
    """The images of `batch`, and pairs of other noise."""
    return replace(batch(), pairs=replace(batch(count, seed=2), key=(0, "pairs", 0)))


def by_the_book(task: CycleGANTask, one: Batch) -> tuple[Losses, Losses]:
    """Section 3 of the paper, with empty pools and no augmentation, and the terms of pairs."""
    real_a, real_b = one.images
    pair_a, pair_b = one.pairs.images if one.pairs else (real_a[:0], real_b[:0])
    objective, game = task.objective, task.objective.adversarial

    def to(name: str, images: Tensor) -> Tensor:
        sample: Tensor = task.networks[name](images).sample
        return sample

    def cycle_loss(cycled: Tensor, real: Tensor) -> Tensor:
        factor = objective.cycle_downsample
        return l1_loss(avg_pool2d(cycled, factor), avg_pool2d(real, factor))

    all_a, all_b = torch.cat((real_a, pair_a)), torch.cat((real_b, pair_b))
    fake_a, fake_b = to("b_to_a", all_b), to("a_to_b", all_a)
    disc_a, disc_b = task.networks["disc_a"], task.networks["disc_b"]
    generators = {
        "adversarial_a_to_b": generator_loss(disc_b(fake_b), game, disc_b(all_b)),
        "adversarial_b_to_a": generator_loss(disc_a(fake_a), game, disc_a(all_a)),
        "cycle_a": cycle_loss(to("b_to_a", to("a_to_b", real_a)), real_a),
        "cycle_b": cycle_loss(to("a_to_b", to("b_to_a", real_b)), real_b),
    }
    total = (
        generators["adversarial_a_to_b"]
        + generators["adversarial_b_to_a"]
        + objective.cycle_weight * (generators["cycle_a"] + generators["cycle_b"])
    )
    if objective.identity_weight:
        generators["identity_a"] = l1_loss(to("b_to_a", real_a), real_a)
        generators["identity_b"] = l1_loss(to("a_to_b", real_b), real_b)
        identity = generators["identity_a"] + generators["identity_b"]
        total = total + objective.identity_weight * identity
    if one.pairs:
        generators["paired_a_to_b"] = l1_loss(to("a_to_b", pair_a), pair_b)
        generators["paired_b_to_a"] = l1_loss(to("b_to_a", pair_b), pair_a)
        paired = generators["paired_a_to_b"] + generators["paired_b_to_a"]
        total = total + objective.paired_weight * paired
        if objective.paired_perceptual_weight:
            generators["paired_perceptual"] = sum(
                perceptual_loss()(pair, to(name, other)).mean()
                for name, other, pair in (("a_to_b", pair_a, pair_b), ("b_to_a", pair_b, pair_a))
            )
            total = total + objective.paired_perceptual_weight * generators["paired_perceptual"]
    generators["objective"] = total

    discriminators = {
        name: discriminator_loss(
            task.networks[name](real), task.networks[name](fake.detach()), game
        )
        for name, real, fake in (("disc_a", all_a, fake_a), ("disc_b", all_b, fake_b))
    }
    discriminators["objective"] = discriminators["disc_a"] + discriminators["disc_b"]
    return generators, discriminators


def gradients(task: CycleGANTask, names: tuple[str, ...], objective: Tensor) -> list[Tensor]:
    weights = [weight for name in names for weight in task.networks[name].parameters()]
    return list(torch.autograd.grad(objective, weights, retain_graph=True))


Normalization = Literal["instance", "none"]


def check_by_the_book(task: CycleGANTask, one: Batch) -> None:
    for found, expected, names in zip(
        both(task, one), by_the_book(task, one), (GENERATORS, DISCRIMINATORS), strict=True
    ):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert value.isfinite()
            torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6, msg=name)
        for ours, theirs in zip(
            gradients(task, names, found["objective"]),
            gradients(task, names, expected["objective"]),
            strict=True,
        ):
            scale = theirs.abs().max().item()
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * scale + 1e-7)


@pytest.mark.parametrize(
    ("game", "identity", "normalization"),
    itertools.product(GAMES, (0.0, 5.0), ("instance", "none")),
)
def test_both_turns_are_those_of_the_book(
    game: AdversarialLoss, identity: float, normalization: Normalization
) -> None:
    model = replace(
        TINY, generator_normalization=normalization, discriminator_normalization=normalization
    )
    task = make(model, adversarial=game, identity_weight=identity, cycle_weight=7.0)
    check_by_the_book(task, batch())


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize(("downsample", "perceptual"), [(1, 0.0), (2, 3.0)])
def test_pairs_add_their_terms(game: AdversarialLoss, downsample: int, perceptual: float) -> None:
    task = make(
        TINY_PATCHES,
        adversarial=game,
        identity_weight=2.0,
        cycle_downsample=downsample,
        paired_weight=20.0,
        paired_perceptual_weight=perceptual,
    )
    check_by_the_book(task, with_pairs())
    without = both(make(TINY_PATCHES), batch())
    assert both(make(TINY_PATCHES, paired_weight=9.0), batch()) == without


def test_heads_on_features_take_part_in_both_turns_and_leave_the_frozen_network_alone() -> None:
    task, plain = make(TINY_FEATURES, paired_weight=20.0), make(TINY_PATCHES)
    check_by_the_book(task, with_pairs())
    disc, (images, _) = task.networks["disc_a"], batch().images
    logits, of_patches = disc(images), disc.get_submodule("patches")(images)
    assert torch.equal(logits[:, : of_patches.shape[1]], of_patches)
    assert logits.shape[1] == of_patches.shape[1] + 3
    own = {key.removeprefix("patches.") for key in disc.state_dict() if "heads" not in key}
    assert own == plain.networks["disc_a"].state_dict().keys()


@pytest.mark.parametrize("one", [batch(), with_pairs()], ids=["unpaired", "pairs"])
def test_the_gradient_penalty_is_that_of_moved_images_and_translations(one: Batch) -> None:
    plain, found = (
        both(make(TINY_PATCHES, pool_size=0, gradient_penalty=weight), one) for weight in (0.0, 3.0)
    )
    assert all(torch.equal(found[0][name], value) for name, value in plain[0].items())
    total = found[1]["gradient_a"] + found[1]["gradient_b"]
    torch.testing.assert_close(found[1]["objective"], plain[1]["objective"] + 3 * total)
    task = make(TINY_PATCHES, pool_size=0)
    groups = [one, one.pairs] if one.pairs else [one]
    noise = torch.cat([group.normal("moved", (3, SIZE, SIZE)) for group in groups])
    for place, side in enumerate("ab"):
        real, other = (torch.cat([g.images[i] for g in groups]) for i in (place, 1 - place))
        fake = task.networks["b_to_a" if side == "a" else "a_to_b"](other).sample
        disc = task.networks[f"disc_{side}"]
        images, both_noise = torch.cat((real, fake)), torch.cat((noise, noise))
        by_hand = (disc(images + 0.05 * both_noise) - disc(images)).square().mean() / 0.05**2
        torch.testing.assert_close(found[1][f"gradient_{side}"], by_hand, rtol=1e-2, atol=1e-5)


def test_pairs_are_augmented_and_never_in_a_pool() -> None:
    task = make(augment=AUGMENT)
    plain, one = both(task, batch()), with_pairs()
    other = replace(one, pairs=replace(with_pairs().pairs, key=(0, "pairs", 1)))  # type: ignore[type-var]
    first, second = both(make(augment=AUGMENT), one), both(make(augment=AUGMENT), other)
    assert first[0]["cycle_a"] == second[0]["cycle_a"] == plain[0]["cycle_a"]
    assert first[1]["disc_a"] != second[1]["disc_a"]
    pools = (make(), make())
    both(pools[0], batch())
    both(pools[1], one)
    for name in ("pool_a", "pool_b"):
        ours, theirs = (state_of(task.state[name]) for task in pools)
        torch.testing.assert_close(ours, theirs)


def test_the_discriminators_see_translations_of_the_generators_before_their_step() -> None:
    task, one = make(pool_size=0), batch()
    _, expected = by_the_book(task, one)
    turns = task.losses(task.networks, one)
    next(turns)
    with torch.no_grad():
        for name in GENERATORS:
            for weight in task.networks[name].parameters():
                weight.add_(1)  # as an optimiser does between the turns
    _, found = next(turns)
    torch.testing.assert_close(found["objective"], expected["objective"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("values", [{}, {"identity_weight": 5.0, "augment": AUGMENT}])
@pytest.mark.parametrize("model", [TINY, replace(TINY_FEATURES, spectral_norm=True)])
def test_a_turn_reaches_every_weight_of_its_own_networks_and_no_other(
    values: dict[str, Any], model: CycleGANModel
) -> None:
    task = make(model, **values)
    for turn, losses in task.losses(task.networks, batch()):
        own = task.turns[turn]
        assert all(
            weight.requires_grad for net in task.networks.values() for weight in net.parameters()
        )
        losses["objective"].backward()
        for name, net in task.networks.items():
            for key, weight in net.named_parameters():
                reached = weight.grad is not None and bool(weight.grad.any())
                assert reached == (name in own), f"{name}.{key}"
            net.zero_grad(set_to_none=True)


def test_a_discriminator_that_fails_in_the_generators_turn_is_not_left_frozen() -> None:
    task = make()
    one = batch()
    discriminator = task.networks["disc_b"]

    def fail(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        raise RuntimeError("out of memory")

    hook = discriminator.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(task.losses(task.networks, one))
    hook.remove()
    assert all(weight.requires_grad for weight in discriminator.parameters())


def state_of(pool: Any) -> Losses:
    return {name: value.clone() for name, value in pool.state_dict().items()}


def test_an_evaluation_does_not_use_the_pools() -> None:
    task = make(pool_size=4)
    for step in range(3):
        both(task, batch(seed=step, step=step))
    before = {name: state_of(pool) for name, pool in task.state.items()}
    assert before.keys() == {"pool_a", "pool_b"}
    unseen = batch(seed=9, split="validation")
    with torch.no_grad():
        first, second = both(task, unseen), both(task, unseen)
        expected = by_the_book(task, unseen)
    for name, pool in task.state.items():
        for key, value in state_of(pool).items():
            assert torch.equal(value, before[name][key])
    for one, two, book in zip(first, second, expected, strict=True):
        assert one.keys() == two.keys() == book.keys()
        for key, value in one.items():
            assert not value.requires_grad
            assert torch.equal(value, two[key])
            torch.testing.assert_close(value, book[key], rtol=1e-4, atol=1e-6)


def test_each_discriminator_sees_earlier_translations_of_its_own_domain() -> None:
    task = make(pool_size=4, identity_weight=5.0)
    pools = {
        "a": (ImagePool(4, SIZE, CPU), "b_to_a", 1),
        "b": (ImagePool(4, SIZE, CPU), "a_to_b", 0),
    }
    for step in range(4):
        one = batch(seed=step, step=step)
        with torch.no_grad():
            _, found = both(task, one)
            for side, (pool, name, source) in pools.items():
                fake = task.networks[name](one.images[source]).sample
                shown = pool.exchange(fake, one.host_generator(f"pool {side}"))
                assert step == 0 or not torch.equal(shown, fake)
                discriminator, real = task.networks[f"disc_{side}"], one.images["ab".index(side)]
                expected = discriminator_loss(
                    discriminator(real), discriminator(shown), "least_squares"
                )
                torch.testing.assert_close(found[f"disc_{side}"], expected, rtol=1e-4, atol=1e-6)
    for side, (pool, _, _) in pools.items():
        ours, theirs = (state_of(p)["images"] for p in (task.state[f"pool_{side}"], pool))
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_augmentation_is_a_function_of_the_step_and_is_seen_by_the_discriminators_only() -> None:
    plain = both(make(pool_size=0), batch())
    first, again = (both(make(pool_size=0, augment=AUGMENT), batch()) for _ in range(2))
    later = both(make(pool_size=0, augment=AUGMENT), batch(step=1))
    for turn in range(2):
        for name, value in first[turn].items():
            assert torch.equal(again[turn][name], value)
            is_judged = name.startswith(("adversarial", "disc", "objective"))
            assert torch.equal(plain[turn][name], value) != is_judged
            assert torch.equal(later[turn][name], value) != is_judged


def test_every_input_of_a_discriminator_is_augmented_independently() -> None:
    task, one = make(pool_size=0, augment=AUGMENT), batch()
    seen: list[Tensor] = []
    for name in DISCRIMINATORS:
        task.networks[name].register_forward_pre_hook(
            lambda _, inputs: seen.extend(inputs[0].split(len(one.images[0])))
        )
    both(task, one)
    assert len(seen) == 6  # translations in the first turn, real ones and translations after it
    cut = [(images == 0).all(dim=1) for images in seen]
    for first, second in itertools.combinations(cut, 2):
        assert not torch.equal(first, second)
    for each in cut:
        assert each.flatten(1).any(dim=1).all()


def test_augmented_halves_average_to_the_augmented_whole() -> None:
    task, whole = (
        make(pool_size=0, augment=AUGMENT, identity_weight=5.0),
        batch(8),
    )
    halves = [
        Batch((whole.images[0][rows], whole.images[1][rows]), whole.key, rows, 8)
        for rows in (slice(0, 4), slice(4, 8))
    ]
    first, second = (both(task, half) for half in halves)
    for turn, losses in enumerate(both(task, whole)):
        for name, value in losses.items():
            mean = (first[turn][name] + second[turn][name]) / 2
            torch.testing.assert_close(mean, value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("count", [16, SHOWN])
def test_a_preview_shows_both_domains_and_their_translations(count: int) -> None:
    task, one = make(), batch(count)
    shown = task.preview(task.networks, one)
    assert task.preview_columns == SHOWN
    assert shown.shape == (4 * SHOWN, 3, SIZE, SIZE)
    real_a, fake_b, real_b, fake_a = shown.split(SHOWN)
    assert torch.equal(real_a, one.images[0][:SHOWN])
    assert torch.equal(real_b, one.images[1][:SHOWN])
    pipeline = task.pipeline(task.networks)
    assert torch.equal(fake_b, pipeline.translate(real_a, "a_to_b", output_type="pt"))
    assert torch.equal(fake_a, pipeline.translate(real_b, "b_to_a", output_type="pt"))
    assert not torch.equal(fake_b, fake_a)


def test_the_pipeline_holds_the_two_generators_and_the_names_of_the_domains() -> None:
    named = replace(recipe(), domains=Domains(domain_a="horse", domain_b="zebra"))
    task = CycleGANTask(named, CPU)
    others = {name: copy.deepcopy(net) for name, net in task.networks.items()}
    pipeline = task.pipeline(others)
    assert isinstance(pipeline, TranslationPipeline)
    assert pipeline.a_to_b is others["a_to_b"]
    assert pipeline.b_to_a is others["b_to_a"]
    assert (pipeline.config.domain_a, pipeline.config.domain_b) == ("horse", "zebra")
    assert pipeline.config.resolution == SIZE


def test_the_networks_are_those_of_the_recipe_and_no_two_are_alike() -> None:
    model = replace(TINY, upsample="resize", spectral_norm=True, generator_normalization="none")
    task = CycleGANTask(recipe(model), CPU)
    assert task.turns == {"generators": GENERATORS, "discriminators": DISCRIMINATORS}
    assert task.averaged == GENERATORS
    generator = ResnetGenerator(SIZE, 4, 1, 1, "none", "resize")
    discriminator = PatchDiscriminator(4, 2, 1, "instance", True, statistics=False)
    for names, like in ((GENERATORS, generator), (DISCRIMINATORS, discriminator)):
        for network in (task.networks[name] for name in names):
            assert type(network) is type(like)
            assert all(
                network.config[key] == like.config[key] for key in like.config if key[0] != "_"
            )
    for one, two in (GENERATORS, DISCRIMINATORS):
        pairs = zip(task.networks[one].parameters(), task.networks[two].parameters(), strict=True)
        assert any(not torch.equal(first, second) for first, second in pairs)


@pytest.mark.parametrize(
    ("model", "resolution", "message"),
    [
        (TINY, 17, r"^resolution must be a multiple of 2 .*got 17: try 16 or 18"),
        (replace(TINY, generator_downsamples=3), 36, r"^resolution must .* got 36: try 32 or 40"),
        (replace(TINY, discriminator_layers=3), 16, r"at least 24x24 .*got 16x16: try larger"),
        (TINY, 8192, "^resolution must .*got 8192"),
        (replace(TINY, generator_residual_blocks=-1), 16, "num_residual_blocks must be .*got -1"),
        (replace(TINY, discriminator_channels=0), 16, "channels must be .*got 0"),
    ],
)
def test_networks_that_cannot_be_made_raise_a_clear_error(
    model: CycleGANModel, resolution: int, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        CycleGANTask(recipe(model, resolution), CPU)


def test_the_discriminators_have_an_optimiser_of_their_own() -> None:
    common = Optimisation(learning_rate=2e-4, adam_beta1=0.5, adam_beta2=0.99, max_grad_norm=3.0)
    shared = replace(recipe(), optimisation=common)
    assert CycleGANTask(shared, CPU).optimisations == {
        "generators": common,
        "discriminators": common,
    }
    own = DiscriminatorOptimisation(
        discriminator_learning_rate=4e-4,
        discriminator_adam_beta1=0.0,
        discriminator_adam_beta2=0.9,
    )
    found = CycleGANTask(replace(shared, discriminators=own), CPU).optimisations
    assert found["generators"] == common
    expected = replace(common, learning_rate=4e-4, adam_beta1=0.0, adam_beta2=0.9)
    assert found["discriminators"] == expected


def test_fine_tuning_starts_from_the_generators_of_a_pipeline(tmp_path: Path) -> None:
    trained = make()
    trained.pipeline(trained.networks).save_pretrained(tmp_path)
    pretrained = replace(recipe(), pretrained_model_name_or_path=str(tmp_path))
    task = CycleGANTask(pretrained, CPU)
    for name in GENERATORS:
        for key, weight in trained.networks[name].state_dict().items():
            assert torch.equal(task.networks[name].state_dict()[key], weight)
        assert all(weight.requires_grad for weight in task.networks[name].parameters())
    both(task, batch())
    with pytest.raises(UserError, match="take 16x16 images: add --resolution 16"):
        CycleGANTask(replace(pretrained, data=Data(resolution=32)), CPU)
    with pytest.raises(UserError, match="holds a VAEPipeline, not a TranslationPipeline"):
        CycleGANTask(replace(recipe(), pretrained_model_name_or_path="conv-vae"), CPU)

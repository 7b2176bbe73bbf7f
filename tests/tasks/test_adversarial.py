"""The adversarial turn of an autoencoder: when it begins, what it adds, and what it trains."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from hf_gen.config import AdversarialTerm, ConvVAEConfig, Data, Objective, Output, VAERecipe
from hf_gen.data.batches import Batch, Domain, Loader
from hf_gen.data.pixels import Pixels
from hf_gen.errors import UserError
from hf_gen.losses import discriminator_loss, generator_loss
from hf_gen.runs.folder import RunFolder
from hf_gen.tasks.vae import VAETask
from hf_gen.training.loop import train

CPU = torch.device("cpu")
CONV = ConvVAEConfig((6, 4), (5, 3), (2, 2), "stride", latent_channels=5)
PLAIN = VAERecipe(data=Data(resolution=16), model=CONV, objective=Objective(likelihood="laplace"))
TERM = AdversarialTerm(
    adversarial_weight=3.0,
    adversarial_start=2,
    adversarial_warmup=3,
    discriminator_channels=4,
    discriminator_layers=2,
    augment=(),
)
SHARP = replace(PLAIN, adversarial=TERM)


def make(recipe: VAERecipe = SHARP, **changes: Any) -> VAETask:
    torch.manual_seed(0)
    term = replace(recipe.adversarial, **changes)
    return VAETask(replace(recipe, adversarial=term))


def batch(step: int = 9, split: str = "train") -> Batch:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(4, 3, 16, 16, generator=generator) * 2 - 1
    return Batch((images,), (0, split, step), slice(0, 4), 4)


def turns(task: VAETask, one: Batch) -> dict[str, dict[str, Tensor]]:
    return dict(task.losses(task.networks, one))


def test_the_discriminator_begins_first_and_its_loss_is_added_after_the_warm_up() -> None:
    plain, task = make(PLAIN), make()
    for step in range(7):
        found, expected = turns(task, batch(step)), turns(plain, batch(step))
        assert expected.keys() == {"vae"}
        assert ("discriminator" in found) == (step >= 2)
        assert ("adversarial" in found["vae"]) == (step >= 5)
        for name in ("negative_elbo", "reconstruction", "kl"):
            assert torch.equal(found["vae"][name], expected["vae"][name])
    # Validation has no step: it counts both.
    assert turns(task, batch(0, "validation")).keys() == {"vae", "discriminator"}


@pytest.mark.parametrize("kind", ["hinge", "least_squares", "non_saturating", "relativistic"])
def test_both_turns_are_those_by_hand(kind: Any) -> None:
    task, one = make(adversarial=kind), batch()
    (images,), disc = one.images, task.networks["disc"].eval()  # no power iterations
    _, made = task.networks["vae"](images, one.normal("posterior", task.latent_shape))
    found = turns(task, one)
    adversarial = generator_loss(disc(made), kind, disc(images))
    torch.testing.assert_close(found["vae"]["adversarial"], adversarial)
    objective = found["vae"]["negative_elbo"] + 3 * adversarial
    torch.testing.assert_close(found["vae"]["objective"], objective)
    expected = discriminator_loss(disc(images), disc(made.detach()), kind)
    torch.testing.assert_close(found["discriminator"]["objective"], expected)


def test_each_turn_reaches_its_own_network_only() -> None:
    task = make(augment=("color", "translation", "cutout"))
    for turn, losses in task.losses(task.networks, batch()):
        losses["objective"].backward()
        for name, net in task.networks.items():
            reached = {bool(weight.grad is not None) for weight in net.parameters()}
            assert reached == {name in task.turns[turn]}
            net.zero_grad(set_to_none=True)
    assert [*task.turns] == ["vae", "discriminator"]
    assert task.averaged == ("vae",)


def loader() -> Loader:
    rows = torch.randint(0, 256, (20, 768), generator=torch.Generator().manual_seed(0))
    pixels = rows.to(torch.uint8)
    kept = Pixels(pixels, torch.arange(16, 20), 16)
    return Loader(
        (Domain(Pixels(pixels, torch.arange(16), 16), kept, kept),), 0, 4, 1, False, 0, 1, CPU
    )


def trained(folder: Path, recipe: VAERecipe, *stops: int) -> VAETask:
    run = RunFolder(folder)
    run.start({}, "", "1 x cpu", {})
    for steps in stops:
        task = make(recipe)
        output = Output(checkpointing_steps=1, logging_steps=2, report_to="none")
        optimisation = replace(recipe.optimisation, max_train_steps=steps)
        train(task, loader(), optimisation, output, run, Accelerator())
    return task


def test_a_resumed_run_is_bit_identical_and_logs_both_turns(tmp_path: Path) -> None:
    """It is stopped before the discriminator has begun, in its warm-up, and after it."""
    straight = trained(tmp_path / "one", SHARP, 8)
    resumed = trained(tmp_path / "two", SHARP, 1, 4, 7, 8)
    for name, net in straight.networks.items():
        again = resumed.networks[name].state_dict()
        assert all(torch.equal(weight, again[key]) for key, weight in net.state_dict().items())
    last = RunFolder(tmp_path / "two").metrics()[-1]
    for name in ("objective", "negative_elbo", "adversarial", "discriminator/objective"):
        assert {f"train/{name}", f"validation/{name}"} <= last.keys()


def test_a_frozen_encoder_keeps_its_latents(tmp_path: Path) -> None:
    trained(tmp_path / "first", PLAIN, 2)
    pretrained = str(tmp_path / "first")
    recipe = replace(SHARP, pretrained_model_name_or_path=pretrained, freeze_encoder=True)
    before = VAETask(replace(recipe, freeze_encoder=False)).networks["vae"].vae
    after = trained(tmp_path / "second", recipe, 3, 6).networks["vae"].vae
    changed = {
        name.partition(".")[0]
        for name, weight in before.state_dict().items()
        if not torch.equal(weight, after.state_dict()[name])
    }
    assert changed == {"decoder"}


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="freeze_encoder keeps the encoder of a pretrained model"):
        replace(SHARP, freeze_encoder=True)
    with pytest.raises(
        UserError, match="discriminator cannot be made: images must be at least 24x"
    ):
        make(discriminator_layers=3)
    with pytest.raises(UserError, match="adversarial_weight must be zero or a positive number"):
        make(adversarial_weight=-1.0)

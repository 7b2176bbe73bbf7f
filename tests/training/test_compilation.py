"""When a run is compiled."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from hf_gen.config import Optimisation
from hf_gen.errors import UserError
from hf_gen.recipes import CONV_VAE
from hf_gen.tasks.vae import VAETask
from hf_gen.training import compilation
from hf_gen.training.compilation import decide_compiling, pays_off
from tests.training.test_loop import some_loader

CPU = torch.device("cpu")
LAYER = nn.Linear(1000, 1000)


def forward() -> None:
    LAYER(torch.zeros(1, 1000))


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


@pytest.fixture
def broken_compiler() -> Iterator[None]:
    settings = {"force_disable_caches": True, "compile_threads": 1}
    torch._dynamo.reset()
    with torch._inductor.config.patch({"cpp.cxx": (None, "no-such-compiler"), **settings}):
        yield
    torch._dynamo.reset()


@pytest.mark.usefixtures("compiler")
def test_a_run_is_compiled_when_it_takes_half_an_hour_of_arithmetic() -> None:
    seconds_of_an_image = 3 * 2 * 1000 * 1000 / (torch.get_num_threads() * 1e11)
    enough = compilation.LONG_ENOUGH / seconds_of_an_image
    assert pays_off(forward, 1.01 * enough, CPU)
    assert not pays_off(forward, 0.99 * enough, CPU)


def test_nothing_is_compiled_without_a_compiler_or_on_a_gpu(
    monkeypatch: pytest.MonkeyPatch, compiler: None
) -> None:
    assert not pays_off(forward, 1e15, torch.device("cuda"))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert not pays_off(forward, 1e15, CPU)


@pytest.mark.parametrize(("wanted", "resumed"), [("on", None), ("auto", True), ("auto", None)])
def test_without_a_working_compiler_a_run_raises_or_trains_uncompiled(
    wanted: Any, resumed: bool | None, compiler: None, broken_compiler: None
) -> None:
    optimisation = Optimisation(torch_compile=wanted, train_batch_size=8, max_train_steps=10**9)
    arguments = VAETask(CONV_VAE), some_loader(), optimisation, resumed
    if wanted == "on" or resumed:
        with pytest.raises(UserError, match=r"no-such-compiler.*--torch-compile off"):
            decide_compiling(*arguments)
    else:
        assert not decide_compiling(*arguments)


@pytest.mark.parametrize(("wanted", "resumed"), [("off", None), ("on", False), ("auto", None)])
def test_a_short_run_or_one_that_was_not_compiled_is_not(wanted: Any, resumed: bool | None) -> None:
    optimisation = Optimisation(torch_compile=wanted, train_batch_size=8, max_train_steps=1)
    assert not decide_compiling(VAETask(CONV_VAE), some_loader(), optimisation, resumed)

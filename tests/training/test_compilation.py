"""When a run is compiled, and that it then computes the same."""

import shutil
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from hf_gen.training import compilation
from hf_gen.training.compilation import compile_networks, pays_off

CPU = torch.device("cpu")
LAYER = nn.Linear(1000, 1000)


class Network(nn.Linear):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).relu()


def forward() -> None:
    LAYER(torch.zeros(1, 1000))


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


@pytest.fixture
def settings() -> Iterator[None]:
    """What compiling sets for the process is as before."""
    dynamo, functorch = torch._dynamo.config, torch._functorch.config
    with (
        dynamo.patch(recompile_limit=8, suppress_errors=False),  # type: ignore[no-untyped-call]
        functorch.patch(ban_recompute_materialized_backward=True),  # type: ignore[no-untyped-call]
    ):
        yield


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


@pytest.mark.usefixtures("settings")
def test_a_network_that_cannot_be_compiled_runs_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", (None, "no-such-compiler"))
    for name, value in {"force_disable_caches": True, "compile_threads": 1}.items():
        monkeypatch.setattr(torch._inductor.config, name, value)
    images, network = torch.randn(2, 3), Network(3, 4)
    expected = network(images)
    compile_networks([network], must=True)
    with pytest.raises(Exception, match="no-such-compiler"):
        network(images)
    torch._dynamo.reset()
    compile_networks([network], must=False)
    torch.testing.assert_close(network(images), expected)

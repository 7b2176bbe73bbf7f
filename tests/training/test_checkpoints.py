"""A checkpoint is restored bit-identically, and a damaged one raises a clear error."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hf_gen.errors import UserError
from hf_gen.training.checkpoints import load_checkpoint, save_checkpoint

Restored = tuple[
    int, dict[str, dict[str, Tensor]], dict[str, tuple[float, float]], dict[str, float]
]


class Training:
    """A small network with buffers, its average and its fused AdamW, stepped by a fixed rule."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.net = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))
        self.modules: dict[str, nn.Module] = {"vae": self.net, "vae.ema": copy.deepcopy(self.net)}
        adam = torch.optim.AdamW(self.net.parameters(), lr=0.01, weight_decay=0.1, fused=True)
        self.optimisers: dict[str, torch.optim.Optimizer] = {"vae": adam}

    def steps(self, first: int, last: int) -> None:
        for step in range(first, last):
            generator = torch.Generator().manual_seed(step)
            inputs = torch.randn(8, 6, generator=generator)
            self.net(inputs).square().mean().backward()
            self.optimisers["vae"].step()
            self.optimisers["vae"].zero_grad()
            averages = self.modules["vae.ema"].parameters()
            for kept, now in zip(averages, self.net.parameters(), strict=True):
                kept.data.lerp_(now.data, 0.1)

    def tensors(self) -> dict[str, Tensor]:
        found = {
            f"{name}.{key}": tensor
            for name, module in self.modules.items()
            for key, tensor in module.state_dict().items()
        }
        for index, moments in self.optimisers["vae"].state_dict()["state"].items():
            found |= {f"adam.{index}.{key}": tensor for key, tensor in moments.items()}
        return found


def saved(training: Training, folder: Path) -> Path:
    window = {"kl": (1 / 3, 2.0)}
    save_checkpoint(
        folder,
        3,
        training.modules,
        training.optimisers,
        {"pool": {"images": torch.arange(6.0), "filled": torch.tensor(3)}},
        window,
        {"scale": 65536.0, "tracker": 7},
    )
    return folder


def load(training: Training, folder: Path) -> Restored:
    return load_checkpoint(folder, training.modules, training.optimisers, ["pool"])


def test_a_restored_training_is_bit_identical(tmp_path: Path) -> None:
    unbroken = Training(seed=0)
    unbroken.steps(0, 3)
    saved(unbroken, tmp_path / "checkpoint-3")
    unbroken.steps(3, 6)

    restored = Training(seed=1)
    step, state, window, plain = load(restored, tmp_path / "checkpoint-3")
    assert step == 3
    assert torch.equal(state["pool"]["images"], torch.arange(6.0))
    assert state["pool"]["filled"] == 3
    assert window == {"kl": (1 / 3, 2.0)}
    assert plain == {"scale": 65536.0, "tracker": 7}
    restored.steps(3, 6)

    expected, found = unbroken.tensors(), restored.tensors()
    # 4 weights and biases of layers, 5 of the batch norm, each twice; 3 moments of 6 parameters.
    assert len(expected) == 2 * 9 + 3 * 6
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert tensor.dtype == found[name].dtype, name
        assert torch.equal(tensor, found[name]), name


def test_a_checkpoint_before_the_first_step_has_no_moments(tmp_path: Path) -> None:
    saved(Training(seed=0), tmp_path / "checkpoint-3")
    restored, expected = Training(seed=1), Training(seed=0)
    load(restored, tmp_path / "checkpoint-3")
    restored.steps(0, 2)
    expected.steps(0, 2)
    for name, tensor in expected.tensors().items():
        assert torch.equal(tensor, restored.tensors()[name]), name


@pytest.mark.parametrize("damage", ["gone", "empty", "cut short", "noise"])
@pytest.mark.parametrize(
    "name",
    [
        "optimizer-vae.safetensors",
        "pool.safetensors",
        "state.json",
        "vae.ema.safetensors",
        "vae.safetensors",
    ],
)
def test_a_damaged_file_raises_and_its_checkpoint_named(
    tmp_path: Path, name: str, damage: str
) -> None:
    training = Training(seed=0)
    training.steps(0, 1)
    path = saved(training, tmp_path / "checkpoint-3") / name
    whole = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes({"empty": b"", "cut short": whole[:-5], "noise": b"\xff" * 64}[damage])
    with pytest.raises(UserError, match=f"{tmp_path}/checkpoint-3 is damaged"):
        load(training, tmp_path / "checkpoint-3")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        *((text, "is damaged") for text in ("[]", "{}", '{"format": 1, "step": 3}')),
        ('{"format": 99, "step": 3}', "has format 99"),
    ],
)
def test_a_state_that_lacks_something_or_is_of_another_format_raises(
    tmp_path: Path, content: str, error: str
) -> None:
    training = Training(seed=0)
    (saved(training, tmp_path / "checkpoint-3") / "state.json").write_text(content)
    with pytest.raises(UserError, match=f"{tmp_path}/checkpoint-3 {error}"):
        load(training, tmp_path / "checkpoint-3")


def test_weights_of_another_network_raise(tmp_path: Path) -> None:
    training = Training(seed=0)
    saved(training, tmp_path / "checkpoint-3")
    training.modules["vae"] = nn.Linear(6, 6)
    with pytest.raises(UserError, match=f"{tmp_path}/checkpoint-3 is damaged"):
        load(training, tmp_path / "checkpoint-3")

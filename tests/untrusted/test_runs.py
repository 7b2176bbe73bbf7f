"""Broken run folders and checkpoints: one clear error at the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hf_gen import cli
from hf_gen.config import recipe_as_json
from hf_gen.errors import UserError
from hf_gen.hub.cards import run_card
from hf_gen.recipes import RECIPES
from hf_gen.report.run import check_measured
from hf_gen.runs.folder import RunFolder
from hf_gen.runs.loading import load_run
from hf_gen.training.checkpoints import load_checkpoint, save_checkpoint
from tests.reliability import FAULTS
from tests.untrusted.limits import replaced, try_all
from tests.untrusted.mutations import BYTES, JSON, SAFETENSORS, Input, broken

_LIMITS = {"seconds": 10.0, "megabytes": 300}
_POSTERIOR = {"kl": 40.0, "reconstruction": 1500.0, "latents": 5, "active_units": 3}
_RESULTS = {"images": 50, "psnr": 18.5, "mutual_information": 3.0, **_POSTERIOR}


def _started(path: Path, recipe: str) -> RunFolder:
    run = RunFolder(path)
    identity = {"recipe": recipe, "processes": 1, **recipe_as_json(RECIPES[recipe][1])}
    run.start(identity, f"accelerate launch train_accelerate.py {recipe}", "1 x cpu", {})
    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The numbers of a finished VAE and a finished CycleGAN."""
    folder = tmp_path_factory.mktemp("runs")
    vae, gan = _started(folder / "vae", "conv-vae"), _started(folder / "gan", "cyclegan")
    for step in range(1, 12):
        vae.log({"step": step, "epoch": step / 10, "train/kl": 40.0, "validation/kl": 41.0})
        gan.log({"step": step, "epoch": step / 10, "validation/a_to_b/collapsed": 0.0})
    vae.save_results(_RESULTS)
    vae.add_seconds(60.0)
    scores = {"kernel_distance": 4.0, "diversity": 0.8, "near_duplicates": 0.1, "hair_chance": 0.1}
    both = {f"{one}/{key}": scores[key] for one in ("a_to_b", "b_to_a") for key in scores}
    gan.save_results({"images": 50, **both})
    return folder


def _broken_files(folder: Path, count: int) -> list[Input]:
    """Broken files of both runs; each line of a log is a JSON document."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.glob("*/*.json*")}
    content = {name: files[name].read_bytes() for name in sorted(files)}
    logs = {name: content.pop(name) for name in [*content] if name.endswith("l")}
    found = [*broken(content, JSON, 2 * count), *broken(logs, BYTES, count)]
    for name, log in logs.items():
        lines = log.split(b"\n")
        for one in broken({name: lines[5]}, JSON, count):
            changed = b"\n".join([*lines[:5], one.content, *lines[6:]])
            found.append(Input(name, changed, f"line, {one.how}"))
    return found


def test_a_broken_run_is_a_clear_error(folder: Path, injected: Callable[[str, int], None]) -> None:
    def read(one: Input) -> None:
        with replaced(folder, one) as place:
            run = load_run(place.parent)
            check_measured(run)
            run_card(run.folder)

    inputs = _broken_files(folder, 20 * FAULTS)
    try_all(inputs, read, (UserError,), **_LIMITS)
    injected("a file of a run is broken, and evaluate, report or push reads it", len(inputs))


def test_a_broken_checkpoint_is_a_clear_error(
    tmp_path: Path, injected: Callable[[str, int], None]
) -> None:
    network = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    state, parts = {"pool": {"images": torch.zeros(2, 3)}}, ({"net": network}, {"turn": optimiser})
    checkpoint = tmp_path / "checkpoint-1"
    save_checkpoint(checkpoint, 1, *parts, state, {"kl": (1.0, 2.0)}, {})

    def restore(one: Input) -> None:
        with replaced(checkpoint, one):
            load_checkpoint(checkpoint, *parts, ["pool"])

    weights = {path.name: path.read_bytes() for path in checkpoint.iterdir()}
    numbers = {"state.json": weights.pop("state.json")}
    inputs = [
        *broken(numbers, JSON, 5 * FAULTS),
        *broken(weights, SAFETENSORS, 10 * FAULTS),
    ]
    try_all(inputs, restore, (UserError,), **_LIMITS)
    injected("a file of a checkpoint is broken, and a training resumes from it", len(inputs))


@pytest.mark.parametrize(
    "command", [cli.evaluate, lambda run: cli.report((run,))], ids=["evaluate", "report"]
)
def test_the_folders_that_a_run_names_are_printed_before_they_are_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: Callable[[Path], None],
) -> None:
    monkeypatch.chdir(tmp_path)
    run = _started(tmp_path / "run", "conv-vae")
    run.log({"step": 1, "epoch": 1.0})
    run.save_results(_RESULTS)
    (tmp_path / "private").mkdir()
    described = json.loads((run.path / "run.json").read_text())
    described["identity"]["data"] = {"train_data_dir": "private"}
    (run.path / "run.json").write_text(json.dumps(described))
    with pytest.raises(UserError, match="private holds no images"):
        command(run.path)
    assert capsys.readouterr().err == f"{run.path}/run.json names {tmp_path / 'private'}\n"

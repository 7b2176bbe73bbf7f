"""Broken run folders: one clear error at the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hf_gen import cli
from hf_gen.config import recipe_as_json
from hf_gen.demo.models import ModelCache, find_models
from hf_gen.errors import UserError
from hf_gen.hub.cards import family_of, run_card
from hf_gen.recipes import RECIPES
from hf_gen.report.compare import check_measured
from hf_gen.runs.folder import RunFolder
from hf_gen.runs.loading import load_run
from hf_gen.training.checkpoints import load_checkpoint, save_checkpoint
from tests.reliability import FAULTS
from tests.strangers.bounded import ask, wrong
from tests.strangers.mutations import BYTES, JSON, SAFETENSORS, Broken, broken

_SECONDS, _MEGABYTES = 10.0, 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VAE and a CycleGAN that have ended, as far as their numbers go."""
    folder = tmp_path_factory.mktemp("runs")
    vae, gan = _started(folder / "vae", "conv-vae"), _started(folder / "gan", "cyclegan")
    for step in range(1, 12):
        vae.log({"step": step, "epoch": step / 10, "train/kl": 40.0, "validation/kl": 41.0})
        gan.log({"step": step, "epoch": step / 10, "validation/a_to_b/collapsed": 0.0})
    posterior = {"kl": 40.0, "reconstruction": 1500.0, "latents": 5, "active_units": 3}
    vae.save_results({"images": 50, "psnr": 18.5, "mutual_information": 3.0, **posterior})
    vae.add_seconds(60.0)
    scores = {"kernel_distance": 4.0, "diversity": 0.8, "near_duplicates": 0.1, "hair_chance": 0.1}
    ways = {f"{way}/{key}": scores[key] for way in ("a_to_b", "b_to_a") for key in scores}
    gan.save_results({"images": 50, **ways})
    return folder


def _started(path: Path, recipe: str) -> RunFolder:
    run = RunFolder(path)
    identity = {"recipe": recipe, "processes": 1, **recipe_as_json(RECIPES[recipe][1])}
    run.start(identity, f"accelerate launch train_accelerate.py {recipe}", "1 x cpu", {})
    return run


def _files(folder: Path, count: int) -> list[Broken]:
    """Broken files of both runs; of their logs every line is one of JSON."""
    documents, logs = {}, {}
    for path in sorted(folder.glob("*/*.json*")):
        kind = logs if path.suffix == ".jsonl" else documents
        kind[path.relative_to(folder).as_posix()] = path.read_bytes()
    found = [*broken(documents, JSON, 2 * count), *broken(logs, BYTES, count)]
    for name, content in logs.items():
        lines = content.split(b"\n")
        for one in broken({name: lines[5]}, JSON, count):
            changed = b"\n".join([*lines[:5], one.content, *lines[6:]])
            found.append(Broken(f"{one.name}, line", changed))
    return found


def test_a_broken_run_is_a_sentence_at_the_command_line(
    folder: Path, injected: Callable[[str, int], None]
) -> None:
    def read(one: Broken) -> None:
        place = folder / one.name.partition(",")[0]
        whole = place.read_bytes()
        try:
            place.write_bytes(one.content)
            run = load_run(place.parent)
            check_measured(run)
            run_card(run.folder, family_of(run.recipe))
        finally:
            place.write_bytes(whole)

    files = _files(folder, 20 * FAULTS)
    answers = ask([(one.name, one) for one in files], read, (UserError,), 60.0, _MEGABYTES)
    assert wrong(answers, _SECONDS, _MEGABYTES) == ""
    assert len(answers) == len(files)
    injected("a file of a run is broken, and evaluate, report or push reads it", len(files))


def test_a_broken_checkpoint_is_a_sentence(
    tmp_path: Path, injected: Callable[[str, int], None]
) -> None:
    network = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    state, parts = {"pool": {"images": torch.zeros(2, 3)}}, ({"net": network}, {"turn": optimiser})
    save_checkpoint(tmp_path / "checkpoint-1", 1, *parts, state, {"kl": (1.0, 2.0)}, {})

    def restore(one: Broken) -> None:
        place = tmp_path / "checkpoint-1" / one.name.partition(",")[0]
        whole = place.read_bytes()
        try:
            place.write_bytes(one.content)
            load_checkpoint(place.parent, *parts, ["pool"])
        finally:
            place.write_bytes(whole)

    wholes = {path.name: path.read_bytes() for path in (tmp_path / "checkpoint-1").iterdir()}
    plain = {"state.json": wholes.pop("state.json")}
    files = [
        *broken(plain, JSON, 5 * FAULTS),
        *(one for one in broken(wholes, SAFETENSORS, 10 * FAULTS)),
    ]
    answers = ask([(one.name, one) for one in files], restore, (UserError,), 60.0, _MEGABYTES)
    assert wrong(answers, _SECONDS, _MEGABYTES) == ""
    assert len(answers) == len(files)
    injected("a file of a checkpoint is broken, and a training goes on from it", len(files))


@pytest.mark.parametrize(
    "command", [cli.evaluate, lambda run: cli.report((run,))], ids=["evaluate", "report"]
)
def test_what_a_run_names_is_said_before_it_is_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: Callable[[Path], None],
) -> None:
    monkeypatch.chdir(tmp_path)
    run = _started(tmp_path / "run", "conv-vae")
    run.log({"step": 1, "epoch": 1.0})
    posterior = {"kl": 40.0, "reconstruction": 1500.0, "latents": 5, "active_units": 3}
    run.save_results({"images": 50, "psnr": 18.5, "mutual_information": 3.0, **posterior})
    (tmp_path / "private").mkdir()
    described = json.loads((run.path / "run.json").read_text())
    described["identity"]["data"] = {"train_data_dir": "private"}
    (run.path / "run.json").write_text(json.dumps(described))
    with pytest.raises(UserError, match="private holds no images"):
        command(run.path)
    assert capsys.readouterr().err == f"{run.path}/run.json names {tmp_path / 'private'}\n"


def test_models_of_broken_runs_are_named_and_the_others_shown(tmp_path: Path) -> None:
    for name, index in (("list", "[]"), ("deep", "[" * 100_000), ("class", '{"_class_name": {}}')):
        (tmp_path / name / "pipeline").mkdir(parents=True)
        (tmp_path / name / "pipeline" / "model_index.json").write_text(index)
    cache = ModelCache(find_models(tmp_path, []))
    for name in ("list", "deep", "class"):
        with pytest.raises(UserError):
            cache.get(f"runs/{name}")

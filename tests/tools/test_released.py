"""The bundled models measure what their cards say, and every card is of one of them."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from torch import nn

import hf_gen
from hf_gen.config import CycleGANRecipe
from hf_gen.errors import UserError
from hf_gen.export.about import BUNDLED_CARDS, bundled_card
from hf_gen.pipelines import VAEPipeline
from hf_gen.tasks.cyclegan import CycleGANTask
from hf_gen.tasks.vae import VAETask
from tools import released
from tools.released import FEW, evaluate_few, main, open_released
from tools.results import BEGIN, END, card_of, digest
from tools.ship import manifest
from tools.tables import readme_tables, results_tables
from train_accelerate import parse

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]
CARDS = ROOT / "model_cards"
NAMES = sorted(manifest())
MANY_BYTES = 3 * 2**20
# Other CPUs round otherwise; of shares one image may fall on the other side.
CLOSE = {"rel": 0.003, "abs": 0.001}
SHARES = {"coverage", "density", "mode_collapse", "near_duplicates", "precision", "recall"}


RESULTS = json.loads((CARDS / "results.json").read_text("utf-8"))


def differing(measured: dict[str, Any], known: dict[str, float]) -> dict[str, tuple[float, float]]:
    """The numbers that differ from those of results.json."""
    found = {}
    for key, value in known.items():
        close = {"abs": 1.01 / FEW} if key.rpartition("/")[2] in SHARES else CLOSE
        if measured[key] != pytest.approx(value, **close):
            found[key] = measured[key], value
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_model_reproduces_its_results(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = replace(open_released(name), pipeline=hf_gen.load(name))
    assert not differing(evaluate_few(model), RESULTS[name]["few"])


@pytest.mark.parametrize("name", NAMES)
def test_the_command_of_a_model_parses_and_makes_its_networks(name: str) -> None:
    model = open_released(name)
    words = shlex.split(model.entry["command"])
    recipe_name, recipe = parse(words[words.index("train_accelerate.py") + 1 :])
    assert recipe_name == model.entry["recipe"]
    is_translation = isinstance(recipe, CycleGANRecipe)
    task = CycleGANTask(recipe, CPU) if is_translation else VAETask(recipe, CPU)
    made = task.pipeline(task.networks)
    for part in ("a_to_b", "b_to_a") if is_translation else ("vae",):
        shipped, new = getattr(model.pipeline, part), getattr(made, part)
        assert public(new.config) == public(shipped.config)
        assert shapes(new) == shapes(shipped)


def public(config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a network; lists for the tuples that JSON does not know."""
    return json.loads(json.dumps({key: config[key] for key in config if key[0] != "_"}))


def shapes(network: nn.Module) -> dict[str, torch.Size]:
    """The shapes of the weights of a network."""
    return {key: weight.shape for key, weight in network.state_dict().items()}


def test_a_changed_weight_changes_the_metrics() -> None:
    name = next(name for name in NAMES if isinstance(open_released(name).pipeline, VAEPipeline))
    model = open_released(name)
    with torch.no_grad():
        list(model.pipeline.vae.decoder.parameters())[-2].mul_(1.05)
    assert len(differing(evaluate_few(model), RESULTS[name]["few"])) >= 3


def test_models_cards_and_results_are_of_the_same_weights() -> None:
    assert sorted(path.stem for path in CARDS.glob("*.md")) == NAMES
    assert sorted(path.name for path in (CARDS / "figures").iterdir()) == NAMES
    weights = {name: digest(entry) for name, entry in manifest().items()}
    assert weights == {name: one["weights"] for name, one in RESULTS.items()}
    figures = [path.stat().st_size for path in (CARDS / "figures").rglob("*.png")]
    assert 0 < sum(figures) < MANY_BYTES
    for file, tables in (
        ("README.md", readme_tables(RESULTS, "model_cards")),
        ("docs/results.md", results_tables(RESULTS, "../model_cards")),
    ):
        text = (ROOT / file).read_text("utf-8")
        assert text.partition(BEGIN)[2].partition(END)[0] == tables


def test_no_result_is_of_images_on_which_the_checkpoint_was_chosen() -> None:
    chosen = [name for name, entry in manifest().items() if entry.get("chosen_on") == "test"]
    assert chosen
    for name in chosen:
        text = (CARDS / f"{name}.md").read_text("utf-8")
        assert "real" not in RESULTS[name]
        assert "are left out:\n" in text
        assert " chosen on them.\n" in text
        assert released._on_real_faces(open_released(name), "anime", "cartoon", None) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_card_tells_what_was_measured_and_where_the_model_is_from(name: str) -> None:
    entry, text = manifest()[name], (CARDS / f"{name}.md").read_text("utf-8")
    assert text == str(card_of(name, RESULTS[name], CARDS))
    assert json.loads(BUNDLED_CARDS.read_text())[name] == bundled_card(ModelCard(text).data)
    for part in (entry["command"], entry["data"], entry["commit"], f"tools.released {name}"):
        assert part in text
    shown = re.findall(r"\]\((figures/[^)]+)\)", text)
    assert shown
    assert all((CARDS / figure).is_file() for figure in shown)
    assert not {"{{", "{%"} & set(text.split())


def test_numbers_on_real_faces_are_kept_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, cards = NAMES[0], tmp_path / "model_cards"
    readme, page = tmp_path / "README.md", tmp_path / "results.md"
    bundled = tmp_path / "cards.json"
    cards.mkdir()
    for file in (readme, page):
        file.write_text(f"before\n{BEGIN}old\n{END}after\n")
    record, weights = cards / "results.json", digest(manifest()[name])
    again = {key: RESULTS[name][key] for key in ("weights", "few", "synthetic")}
    monkeypatch.setattr(released, "_evaluate", lambda *_: again)
    real = {"images": 7, "psnr": 12.25}
    for before, stays in ((weights, True), ("others", False)):
        earlier = {name: {"weights": before, "real": real}, "gone": {"weights": ""}}
        record.write_text(json.dumps(earlier))
        main((name,), cards=cards, readme=readme, results_page=page, bundled=bundled)
        written = json.loads(record.read_text())
        assert written.keys() == {name}
        assert (written[name].get("real") == real) is stays
        assert ("12.25" in (cards / f"{name}.md").read_text()) is stays
        assert ("| 12.25 |" in readme.read_text()) is stays
        assert ("| 12.25 |" in page.read_text()) is stays
        exported = json.loads(bundled.read_text())[name]["results"]
        assert (12.25 in [one["value"] for one in exported]) is stays
    for file in (readme, page):
        begin, _, rest = file.read_text().partition(BEGIN)
        assert (begin, rest.partition(END)[2]) == ("before\n", "after\n")


def test_unknown_models_and_other_folders_are_clear_errors(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("no table")
    with pytest.raises(UserError, match="run this in a checkout"):
        main(cards=tmp_path, readme=tmp_path / "README.md")
    with pytest.raises(UserError, match="no bundled model is named 'nobody': there are"):
        open_released("nobody")


@pytest.mark.parametrize("content", ["{}", '{"psnr": 20}', "no JSON", '{"runs": {}}'])
def test_a_folder_of_other_files_gets_no_cards(tmp_path: Path, content: str) -> None:
    (tmp_path / "results.json").write_text(content)
    (tmp_path / "figures" / NAMES[0]).mkdir(parents=True)
    (tmp_path / "figures" / NAMES[0] / "mine.png").write_text("mine")
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}{END}after\n")
    before = {path: path.is_file() and path.read_text() for path in tmp_path.rglob("*")}
    with pytest.raises(UserError, match=f"{tmp_path} holds no cards of hf_gen"):
        main((NAMES[0],), cards=tmp_path, readme=readme)
    readme.write_text(f"before\n{BEGIN}my own text\n")
    with pytest.raises(UserError, match="has no <!-- results --> and <!-- end of results -->"):
        main((NAMES[0],), cards=tmp_path, readme=readme)
    before[readme] = readme.read_text()
    assert before == {path: path.is_file() and path.read_text() for path in tmp_path.rglob("*")}

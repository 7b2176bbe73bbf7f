"""A static Space: its header, the page that is pushed, and what the page is told of its models."""

import json
import os
import re
from pathlib import Path

import pytest
from huggingface_hub import HfApi, SpaceCard

from hf_gen.cli import push as push_command
from hf_gen.errors import UserError
from hf_gen.export.about import About, about_model
from hf_gen.hub.static_space import push_static_space, static_space_card
from tests.export.test_about import CARD, KNOWN
from tests.hub.conftest import Run
from tests.launching import ROOT
from tests.loopback_hub import LoopbackHub
from tests.pipelines import saved

if not os.environ.get("HF_GEN_REQUIRE_ALL"):
    for library in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(library)

MODEL, SPACE = "tester/faces", "tester/page"
ISOLATED = {
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "cross-origin",
}


@pytest.fixture
def hub_model(loopback_hub: LoopbackHub, tmp_path: Path) -> str:
    """A tiny pipeline with a card, on the Hub."""
    saved.vae_pipeline().save_pretrained(tmp_path / "model")
    files = saved.files(tmp_path / "model") | {"README.md": CARD.encode()}
    loopback_hub.create(MODEL, files=files)
    return MODEL


@pytest.fixture
def translation(tmp_path: Path) -> str:
    """A tiny translation, in a folder."""
    saved.translation_pipeline().save_pretrained(tmp_path / "cartoons")
    return str(tmp_path / "cartoons")


@pytest.mark.parametrize(
    ("licenses", "expected"),
    [
        (("cc0-1.0", "cc0-1.0"), "cc0-1.0"),
        (("cc0-1.0", "mit"), None),
        (("cc0-1.0", None), None),
        ((None, None), None),
    ],
)
def test_the_readme_describes_the_space_to_the_hub_and_to_people(
    licenses: tuple[str | None, ...], expected: str | None
) -> None:
    models = [About(MODEL, licenses[0], "Some | faces."), About("mine: a run", licenses[1])]
    card = static_space_card('Faces of "mine": a run', models)
    metadata = card.data.to_dict()
    assert {
        "title": 'Faces of "mine": a run',
        "sdk": "static",
        "app_file": "index.html",
        "custom_headers": ISOLATED,
        "models": [MODEL],
    }.items() <= metadata.items()
    assert metadata.get("license") == expected
    assert len(metadata["short_description"]) <= 60
    assert {"emoji", "colorFrom", "colorTo", "tags"} <= set(metadata)
    assert f"[{MODEL}](https://huggingface.co/{MODEL}) | Some \\| faces. |" in card.text
    assert card.text.count("not stated") == licenses.count(None)
    assert not {"{{", "{%", "None"} & set(card.text.split())


def test_a_pushed_space_is_the_page_of_its_models(
    loopback_hub: LoopbackHub, push: Run, hub_model: str, translation: str, finished: Path
) -> None:
    code, output = push("--space", SPACE, "--models", hub_model, translation, "--private")
    assert code == 0, output
    repository = loopback_hub.repository(SPACE, "space")
    assert (repository.sdk, repository.hardware, repository.private) == ("static", None, True)
    assert len(loopback_hub.commits(SPACE, "space")) == 2  # the Hub's own first one, and ours
    files = loopback_hub.files(SPACE, "space")
    assert b"Welcome" not in files["index.html"]
    page = json.loads(files["page.json"])
    assert [model["name"] for model in page["models"]] == [MODEL, "cartoons"]
    assert {*page["files"]} <= files.keys()
    for model, graphs in zip(page["models"], (3, 2), strict=True):
        manifest = json.loads(files[f"{model['folder']}/manifest.json"])
        assert manifest["name"] == model["name"]
        assert len(manifest["graphs"]) == graphs
        for graph in manifest["graphs"].values():
            assert len(files[f"{model['folder']}/{graph['file']}"]) == graph["bytes"]
    manifest = json.loads(files[f"{page['models'][0]['folder']}/manifest.json"])
    assert manifest["license"] == KNOWN["license"]
    assert manifest["results"] == list(KNOWN["results"])
    assert SpaceCard(files["README.md"].decode()).data.models == [MODEL]
    for name, content in files.items():
        assert loopback_hub.write_token.encode() not in content, name
        assert str(ROOT).encode() not in content, name
        assert str(Path(translation).parent).encode() not in content, name

    # The page of a run: the push deletes what it does not have, and keeps the files of others.
    loopback_hub.put(SPACE, {"notes.md": b"mine"}, "space")
    code, output = push(str(finished), "--space", SPACE)
    assert code == 0, output
    before, files = files, loopback_hub.files(SPACE, "space")
    assert files["notes.md"] == b"mine"
    assert {name for name in before if "cartoons" in name}
    assert not {name for name in files if "cartoons" in name}
    (model,) = json.loads(files["page.json"])["models"]
    manifest = json.loads(files[f"{model['folder']}/manifest.json"])
    assert (manifest["name"], manifest["license"]) == (finished.name, "apache-2.0")
    results = json.loads((finished / "results.json").read_text())
    shown = {one["metric"]: one["value"] for one in manifest["results"]}
    assert shown["psnr"] == results["psnr"]
    assert b"secret-place" not in b"".join(files.values())

    # A push of the other kind leaves nothing of the page.
    code, output = push("--space", SPACE, "--sdk", "gradio")
    assert code == 0, output
    after = loopback_hub.files(SPACE, "space")
    assert "app.py" in after
    assert not {"page.json", f"{model['folder']}/manifest.json"} & after.keys()
    assert SpaceCard(after["README.md"].decode()).data.sdk == "gradio"


def test_a_hub_that_wants_money_for_a_gradio_space_names_the_static_one(
    loopback_hub: LoopbackHub, push: Run
) -> None:
    loopback_hub.faults.fail("POST", "create", status=402)
    code, output = push("--space", SPACE, "--sdk", "gradio")
    assert code == 2
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert "subscribers only (402): leave out --sdk gradio for a static Space" in line
    assert not loopback_hub.exists(SPACE, "space")


def test_two_models_of_one_name_and_flags_of_runs_are_clear_errors(
    api: HfApi, translation: str
) -> None:
    with pytest.raises(UserError, match="must differ in their names"):
        push_static_space(SPACE, [translation, translation], False, api)
    for flags in ({"repo_id": MODEL}, {"component": "vae"}, {"onnx": True}):
        with pytest.raises(UserError, match=re.escape("--space for a page: push one after")):
            push_command(Path(translation), space=SPACE, **flags)
    with pytest.raises(UserError, match=r"a Gradio Space shows models of .*push .*cartoons"):
        push_command(Path(translation), space=SPACE, sdk="gradio")


@pytest.mark.usefixtures("loopback_only")
def test_the_card_of_a_repository_is_downloaded(loopback_hub: LoopbackHub) -> None:
    loopback_hub.create("tester/small", files={"README.md": CARD.encode()})
    loopback_hub.create("tester/bare", files={"config.json": b"{}"})
    loopback_hub.create("tester/huge", files={"README.md": CARD.encode() + b"x" * 10**6})
    assert about_model("tester/small") == About("tester/small", **KNOWN)
    assert about_model("tester/bare") == About("tester/bare")
    assert about_model("tester/huge") == About("tester/huge")

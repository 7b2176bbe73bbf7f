"""Pushes over HTTP with the real clients: in one commit, resumable, with clear errors."""

import json
import os
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hf_gen.cli import push as push_command
from hf_gen.errors import HubUnreachable, UserError
from hf_gen.hub import push as pushing
from hf_gen.hub.upload import Repository
from tests.hub.conftest import Run
from tests.loopback_hub import LoopbackHub

NAME, VAE = "tester/faces", "tester/vae"
LOAD = """
import sys, torch, hf_gen
from diffusers import AutoModel
for options in ({}, {"variant": "fp16", "dtype": torch.float16}):
    pipeline = hf_gen.load(sys.argv[1], **options)
    print(type(pipeline).__name__, pipeline.vae.dtype, pipeline.sample(2, prior="mixture")[0].size)
print(type(AutoModel.from_pretrained(sys.argv[2], trust_remote_code=True)).__name__)
"""


def test_a_pushed_run_loads_and_contains_nothing_private(
    loopback_hub: LoopbackHub, push: Run, fresh: Run, finished: Path
) -> None:
    code, output = push(str(finished), "--repo-id", NAME, "--private")
    assert code == 0, output
    files = loopback_hub.files(NAME)
    assert len(loopback_hub.commits(NAME)) == 2  # the repository's own first one, and ours
    weights = {name for name in files if name.endswith(".safetensors")}
    assert {name.partition("/")[0] for name in weights} == {"vae", "prior"}
    assert sum(name.endswith(".fp16.safetensors") for name in weights) == 2
    assert {"README.md", "results.json", "metrics.jsonl", "model_index.json"} <= set(files)
    assert "figures/samples-dark.png" in files
    assert any("tfevents" in name for name in files)
    for name, content in files.items():
        assert loopback_hub.write_token.encode() not in content, name
        if not name.endswith((".png", ".safetensors")):
            assert str(finished.parent).encode() not in content, name
        if name.endswith(".json"):
            assert b"_name_or_path" not in content, name
    assert f'hf_gen.load("{NAME}")' in files["README.md"].decode()
    # A component alone.
    code, output = push(str(finished), "--repo-id", VAE, "--component", "vae")
    assert code == 0, output
    files = loopback_hub.files(VAE)
    assert "model_index.json" not in files
    assert {"config.json", "diffusion_pytorch_model.fp16.safetensors"} <= set(files)
    assert "AutoModel.from_pretrained" in files["README.md"].decode()
    code, output = push(str(finished), "--repo-id", VAE, "--component", "unet")
    assert code == 2
    assert "has no component 'unet': it has vae, prior" in output
    code, output = fresh(LOAD, NAME, VAE)
    assert code == 0, output
    assert output.splitlines()[-3:] == [
        "VAEPipeline torch.float32 (16, 16)",
        "VAEPipeline torch.float16 (16, 16)",
        "ConvVAE",
    ]


@pytest.mark.skipif(
    find_spec("onnxscript") is None and not os.environ.get("HF_GEN_REQUIRE_ALL"),
    reason="the extra export is not installed",
)
def test_onnx_files_are_pushed_beside_the_weights(
    loopback_hub: LoopbackHub, push: Run, finished: Path
) -> None:
    code, output = push(str(finished), "--repo-id", NAME, "--onnx", "--component", "vae")
    assert (code, "leave --component out" in output) == (2, True)
    code, output = push(str(finished), "--repo-id", NAME, "--onnx")
    assert code == 0, output
    names = {"encoder.onnx", "decoder.onnx", "prior.onnx", "manifest.json"}
    pushed = {name: loopback_hub.files(NAME)[f"onnx/{name}"] for name in names}
    manifest = json.loads(pushed["manifest.json"])
    results = json.loads((finished / "results.json").read_text())
    assert manifest["license"] == "apache-2.0"
    exported = {one["metric"]: one["value"] for one in manifest["results"]}
    assert exported["psnr"] == results["psnr"]
    assert {*exported} <= {*results}


def test_an_interrupted_push_changes_nothing_and_is_resumed(
    loopback_hub: LoopbackHub, push: Run, finished: Path
) -> None:
    loopback_hub.faults.fail("POST", "commit", status=500)
    code, output = push(str(finished), "--repo-id", NAME)
    assert code == 2
    assert "the Hub failed" in output
    assert "Traceback" not in output
    assert loopback_hub.files(NAME) == {}
    loopback_hub.faults.clear()
    for _ in range(2):  # large files are uploaded once, by the interrupted push
        loopback_hub.forget()
        before = loopback_hub.files(NAME)
        assert push(str(finished), "--repo-id", NAME)[0] == 0
        assert "model_index.json" in loopback_hub.files(NAME)
        assert loopback_hub.asked("lfs-upload") == []
    assert loopback_hub.files(NAME) == before


@pytest.mark.parametrize(
    ("token", "message"), [("", "no token for the Hub"), ("hf_wrong", "rejects the token")]
)
def test_a_missing_or_wrong_token_is_a_clear_error(
    token: str, message: str, push: Run, finished: Path
) -> None:
    code, output = push(str(finished), "--repo-id", NAME, token=token)
    assert code == 2
    assert message in output
    assert "Traceback" not in output
    assert "hf_wrong" not in output


def test_what_the_hub_refuses_is_a_clear_error(loopback_hub: LoopbackHub, api: HfApi) -> None:
    reader = HfApi(endpoint=loopback_hub.url, token=loopback_hub.read_token)
    loopback_hub.create("tester/pictures", "dataset")
    loopback_hub.create("tester/old")
    for client, name, message in (
        (reader, "tester/new", "no write access to tester/new"),
        (reader, "tester/old", "no write access to tester/old"),
        (api, "other-user/new", "no write access to other-user/new"),
        (api, "tester/pictures", "tester/pictures is a dataset on the Hub"),
        (api, "tester/no good name", "not a repository id"),
    ):
        with pytest.raises(UserError, match=message):
            Repository.open(client, name, private=False)
    assert Repository.open(api, "short", private=True).name == "tester/short"
    assert loopback_hub.repository("tester/short").private
    loopback_hub.faults.fail("GET", "whoami", status=429)
    with pytest.raises(HubUnreachable, match="too many requests"):
        Repository.open(api, "tester/new", private=False)
    loopback_hub.stop()
    with pytest.raises(HubUnreachable, match="cannot be reached"):
        Repository.open(api, "tester/new", private=False)


def test_a_new_gradio_space_has_its_hardware_and_any_name(
    loopback_hub: LoopbackHub, api: HfApi
) -> None:
    loopback_hub.create("tester/demo", "dataset")
    loopback_hub.faults.fail("POST", "create", status=402)
    with pytest.raises(UserError, match=r"hosts demo for subscribers only \(402\)"):
        Repository.open(api, "demo", False, "space", sdk="gradio")
    for _ in range(2):
        assert Repository.open(api, "demo", True, "space", sdk="gradio").name == "tester/demo"
    assert api.space_info("tester/demo").runtime.requested_hardware == "zero-a10g"


@pytest.mark.parametrize(
    ("repo_type", "target"),
    [
        ("model", ("--repo-id",)),
        ("dataset", ("--dataset",)),
        ("space", ("--sdk", "gradio", "--space")),
    ],
)
def test_a_card_that_the_hub_refuses_stops_a_push_before_any_upload(
    repo_type: str, target: tuple[str, ...], loopback_hub: LoopbackHub, push: Run, finished: Path
) -> None:
    loopback_hub.faults.refuse_card("license must be one of a list")
    run = (str(finished),) if repo_type == "model" else ()
    code, output = push(*run, *target, NAME)
    assert code == 2
    assert "the Hub refuses the card of tester/faces: " in output
    assert "license must be" in output
    assert loopback_hub.asked("lfs-upload") == []
    assert loopback_hub.files(NAME, repo_type) == {}


def test_training_uploads_at_evaluations_and_at_the_end(
    loopback_hub: LoopbackHub, train_and_push: Run
) -> None:
    code, output = train_and_push()
    assert code == 0, output
    assert "is on the Hub" in output
    titles = [commit.title for commit in loopback_hub.commits("tester/mine")]
    assert titles[0] == "mine: 12 steps"
    assert any(re.fullmatch(r"step \d+", title) for title in titles)
    assert "README.md" in loopback_hub.files("tester/mine")


def test_a_failing_hub_does_not_end_a_training(
    loopback_hub: LoopbackHub,
    push: Run,
    train_and_push: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pushing, "_WAITS", (0.1,))
    loopback_hub.faults.fail("POST", "commit", status=503, times=None)
    run = tmp_path / "mine"
    code, output = train_and_push()
    assert code == 0, output
    assert "mine is done" in output
    assert "not uploaded: the Hub failed" in output
    assert f"hf-gen push {run} uploads the run" in output
    assert "push_to_hub" in (run / "run.json").read_text()
    assert loopback_hub.write_token not in output + (run / "run.json").read_text()
    loopback_hub.faults.clear()
    assert push(str(run))[0] == 0
    assert "model_index.json" in loopback_hub.files("tester/mine")


def test_without_write_access_nothing_is_trained(
    loopback_hub: LoopbackHub, train_and_push: Run, tmp_path: Path
) -> None:
    code, output = train_and_push(token=loopback_hub.read_token)
    assert code == 2
    assert "no write access to" in output
    assert not (tmp_path / "mine").exists()


def test_pushed_synthetic_faces_load_as_a_dataset(
    loopback_hub: LoopbackHub, push: Run, fresh: Run
) -> None:
    code, output = push("--dataset", NAME, "--train", "12", "--validation", "6", "--test", "8")
    assert code == 0, output
    program = """
import json, sys
from datasets import load_dataset
faces = load_dataset(sys.argv[1])
streamed = next(iter(load_dataset(sys.argv[1], split="test", streaming=True)))
first = faces["train"][0]
print(json.dumps({
    "counts": {name: len(split) for name, split in faces.items()},
    "size": first["anime"].size, "columns": sorted(first),
    "hair": faces["train"].features["hair_colour"].names[first["hair_colour"]],
    "streamed": streamed["cartoon"].size,
}))
"""
    code, output = fresh(program, NAME)
    assert code == 0, output
    loaded = json.loads(output.splitlines()[-1])
    assert loaded["counts"] == {"train": 12, "validation": 6, "test": 8}
    assert loaded["size"] == loaded["streamed"] == [64, 64]
    assert {"anime", "cartoon", "index", "hair_style", "glasses"} <= set(loaded["columns"])
    assert isinstance(loaded["hair"], str)
    card = loopback_hub.files(NAME, "dataset")["README.md"].decode()
    for shown in (
        *("license: apache-2.0", "size_categories: n<1K", f'load_dataset("{NAME}")'),
        "| hair colour | `hair_colour` | 10 |",
        "draw-faces faces --train 12 --validation 6 --test 8",
    ):
        assert shown in card
    assert "{{" not in card


def test_one_target_at_a_time() -> None:
    run, space, dataset = Path("run"), "tester/demo", NAME
    for targets in ({}, {"run": run, "dataset": dataset}, {"space": space, "dataset": dataset}):
        with pytest.raises(UserError, match=r"name a run folder, or .* no dataset together"):
            push_command(**targets)
    with pytest.raises(UserError, match="--models says what a Space shows"):
        push_command(run, models=(NAME,))

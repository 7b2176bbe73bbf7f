"""Pushed over HTTP with the real clients: there whole or not at all, and honest about bad days."""

import json
import re
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hf_gen.errors import HubUnreachable, UserError
from hf_gen.hub import background
from hf_gen.hub.push import check_access
from tests.hub.conftest import TINY, Run, train_as_told
from tests.loopback_hub import LoopbackHub

PUSH = "import sys; from hf_gen.cli import main; sys.argv[0] = 'hf-gen'; main()"
NAME = "tester/faces"
LOAD = """
import sys, torch, hf_gen
for options in ({}, {"variant": "fp16", "dtype": torch.float16}):
    pipeline = hf_gen.load(sys.argv[1], **options)
    print(type(pipeline).__name__, pipeline.vae.dtype, pipeline.sample(2, prior="mixture")[0].size)
"""


def test_a_pushed_run_loads_and_says_nothing_private(
    loopback_hub: LoopbackHub, fresh: Run, finished: Path
) -> None:
    code, output = fresh(PUSH, "push", str(finished), "--repo-id", NAME, "--private")
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
    card = files["README.md"].decode()
    assert f'hf_gen.load("{NAME}")' in card
    code, output = fresh(LOAD, NAME)
    assert output.splitlines() == [
        "VAEPipeline torch.float32 (16, 16)",
        "VAEPipeline torch.float16 (16, 16)",
    ]
    assert code == 0


def test_pushing_again_uploads_nothing_twice(
    loopback_hub: LoopbackHub, hf_gen: Run, finished: Path
) -> None:
    assert hf_gen("push", str(finished), "--repo-id", NAME)[0] == 0
    loopback_hub.forget()
    before = loopback_hub.files(NAME)
    assert hf_gen("push", str(finished), "--repo-id", NAME)[0] == 0
    assert loopback_hub.files(NAME) == before
    assert loopback_hub.asked("lfs-upload") == []


def test_an_interrupted_push_shows_nothing_and_is_resumed(
    loopback_hub: LoopbackHub, hf_gen: Run, finished: Path
) -> None:
    loopback_hub.faults.fail("POST", "commit", status=500)
    code, output = hf_gen("push", str(finished), "--repo-id", NAME)
    assert code == 2
    assert "the Hub failed" in output
    assert "Traceback" not in output
    assert loopback_hub.files(NAME) == {}
    loopback_hub.faults.clear()
    loopback_hub.forget()
    assert hf_gen("push", str(finished), "--repo-id", NAME)[0] == 0
    assert "model_index.json" in loopback_hub.files(NAME)
    assert loopback_hub.asked("lfs-upload") == []  # the large files had arrived before


@pytest.mark.parametrize(
    ("token", "sentence"), [("", "no token for the Hub"), ("hf_wrong", "rejects the token")]
)
def test_without_a_good_token_there_is_a_sentence(
    token: str, sentence: str, hf_gen: Run, finished: Path
) -> None:
    code, output = hf_gen("push", str(finished), "--repo-id", NAME, token=token)
    assert code == 2
    assert sentence in output
    assert "Traceback" not in output
    assert "hf_wrong" not in output


def test_what_the_hub_refuses_is_told(loopback_hub: LoopbackHub) -> None:
    reader = HfApi(endpoint=loopback_hub.url, token=loopback_hub.read_token)
    writer = HfApi(endpoint=loopback_hub.url, token=loopback_hub.write_token)
    with pytest.raises(UserError, match="no write access to tester/new"):
        check_access(reader, "tester/new", private=False)
    with pytest.raises(UserError, match="no write access to stranger/new"):
        check_access(writer, "stranger/new", private=False)
    loopback_hub.create("tester/pictures", "dataset")
    with pytest.raises(UserError, match="tester/pictures is a dataset on the Hub"):
        check_access(writer, "tester/pictures", private=False)
    with pytest.raises(UserError, match="not a repository id"):
        check_access(writer, "tester/no good name", private=False)
    assert check_access(writer, "short", private=True) == "tester/short"
    assert loopback_hub.repository("tester/short").private
    loopback_hub.faults.fail("GET", "whoami", status=429)
    with pytest.raises(HubUnreachable, match="too many requests"):
        check_access(writer, "tester/new", private=False)
    loopback_hub.stop()
    with pytest.raises(HubUnreachable, match="cannot be reached"):
        check_access(writer, "tester/new", private=False)


def test_a_card_that_the_hub_refuses_stops_the_push_before_any_upload(
    loopback_hub: LoopbackHub, hf_gen: Run, finished: Path
) -> None:
    loopback_hub.faults.refuse_card("license must be one of a list")
    code, output = hf_gen("push", str(finished), "--repo-id", NAME)
    assert code == 2
    assert "the Hub refuses the card of tester/faces: " in output
    assert "license must be" in output
    assert loopback_hub.asked("lfs-upload") == []


def test_training_uploads_along_the_way_and_in_the_end(
    loopback_hub: LoopbackHub, hf_gen: Run, cache: tuple[str, str], tmp_path: Path
) -> None:
    arguments = ("conv-vae", *TINY, *cache, "--output-dir", str(tmp_path / "mine"), "--push-to-hub")
    code, output = hf_gen(*arguments, program=train_as_told)
    assert code == 0, output
    assert "is on the Hub" in output
    titles = [commit.title for commit in loopback_hub.commits("tester/mine")]
    assert titles[0] == "mine: 12 steps"
    assert any(re.fullmatch(r"step \d+", title) for title in titles)
    assert "README.md" in loopback_hub.files("tester/mine")


def test_a_failing_hub_does_not_end_a_training(
    loopback_hub: LoopbackHub,
    hf_gen: Run,
    cache: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "_WAITS", (0.1,))
    loopback_hub.faults.fail("POST", "commit", status=503, times=None)
    run = tmp_path / "mine"
    arguments = ("conv-vae", *TINY, *cache, "--output-dir", str(run), "--push-to-hub")
    code, output = hf_gen(*arguments, program=train_as_told)
    assert code == 0, output
    assert "mine is done" in output
    assert "not uploaded: the Hub failed" in output
    assert f"hf-gen push {run} uploads the run" in output
    assert "push_to_hub" in (run / "run.json").read_text()
    assert loopback_hub.write_token not in output + (run / "run.json").read_text()
    loopback_hub.faults.clear()
    assert hf_gen("push", str(run))[0] == 0
    assert "model_index.json" in loopback_hub.files("tester/mine")


def test_without_the_right_to_write_nothing_is_trained(
    loopback_hub: LoopbackHub, hf_gen: Run, cache: tuple[str, str], tmp_path: Path
) -> None:
    run = tmp_path / "mine"
    arguments = ("conv-vae", *TINY, *cache, "--output-dir", str(run), "--push-to-hub")
    code, output = hf_gen(*arguments, program=train_as_told, token=loopback_hub.read_token)
    assert code == 2
    assert "no write access to" in output
    assert not run.exists()


def test_synthetic_faces_come_back_as_a_dataset(
    loopback_hub: LoopbackHub, hf_gen: Run, fresh: Run
) -> None:
    code, output = hf_gen("push", "--dataset", NAME, "--train", "12", "--test", "8")
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
    told = json.loads(output.splitlines()[-1])
    assert told["counts"] == {"train": 12, "test": 8}
    assert told["size"] == told["streamed"] == [64, 64]
    assert {"anime", "cartoon", "index", "hair_style", "glasses"} <= set(told["columns"])
    assert isinstance(told["hair"], str)
    card = loopback_hub.files(NAME, "dataset")["README.md"].decode()
    assert f'load_dataset("{NAME}")' in card
    assert "| hair colour | `hair_colour` | 10 |" in card
    assert "{{" not in card


def test_a_component_is_pushed_alone(
    loopback_hub: LoopbackHub, hf_gen: Run, fresh: Run, finished: Path
) -> None:
    code, output = hf_gen("push", str(finished), "--repo-id", NAME, "--component", "vae")
    assert code == 0, output
    files = loopback_hub.files(NAME)
    assert "model_index.json" not in files
    assert {"config.json", "diffusion_pytorch_model.fp16.safetensors"} <= set(files)
    assert "AutoModel.from_pretrained" in files["README.md"].decode()
    program = "import sys; from diffusers import AutoModel; print(type(AutoModel.from_pretrained("
    program += "sys.argv[1], trust_remote_code=True)).__name__)"
    code, output = fresh(program, NAME)
    assert code == 0, output
    assert output.splitlines()[-1] == "ConvVAE"
    code, output = hf_gen("push", str(finished), "--repo-id", NAME, "--component", "unet")
    assert code == 2
    assert "has no component 'unet': it has vae, prior" in output


def test_a_run_and_a_dataset_at_once_are_refused(hf_gen: Run, finished: Path) -> None:
    for arguments in ((), (str(finished), "--dataset", NAME)):
        code, output = hf_gen("push", *arguments)
        assert code == 2
        assert "name a run folder, or a dataset" in output

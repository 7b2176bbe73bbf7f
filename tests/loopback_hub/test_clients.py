"""The loopback Hub as diffusers, datasets and the `hf` command see it, from fresh processes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.store import tree_hash

DIFFUSERS = """
import sys, torch
from diffusers import AutoencoderTiny
from huggingface_hub import HfApi, ModelCard, hf_hub_download, snapshot_download

def model(seed):
    torch.manual_seed(seed)
    return AutoencoderTiny(
        encoder_block_out_channels=(4, 4), decoder_block_out_channels=(4, 4),
        num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1), latent_channels=2,
    )

def same(one, two):
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(first, second) for first, second in pairs)

api, repo = HfApi(), "tester/tiny"
first, second = model(1), model(2)
first.push_to_hub(repo)
api.create_tag(repo, tag="v1")
old = api.model_info(repo).sha
api.create_branch(repo, branch="try/one")
second.push_to_hub(repo)
second.push_to_hub(repo, variant="fp16")
assert same(AutoencoderTiny.from_pretrained(repo), second)
assert same(AutoencoderTiny.from_pretrained(repo, variant="fp16"), second)
for revision in ("v1", old, "try/one"):
    assert same(AutoencoderTiny.from_pretrained(repo, revision=revision), first), revision
assert same(AutoencoderTiny.from_pretrained(repo, local_files_only=True), second)
assert "library_name" in ModelCard.load(repo).content
siblings = api.model_info(repo, files_metadata=True).siblings
files = {sibling.rfilename: sibling for sibling in siblings}
weights = files["diffusion_pytorch_model.safetensors"]
assert weights.lfs.size == weights.size > 1000 and files["config.json"].lfs is None
"""

DATASETS = """
import sys
from pathlib import Path
import numpy as np
from datasets import Dataset, Image, load_dataset
from huggingface_hub import HfApi
from PIL import Image as Pictures

def picture(index):
    return Pictures.fromarray(np.full((8, 8, 3), index, dtype=np.uint8))

smiles = [index / 5 for index in range(6)]
drawn = Dataset.from_dict({"image": [picture(index) for index in range(6)], "smile": smiles})
drawn.cast_column("image", Image()).push_to_hub("tester/faces", split="train", num_shards=2)
drawn.select(range(2)).cast_column("image", Image()).push_to_hub("tester/faces", split="test")
back = load_dataset("tester/faces")
assert {name: len(split) for name, split in back.items()} == {"train": 6, "test": 2}
assert back["train"]["smile"] == drawn["smile"]
assert np.array(back["train"][3]["image"])[0, 0].tolist() == [3, 3, 3]
streamed = list(load_dataset("tester/faces", split="train", streaming=True))
assert [np.array(row["image"])[0, 0, 0] for row in streamed] == list(range(6))

folder = Path("pictures")
for label in ("anime", "cartoon"):
    (folder / label).mkdir(parents=True)
    for index in range(3):
        picture(index).save(folder / label / f"{index}.png")
api = HfApi()
api.create_repo("tester/folder", repo_type="dataset", private=True)
api.upload_folder(repo_id="tester/folder", repo_type="dataset", folder_path=folder)
listed = load_dataset("tester/folder", split="train")
assert len(listed) == 6 and listed.features["label"].names == ["anime", "cartoon"]
assert len(list(load_dataset("tester/folder", split="train", streaming=True))) == 6
assert len(load_dataset("tester/folder", data_files="anime/*.png", split="train")) == 3
"""


def test_a_diffusers_model_loads_at_every_revision(
    loopback_hub: LoopbackHub, run: Callable[..., str]
) -> None:
    run(loopback_hub, DIFFUSERS)
    pushed = loopback_hub.files("tester/tiny", revision="v1")
    assert pushed.keys() == {"README.md", "config.json", "diffusion_pytorch_model.safetensors"}
    assert {asked.account for asked in loopback_hub.asked("commit")} == {"tester (write)"}


def test_datasets_load_from_parquet_and_folders_and_stream(
    loopback_hub: LoopbackHub, run: Callable[..., str]
) -> None:
    run(loopback_hub, DATASETS, HF_DATASETS_DISABLE_PROGRESS_BARS="1")
    ranges = [asked.range for asked in loopback_hub.asked("resolve", "GET") if asked.range]
    assert ranges, "streaming reads parts of files"


def test_the_hf_command_uploads_and_downloads_a_folder(
    tmp_path: Path, run: Callable[..., str]
) -> None:
    """With pages of two lines, so that every listing is followed to its end."""
    source, target = tmp_path / "source", tmp_path / "target"
    contents = {f"folder {i}/ö-{i}.txt": f"text {i}".encode() for i in range(3)}
    contents |= {"app.py": b"print(1)\n", "weights.safetensors": bytes(range(256)) * 100}
    for name, content in contents.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    hf = str(Path(sys.executable).parent / "hf")
    with LoopbackHub(page_size=2) as hub:
        run(hub, [hf, "repos", "create", "tester/room", "--type", "space", "--space-sdk", "gradio"])
        run(hub, [hf, "upload", "tester/room", source, ".", "--type", "space"])
        run(hub, [hf, "download", "tester/room", "--type", "space", "--local-dir", target])
        assert hub.files("tester/room", "space") == contents
        pages = [asked for asked in hub.asked("tree") if "cursor" in asked.query]
        assert pages, "the listing has more than one page"
    got = {name: (target / name).read_bytes() for name in contents}
    assert got == contents


def test_hf_xet_clients_upload_without_large_files(run: Callable[..., str]) -> None:
    """With hf_xet on, upload_folder goes another way, which the Hub without LFS follows."""
    program = """
from pathlib import Path
from huggingface_hub import HfApi
Path("up/sub").mkdir(parents=True)
Path("up/sub/weights.safetensors").write_bytes(bytes(1000))
HfApi().create_repo("tester/m")
HfApi().upload_folder(repo_id="tester/m", folder_path="up")
"""
    with LoopbackHub(large_files=False) as hub:
        run(hub, program, HF_HUB_DISABLE_XET="0")
        assert hub.files("tester/m") == {"sub/weights.safetensors": bytes(1000)}


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_objects_have_the_names_that_git_gives_them(
    loopback_hub: LoopbackHub, tmp_path: Path
) -> None:
    contents = {"a.txt": b"1", "a/b/c.txt": b"2", "a-b.txt": b"3", "ab/d.txt": b""}
    loopback_hub.create("tester/model", files=contents)
    commit = loopback_hub.commits("tester/model")[0]
    for name, content in loopback_hub.files("tester/model").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    attributes = loopback_hub.repository("tester/model").head.files[".gitattributes"]
    (tmp_path / ".gitattributes").write_bytes(loopback_hub.store.blobs.read(attributes))
    (tmp_path / "message").write_text(f"{commit.title}\n")

    def git(*arguments: str) -> str:
        who = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in (
                ("NAME", "tester"),
                ("EMAIL", "tester@loopback"),
                ("DATE", f"{commit.seconds} +0000"),
            )
        }
        command = ["git", *arguments]
        answer = subprocess.check_output(
            command, cwd=tmp_path, env={**os.environ, **who}, text=True
        )
        return answer.strip()

    git("init", "--quiet")
    git("add", ".gitattributes", *contents)
    tree = git("write-tree")
    assert tree == tree_hash(commit.files)
    git("read-tree", "--empty")
    git("add", ".gitattributes")
    (tmp_path / "first").write_text("initial commit\n")
    parent = git("commit-tree", git("write-tree"), "-F", "first")
    seconds = {step.seconds for step in loopback_hub.commits("tester/model")}
    if len(seconds) == 1:  # else the clock has ticked between the two commits
        assert parent == commit.parent
    assert git("hash-object", "a.txt") == commit.files["a.txt"].oid
    if len(seconds) == 1:
        assert git("commit-tree", tree, "-p", parent, "-F", "message") == commit.sha


def test_listings_say_what_changed_a_file_last(loopback_hub: LoopbackHub, api: HfApi) -> None:
    loopback_hub.create("tester/model", files={"sub/a.txt": b"1", "b.txt": b"1"})
    loopback_hub.put("tester/model", {"sub/a.txt": b"2"})
    newest, older, _ = loopback_hub.commits("tester/model")
    shas = {
        item.path: item.last_commit.oid
        for item in api.list_repo_tree("tester/model", recursive=True, expand=True)
        if item.last_commit and item.path != ".gitattributes"
    }
    assert shas == {"sub": newest.sha, "sub/a.txt": newest.sha, "b.txt": older.sha}
    assert [item.path for item in api.get_paths_info("tester/model", ["sub", "no", "b.txt"])] == [
        "sub",
        "b.txt",
    ]

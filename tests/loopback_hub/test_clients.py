"""The loopback Hub as diffusers, datasets and the `hf` command use it, in fresh processes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.loopback_hub import LoopbackHub

DIFFUSERS = """
import torch
from diffusers import AutoencoderTiny
from huggingface_hub import HfApi, ModelCard

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
old = api.model_info(repo).sha
second.push_to_hub(repo)
assert same(AutoencoderTiny.from_pretrained(repo), second)
assert same(AutoencoderTiny.from_pretrained(repo, revision=old), first)
assert same(AutoencoderTiny.from_pretrained(repo, local_files_only=True), second)
assert "library_name" in ModelCard.load(repo).content
siblings = api.model_info(repo, files_metadata=True).siblings
files = {sibling.rfilename: sibling for sibling in siblings}
weights = files["diffusion_pytorch_model.safetensors"]
assert weights.lfs.size == weights.size > 1000 and files["config.json"].lfs is None
"""

DATASETS = """
from pathlib import Path
import numpy as np
from datasets import Dataset, Image, load_dataset
from huggingface_hub import HfApi
from PIL import Image as Pictures

def picture(index):
    return Pictures.fromarray(np.full((8, 8, 3), index, dtype=np.uint8))

faces = Dataset.from_dict({"image": [picture(index) for index in range(6)]})
faces = faces.cast_column("image", Image())
faces.push_to_hub("tester/faces", split="train", num_shards=2)
faces.select(range(2)).push_to_hub("tester/faces", split="test")
loaded = load_dataset("tester/faces")
assert {name: len(split) for name, split in loaded.items()} == {"train": 6, "test": 2}
assert np.array(loaded["train"][3]["image"])[0, 0].tolist() == [3, 3, 3]
streamed = load_dataset("tester/faces", split="train", streaming=True)
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
assert len(load_dataset("tester/folder", data_files="anime/*.png", split="train")) == 3
"""


@pytest.fixture
def run(tmp_path: Path, loopback_hub: LoopbackHub) -> Callable[..., None]:
    """Runs a command in a fresh process that knows the loopback Hub only."""

    def run(*command: str | Path) -> None:
        finished = subprocess.run(
            command,
            env={**os.environ, **loopback_hub.environment(tmp_path)},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert finished.returncode == 0, finished.stdout

    return run


def test_a_diffusers_model_loads_at_every_revision(run: Callable[..., None]) -> None:
    run(sys.executable, "-c", DIFFUSERS)


def test_datasets_load_from_parquet_and_folders_and_stream(
    loopback_hub: LoopbackHub, run: Callable[..., None]
) -> None:
    run(sys.executable, "-c", DATASETS)
    downloads = loopback_hub.asked("resolve", "GET")
    assert any(asked.range for asked in downloads), "streaming reads parts of files"


def test_the_hf_command_uploads_and_downloads_a_folder(
    loopback_hub: LoopbackHub, tmp_path: Path, run: Callable[..., None]
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    contents = {f"folder {i}/ö-{i}.txt": f"text {i}".encode() for i in range(3)}
    contents |= {"app.py": b"print(1)\n", "weights.safetensors": bytes(range(256)) * 100}
    for name, content in contents.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    hf = Path(sys.executable).parent / "hf"
    run(hf, "repos", "create", "tester/room", "--type", "space", "--space-sdk", "gradio")
    run(hf, "upload", "tester/room", source, ".", "--type", "space")
    run(hf, "download", "tester/room", "--type", "space", "--local-dir", target)
    assert loopback_hub.files("tester/room", "space") == contents
    assert {name: (target / name).read_bytes() for name in contents} == contents

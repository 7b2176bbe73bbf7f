"""Pages that cannot be written say why and leave nothing; tests/web looks at those that can."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from hf_gen.cli import main
from hf_gen.errors import UserError
from hf_gen.export.opening import FACES, SEED, derive, noise, sample, uniform
from hf_gen.export.page import RUNTIME, _folder_name, write_page
from tests.pipelines.saved import vae_pipeline

if not os.environ.get("HF_GEN_REQUIRE_ALL"):
    for library in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(library)


@pytest.mark.parametrize("name", ["", *RUNTIME])
def test_a_runtime_of_another_version_is_an_error_that_leaves_nothing(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "dist").mkdir()
    if name:
        (tmp_path / "dist" / name).write_bytes(b"something else")
    with pytest.raises(UserError, match=r"is not the file of onnxruntime-web@1.30.0"):
        write_page(
            tmp_path / "page", {"tiny": vae_pipeline()}, vendor=True, runtime=tmp_path / "dist"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["dist"]


def test_vendor_needs_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="by npm, which is not installed"):
        write_page(tmp_path / "page", {"tiny": vae_pipeline()}, vendor=True)
    assert [*tmp_path.iterdir()] == []


def test_a_page_needs_a_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a page needs a model"):
        write_page(tmp_path / "page", {})


def test_folders_have_names_of_their_own() -> None:
    listed: list[dict[str, str]] = []
    for name in ("user/Mine", "user-mine", "user mine", "../..", "顔", "a" * 200):
        listed.append({"folder": f"models/{_folder_name(name, listed)}"})
    assert [one["folder"].removeprefix("models/") for one in listed] == [
        *("user-mine", "user-mine-2", "user-mine-3", "model", "model-2", "a" * 60)
    ]


def test_noise_is_as_documented() -> None:
    def mix(value: int) -> int:
        value = (value + 0x9E3779B9) % 2**32
        value = (value ^ value >> 16) * 0x21F0AAAD % 2**32
        value = (value ^ value >> 15) * 0x735A2D97 % 2**32
        return value ^ value >> 15

    key = derive(SEED, 3)
    assert key == mix(mix(mix(SEED)) ^ mix(3))
    assert derive(SEED, 3, 11) == mix(key ^ mix(11))
    for place in (0, 1, 192):
        expected = (mix(mix(key ^ mix(place * 0x9E3779B9 % 2**32))) + 0.5) / 2**32
        assert uniform(key, np.array([place]))[0] == expected
    assert noise(key, 3).dtype == np.float32
    assert (noise(key, 3) == noise(key, 4)[:3]).all()


def test_the_opening_faces_are_samples_of_the_default_prior() -> None:
    pipeline = vae_pipeline()
    codes = sample(pipeline, SEED, FACES).flatten(1)
    prior = pipeline.prior
    for place in (0, FACES - 1):
        scaled = 0.7 * noise(derive(SEED, place), 5)
        expected = prior.mean.numpy() + prior.deviation.numpy() * scaled
        assert codes[place].numpy() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["face-vae", "cyclegan"], "an export is of one model, got 2: add --page for several"),
        (["face-vae", "--vendor"], "--vendor and --title are about a page: add --page"),
        (["face-vae", "--title", "Faces"], "--vendor and --title are about a page: add --page"),
        (["face-vae", "face-vae", "--page"], "models on one page must have names of their own"),
    ],
)
def test_a_command_that_makes_no_sense(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    folder = str(tmp_path / "page")
    monkeypatch.setattr(sys, "argv", ["hf-gen", "export", *arguments, "--output-dir", folder])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert message in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []

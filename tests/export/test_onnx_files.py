"""Exports, run by ONNX Runtime, equal what the pipelines compute."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hf_gen import load
from hf_gen.cli import main
from hf_gen.errors import UserError
from hf_gen.export.graphs import _PRIORS
from hf_gen.export.onnx_files import export_onnx
from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.directions import LatentDirections
from hf_gen.models.patch_generator import PatchGenerator
from hf_gen.models.prior import AnyKLPrior, LatentPrior, PriorName
from hf_gen.pipelines import TranslationPipeline, VAEPipeline
from tests.launching import ROOT
from tests.pipelines.saved import NETWORKS, files

if not os.environ.get("HF_GEN_REQUIRE_ALL"):
    for library in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(library)

# Each kind of prior once; autoencoders of diffusers have latents of another shape.
KINDS = {"ConvVAE": "mixture", "DenseVAE": "flow", "PatchVAE": "gaussian", "AnyKLVAE": "mixture"}
FLOW = partial(LatentPrior, (5, 1, 1), 3, num_flow_layers=1, flow_width=8)
BOUNDS = {"float32": 1e-4, "float16": 2e-2}


def vae_pipeline(network: str) -> VAEPipeline:
    torch.manual_seed(0)
    vae, kind = NETWORKS[network]().eval(), KINDS.get(network)
    if kind is None:
        return VAEPipeline(vae, resolution=16)
    prior = AnyKLPrior((5, 1, 1), 3) if network == "AnyKLVAE" else FLOW()
    for tensor in (prior.mean, prior.means, prior.cholesky, *prior.parameters()):
        torch.nn.init.normal_(tensor)
    prior.cholesky.tril_()
    prior.deviation.uniform_(0.5, 2)
    prior.weights.copy_(torch.tensor([0.6, 0.1, 0.3]))
    return VAEPipeline(vae, prior, 16, kind)


def run_file(file: Path, **inputs: Tensor) -> list[Tensor]:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    arrays = {name: value.float().numpy() for name, value in inputs.items()}
    return [torch.from_numpy(array) for array in session.run(None, arrays)]


def largest(made: Tensor, expected: Tensor) -> float:
    assert made.shape == expected.shape
    return float((made - expected).abs().max() / expected.abs().max().clamp(min=1))


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a bundled autoencoder."""
    folder = tmp_path_factory.mktemp("onnx") / "faces"
    export_onnx(load("conv-vae"), folder)
    return folder


def test_every_kind_of_prior_is_exported() -> None:
    assert {*_PRIORS} == {*get_args(PriorName)}


@pytest.mark.parametrize(
    ("network", "dtype"),
    [
        *(("DenseVAE", "float32"), ("AutoencoderTiny", "float32")),
        *(("PatchVAE", "float16"), ("AutoencoderKL", "float16")),
    ],
)
def test_an_autoencoder_is_its_files(
    network: str, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each step of a flow is exported for itself.
    monkeypatch.setattr("hf_gen.models.flow._STEPS", 2)
    vae_pipeline(network).save_pretrained(tmp_path / "model")
    pipeline = load(tmp_path / "model")
    (tmp_path / "onnx").mkdir()  # an empty folder is filled, and one with files is an error
    manifest = export_onnx(pipeline, tmp_path / "onnx", dtype)
    before = files(tmp_path / "onnx")
    with pytest.raises(UserError, match="exists already"):
        export_onnx(pipeline, tmp_path / "onnx", dtype)
    assert files(tmp_path / "onnx") == before
    assert set(before) == {*("encoder.onnx", "decoder.onnx", "prior.onnx", "manifest.json")}
    assert json.loads((tmp_path / "onnx/manifest.json").read_text()) == manifest
    count = int(np.prod(pipeline.latent_shape))
    mean = torch.zeros(count) if pipeline.prior is None else pipeline.prior.mean
    assert manifest["prior"] == {
        **{"kind": KINDS.get(network, "standard"), "temperature": 1.0},
        "mean": pytest.approx(mean.tolist(), rel=1e-7),
    }
    assert not {"kl_weight", "domains"} & manifest.keys()
    assert manifest["graphs"]["prior"]["inputs"]["noise"]["shape"] == ["batch", count]
    assert manifest["graphs"]["decoder"]["outputs"]["images"]["range"] == [-1, 1]
    bound = BOUNDS[dtype]
    for batch in (1, 5):
        generator = torch.Generator().manual_seed(batch)
        latents = pipeline.sample_latents(batch, generator)
        # torch.multinomial picks components by such a number each, after the noise.
        generator.manual_seed(batch)
        noise = torch.randn(batch, count, generator=generator)
        uniform = torch.rand(batch, generator=generator, dtype=torch.float64)
        (made,) = run_file(tmp_path / "onnx/prior.onnx", noise=noise, uniform=uniform)
        assert largest(made, latents) <= bound
        images = pipeline.decode(latents, "pt")
        (made,) = run_file(tmp_path / "onnx/decoder.onnx", latents=latents)
        assert largest(made, images) <= bound
        made, *logvar = run_file(tmp_path / "onnx/encoder.onnx", images=images)
        assert largest(made, pipeline.encode(images)) <= bound
        assert len(logvar) == (network != "AutoencoderTiny")
        if logvar:
            with torch.no_grad():
                expected = pipeline.vae.encode(images).latent_dist.logvar
            assert largest(logvar[0], expected) <= bound


def test_an_autoencoder_of_every_kl_weight_takes_one_for_each_image(tmp_path: Path) -> None:
    pipeline = vae_pipeline("AnyKLVAE")
    manifest = export_onnx(pipeline, tmp_path / "onnx", "float32")
    assert manifest["kl_weight"] == {"low": 0.01, "high": 100, "default": 1}
    for graph in manifest["graphs"].values():
        given = {"shape": ["batch"], "dtype": "float32", "range": [0.01, 100]}
        assert graph["inputs"]["kl_weight"] == given
    weights = (0.01, 0.3, 1.0, 100.0)  # 0.3: between two at which the prior was fitted
    given = torch.tensor(weights)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(4, 5, generator=generator)
    uniform = torch.tensor([0.05, 0.65, 0.65, 0.95])
    (latents,) = run_file(
        tmp_path / "onnx/prior.onnx", noise=noise, uniform=uniform, kl_weight=given
    )
    (images,) = run_file(tmp_path / "onnx/decoder.onnx", latents=latents, kl_weight=given)
    means, logvar = run_file(tmp_path / "onnx/encoder.onnx", images=images, kl_weight=given)
    for row, weight in enumerate(weights):
        one = slice(row, row + 1)
        fitted = pipeline.prior.at(weight)
        part = int((uniform[row] > fitted.weights.cumsum(0)[:-1]).sum())
        expected = fitted.means[part] + fitted.cholesky[part] @ noise[row]
        assert largest(latents[row].flatten(), expected) <= BOUNDS["float32"]
        decoded = pipeline.decode(latents[one], "pt", weight)
        assert largest(images[one], decoded) <= BOUNDS["float32"]
        with torch.no_grad():
            posterior = pipeline.vae.encode(images[one], kl_weight=weight).latent_dist
        assert largest(means[one], posterior.mean) <= BOUNDS["float32"]
        assert largest(logvar[one], posterior.logvar) <= BOUNDS["float32"]
    assert not torch.allclose(logvar[0], logvar[3])


def test_numpy_edits_latents_by_the_manifest_as_the_pipeline_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    editor = LatentDirections((5, 1, 1), ("tilt", "glasses", "hair", "background"), 2)
    for tensor in (editor.vectors, editor.readers, editor.offsets):
        tensor.normal_()
    editor.lows.copy_(torch.tensor([-2.5, 0, 0, 0]))
    editor.highs.copy_(torch.tensor([2, 1.3, 1, 1]))
    pipeline = VAEPipeline(NETWORKS["ConvVAE"]().eval(), resolution=16, editor=editor)
    export_onnx(pipeline, tmp_path / "onnx", "float32")
    manifest = json.loads((tmp_path / "onnx/manifest.json").read_text())
    listed = {one["name"]: one for one in manifest["directions"]}
    assert [(one["name"], one["low"], one["high"]) for one in manifest["directions"]] == [
        (name, low, high) for name, low, high, _ in pipeline.directions
    ]

    def edit(latents: np.ndarray, values: dict[str, float]) -> np.ndarray:
        for name, value in values.items():
            one = {key: np.array(part) for key, part in listed[name].items()}
            if listed[name]["kind"] == "slider":
                latents = latents + value * one["vector"]
                continue
            target = np.array([np.cos(2 * np.pi * value), np.sin(2 * np.pi * value)])
            change = target - latents @ one["readers"].T - one["offsets"]
            latents = latents + change @ one["vectors"]
        return latents

    codes = torch.randn(3, 5, 1, 1)
    for values in (
        {"tilt": -2.5},
        {"hair": 0.3},
        {"hair": 0.9, "glasses": 1.3, "background": 0.1, "tilt": 2},
    ):
        made = torch.from_numpy(edit(codes.flatten(1).double().numpy(), values))
        expected = editor.move(codes, values).flatten(1)
        assert largest(made.float(), expected) <= 1e-5
        (images,) = run_file(tmp_path / "onnx/decoder.onnx", latents=made.float().view(codes.shape))
        assert largest(images, pipeline.edit(codes, "pt", **values)) <= BOUNDS["float32"]


def test_generators_take_other_sizes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = (ResnetGenerator(16, 4, num_residual_blocks=1), PatchGenerator(16, 8, 8, 8, 1))
    TranslationPipeline(*made, 16, "anime", "cartoon").save_pretrained(tmp_path / "model")
    pipeline = load(tmp_path / "model")
    manifest = export_onnx(pipeline, tmp_path / "onnx", "float16")
    assert manifest["domains"] == {"a": "anime", "b": "cartoon"}
    assert manifest["description"].startswith("anime to cartoon and back, 16x16")
    for direction, generator in pipeline.components.items():
        (given,) = manifest["graphs"][direction]["inputs"].values()
        assert given["shape"] == ["batch", 3, "height", "width"]
        multiple = generator.size_multiple
        assert given["size_multiple"] == multiple
        for batch, height, width in ((1, 16, 16), (5, 2 * multiple, 7 * multiple)):
            images = torch.rand(batch, 3, height, width) * 2 - 1
            with torch.no_grad():
                expected = generator(images).sample.clamp(-1, 1)
            (made,) = run_file(tmp_path / f"onnx/{direction}.onnx", images=images)
            assert largest(made, expected) <= BOUNDS["float16"]


def test_files_hold_pytorchs_layers_and_nothing_of_this_machine(faces: Path) -> None:
    """The decoder of this pipeline runs on a fast layer here."""
    content = files(faces)
    assert not any(str(ROOT).encode() in part for part in content.values())
    numbers = sum(weight.numel() for weight in load("conv-vae").vae.decoder.parameters())
    graph = json.loads(content["manifest.json"])["graphs"]["decoder"]
    assert graph["bytes"] == len(content["decoder.onnx"]) < 0.52 * 4 * numbers
    import onnx

    kinds = [node.op_type for node in onnx.load(faces / "decoder.onnx").graph.node]
    assert kinds.count("ConvTranspose") == 2
    assert kinds.count("Cast") == sum(kind in ("ConvTranspose", "Gemm") for kind in kinds) + 1


def test_weights_too_large_for_half_precision_are_an_error_that_leaves_nothing(
    tmp_path: Path,
) -> None:
    pipeline = vae_pipeline("PatchVAE")
    with torch.no_grad():
        pipeline.vae.decoder[-2].weight[0, 0] = 1e6
    with pytest.raises(
        UserError, match=r"decoder.onnx with float16 weights differs .* try --dtype float32"
    ):
        export_onnx(pipeline, tmp_path / "onnx")
    assert list(tmp_path.iterdir()) == []
    export_onnx(pipeline, tmp_path / "onnx", "float32")


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_library_names_the_extra(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    command = ["hf-gen", "export", "conv-vae", "--output-dir", str(tmp_path / "onnx")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit, match="2"):
        main()
    assert capsys.readouterr().err.splitlines() == [
        f"error: an export needs {missing}, which is not installed: pip install 'hf_gen[export]'"
    ]
    assert list(tmp_path.iterdir()) == []


def test_the_snippet_of_the_documentation_samples_without_torch(
    faces: Path, start_python: Callable[..., subprocess.Popen[str]]
) -> None:
    text = (ROOT / "docs/export.md").read_text(encoding="utf-8")
    snippet = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    check = "import sys; assert not {'torch', 'diffusers'} & {*sys.modules}"
    process = start_python(f"{snippet}\n{check}", cwd=faces.parent)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, output + errors
    with Image.open(faces.parent / "faces.png") as image:
        assert image.size == (8 * 32, 32)
        assert np.asarray(image).std() > 20

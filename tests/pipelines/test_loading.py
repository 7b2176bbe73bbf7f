"""`load` gives back what a run exported, and runs nothing that a stranger wrote."""

import io
import json
import logging
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, ModelMixin
from safetensors.torch import load_file, save_file

from hf_gen.errors import UserError
from hf_gen.models.cyclegan import PatchDiscriminator, ResnetGenerator
from hf_gen.models.prior import LatentPrior
from hf_gen.models.vae import ConvVAE, DenseVAE, PatchVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline, load
from hf_gen.pipelines.networks import GENERATORS, load_network

Start = Callable[..., subprocess.Popen[str]]
WEIGHTS = "vae/diffusion_pytorch_model.safetensors"
NETWORKS: dict[str, Callable[[], ModelMixin]] = {
    "ConvVAE": lambda: ConvVAE(16, filters=(6, 4), latent_channels=5),
    "DenseVAE": lambda: DenseVAE(16, hidden=(12, 8), latent_channels=5),
    "PatchVAE": lambda: PatchVAE(16, filters=(6, 4), bottleneck_channels=3, latent_channels=5),
    "AutoencoderKL": lambda: AutoencoderKL(block_out_channels=(4,), norm_num_groups=2),
    "AutoencoderTiny": lambda: AutoencoderTiny(
        encoder_block_out_channels=(4, 4),
        decoder_block_out_channels=(4, 4),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    ),
}
OTHERS: dict[str, Callable[[], ModelMixin]] = {
    "ConvVAE": lambda: ConvVAE(16, filters=(6, 4), latent_channels=7),
    "AutoencoderKL": lambda: AutoencoderKL(block_out_channels=(8,), norm_num_groups=2),
}
FRESH = """
import sys
import torch
import hf_gen
from safetensors.torch import save_file
folder = sys.argv[1]
pipeline = hf_gen.load(folder)
made = pipeline.sample(3, torch.Generator().manual_seed(0), output_type="pt")
save_file({"made": made.contiguous()}, f"{folder}/made.safetensors")
print(type(pipeline).__name__, type(pipeline.vae).__name__, pipeline.config.resolution)
"""

FRESH_TRANSLATION = """
import sys
import torch
import hf_gen
from safetensors.torch import save_file
folder = sys.argv[1]
pipeline = hf_gen.load(folder)
there, back = pipeline.cycle(torch.linspace(-1, 1, 768).view(1, 3, 16, 16), output_type="pt")
save_file({"there": there.contiguous(), "back": back.contiguous()}, f"{folder}/made.safetensors")
print(type(pipeline).__name__, pipeline.config.domain_a, pipeline.config.domain_b)
"""


def sample(pipeline: VAEPipeline) -> torch.Tensor:
    made: torch.Tensor = pipeline.sample(3, torch.Generator().manual_seed(0), output_type="pt")
    return made


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.manual_seed(0)
    folders = {name: tmp_path_factory.mktemp(name) / "pipeline" for name in NETWORKS}
    for name, folder in folders.items():
        VAEPipeline(NETWORKS[name]().eval(), resolution=16).save_pretrained(folder)
    return folders


@pytest.fixture
def folder(exported: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the pipeline of a ConvVAE, to be damaged."""
    return Path(shutil.copytree(exported["ConvVAE"], tmp_path / "pipeline"))


def change_index(folder: Path, **changes: Any) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | changes))


def test_a_run_loads_in_another_process(
    exported: dict[str, Path], tmp_path: Path, start_python: Start
) -> None:
    shutil.copytree(exported["ConvVAE"], tmp_path / "runs" / "conv-vae" / "pipeline")
    process = start_python(FRESH, tmp_path / "runs" / "conv-vae")
    output, errors = process.communicate(timeout=60)
    assert output == "VAEPipeline ConvVAE 16\n", errors
    made = load_file(tmp_path / "runs" / "conv-vae" / "made.safetensors")["made"]
    assert torch.equal(made, sample(load(exported["ConvVAE"])))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_comes_back_to_the_bit(exported: dict[str, Path], name: str) -> None:
    pipeline = load(str(exported[name]))
    assert isinstance(pipeline, VAEPipeline)
    assert type(pipeline.vae).__name__ == name
    saved = load_file(exported[name] / WEIGHTS)
    assert saved
    for key, weight in pipeline.vae.state_dict().items():
        assert torch.equal(weight, saved[key]), key
    assert sample(pipeline).shape == (3, 3, 16, 16)


@pytest.mark.parametrize("load_it", [load, VAEPipeline.from_pretrained])
@pytest.mark.parametrize("name", ["dtype", "torch_dtype"])
def test_a_data_type_goes_by_both_names_of_diffusers(folder: Path, load_it: Any, name: str) -> None:
    assert load_it(folder, **{name: torch.bfloat16}).vae.dtype == torch.bfloat16
    assert load_it(folder, **{name: {"vae": torch.float16}}).vae.dtype == torch.float16
    assert load_it(folder, **{name: {"default": torch.float16}}).vae.dtype == torch.float16
    assert load_it(folder, **{name: {"prior": torch.float16}}).vae.dtype == torch.float32
    with pytest.raises(
        UserError, match=r"must be a torch\.dtype such as torch.float16, got 'bf16'"
    ):
        load_it(folder, **{name: "bf16"})
    with pytest.raises(UserError, match="two names of one argument"):
        load_it(folder, dtype=torch.float16, torch_dtype=torch.float16)


@pytest.mark.parametrize("name", NETWORKS)
def test_loading_and_casting_warn_of_nothing(
    exported: dict[str, Path], name: str, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    monkeypatch.setattr(logging.getLogger("diffusers"), "propagate", True)
    load(exported[name]).to(torch.bfloat16)
    load(exported[name], dtype=torch.bfloat16).to("cpu", torch.float32)
    assert caplog.messages == []
    # What they are without us, so that this test ends with its reason.
    networks = {"AutoencoderKL": AutoencoderKL, "AutoencoderTiny": AutoencoderTiny}
    if name in networks:
        networks[name].from_pretrained(exported[name] / "vae").to(torch.bfloat16)
        assert any("kept in float32: []" in message for message in caplog.messages)


def test_a_folder_without_a_pipeline_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run" / "pipeline").mkdir(parents=True)
    with pytest.raises(UserError, match=rf"^'{tmp_path}/nothing' is no folder: name a run folder"):
        load(tmp_path / "nothing")
    for path in (tmp_path, tmp_path / "run"):
        with pytest.raises(UserError, match=rf"^{path} holds no pipeline.*no model_index\.json"):
            load(path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"{}", b"\xff", b'"text"', b"[" * 10**5]
)
def test_a_damaged_index_is_refused(folder: Path, content: bytes) -> None:
    (folder / "model_index.json").write_bytes(content)
    with pytest.raises(UserError, match=r"model_index\.json is damaged"):
        load(folder)


@pytest.mark.parametrize(
    "name", ["StableDiffusionPipeline", "os.system", "", None, ["VAEPipeline"], {}]
)
def test_a_pipeline_of_another_class_is_refused(folder: Path, name: Any) -> None:
    change_index(folder, _class_name=name)
    with pytest.raises(UserError):
        load(folder)


@pytest.mark.parametrize(
    "component",
    [
        ["os", "system"],
        ["trap", "ConvVAE"],
        ["diffusers", "UNet2DModel"],
        ["transformers", "AutoModel"],
        ["hf_gen.training.loop", "train"],
        ["hf_gen.models.vae", "VectorVAE"],
        ["hf_gen.models.vae"],
        [None, None],
        ["diffusers", ["AutoencoderKL"]],
        [],
    ],
)
def test_a_component_of_another_module_is_refused_and_not_imported(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, component: list[Any]
) -> None:
    trap = f"from pathlib import Path\nPath({str(tmp_path / 'sprung')!r}).touch()\n"
    for place in (tmp_path, folder, folder / "vae"):
        (place / "trap.py").write_text(trap)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    change_index(folder, vae=component)
    with pytest.raises(UserError):
        load(folder)
    assert "hf_gen.training.loop" not in set(sys.modules) - before
    assert not (tmp_path / "sprung").exists()


def test_a_component_that_the_pipeline_does_not_have_is_refused(folder: Path) -> None:
    change_index(folder, spare=["diffusers", "AutoencoderKL"])
    with pytest.raises(UserError, match="spare"):
        load(folder)


def test_a_pipeline_without_its_component_is_refused(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    del index["vae"]
    (folder / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match="vae"):
        load(folder)


@pytest.mark.parametrize("resolution", ["16", None, 0, -16, 1.5, 24])
def test_a_resolution_that_does_not_fit_the_network_is_refused(
    folder: Path, resolution: Any
) -> None:
    change_index(folder, resolution=resolution)
    with pytest.raises(UserError, match="resolution"):
        load(folder)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_missing_weight_file_is_refused(
    exported: dict[str, Path], tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(exported[name], tmp_path / "pipeline"))
    (folder / WEIGHTS).unlink()
    with pytest.raises(UserError, match=f"{folder}/vae cannot be loaded"):
        load(folder)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("damage", ["empty", "cut short", "noise"])
def test_a_damaged_weight_file_is_refused(
    exported: dict[str, Path], tmp_path: Path, name: str, damage: str
) -> None:
    folder = Path(shutil.copytree(exported[name], tmp_path / "pipeline"))
    whole = (folder / WEIGHTS).read_bytes()
    damaged = {"empty": b"", "cut short": whole[:-9], "noise": b"\xff" * 999}[damage]
    (folder / WEIGHTS).write_bytes(damaged)
    with pytest.raises(UserError, match=f"{folder}"):
        load(folder)


@pytest.mark.parametrize("name", OTHERS)
def test_weights_of_another_network_are_refused(
    exported: dict[str, Path], tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(exported[name], tmp_path / "pipeline"))
    other = OTHERS[name]().state_dict()
    save_file({key: weight.contiguous() for key, weight in other.items()}, folder / WEIGHTS)
    with pytest.raises(UserError, match=f"{folder}"):
        load(folder)


@pytest.mark.parametrize(
    ("name", "change"),
    [(name, change) for name in NETWORKS for change in ("missing", "extra")],
)
def test_a_weight_too_few_or_too_many_is_refused(
    exported: dict[str, Path], tmp_path: Path, name: str, change: str
) -> None:
    folder = Path(shutil.copytree(exported[name], tmp_path / "pipeline"))
    weights = load_file(folder / WEIGHTS)
    if change == "extra":
        weights["extra.weight"] = torch.zeros(3)
    else:
        weights.pop(sorted(weights)[0])
    save_file(weights, folder / WEIGHTS)
    with pytest.raises(UserError, match=f"{folder}"):
        load(folder)


def test_weights_of_another_class_are_refused(exported: dict[str, Path], folder: Path) -> None:
    for name in ("DenseVAE", "AutoencoderKL"):
        shutil.rmtree(folder / "vae")
        shutil.copytree(exported[name] / "vae", folder / "vae")
        with pytest.raises(UserError, match=f"{folder}"):
            load(folder)
    shutil.rmtree(folder / "vae")
    shutil.copytree(exported["ConvVAE"] / "vae", folder / "vae")
    for other in (["diffusers", "AutoencoderKL"], ["diffusers", "AutoencoderTiny"]):
        change_index(folder, vae=other)
        with pytest.raises(UserError, match=f"{folder}"):
            load(folder)


class _Trap:
    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.sprung,)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_pickle_is_never_read(exported: dict[str, Path], tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(exported[name], tmp_path / "pipeline"))
    trap = io.BytesIO()
    pickle.dump(_Trap(tmp_path / "sprung"), trap)
    (folder / "vae" / "diffusion_pytorch_model.bin").write_bytes(trap.getvalue())
    load(folder)
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    with pytest.raises(UserError, match=f"{folder}/vae cannot be loaded"):
        load(folder)
    assert not (tmp_path / "sprung").exists()
    # Not even an honest one.
    torch.save(weights, folder / "vae" / "diffusion_pytorch_model.bin")
    with pytest.raises(UserError, match=f"{folder}/vae cannot be loaded"):
        load(folder)


@pytest.fixture(scope="module")
def exported_translation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("translation") / "pipeline"
    a_to_b = ResnetGenerator(16, 4).eval()
    b_to_a = ResnetGenerator(16, 4, upsample="transposed").eval()
    TranslationPipeline(a_to_b, b_to_a, 16, "anime", "cartoon").save_pretrained(folder)
    return folder


@pytest.fixture
def translation(exported_translation: Path, tmp_path: Path) -> Path:
    """A copy of the pipeline of two generators, to be damaged."""
    return Path(shutil.copytree(exported_translation, tmp_path / "translation"))


def test_a_translation_loads_in_another_process(translation: Path, start_python: Start) -> None:
    process = start_python(FRESH_TRANSLATION, translation)
    output, errors = process.communicate(timeout=60)
    assert output == "TranslationPipeline anime cartoon\n", errors
    assert "it/s" not in errors  # trying the networks out shows no progress bar
    made = load_file(translation / "made.safetensors")
    pixels = torch.linspace(-1, 1, 768).view(1, 3, 16, 16)
    there, back = load(translation).cycle(pixels, output_type="pt")
    assert torch.equal(made["there"], there)
    assert torch.equal(made["back"], back)


def test_both_generators_come_back_to_the_bit_each_in_its_place(translation: Path) -> None:
    pipeline = load(translation)
    assert isinstance(pipeline, TranslationPipeline)
    for name, upsample in (("a_to_b", "resize"), ("b_to_a", "transposed")):
        network = getattr(pipeline, name)
        assert network.config.upsample == upsample
        saved = load_file(translation / name / "diffusion_pytorch_model.safetensors")
        assert saved.keys() == network.state_dict().keys()
        for key, weight in network.state_dict().items():
            assert torch.equal(weight, saved[key]), key


@pytest.mark.parametrize("resolution", ["16", None, 0, 24, 8, 4096])
def test_a_translation_of_another_resolution_is_refused(translation: Path, resolution: Any) -> None:
    change_index(translation, resolution=resolution)
    with pytest.raises(UserError, match="resolution"):
        load(translation)


@pytest.mark.parametrize("name", ["", None, 3, ["anime"]])
def test_a_domain_without_a_name_is_refused(translation: Path, name: Any) -> None:
    change_index(translation, domain_b=name)
    with pytest.raises(UserError, match="domain_b"):
        load(translation)


def test_a_translation_with_one_generator_is_refused(translation: Path) -> None:
    index = json.loads((translation / "model_index.json").read_text())
    del index["b_to_a"]
    (translation / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match="b_to_a"):
        load(translation)


def test_weights_of_either_generator_are_read_strictly(translation: Path) -> None:
    file = translation / "b_to_a" / "diffusion_pytorch_model.safetensors"
    whole, weights = file.read_bytes(), load_file(file)
    damaged = [weights | {"extra": torch.zeros(1)}, {"head.bias": weights["head.bias"]}]
    for changed in damaged:
        save_file(changed, file)
        with pytest.raises(UserError, match=f"{translation}/b_to_a"):
            load(translation)
    file.write_bytes(whole[:-9])
    with pytest.raises(UserError, match=f"{translation}/b_to_a"):
        load(translation)
    file.unlink()
    torch.save(weights, file.with_suffix(".bin"))
    with pytest.raises(UserError, match=f"{translation}/b_to_a cannot be loaded"):
        load(translation)


def test_a_pipeline_holds_networks_of_its_own_kind_only(
    translation: Path, folder: Path, exported: dict[str, Path]
) -> None:
    shutil.rmtree(translation / "a_to_b")
    shutil.copytree(exported["ConvVAE"] / "vae", translation / "a_to_b")
    change_index(translation, a_to_b=["hf_gen.models.vae", "ConvVAE"])
    with pytest.raises(UserError, match=r"a_to_b.*may only hold ResnetGenerator$"):
        load(translation)
    PatchDiscriminator(4).save_pretrained(translation / "a_to_b")
    change_index(translation, a_to_b=["hf_gen.models.cyclegan", "PatchDiscriminator"])
    with pytest.raises(UserError, match=r"a_to_b.*may only hold ResnetGenerator$"):
        load(translation)
    change_index(translation, a_to_b=["hf_gen.models.cyclegan", "ResnetGenerator"])
    with pytest.raises(UserError, match="a_to_b holds a PatchDiscriminator"):
        load(translation)
    change_index(folder, vae=["hf_gen.models.cyclegan", "ResnetGenerator"])
    with pytest.raises(UserError, match=r"vae.*may only hold ConvVAE, DenseVAE"):
        load(folder)


@pytest.fixture(scope="module")
def exported_prior(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("prior") / "pipeline"
    prior = LatentPrior((5, 1, 1), 3)
    prior.means.normal_()
    VAEPipeline(NETWORKS["ConvVAE"]().eval(), prior, 16).save_pretrained(folder)
    return folder


@pytest.fixture
def with_prior(exported_prior: Path, tmp_path: Path) -> Path:
    """A copy of a pipeline that has a prior, to be damaged."""
    return Path(shutil.copytree(exported_prior, tmp_path / "with prior"))


def test_a_prior_comes_back_to_the_bit(with_prior: Path) -> None:
    pipeline = load(with_prior)
    assert pipeline.priors == ("standard", "gaussian", "mixture")
    saved = load_file(with_prior / "prior" / "diffusion_pytorch_model.safetensors")
    assert saved.keys() == pipeline.prior.state_dict().keys()
    for key, numbers in pipeline.prior.state_dict().items():
        assert torch.equal(numbers, saved[key]), key


@pytest.mark.parametrize("entry", [None, [None, None], "absent"])
def test_a_pipeline_without_a_prior_loads(with_prior: Path, entry: Any) -> None:
    expected = sample(load(with_prior))
    shutil.rmtree(with_prior / "prior")
    if entry == "absent":
        index = json.loads((with_prior / "model_index.json").read_text())
        del index["prior"]
        (with_prior / "model_index.json").write_text(json.dumps(index))
    else:
        change_index(with_prior, prior=entry)
    pipeline = load(with_prior)
    assert pipeline.priors == ("standard",)
    assert torch.equal(sample(pipeline), expected)


def test_in_the_place_of_a_prior_there_is_a_prior_and_nowhere_else(
    with_prior: Path, translation: Path
) -> None:
    for entry in (
        ["hf_gen.models.vae", "ConvVAE"],
        ["diffusers", "AutoencoderKL"],
        ["trap", "LatentPrior"],
        [None, "LatentPrior"],
        ["hf_gen.models.prior", None],
        [],
    ):
        change_index(with_prior, prior=entry)
        with pytest.raises(UserError, match=r"prior.*may only hold LatentPrior$"):
            load(with_prior)
    change_index(with_prior, prior=["hf_gen.models.prior", "LatentPrior"])
    load(with_prior)
    change_index(with_prior, vae=["hf_gen.models.prior", "LatentPrior"])
    with pytest.raises(UserError, match=r"its vae.*may only hold ConvVAE, DenseVAE"):
        load(with_prior)
    change_index(with_prior, vae=[None, None])
    with pytest.raises(UserError, match=r"its vae.*may only hold ConvVAE, DenseVAE"):
        load(with_prior)
    shutil.copytree(with_prior / "prior", translation / "prior")
    change_index(translation, prior=["hf_gen.models.prior", "LatentPrior"])
    with pytest.raises(UserError, match=r"its prior, which hf_gen does not load"):
        load(translation)


def test_the_files_of_a_prior_are_read_strictly(
    with_prior: Path, exported: dict[str, Path]
) -> None:
    file = with_prior / "prior" / "diffusion_pytorch_model.safetensors"
    whole, weights = file.read_bytes(), load_file(file)
    for changed in (weights | {"extra": torch.zeros(1)}, {"mean": weights["mean"]}):
        save_file(changed, file)
        with pytest.raises(UserError, match=f"{with_prior}/prior"):
            load(with_prior)
    file.write_bytes(whole[:-9])
    with pytest.raises(UserError, match=f"{with_prior}/prior"):
        load(with_prior)
    LatentPrior((6, 1, 1)).save_pretrained(with_prior / "prior")
    with pytest.raises(UserError, match=r"does not fit .* \(5, 1, 1\), and it is for \(6, 1, 1\)"):
        load(with_prior)
    shutil.rmtree(with_prior / "prior")
    with pytest.raises(UserError, match=f"{with_prior}/prior cannot be loaded"):
        load(with_prior)
    shutil.copytree(exported["ConvVAE"] / "vae", with_prior / "prior")
    with pytest.raises(UserError, match="prior holds a ConvVAE, and hf_gen loads LatentPrior here"):
        load(with_prior)


@pytest.mark.parametrize("resolution", [8, 24])
def test_a_resolution_that_does_not_fit_is_refused_beside_a_prior_too(
    with_prior: Path, resolution: int
) -> None:
    change_index(with_prior, resolution=resolution)
    with pytest.raises(UserError, match=f"resolution {resolution}"):
        load(with_prior)


def test_fine_tuning_an_autoencoder_takes_no_generator(translation: Path) -> None:
    with pytest.raises(UserError, match="holds a ResnetGenerator, and hf_gen loads ConvVAE"):
        load_network(str(translation), "a_to_b")
    network = load_network(str(translation), "a_to_b", GENERATORS)
    assert isinstance(network, ResnetGenerator)

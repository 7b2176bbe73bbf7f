"""The card of a run, and that what it tells people to paste runs."""

import re
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest
from huggingface_hub import HfApi, ModelCard, constants

from hf_gen.config import CycleGANRecipe, Data, Recipe, VAERecipe, recipe_as_json
from hf_gen.hub.cards import AUTOENCODER, family_of, run_card
from hf_gen.hub.push import check_access, push_run
from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline
from hf_gen.runs.folder import RunFolder
from tests.loopback_hub import LoopbackHub

RESULTS = {"images": 1860, "negative_elbo": 1682.3, "reconstruction": 1637.1, "kl": 45.2}
COMMAND = "accelerate launch train_accelerate.py conv-vae"
NAME = "tester/faces"
SNIPPET = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WITHOUT_HF_GEN = "import sys; sys.modules['hf_gen'] = None\n"
# Each as if it stood alone, in one process: to import torch takes longest.
RUN = """
import sys
for snippet in sys.argv[1:]:
    values = {}
    exec(snippet, values)
    print(*{type(value).__name__ for value in values.values()})
"""


def card_of(folder: Path, data: Data) -> ModelCard:
    run = RunFolder(folder / "conv-vae")
    identity = {"recipe": "conv-vae", "processes": 1, **recipe_as_json(VAERecipe(data=data))}
    run.start(identity, COMMAND, "1 x cpu", {})
    run.log({"step": 3460, "epoch": 20.04})
    run.save_results({**RESULTS, "psnr": 18.75, "ssim": 0.5509})
    card = run_card(run, AUTOENCODER)
    card.save(run.path / "README.md")
    return ModelCard.load(run.path / "README.md")


def test_card_holds_the_measured_numbers_and_no_placeholder(tmp_path: Path) -> None:
    card = card_of(tmp_path, Data())
    measured = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert measured == {
        **{key: RESULTS[key] for key in measured if key in RESULTS},
        "psnr": 18.75,
        "ssim": 0.5509,
    }
    assert card.data.library_name == "diffusers"
    assert card.data.license == "apache-2.0"
    for sentence in ("| PSNR | 18.75 | dB |", "| negative ELBO | 1,682 |", COMMAND, "1,860"):
        assert sentence in card.text
    assert not {"{{", "{%", "None"} & set(card.text.split())


def test_card_names_a_hub_dataset_and_keeps_its_terms_open(tmp_path: Path) -> None:
    card = card_of(tmp_path, Data(dataset_name="huggan/anime-faces"))
    assert card.data.datasets == ["huggan/anime-faces"]
    assert card.data.license is None
    assert "none of it is included" in card.text


def test_card_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "conv-vae")
    data = Data(dataset_name="/home/somebody/anime-faces")
    identity = {"recipe": "conv-vae", "processes": 1, **recipe_as_json(VAERecipe(data=data))}
    flags = "--dataset-name=/home/somebody/anime-faces --output-dir /home/somebody/runs/conv-vae"
    run.start(identity, f"{COMMAND} {flags}", "1 x cpu", {})
    run.log({"step": 1, "epoch": 1.0})
    run.save_results({**RESULTS, "psnr": 18.75, "ssim": 0.5509})
    card = run_card(run, AUTOENCODER, "user/conv-vae")
    assert "somebody" not in str(card)
    assert "--dataset-name=anime-faces --output-dir conv-vae" in card.text
    assert card.data.datasets is None


@pytest.mark.parametrize("family", [VAERecipe, CycleGANRecipe])
@pytest.mark.parametrize(
    ("data", "subject", "tags"),
    [
        (Data(), "faces", ["hf_gen", "faces", "anime"]),
        (Data(train_data_dir=Path("/pictures/of/horses")), "images", ["hf_gen"]),
        (Data(dataset_name="huggan/horse2zebra"), "images", ["hf_gen"]),
    ],
)
def test_a_card_says_what_the_images_are(
    family: type[Recipe], data: Data, subject: str, tags: list[str], tmp_path: Path
) -> None:
    run = run_of(tmp_path, family(data=data), "samples", "reconstructions", "training")
    card = run_card(run, family_of(family(data=data)), NAME)
    assert card.data.tags == tags
    kind = " {}, the recipe" if family is VAERecipe else "CycleGAN between [^`]* {} of"
    assert re.search(kind.format(subject), card.text)
    if subject == "images":
        words = str(card).replace(NAME, "").replace("`faces`", "")  # its name, and the recipe's
        assert not re.search(r"\b(face|anime|cartoon)", words, re.IGNORECASE)
        types = {result.dataset_type for result in card.data.eval_results or []}
        assert types <= {"imagefolder", "huggan/horse2zebra"}


def run_of(folder: Path, recipe: Recipe, *figures: str) -> RunFolder:
    """A run folder as one that has ended, with empty figures."""
    run = RunFolder(folder / "run")
    run.start({"recipe": "faces", "processes": 1, **recipe_as_json(recipe)}, "", "1 x cpu", {})
    run.log({"step": 3460, "epoch": 20.04})
    run.save_results(RESULTS if isinstance(recipe, VAERecipe) else {"images": 1860})
    run.figures.mkdir()
    for name in figures:
        (run.figures / f"{name}.png").touch()
    (run.path / "README.md").write_text(str(run_card(run, family_of(recipe))))
    return run


@pytest.mark.parametrize(
    ("recipe", "figures", "gallery"),
    [
        (
            VAERecipe(),
            ("interpolation", "interpolation-dark", "learning_curve", "samples"),
            {
                "Samples from each prior": "figures/samples.png",
                "From one image to another": "figures/interpolation.png",
            },
        ),
        (
            CycleGANRecipe(),
            ("a_to_b", "b_to_a", "truth"),
            {
                "From anime to cartoon and back": "figures/a_to_b.png",
                "From cartoon to anime and back": "figures/b_to_a.png",
            },
        ),
    ],
)
def test_the_gallery_shows_the_figures_that_there_are(
    recipe: Recipe, figures: tuple[str, ...], gallery: dict[str, str], tmp_path: Path
) -> None:
    run, family = run_of(tmp_path, recipe, *figures), family_of(recipe)
    card = ModelCard(str(run_card(run, family, NAME)))
    shown = {entry["text"]: entry["output"]["url"] for entry in card.data.widget}
    assert list(shown.items()) == list(gallery.items())
    assert card.text.splitlines().count("<Gallery />") == 1
    for name in figures:
        (run.figures / f"{name}.png").unlink()
    for nothing in (run_card(run, family, NAME), run_card(run, family)):
        assert "widget" not in nothing.data.to_dict()
        assert "Gallery" not in nothing.text


def test_the_snippets_of_pushed_cards_run_as_they_are(
    loopback_hub: LoopbackHub,
    start_python: Callable[..., "Popen[str]"],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", loopback_hub.url)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    api = HfApi(token=loopback_hub.write_token)
    network = ConvVAE(16, filters=(6, 4), latent_channels=5).eval()
    generators = (ResnetGenerator(16, 4).eval() for _ in range(2))
    pipelines = {
        "faces": VAEPipeline(network, resolution=16),
        "vae": VAEPipeline(network, resolution=16),
        "cyclegan": TranslationPipeline(*generators, 16, "anime", "cartoon"),
    }
    snippets: list[str] = []
    for name, pipeline in pipelines.items():
        recipe = CycleGANRecipe() if name == "cyclegan" else VAERecipe()
        component = "vae" if name == "vae" else None
        repo_id = check_access(api, f"tester/{name}", private=False)
        run = run_of(tmp_path / name, recipe)
        card = run_card(run, family_of(recipe), repo_id, component)
        push_run(run, pipeline, card, repo_id, api, component)
        snippets += SNIPPET.findall(loopback_hub.files(repo_id)["README.md"].decode())

    with_hf_gen = [snippet for snippet in snippets if "import hf_gen" in snippet]
    without = [snippet for snippet in snippets if "import hf_gen" not in snippet]
    environment = loopback_hub.environment(tmp_path, token="")
    for program, chosen, expected in (
        (RUN, with_hf_gen, ["VAEPipeline", "TranslationPipeline"]),
        (WITHOUT_HF_GEN + RUN, without, ["VAEPipeline", "ConvVAE", "TranslationPipeline"]),
    ):
        process = start_python(program, *chosen, **environment)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        made = output.splitlines()
        assert len(made) == len(chosen) == len(expected)
        for names, name in zip(made, expected, strict=True):
            assert name in names.split()

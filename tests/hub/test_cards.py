"""The card of a run: its results and metadata, and snippets that run as they are."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from huggingface_hub import HfApi, ModelCard

from hf_gen.config import Data, Pairs, Recipe, VAERecipe, recipe_as_json
from hf_gen.data.batches import ONE_SET
from hf_gen.hub.cards import Measured, model_card, run_card
from hf_gen.hub.push import push_run
from hf_gen.hub.upload import Repository
from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import TranslationPipeline, VAEPipeline
from hf_gen.recipes import CONV_VAE, CYCLEGAN_LAMBDA10, RECIPES
from hf_gen.runs.folder import RunFolder
from tests.loopback_hub import LoopbackHub

RESULTS = {"negative_elbo": 1682.3, "reconstruction": 1637.1, "kl": 45.2, "psnr": 18.75}
COMMAND = "accelerate launch train_accelerate.py conv-vae"
NAME = "tester/faces"
SNIPPET = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WITHOUT_HF_GEN = "import sys; sys.modules['hf_gen'] = None\n"
# Each with names of its own, in one process: importing torch takes longest.
RUN = """
import sys
for snippet in sys.argv[1:]:
    values = {}
    exec(snippet, values)
    print(*{type(value).__name__ for value in values.values()})
"""


def run_of(
    folder: Path,
    recipe: Recipe,
    *figures: str,
    command: str = COMMAND,
    images: Sequence[dict[str, Any]] = (),
) -> RunFolder:
    """A finished run, with empty figures."""
    run = RunFolder(folder / "run")
    identity = {"recipe": "faces", "processes": 1, **recipe_as_json(recipe)}
    run.start(identity, command, "1 x cpu", {}, images)
    run.log({"step": 3460, "epoch": 20.04})
    run.add_seconds(33.3)
    run.save_results({"images": 1860} | (RESULTS if isinstance(recipe, VAERecipe) else {}))
    run.figures.mkdir()
    for name in figures:
        (run.figures / f"{name}.png").touch()
    (run.path / "README.md").write_text(str(run_card(run)))
    return run


def test_the_card_of_a_run_shows_its_results_and_no_placeholder(tmp_path: Path) -> None:
    run = run_of(tmp_path, CONV_VAE)
    card = ModelCard.load(run.path / "README.md")
    measured = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert measured == RESULTS
    assert card.data.library_name == "diffusers"
    assert card.data.license == "apache-2.0"
    for shown in ("| PSNR | 18.75 | dB |", "| negative ELBO | 1,682 |", COMMAND, "1,860", "3,460"):
        assert shown in card.text
    assert (
        "3,460 steps of 128 images (20.04 epochs) on the synthetic faces of hf_gen, "
        "33 s on 1 x cpu" in card.text
    )
    assert not {"{{", "{%", "None"} & set(card.text.split())


@pytest.mark.parametrize(
    ("one_set", "recipe", "said"),
    [
        ([False, False], CYCLEGAN_LAMBDA10, "lowest mean kernel distance\non validation images"),
        ([True, False], CYCLEGAN_LAMBDA10, "Nothing was chosen on it"),
        ([True], CONV_VAE, "Nothing was chosen on it"),
        ([False], CONV_VAE, None),
    ],
)
def test_the_card_says_on_which_images_the_weights_were_chosen(
    one_set: list[bool], recipe: Recipe, said: str | None, tmp_path: Path
) -> None:
    run = run_of(tmp_path, recipe, images=[{ONE_SET: one} for one in one_set])
    card = run_card(run)
    words = ("on validation images", "Nothing was chosen on it")
    assert [one in card.text for one in words] == [one in (said or "") for one in words]
    assert {one.dataset_split for one in card.data.eval_results or ()} <= {"test"}
    assert "too low" not in card.text


def test_the_card_of_a_network_of_every_kl_weight_says_so_and_at_which_it_was_measured(
    tmp_path: Path,
) -> None:
    card = run_card(run_of(tmp_path, RECIPES["conv-vae-any-kl"][1], "kl_weights", "kl_term"))
    text = " ".join(card.text.split())
    assert "every weight of the KL term from 0.01 to 100: `kl_weight` chooses one" in text
    assert "numbers and figures below are at weight 1" in text
    assert "weights the KL term by a number of each image, log-uniform." in text
    assert "reconstruct(images, kl_weight=100)" in text
    assert all(f"(figures/{name}.png)" in text for name in ("kl_weights", "kl_term"))
    plain = " ".join(run_card(run_of(tmp_path / "plain", CONV_VAE)).text.split())
    assert "weights the KL term by 1.0." in plain
    assert "kl_weight" not in plain


@pytest.mark.parametrize(
    ("pairs", "words", "missing"),
    [
        ({}, "on unpaired images with the recipe `faces`", "guided"),
        (
            {"paired_dataset_name": "faces"},
            "50% of each training batch were pairs (synthetic",
            "so only",
        ),
        (
            {"paired_dataset_name": "me/pairs", "paired_share": 0.25},
            "25% of each training batch",
            "synth",
        ),
    ],
)
def test_the_card_says_whether_pairs_guided_a_translation(
    tmp_path: Path, pairs: dict[str, Any], words: str, missing: str
) -> None:
    guided = run_of(tmp_path, replace(CYCLEGAN_LAMBDA10, pairs=Pairs(**pairs)))
    text = " ".join(run_card(guided).text.split("## Results")[0].split())
    text += " ".join(run_card(guided).text.split("## Limitations")[1].split())
    assert words in text
    assert missing not in text.replace("synthetic faces of hf_gen", "")
    assert ("guided by pairs, with the recipe `faces`" in text) == bool(pairs)


def test_the_card_names_a_hub_dataset_and_leaves_its_terms_open(tmp_path: Path) -> None:
    card = run_card(
        run_of(tmp_path, replace(CONV_VAE, data=Data(dataset_name="huggan/anime-faces")))
    )
    assert card.data.datasets == ["huggan/anime-faces"]
    assert card.data.license is None
    assert "none of it is included" in card.text


def test_the_card_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    flags = "--dataset-name=/home/somebody/anime-faces --output-dir /home/somebody/runs/conv-vae"
    recipe = replace(CONV_VAE, data=Data(dataset_name="/home/somebody/anime-faces"))
    card = run_card(run_of(tmp_path, recipe, command=f"{COMMAND} {flags}"), "user/conv-vae")
    assert "somebody" not in str(card)
    assert "--dataset-name=anime-faces --output-dir conv-vae" in card.text
    assert card.data.datasets is None


def tables_of(values: dict[str, str], results: dict[str, Any]) -> list[list[str]]:
    """The lines of each table of a card."""
    card = model_card("m", values, [Measured("faces", {"images": 9} | results)], load_from="m",
                      steps=1, device="1 x cpu", figures={}, license="mit")  # fmt: skip
    blocks = str(card.text).split("\n\n")
    return [block.splitlines() for block in blocks if block.startswith("| ")]


def test_an_autoencoder_has_its_own_prior_among_the_metrics_and_a_row_for_each() -> None:
    metrics, priors = tables_of(
        {},
        {
            "psnr": 18.75,
            "default_prior": "mixture",
            "default_temperature": 1.0,
            "samples/standard/frechet_distance": 0.5,
            "samples/mixture/frechet_distance": 0.25,
            "anchors/floor/frechet_distance": 0.125,
            "anchors/floor/psnr": 10.5,
        },
    )
    assert metrics[0] == "| metric | value | training images | unit |"
    assert metrics[2:] == ["| PSNR | 18.75 | 10.5 | dB |"]
    assert [line[:28] for line in priors[2:]] == [
        "| standard normal | 0.5 | - ", "| mixture (default) | 0.25 |",
    ]  # fmt: skip


def test_a_translation_has_both_directions_side_by_side_and_its_factors_below() -> None:
    agreement = {"": 0.5, "_ceiling": 0.75, "_chance": 0.25}
    results = {f"a_to_b/agreement/glasses{end}": value for end, value in agreement.items()}
    results |= {f"b_to_a/agreement/glasses{end}": value / 2 for end, value in agreement.items()}
    results |= {"a_to_b/hair_style": 0.3, "a_to_b/hair_style_ceiling": 0.9, "b_to_a/cycle_l1": 0.2}
    metrics, agreeing, surviving = tables_of(
        {"domains.domain_a": "anime", "domains.domain_b": "cartoon"},
        results | {"a_to_b/cycle_l1": 0.1},
    )
    assert metrics[0] == "| metric | anime to cartoon | cartoon to anime | unit |"
    assert metrics[2:] == ["| cycle-consistency L1 | 0.1 | 0.2 | images in [-1, 1] |"]
    way = "| anime to cartoon | ceiling | chance | cartoon to anime | ceiling | chance |"
    assert agreeing[0] == f"| factor {way}"
    assert agreeing[2:] == ["| glasses | 0.5 | 0.75 | 0.25 | 0.25 | 0.375 | 0.125 |"]
    assert surviving[2:] == ["| hair style | 0.3 | 0.9 | - | - |"]


@pytest.mark.parametrize("recipe", [CONV_VAE, CYCLEGAN_LAMBDA10])
@pytest.mark.parametrize(
    ("data", "subject", "tags"),
    [
        (Data(), "faces", ["hf_gen", "faces", "anime"]),
        (Data(train_data_dir=Path("/pictures/of/horses")), "images", ["hf_gen"]),
        (Data(dataset_name="huggan/horse2zebra"), "images", ["hf_gen"]),
    ],
)
def test_the_card_says_what_the_images_are(
    recipe: Recipe, data: Data, subject: str, tags: list[str], tmp_path: Path
) -> None:
    run = run_of(tmp_path, replace(recipe, data=data), "samples", "reconstructions", "training")
    card = run_card(run, NAME)
    assert card.data.tags == tags
    assert re.search(rf"^A .* \d+x\d+ {subject}\b", card.text, re.MULTILINE)
    if subject == "images":
        words = str(card).replace(NAME, "").replace("`faces`", "")  # its name, and the recipe's
        assert not re.search(r"\b(face|anime|cartoon)", words, re.IGNORECASE)
        types = {result.dataset_type for result in card.data.eval_results or []}
        assert types <= {"imagefolder", "huggan/horse2zebra"}


@pytest.mark.parametrize(
    ("recipe", "figures", "gallery"),
    [
        (
            CONV_VAE,
            ("interpolation", "interpolation-dark", "learning_curve", "samples"),
            {
                "Samples from each prior": "figures/samples.png",
                "Interpolation between two images": "figures/interpolation.png",
            },
        ),
        (
            CYCLEGAN_LAMBDA10,
            ("a_to_b", "b_to_a", "collapse"),
            {
                "anime to cartoon, and the cycle reconstruction": "figures/a_to_b.png",
                "cartoon to anime, and the cycle reconstruction": "figures/b_to_a.png",
            },
        ),
    ],
)
def test_the_gallery_shows_the_figures_of_the_run(
    recipe: Recipe, figures: tuple[str, ...], gallery: dict[str, str], tmp_path: Path
) -> None:
    run = run_of(tmp_path, recipe, *figures)
    card = ModelCard(str(run_card(run, NAME)))
    shown = {entry["text"]: entry["output"]["url"] for entry in card.data.widget}
    assert list(shown.items()) == list(gallery.items())
    assert card.text.splitlines().count("<Gallery />") == 1
    for name in figures:
        (run.figures / f"{name}.png").unlink()
    for nothing in (run_card(run, NAME), run_card(run)):
        assert "widget" not in nothing.data.to_dict()
        assert "Gallery" not in nothing.text


@pytest.mark.usefixtures("loopback_only")
def test_the_snippets_of_pushed_cards_run_as_they_are(
    loopback_hub: LoopbackHub,
    api: HfApi,
    start_python: Callable[..., "Popen[str]"],
    tmp_path: Path,
) -> None:
    network = ConvVAE(16, filters=(6, 4), latent_channels=5).eval()
    generators = (ResnetGenerator(16, 4).eval() for _ in range(2))
    pipelines = {
        "faces": VAEPipeline(network, resolution=16),
        "vae": VAEPipeline(network, resolution=16),
        "cyclegan": TranslationPipeline(*generators, 16, "anime", "cartoon"),
    }
    snippets: list[str] = []
    for name, pipeline in pipelines.items():
        recipe = CYCLEGAN_LAMBDA10 if name == "cyclegan" else CONV_VAE
        component = "vae" if name == "vae" else None
        repository = Repository.open(api, f"tester/{name}", private=False)
        run = run_of(tmp_path / name, recipe)
        card = run_card(run, repository.name, component)
        push_run(run, pipeline, card, repository, component)
        snippets += SNIPPET.findall(loopback_hub.files(repository.name)["README.md"].decode())

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
        types = output.splitlines()
        assert len(types) == len(chosen) == len(expected)
        for names, name in zip(types, expected, strict=True):
            assert name in names.split()

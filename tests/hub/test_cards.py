"""The card of a run."""

from pathlib import Path

from huggingface_hub import ModelCard

from hf_gen.config import Data, VAERecipe, recipe_as_json
from hf_gen.hub.cards import AUTOENCODER, run_card
from hf_gen.runs import RunFolder

RESULTS = {"images": 1860, "negative_elbo": 1682.3, "reconstruction": 1637.1, "kl": 45.2}
COMMAND = "accelerate launch train_accelerate.py conv-vae"


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

"""The synthetic faces as a dataset on the Hub."""

import tempfile
from pathlib import Path

from huggingface_hub import DatasetCard, DatasetCardData, HfApi

from hf_gen.faces import CONTINUOUS, FACTORS, IMAGE_SIZE, write_synthetic_faces
from hf_gen.hub.cards import TEMPLATES
from hf_gen.hub.push import check_card
from hf_gen.hub.upload import upload

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def push_faces(repo_id: str, train: int, test: int, api: HfApi, overwrite: bool = False) -> str:
    """Draws faces and uploads them with their card; returns the address of the commit.

    Args:
        repo_id: An existing dataset repository that can be written.
        train: Pairs to train on.
        test: Held-out pairs.
        api: The client.
        overwrite: Replace files of the same names that hf_gen did not write.

    Raises:
        UserError: If a number is out of its range, the Hub refuses, or it cannot be reached.
    """
    card = faces_card(repo_id, train, test)
    check_card(card, repo_id)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "faces"
        write_synthetic_faces(folder, train, test, IMAGE_SIZE, seed=0)
        card.save(folder / "README.md")
        words = f"{train + test:,} pairs of synthetic faces"
        return upload(folder, repo_id, api, words, "dataset", True, overwrite)


def faces_card(repo_id: str, train: int, test: int) -> DatasetCard:
    """What the dataset is, how it was drawn, and how to use it."""
    count = train + test
    data = DatasetCardData(
        pretty_name="Synthetic faces, anime and cartoon",
        license="apache-2.0",
        annotations_creators="machine-generated",
        task_categories=["image-to-image", "unconditional-image-generation"],
        size_categories=next((name for most, name in _SIZES if count < most), "1M<n<10M"),
        tags=["hf_gen", "faces", "anime", "cartoon", "synthetic", "disentanglement"],
    )
    factors = [(name.replace("_", " "), f"`{name}`", len(FACTORS[name])) for name in FACTORS]
    ranges = [(name.replace("_", " "), f"`{name}`", *CONTINUOUS[name]) for name in CONTINUOUS]
    return DatasetCard.from_template(
        data,
        template_path=str(TEMPLATES / "dataset.md"),
        repo_id=repo_id,
        train=f"{train:,}",
        test=f"{test:,}",
        size=IMAGE_SIZE,
        command=f"hf-gen draw-faces faces --train {train} --test {test}",
        factors=factors,
        ranges=ranges,
    )

"""The synthetic faces as a dataset on the Hub."""

from pathlib import Path

from huggingface_hub import DatasetCard, DatasetCardData

from hf_gen.faces import CONTINUOUS, FACTORS, IMAGE_SIZE, write_synthetic_faces
from hf_gen.hub.cards import TEMPLATES
from hf_gen.hub.upload import Repository

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def push_faces(repository: Repository, train: int, validation: int, test: int) -> str:
    """Draws faces and uploads them with their card; returns the address of the commit.

    Args:
        repository: A dataset.
        train: Training pairs.
        validation: Validation pairs.
        test: Test pairs.

    Raises:
        UserError: If a number is out of its range, the Hub refuses, or it cannot be reached.
    """

    def write(folder: Path) -> None:
        write_synthetic_faces(folder, train, validation, test, IMAGE_SIZE, seed=0)

    message = f"{train + validation + test:,} pairs of synthetic faces"
    card = faces_card(repository.name, train, validation, test)
    return repository.push(write, card, message)


def faces_card(repo_id: str, train: int, validation: int, test: int) -> DatasetCard:
    """What the dataset is, how it was drawn, and how to use it."""
    count = train + validation + test
    return DatasetCard.from_template(
        DatasetCardData(),
        template_path=str(TEMPLATES / "dataset.md"),
        repo_id=repo_id,
        train=train,
        validation=validation,
        test=test,
        size_category=next((name for most, name in _SIZES if count < most), "1M<n<10M"),
        size=IMAGE_SIZE,
        factors=FACTORS,
        ranges=CONTINUOUS,
    )

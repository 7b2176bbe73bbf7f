"""The images of a recipe: one dataset or two, and what two domains are called."""

from dataclasses import dataclass, replace
from pathlib import Path

from hf_gen.config.ranges import Count, Resolution, Share, check_ranges
from hf_gen.errors import UserError

Names = tuple[str, ...] | str


@dataclass(frozen=True)
class Data:
    """Which images, and how they become pixels."""

    dataset_name: Names = "faces"
    """faces (synthetic), a Hub id, or a local folder or archive; several become one dataset."""
    dataset_share: tuple[float, ...] = ()
    """Share of an epoch for each of several datasets, such as 0.7 0.3. Default: by their sizes."""
    dataset_config_name: str | None = None
    """The configuration of a Hub dataset that has several."""
    revision: str | None = None
    """Branch, tag or commit of a Hub dataset."""
    data_files: tuple[str, ...] = ()
    """Only these files of the dataset, as names or globs (huggan/anime-faces: data.zip)."""
    train_data_dir: Path | None = None
    """A local folder or archive to train on, in place of --dataset-name."""
    image_column: str | None = None
    """The column with the images. Default: the only one, or "image"; "anime" for faces."""
    split: str = "train"
    """The split to train on. Others validate and test; a missing one is 5 % of it, by hash."""
    max_train_samples: Count | None = None
    """Number of images: a fixed random subset; the first ones of a stream or of the faces."""
    streaming: bool = False
    """Stream a Hub dataset, keeping the decoded pixels and no second copy on the disk."""
    resolution: Resolution = 32
    """Height and width of an image in pixels, after a centre crop."""
    random_flip: bool = False
    """Flip training images horizontally at random."""
    cache_dir: Path | None = None
    """Cache of datasets and decoded pixels. Default: the Hugging Face cache (HF_HOME)."""

    def __post_init__(self) -> None:
        check_ranges(self)
        object.__setattr__(self, "dataset_name", _plain(self.dataset_name))
        if not all(_names(self.dataset_name)) or not _names(self.dataset_name):
            raise UserError('dataset_name is empty: try "faces", a Hub id or a local folder')
        _check_shares("dataset_share", self.dataset_share, self.dataset_name)
        if self.train_data_dir is not None and self.dataset_name != "faces":
            raise UserError(
                f"train_data_dir {str(self.train_data_dir)!r} and dataset_name "
                f"{self.dataset_name!r} both name a dataset: give one of the two"
            )

    @property
    def source(self) -> str:
        """Where the images are from, for people."""
        return str(self.train_data_dir or " and ".join(_names(self.dataset_name)))

    @property
    def parts(self) -> "tuple[Data, ...]":
        """The same for each of the datasets by itself; flags of columns are not the faces'."""
        names = _names(self.dataset_name)
        if len(names) == 1:
            return (self,)
        return tuple(
            replace(
                self,
                dataset_name=name,
                dataset_share=(),
                image_column=None if name == "faces" else self.image_column,
            )
            for name in names
        )


@dataclass(frozen=True)
class Domains:
    """The second domain, and the names of both."""

    dataset_name_b: Names | None = None
    """The dataset of domain b, or several. Default: --dataset-name holds both domains."""
    dataset_share_b: tuple[float, ...] = ()
    """Share of an epoch for each of several datasets of domain b. Default: by their sizes."""
    dataset_config_name_b: str | None = None
    """The configuration of domain b's dataset."""
    revision_b: str | None = None
    """Branch, tag or commit of domain b's dataset."""
    data_files_b: tuple[str, ...] = ()
    """Only these files of domain b's dataset."""
    train_data_dir_b: Path | None = None
    """A local folder with the images of domain b."""
    image_column_b: str | None = None
    """The column with domain b's images, in its own dataset or in the one that holds both."""
    split_b: str = "train"
    """The split of domain b's dataset."""
    label_column: str | None = None
    """A column that says which domain an image belongs to, where one dataset holds both."""
    label_a: str | None = None
    """The label of domain a in that column."""
    label_b: str | None = None
    """The label of domain b in that column."""
    domain_a: str | None = None
    """What domain a is called. Default: as its label, column, folder or dataset is."""
    domain_b: str | None = None
    """What domain b is called. Default: as its label, column, folder or dataset is."""

    def __post_init__(self) -> None:
        if self.dataset_name_b is not None:
            object.__setattr__(self, "dataset_name_b", _plain(self.dataset_name_b))
        _check_shares("dataset_share_b", self.dataset_share_b, self.dataset_name_b or ())
        labels = (self.label_column, self.label_a, self.label_b)
        if any(labels) and not all(labels):
            raise UserError(
                "label_column, label_a and label_b belong together, got "
                f"{self.label_column!r}, {self.label_a!r} and {self.label_b!r}: give all three"
            )
        if self.label_a is not None and self.label_a == self.label_b:
            raise UserError(f"label_a and label_b are both {self.label_a!r}: name two domains")

    @property
    def sources(self) -> tuple[Path | str, ...]:
        """Where the images of domain b are from; empty where one dataset holds both domains."""
        if self.train_data_dir_b is not None:
            return (self.train_data_dir_b,)
        return _names(self.dataset_name_b or ())


@dataclass(frozen=True)
class Pairs:
    """Pairs of images that guide an unpaired translation."""

    paired_dataset_name: str | None = None
    """Pairs beside the unpaired images: faces, or a dataset with an image column per domain."""
    paired_image_column: str | None = None
    """The column with domain a's images. Default: imageA, or anime."""
    paired_image_column_b: str | None = None
    """The column with domain b's images. Default: imageB, or cartoon."""
    paired_max_train_samples: Count | None = None
    """Number of pairs: a fixed random subset; the first ones of the faces."""
    paired_share: Share = 0.5
    """Share of a batch that is pairs."""

    def __post_init__(self) -> None:
        check_ranges(self)


def domain_names(data: Data, domains: Domains) -> tuple[str, str]:
    """What domain a and domain b are called: as the recipe says, or as the data does.

    Raises:
        UserError: If both have one name.
    """
    found = _names_in(data, domains)
    a, b = domains.domain_a or found[0], domains.domain_b or found[1]
    if a == b:
        raise UserError(f"domain_a and domain_b are both {a!r}: name them apart")
    return a, b


def _names_in(data: Data, domains: Domains) -> tuple[str, str]:
    if domains.label_a and domains.label_b:
        return domains.label_a, domains.label_b
    first = str(data.train_data_dir or _names(data.dataset_name)[0])
    second = str((*domains.sources, first)[0])
    usual = ("anime", "cartoon") if "faces" in (first, second) else ("A", "B")
    columns = (data.image_column or usual[0], domains.image_column_b or usual[1])
    if first == second:
        return columns
    parts = [
        (column,) if source == "faces" else Path(source).absolute().parts
        for source, column in zip((first, second), columns, strict=True)
    ]
    # From the last on: of horses/train and zebras/train the names are horses and zebras.
    differing = (pair for pair in zip(*map(reversed, parts), strict=False) if pair[0] != pair[1])
    a, b = next(differing, columns)
    return a, b


def _names(value: Names) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _plain(value: Names) -> Names:
    """One name as a string."""
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value


def _check_shares(name: str, shares: tuple[float, ...], datasets: Names) -> None:
    count = len(_names(datasets))
    if shares and (len(shares) != count or min(shares) <= 0):
        raise UserError(
            f"{name} must have a positive number for each of the {count} datasets, got "
            f"{' '.join(map(str, shares))}"
        )

"""What every number of a results.json is called, its unit, which way is better; colours of runs."""

from dataclasses import dataclass
from typing import Literal

# As in the pipelines, which cannot be asked here: they need torch.
PriorName = Literal["standard", "gaussian", "mixture"]
Direction = Literal["a_to_b", "b_to_a"]
DIRECTIONS: tuple[Direction, Direction] = ("a_to_b", "b_to_a")
Better = Literal["higher", "lower", ""]


@dataclass(frozen=True)
class Metric:
    """A number for people.

    Attributes:
        name: In the field's terms.
        unit: Or what its ends mean.
        better: Which way, where one way is.
    """

    name: str
    unit: str
    better: Better = ""

    @property
    def short(self) -> str:
        """The name without what it is measured of, such as the prior or the direction."""
        return self.name.rpartition(": ")[2]

    @property
    def heading(self) -> str:
        """The short name with its unit, for a column of a table."""
        return f"{self.short} ({self.unit})" if self.unit else self.short


# Each has a contrast of 3:1 or more on both backgrounds, and any two stay apart (a colour distance
# of 25 or more in CIELAB) for normal vision, deuteranopia and protanopia.
PALETTE = (
    "#2591fc",
    "#fc5400",
    "#117262",
    "#af00af",
    "#58a064",
    "#2549fc",
    "#ce71bf",
    "#bf1c1c",
)

_NATS = "nats per image"
_PLAIN = {
    "images": Metric("held-out images", ""),
    "psnr": Metric("PSNR", "dB", "higher"),
    "ssim": Metric("SSIM", "1 at most", "higher"),
    "mae": Metric("mean absolute error", "of [-1, 1]", "lower"),
    "perceptual": Metric("perceptual distance", "0 to 4", "lower"),
    "negative_elbo": Metric("negative ELBO", _NATS, "lower"),
    "reconstruction": Metric("reconstruction term", _NATS, "lower"),
    "kl": Metric("KL term", _NATS),
    "bits_per_dimension": Metric("negative ELBO", "bits per dimension", "lower"),
    "importance_weighted_nll": Metric("importance-weighted bound, 64 samples", _NATS, "lower"),
    "latents": Metric("latents", ""),
    "active_units": Metric("active units", "of the latents"),
    "mutual_information": Metric("mutual information of code and image", "nats"),
    "aggregate_posterior_gap": Metric("aggregate posterior to prior", "nats", "lower"),
    "total_correlation": Metric("total correlation", "nats", "lower"),
    "dci_disentanglement": Metric("DCI disentanglement", "0 to 1", "higher"),
    "dci_completeness": Metric("DCI completeness", "0 to 1", "higher"),
    "dci_informativeness": Metric("DCI informativeness", "0 to 1", "higher"),
    "mig": Metric("mutual information gap (MIG)", "0 to 1", "higher"),
}
_OF_A_SET = {
    "frechet_distance": Metric("Frechet distance", "0 at best", "lower"),
    "inception_frechet_distance": Metric("FID (Inception-v3)", "0 at best", "lower"),
    "kid": Metric("KID", "0 at best", "lower"),
    "precision": Metric("precision", "share", "higher"),
    "recall": Metric("recall", "share", "higher"),
    "density": Metric("density", "1 as the real images", "higher"),
    "coverage": Metric("coverage", "share", "higher"),
    "diversity": Metric("diversity", "1 as the real images", "higher"),
    "nearest_translation_share": Metric("near-identical translations", "share", "lower"),
    "collapsed": Metric("collapse declared", "1 is yes"),
    "cycle": Metric("error of there and back", "mean absolute, of [-1, 1]", "lower"),
    "paired_l1": Metric("distance to the true counterpart", "mean absolute, of [-1, 1]", "lower"),
    "paired_perceptual": Metric("perceptual distance to it", "0 to 4", "lower"),
}
PRIORS: dict[PriorName, str] = {
    "standard": "standard normal",
    "gaussian": "fitted Gaussian",
    "mixture": "mixture",
}
FEATURES_NOTE = (
    "Frechet distance, KID, precision, recall, density, coverage, diversity and perceptual "
    "distance are in the features of EfficientNet-Lite0: not comparable with numbers from "
    "Inception, and the Frechet distance only at equal numbers of images."
)


def metric_info(key: str, domains: tuple[str, str] = ("a", "b")) -> Metric:
    """The number of a key such as "psnr", "samples/gaussian/kid" or "a_to_b/coverage".

    Args:
        key: From a results.json.
        domains: What the two domains are called.
    """
    if key in _PLAIN:
        return _PLAIN[key]
    group, _, rest = key.partition("/")
    match group:
        case "samples":
            prior, _, name = rest.partition("/")
            words = next(words for known, words in PRIORS.items() if known == prior)
            number, prefix = _OF_A_SET[name], f"samples, {words}"
        case "a_to_b" | "b_to_a":
            way = domains if group == "a_to_b" else domains[::-1]
            number, prefix = _OF_A_SET.get(rest, _factor(rest)), " to ".join(way)
        case "factors":
            number, prefix = _factor(rest), "read from the code"
        case _:
            number, prefix = Metric(key.replace("_", " "), ""), ""
    return Metric(f"{prefix}: {number.name}" if prefix else number.name, number.unit, number.better)


def formatted(value: float | None) -> str:
    """Four significant digits, whole numbers as such, a dash for a number that is not there."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _factor(name: str) -> Metric:
    for ending, meaning in (("_chance", "by a guess"), ("_ceiling", "from true images")):
        if name.endswith(ending):
            return Metric(f"{name.removesuffix(ending).replace('_', ' ')} {meaning}", "share")
    return Metric(name.replace("_", " "), "share read correctly, or correlation", "higher")

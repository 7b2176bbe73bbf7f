"""What every number of a results.json is called, its unit, and which way is better."""

from dataclasses import dataclass
from typing import Literal

# As in the pipelines, which cannot be asked here: they need torch.
PriorName = Literal["standard", "gaussian", "mixture"]
Direction = Literal["a_to_b", "b_to_a"]
DIRECTIONS: tuple[Direction, Direction] = ("a_to_b", "b_to_a")
Better = Literal["higher", "lower", ""]


@dataclass(frozen=True)
class Number:
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


_NATS = "nats per image"
_PLAIN = {
    "images": Number("held-out images", ""),
    "psnr": Number("PSNR", "dB", "higher"),
    "ssim": Number("SSIM", "1 at most", "higher"),
    "mae": Number("mean absolute error", "of [-1, 1]", "lower"),
    "perceptual": Number("perceptual distance", "0 to 4", "lower"),
    "negative_elbo": Number("negative ELBO", _NATS, "lower"),
    "reconstruction": Number("reconstruction term", _NATS, "lower"),
    "kl": Number("KL term", _NATS),
    "bits_per_dimension": Number("negative ELBO", "bits per dimension", "lower"),
    "importance_weighted_nll": Number("importance-weighted bound, 64 samples", _NATS, "lower"),
    "latents": Number("latents", ""),
    "active_units": Number("active units", "of the latents"),
    "mutual_information": Number("mutual information of code and image", "nats"),
    "aggregate_posterior_gap": Number("aggregate posterior to prior", "nats", "lower"),
    "total_correlation": Number("total correlation", "nats", "lower"),
    "dci_disentanglement": Number("DCI disentanglement", "0 to 1", "higher"),
    "dci_completeness": Number("DCI completeness", "0 to 1", "higher"),
    "dci_informativeness": Number("DCI informativeness", "0 to 1", "higher"),
    "mig": Number("mutual information gap (MIG)", "0 to 1", "higher"),
}
_OF_A_SET = {
    "frechet_distance": Number("Frechet distance", "0 at best", "lower"),
    "inception_frechet_distance": Number("FID (Inception-v3)", "0 at best", "lower"),
    "kid": Number("KID", "0 at best", "lower"),
    "precision": Number("precision", "share", "higher"),
    "recall": Number("recall", "share", "higher"),
    "density": Number("density", "1 as the real images", "higher"),
    "coverage": Number("coverage", "share", "higher"),
    "diversity": Number("diversity", "1 as the real images", "higher"),
    "nearest_translation_share": Number("near-identical translations", "share", "lower"),
    "collapsed": Number("collapse declared", "1 is yes"),
    "cycle": Number("error of there and back", "mean absolute, of [-1, 1]", "lower"),
    "paired_l1": Number("distance to the true counterpart", "mean absolute, of [-1, 1]", "lower"),
    "paired_perceptual": Number("perceptual distance to it", "0 to 4", "lower"),
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


def described(key: str, domains: tuple[str, str] = ("a", "b")) -> Number:
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
            number, prefix = Number(key.replace("_", " "), ""), ""
    return Number(f"{prefix}: {number.name}" if prefix else number.name, number.unit, number.better)


def formatted(value: float | None) -> str:
    """Four significant digits, whole numbers as such, a dash for a number that is not there."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _factor(name: str) -> Number:
    for ending, meaning in (("_chance", "by a guess"), ("_ceiling", "from true images")):
        if name.endswith(ending):
            return Number(f"{name.removesuffix(ending).replace('_', ' ')} {meaning}", "share")
    return Number(name.replace("_", " "), "share read correctly, or correlation", "higher")

"""Names, units and directions of the metrics in a results.json; the colours of runs."""

from dataclasses import dataclass, replace
from typing import Literal

# As in the pipelines, which are not imported here: they need torch.
PriorName = Literal["standard", "gaussian", "mixture", "flow"]
Direction = Literal["a_to_b", "b_to_a"]
DIRECTIONS: tuple[Direction, Direction] = ("a_to_b", "b_to_a")
Better = Literal["higher", "lower", ""]
# EfficientNet-Lite0 is the network of the perceptual loss: no metric uses it.
NetworkName = Literal["Lite0", "Lite1", "Lite2"]
MEASURED_IN: NetworkName = "Lite2"
SECOND_OPINION: NetworkName = "Lite1"


@dataclass(frozen=True)
class Metric:
    """How a metric is shown.

    Attributes:
        name: In the field's terms.
        unit: Or its range.
        better: Which direction is better, where one is.
    """

    name: str
    unit: str
    better: Better = ""

    def __str__(self) -> str:
        if self.unit and self.name.endswith(")"):
            return f"{self.name[:-1]}, {self.unit})"
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def short(self) -> str:
        """The name without its group, such as the prior or the direction."""
        return self.name.rpartition(": ")[2]

    @property
    def heading(self) -> str:
        """The short name with its unit, for a column of a table."""
        return str(replace(self, name=self.short))


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

_DISTANCE = "0 to 4"
_NATS = "nats per image"
_L1 = "images in [-1, 1]"
_PLAIN = {
    "images": Metric("test images", ""),
    "psnr": Metric("PSNR", "dB", "higher"),
    "ssim": Metric("SSIM", "1 at most", "higher"),
    "mae": Metric("mean absolute error", _L1, "lower"),
    "perceptual": Metric(f"perceptual distance ({MEASURED_IN})", _DISTANCE, "lower"),
    "grid": Metric("grid of 4 pixels", "1 for real images", "lower"),
    "negative_elbo": Metric("negative ELBO", _NATS, "lower"),
    "reconstruction": Metric("reconstruction term", _NATS, "lower"),
    "kl": Metric("KL term", _NATS),
    "bits_per_dimension": Metric("negative ELBO", "bits per dimension", "lower"),
    "importance_weighted_nll": Metric("importance-weighted bound, 64 samples", _NATS, "lower"),
    "default_prior": Metric("default prior", ""),
    "default_temperature": Metric("temperature of the default prior", ""),
    "latents": Metric("latent dimensions", ""),
    "active_units": Metric("active units", "of the latent dimensions"),
    "mutual_information": Metric("mutual information of latent and image", "nats"),
    "marginal_kl": Metric("marginal KL to the prior", "nats", "lower"),
    "total_correlation": Metric("total correlation", "nats", "lower"),
    "dci_disentanglement": Metric("DCI disentanglement", "0 to 1", "higher"),
    "dci_completeness": Metric("DCI completeness", "0 to 1", "higher"),
    "dci_informativeness": Metric("DCI informativeness", "0 to 1", "higher"),
    "kernel_distance": Metric(
        f"mean kernel distance ({MEASURED_IN}) of both directions", _DISTANCE, "lower"
    ),
    "mig": Metric("mutual information gap (MIG)", "0 to 1", "higher"),
}
_OF_A_SET = {
    "frechet_distance": Metric(f"Frechet distance ({MEASURED_IN})", _DISTANCE, "lower"),
    "kernel_distance": Metric(f"kernel distance ({MEASURED_IN})", _DISTANCE, "lower"),
    "frechet_distance_lite1": Metric(f"Frechet distance ({SECOND_OPINION})", _DISTANCE, "lower"),
    "kernel_distance_lite1": Metric(f"kernel distance ({SECOND_OPINION})", _DISTANCE, "lower"),
    "precision": Metric("precision", "0 to 1", "higher"),
    "recall": Metric("recall", "0 to 1", "higher"),
    "density": Metric("density", "1 for real images", "higher"),
    "coverage": Metric("coverage", "0 to 1", "higher"),
    "diversity": Metric("diversity", "1 for real images", "higher"),
    "near_duplicates": Metric("near-duplicate translations", "0 to 1", "lower"),
    "mode_collapse": Metric("mode collapse detected", "1 is yes"),
    "cycle_l1": Metric("cycle-consistency L1", _L1, "lower"),
    "paired_l1": Metric("L1 to the ground-truth counterpart", _L1, "lower"),
    "paired_perceptual": Metric(
        f"distance to the ground-truth counterpart, perceptual ({MEASURED_IN})", _DISTANCE, "lower"
    ),
}
PER_KL_WEIGHT = "_per_kl_weight"
"""How the names of results end that are lists, a number for each of the "kl_weights"."""
PRIORS: dict[PriorName, str] = {
    "standard": "standard normal",
    "gaussian": "fitted Gaussian",
    "mixture": "mixture",
    "flow": "flow",
}
FEATURES_NOTE = (
    "Frechet, kernel and perceptual distance, precision, recall, density, coverage and diversity "
    "are measured in features of EfficientNet-Lite2, trained on ImageNet, or where a name says "
    "Lite1 in those of EfficientNet-Lite1; the perceptual loss uses a third network, Lite0. "
    "The distances are at most 4 and do not compare with published FID, KID and LPIPS. "
    "Compare Frechet distances of equal numbers of images only."
)
_ANCHORS = {"floor": "floor, training images", "ceiling": "ceiling, the mean training image"}


def metric_info(key: str, domains: tuple[str, str] = ("a", "b")) -> Metric:
    """How the metric of a key such as "psnr" or "samples/gaussian/kernel_distance" is shown.

    Args:
        key: From a results.json.
        domains: Names of the two domains.
    """
    if key in _PLAIN:
        return _PLAIN[key]
    group, _, rest = key.partition("/")
    match group:
        case "samples":
            prior, _, name = rest.rpartition("/")
            words = "default prior"
            if prior:
                words = next(words for known, words in PRIORS.items() if known == prior)
            metric, prefix = _OF_A_SET[name], f"samples, {words}"
        case "a_to_b" | "b_to_a":
            ordered = domains if group == "a_to_b" else domains[::-1]
            metric, prefix = _OF_A_SET.get(rest, _factor(rest)), " to ".join(ordered)
        case "reconstructions":
            metric, prefix = _OF_A_SET[rest], group
        case "anchors":
            anchor, _, name = rest.partition("/")
            metric = _OF_A_SET[name] if name in _OF_A_SET else metric_info(name, domains)
            prefix = _ANCHORS[anchor]
        case "factors":
            metric, prefix = _factor(rest), "linear probe"
        case _:
            return Metric(key.replace("_", " "), "")
    return replace(metric, name=f"{prefix}: {metric.name}")


def formatted(value: float | str | None) -> str:
    """Integers and words as such, others to four significant digits, or below 0.001 to two.

    A missing value is a dash.
    """
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if abs(value) >= 0.001 else f"{value:.2g}"


def in_words(seconds: float) -> str:
    """A human-readable duration, such as "33 s", "12 min" or "1 h 34 min"."""
    if seconds < 99.5:
        return f"{seconds:.2g} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _factor(name: str) -> Metric:
    kind, _, factor = name.rpartition("/")
    prefix, unit = ("agreement of ", "0 to 1") if kind else ("", "accuracy or correlation")
    for ending, meaning in (("_chance", "chance level"), ("_ceiling", "on ground-truth images")):
        if factor.endswith(ending):
            words = factor.removesuffix(ending).replace("_", " ")
            return Metric(f"{prefix}{words}, {meaning}", unit)
    return Metric(prefix + factor.replace("_", " "), unit, "higher")

"""How two sets of images compare, given their features: the distances between distributions."""

import io
import warnings
from contextlib import redirect_stdout

import torch
from joblib import parallel_config
from prdc import compute_prdc
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

_NEAREST_K = 5
_SUBSETS = 100
_SUBSET_SIZE = 100
_SEED = 0


def compare_sets(real: Tensor, made: Tensor) -> dict[str, float]:
    """Compares the features of made images with those of real ones.

    Args:
        real: (real images, features), at least 6 rows.
        made: (made images, features), likewise.

    Returns:
        "precision", "density": share of made images near a real one, and how near the crowd;
        "recall", "coverage": share of real images near a made one, measured by the distances
            between made images, and by those between real images;
        "kid": kernel distance of the two sets, 0 for samples of one distribution;
        "frechet_distance": distance of the normal distributions with the means and covariances of
            the two sets. Fewer images make it larger, even for samples of one distribution: compare
            it at equal numbers of images only.

    Source: Naeem, Oh, Uh, Choi and Yoo, Reliable fidelity and diversity metrics for generative
        models, 2020 (5 neighbours); Binkowski, Sutherland, Arbel and Gretton, Demystifying MMD
        GANs, 2018; Heusel, Ramsauer, Unterthiner, Nessler and Hochreiter, GANs trained by a two
        time-scale update rule converge to a local Nash equilibrium, 2017.
    """
    return {
        **_manifolds(real, made),
        "kid": _kernel_distance(real, made),
        "frechet_distance": _frechet_distance(real, made),
    }


def _manifolds(real: Tensor, made: Tensor) -> dict[str, float]:
    # It prints the two counts, and asks for eight threads, which reset the filters of warnings.
    with redirect_stdout(io.StringIO()), parallel_config(backend="sequential"):
        scores = compute_prdc(real.double().numpy(), made.double().numpy(), _NEAREST_K)
    return {name: float(value) for name, value in scores.items()}


def _kernel_distance(real: Tensor, made: Tensor) -> float:
    """The mean over fixed random subsets of the unbiased squared MMD with a cubic kernel."""
    subset_size = min(_SUBSET_SIZE, len(real), len(made))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it keeps the features
        metric = KernelInceptionDistance(
            feature=_AtHand(real.shape[1]),
            subsets=_SUBSETS,
            subset_size=subset_size,
            sync_on_compute=False,
        )
    metric.update(real, real=True)
    metric.update(made, real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)  # the subsets are drawn from the global generator
        mean, _ = metric.compute()
    return mean.item()


def _frechet_distance(real: Tensor, made: Tensor) -> float:
    metric = FrechetInceptionDistance(feature=_AtHand(real.shape[1]), sync_on_compute=False)
    metric.update(real.double(), real=True)
    metric.update(made.double(), real=False)
    return metric.compute().item()


class _AtHand(nn.Module):
    """The network of a metric whose input is features already: it hands them on."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features

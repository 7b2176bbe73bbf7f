"""Linear probes of the factors of synthetic faces, and the disentanglement of latents.

Source: Eastwood and Williams, A framework for the quantitative evaluation of disentangled
representations, 2018 (DCI); Chen, Li, Grosse and Duvenaud, Isolating sources of disentanglement in
variational autoencoders, 2018, section 4.1 (the mutual information gap, MIG).
"""

import math
from statistics import mode

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from hf_gen.evaluation.factors import factor_score
from hf_gen.faces import CONTINUOUS

# Two in each bin of a latent.
MIN_IMAGES = 40
_MAX_IMAGES = 1_000
_MAX_LATENTS = 256
_BINS = 20
_TREES = 50
Arrays = dict[str, np.ndarray]
Halves = tuple[np.ndarray, np.ndarray]


def evaluate_disentanglement(
    latents: Tensor, factors: dict[str, Tensor], seed: int = 0
) -> dict[str, float]:
    """Predicts the factors of synthetic faces from their latents.

    Probes are trained on one half of the first 1,000 images and evaluated on the other.

    Args:
        latents: (images, latents), of at least 40 images.
        factors: By name, (images,), from `factor_values`.
        seed: Of the halves and of the random forests.

    Returns:
        "factors/NAME": accuracy of a logistic regression, or for continuous factors correlation of
            a ridge regression, see `factor_score`;
        "factors/NAME_chance": the same of a constant prediction, the most frequent value;
        "dci_disentanglement": 1 where each latent is informative of one factor only, 0 of all;
            "dci_completeness": 1 where each factor is predicted by one latent only;
            "dci_informativeness": mean score of the predictions. They are those of random forests
            of 50 trees, not of the boosted trees that are common elsewhere and take many times as
            long: compare with results of this function only;
        "mig": difference of the mutual information of a factor with the two most informative
            latents, divided by the factor's entropy and averaged over factors. Latents and
            continuous factors are discretised in 20 bins; all images are used.
        For more than 256 latents only "factors/...": DCI and MIG expect one latent a factor.
    """
    values = latents[:_MAX_IMAGES].double().cpu().numpy()
    truths = {name: truth[:_MAX_IMAGES].cpu().numpy() for name, truth in factors.items()}
    order = torch.randperm(len(values), generator=torch.Generator().manual_seed(seed))
    halves = order[: len(order) // 2].numpy(), order[len(order) // 2 :].numpy()
    results: dict[str, float] = {}
    for name, truth in truths.items():
        train, test = truth[halves[0]], truth[halves[1]]
        linear = Ridge() if name in CONTINUOUS else LogisticRegression(max_iter=1_000)
        probe = make_pipeline(StandardScaler(), linear).fit(values[halves[0]], train)
        constant = np.full(len(test), mode(train.tolist()))
        results[f"factors/{name}"] = _score(name, probe.predict(values[halves[1]]), test)
        results[f"factors/{name}_chance"] = _score(name, constant, test)
    if values.shape[1] > _MAX_LATENTS:
        return results
    return results | _dci(values, truths, halves, seed) | {"mig": _mig(values, truths)}


def _score(name: str, predicted: np.ndarray, truth: np.ndarray) -> float:
    return factor_score(name, torch.from_numpy(predicted), torch.from_numpy(truth))


def _dci(values: np.ndarray, truths: Arrays, halves: Halves, seed: int) -> dict[str, float]:
    columns, scores = [], []
    for name, truth in truths.items():
        kind = RandomForestRegressor if name in CONTINUOUS else RandomForestClassifier
        # Splits consider all latents, so that none is important for want of a better one.
        forest = kind(n_estimators=_TREES, max_features=None, random_state=seed)
        forest.fit(values[halves[0]], truth[halves[0]])
        columns.append(torch.from_numpy(forest.feature_importances_))
        scores.append(_score(name, forest.predict(values[halves[1]]), truth[halves[1]]))
    importances = torch.stack(columns, 1)  # (latents, factors)
    return {
        "dci_disentanglement": _concentration(importances),
        "dci_completeness": _concentration(importances.T),
        "dci_informativeness": sum(scores) / len(scores),
    }


def _concentration(importances: Tensor) -> float:
    """1 - normalised entropy of each row, averaged with the sums of the rows as weights."""
    sums = importances.sum(1)
    if sums.sum() == 0:
        return 0.0
    shares = importances / sums.clamp(min=torch.finfo(sums.dtype).tiny)[:, None]
    max_entropy = math.log(max(importances.shape[1], 2))
    concentrations = 1 - torch.special.entr(shares).sum(1) / max_entropy
    return (concentrations @ (sums / sums.sum())).item()


def _mig(values: np.ndarray, truths: Arrays) -> float:
    binned = [_bins(latent) for latent in values.T]
    gaps = []
    for name, truth in truths.items():
        labels = _bins(truth) if name in CONTINUOUS else truth
        information = sorted(mutual_info_score(labels, latent) for latent in binned)
        entropy = mutual_info_score(labels, labels)
        second = information[-2] if len(information) > 1 else 0.0
        gaps.append((information[-1] - second) / entropy if entropy > 0 else 0.0)
    return float(np.mean(gaps))


def _bins(values: np.ndarray) -> np.ndarray:
    return np.digitize(values, np.histogram_bin_edges(values, _BINS)[1:-1])

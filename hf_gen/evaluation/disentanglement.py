"""What of a synthetic face can be read from its code, and whether each latent names one factor.

Source: Eastwood and Williams, A framework for the quantitative evaluation of disentangled
representations, 2018 (DCI); Chen, Li, Grosse and Duvenaud, Isolating sources of disentanglement in
variational autoencoders, 2018, section 4.1 (the mutual information gap, MIG).
"""

import math
from collections import Counter

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from hf_gen.faces import CONTINUOUS

# Two in each of the bins that hold the values of a latent.
FEWEST = 40
_MOST = 1_000
_LARGE_CODE = 256
_BINS = 20
_TREES = 50


def evaluate_disentanglement(
    codes: Tensor, factors: dict[str, Tensor], seed: int = 0
) -> dict[str, float]:
    """Reads the factors of synthetic faces from their codes.

    Everything is learned from one half of the first 1,000 images and measured on the other, but the
    mutual information, which is that of all of them.

    Args:
        codes: (images, numbers).
        factors: By name, (images,): the index of the value, or the number; see `true_factors`.
        seed: Of the halves and of the trees.

    Returns:
        By "factors/NAME" how well a linear model reads it: the share of faces whose value a
            logistic regression finds, or for a number the correlation of a ridge regression with
            the truth;
        by "factors/NAME_chance" what a constant answer reaches: the share of the value that is
            commonest in the first half, and 0 for a number;
        "dci_disentanglement": 1 where each latent tells of one factor only, 0 where all tell of
            all; "dci_completeness": 1 where each factor lies in one latent only;
            "dci_informativeness": how well the factors are read, by the measures above. The reader
            is a random forest of 50 trees, not the boosted trees that are common elsewhere and
            take many times as long: compare with numbers from here only;
        "mig": per factor, the lead of the latent that tells most of it over the next, as a share of
            all that is to tell; the mean over the factors. Latents and numbers lie in 20 bins.
        For codes of more than 256 numbers only "factors/...": a map has no number for a factor.

    Raises:
        ValueError: There are fewer than 40 images.
    """
    if len(codes) < FEWEST:
        raise ValueError(
            f"at least {FEWEST} images are needed to read factors from codes, got {len(codes)}: "
            "hold out more"
        )
    numbers = codes[:_MOST].double().cpu().numpy()
    truths = {name: truth[:_MOST].cpu().numpy() for name, truth in factors.items()}
    order = torch.randperm(len(numbers), generator=torch.Generator().manual_seed(seed))
    halves = order[: len(order) // 2].numpy(), order[len(order) // 2 :].numpy()
    results: dict[str, float] = {}
    for name, truth in truths.items():
        first, second = truth[halves[0]], truth[halves[1]]
        linear = Ridge() if name in CONTINUOUS else LogisticRegression(max_iter=1_000)
        model = make_pipeline(StandardScaler(), linear).fit(numbers[halves[0]], first)
        constant = np.full(len(second), Counter(first.tolist()).most_common(1)[0][0])
        results[f"factors/{name}"] = _score(name, model.predict(numbers[halves[1]]), second)
        results[f"factors/{name}_chance"] = _score(name, constant, second)
    if numbers.shape[1] > _LARGE_CODE:
        return results
    return results | _dci(numbers, truths, halves, seed) | {"mig": _mig(numbers, truths)}


def _score(name: str, read: np.ndarray, truth: np.ndarray) -> float:
    """The share that is right, or for a number the correlation: 0 where one does not vary."""
    if name not in CONTINUOUS:
        return float((read == truth).mean())
    if np.ptp(read) == 0 or np.ptp(truth) == 0:
        return 0.0
    return float(np.corrcoef(read, truth)[0, 1])


def _dci(
    numbers: np.ndarray,
    truths: dict[str, np.ndarray],
    halves: tuple[np.ndarray, np.ndarray],
    seed: int,
) -> dict[str, float]:
    columns, scores = [], []
    for name, truth in truths.items():
        kind = RandomForestRegressor if name in CONTINUOUS else RandomForestClassifier
        # A split looks at all latents, so that none is important for want of a better one.
        forest = kind(n_estimators=_TREES, max_features=None, random_state=seed)
        forest.fit(numbers[halves[0]], truth[halves[0]])
        columns.append(torch.from_numpy(forest.feature_importances_))
        scores.append(_score(name, forest.predict(numbers[halves[1]]), truth[halves[1]]))
    importances = torch.stack(columns, 1)  # (latents, factors)
    return {
        "dci_disentanglement": _concentration(importances),
        "dci_completeness": _concentration(importances.T),
        "dci_informativeness": sum(scores) / len(scores),
    }


def _concentration(importances: Tensor) -> float:
    """1 less the entropy of each row, in units of its largest, weighted by what the row holds."""
    held = importances.sum(1)
    if held.sum() == 0:
        return 0.0
    shares = importances / held.clamp(min=torch.finfo(held.dtype).tiny)[:, None]
    largest = math.log(max(importances.shape[1], 2))
    concentrated = 1 - torch.special.entr(shares).sum(1) / largest
    return (concentrated @ (held / held.sum())).item()


def _mig(numbers: np.ndarray, truths: dict[str, np.ndarray]) -> float:
    binned = [_bins(latent) for latent in numbers.T]
    gaps = []
    for name, truth in truths.items():
        values = _bins(truth) if name in CONTINUOUS else truth
        told = sorted(mutual_info_score(values, latent) for latent in binned)
        entropy = mutual_info_score(values, values)
        runner_up = told[-2] if len(told) > 1 else 0.0
        gaps.append((told[-1] - runner_up) / entropy if entropy > 0 else 0.0)
    return float(np.mean(gaps))


def _bins(values: np.ndarray) -> np.ndarray:
    return np.digitize(values, np.histogram_bin_edges(values, _BINS)[1:-1])

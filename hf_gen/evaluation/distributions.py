"""Distances between two sets of images, given their features."""

import torch
from torch import Tensor

_NEAREST_K = 5
_SUBSETS = 100
_SUBSET_SIZE = 100
_SEED = 0


def compare_sets(real: Tensor, generated: Tensor) -> dict[str, float]:
    """Compares the features of generated images with those of real ones.

    Args:
        real: (real images, features), at least 6 rows of length 1.
        generated: (generated images, features), at least 6 rows of length 1.

    Returns:
        Those of `manifold_scores` and of `set_distances`.
    """
    return manifold_scores(real.double(), generated.double()) | set_distances(real, generated)


def set_distances(real: Tensor, generated: Tensor) -> dict[str, float]:
    """Distances between two sets of features of length 1, each from 0 to 4.

    Args:
        real: (real images, features), at least 2 rows of length 1.
        generated: (generated images, features), at least 2 rows of length 1.

    Returns:
        "kernel_distance": unbiased squared MMD with the kernel (u . v)^3, the mean over 100 fixed
            random subsets of at most 100 images; 0 in expectation for samples of one distribution,
            and therefore also slightly below 0. Without the 1 that the KID adds to u . v: that
            kernel is nearly linear where u . v is near 1, and compares little but the means;
        "frechet_distance": between the Gaussians with the means and covariances of the two sets. It
            grows as the number of images falls, even for samples of one distribution: compare it at
            equal numbers of images only.

    Source: Binkowski, Sutherland, Arbel and Gretton, Demystifying MMD GANs, 2018 (the KID); Heusel,
        Ramsauer, Unterthiner, Nessler and Hochreiter, GANs trained by a two time-scale update rule
        converge to a local Nash equilibrium, 2017 (the FID).
    """
    return {
        "kernel_distance": kernel_distance(real, generated),
        "frechet_distance": _frechet_distance(real.double(), generated.double()),
    }


def manifold_scores(
    real: Tensor, generated: Tensor, nearest_k: int = _NEAREST_K
) -> dict[str, float]:
    """Precision, recall, density and coverage by balls that reach to the k-th nearest neighbour.

    Args:
        real: (real images, features), float64, more than `nearest_k` rows.
        generated: (generated images, features), likewise.
        nearest_k: Neighbours within a ball, without its centre.

    Returns:
        "precision": share of generated images within the ball of a real one;
        "recall": share of real images within the ball of a generated one;
        "density": real balls around a generated image, in units of `nearest_k`;
        "coverage": share of real images whose ball holds a generated one.

    Source: Naeem, Oh, Uh, Choi and Yoo, Reliable fidelity and diversity metrics for generative
        models, 2020, equations 1 to 4.
    """
    # The nearest neighbour of each image is itself.
    radii_real, radii_made = (
        torch.cdist(rows, rows).topk(nearest_k + 1, largest=False).values[:, -1]
        for rows in (real, generated)
    )
    distances = torch.cdist(real, generated)  # (real images, generated images)
    in_real_ball, in_made_ball = distances < radii_real[:, None], distances < radii_made
    return {
        "precision": in_real_ball.any(0).double().mean().item(),
        "recall": in_made_ball.any(1).double().mean().item(),
        "density": in_real_ball.count_nonzero().item() / (nearest_k * len(generated)),
        "coverage": in_real_ball.any(1).double().mean().item(),
    }


def kernel_distance(real: Tensor, generated: Tensor) -> float:
    """The "kernel_distance" of `set_distances`."""
    size = min(_SUBSET_SIZE, len(real), len(generated))
    generator = torch.Generator().manual_seed(_SEED)
    distances = []
    for _ in range(_SUBSETS):
        x, y = (
            rows[torch.randperm(len(rows), generator=generator)[:size]]
            for rows in (real, generated)
        )
        kernel = [(a @ b.T) ** 3 for a, b in ((x, x), (y, y), (x, y))]
        within = [(k.sum() - k.trace()) / (size * (size - 1)) for k in kernel[:2]]
        distances.append(within[0] + within[1] - 2 * kernel[2].mean())
    return torch.stack(distances).mean().item()


def _frechet_distance(real: Tensor, generated: Tensor) -> float:
    """|m - n|^2 + tr(S + T - 2 (S T)^(1/2))."""
    covariances = [rows.T.cov() for rows in (real, generated)]
    root_trace = torch.linalg.eigvals(covariances[0] @ covariances[1]).sqrt().real.sum()
    means = (real.mean(0) - generated.mean(0)).square().sum()
    return (means + covariances[0].trace() + covariances[1].trace() - 2 * root_trace).item()

"""The Fréchet distance between two sets of features, each taken for a Gaussian."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.metrics.intervals import jackknife, not_negative, rows_without_each
from mien.runs.score import Score


@dataclass(frozen=True)
class Gaussian:
    """Mean and covariance of a set of features, from which a Fréchet distance is computed.

    mean: float64 [D].    covariance: float64 [D,D], symmetric.
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]


def gaussian_of(features: ArrayLike) -> Gaussian:
    """Mean and covariance of features, in double precision; the covariance is divided by N - 1.  [N,D], N > 1"""
    values = np.asarray(features, dtype=np.float64)
    mean = values.mean(0)
    centred = values - mean
    return Gaussian(mean, centred.T @ centred / (len(values) - 1))


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """|mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2)); the squared Wasserstein-2 distance of two Gaussians.

    The trace of the root is that of (A^(1/2) B A^(1/2))^(1/2), which is symmetric: two eigendecompositions, and
    covariances of too few images, which are singular, need no special care.
    Source: Dowson & Landau 1982; Heusel et al. 2017 (arXiv:1706.08500), equation 6.
    """
    values, vectors = np.linalg.eigh(a.covariance)
    root = vectors * np.sqrt(values.clip(min=0))  # A^(1/2) but for a rotation, which leaves the eigenvalues below alone
    shared = np.linalg.eigvalsh(root.T @ b.covariance @ root).clip(min=0)
    apart = a.mean - b.mean
    distance = apart @ apart + np.trace(a.covariance) + np.trace(b.covariance) - 2 * np.sqrt(shared).sum()
    return max(0.0, float(distance))


def frechet_distance_of(a: ArrayLike, b: ArrayLike) -> float:
    """The Fréchet distance between two sets of features.  [N,D], [M,D]"""
    return frechet_distance(gaussian_of(a), gaussian_of(b))


def frechet_score(a: ArrayLike, b: ArrayLike, protocol: str) -> Score:
    """The Fréchet distance between two sets of features of like number, with its interval.  [N,D], [M,D]

    The interval is around the distance of so many images, which is larger than that of endlessly many.
    """
    a, b = np.asarray(a), np.asarray(b)
    kept = zip(rows_without_each(len(a)), rows_without_each(len(b)), strict=True)
    left_out = (frechet_distance_of(a[of_a], b[of_b]) for of_a, of_b in kept)
    return not_negative(jackknife(frechet_distance_of(a, b), left_out, min(len(a), len(b)), protocol))

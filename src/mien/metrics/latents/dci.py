"""Disentanglement, completeness and informativeness: which latents a sparse linear prediction of factors needs."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.metrics.intervals import rows_without_each

PENALTIES = (0.003, 0.01, 0.03, 0.1)  # of the lasso, all in units of standard deviation
TOLERATED = 0.01  # loss of R^2 for a larger penalty
STEPS = 300  # of its solution, and a tenth of it from the solution of almost the same images

Values = NDArray[np.float64]


class Moments(NamedTuple):
    """Second moments of latents and factors, both of mean 0 and variance 1 on training images: all a regression needs.

    within: latents with latents, [Z,Z].    across: latents with factors, [Z,F].    Means over images.
    """

    within: Values
    across: Values


def lasso(moments: Moments, penalty: float, start: Values | None = None, steps: int = STEPS) -> Values:
    """Weights that minimise |y - z W|^2 / 2, averaged over images, + penalty * |W|_1, for every factor.  -> [Z,F]

    Source: Beck & Teboulle 2009, "A fast iterative shrinkage-thresholding algorithm".
    """
    steepest = max(float(np.linalg.eigvalsh(moments.within)[-1]), 1e-12)
    weights = np.zeros_like(moments.across) if start is None else start
    ahead, pace = weights, 1.0
    for _ in range(steps):
        moved = ahead - (moments.within @ ahead - moments.across) / steepest
        shrunk = np.sign(moved) * np.maximum(np.abs(moved) - penalty / steepest, 0)
        next_pace = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        ahead = shrunk + (pace - 1) / next_pace * (shrunk - weights)
        weights, pace = shrunk, next_pace
    return weights


def disentanglement_of(importance: Values) -> float:
    """Whether each latent matters to one factor only: 1 if so, 0 if to all alike.  [Z,F], F > 1

    Latents count by their share of the whole importance. Source: Eastwood & Williams 2018, "A framework for the
    quantitative evaluation of disentangled representations".
    """
    total = importance.sum()
    if total <= 0:
        return 0.0
    rows = importance.sum(1, keepdims=True)
    shares = importance / np.where(rows > 0, rows, 1)
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(1) / np.log(importance.shape[1])
    return float(((1 - entropy) * rows[:, 0]).sum() / total)


def completeness_of(importance: Values) -> float:
    """Whether each factor needs one latent only: 1 if so, 0 if all alike.  [Z,F], Z > 1    Source: as above."""
    return disentanglement_of(importance.T)


class Trial(NamedTuple):
    """Scores of all images and without each group of them.  [GROUPS + 1] each

    informativeness: R^2 on test images, mean over factors, from 0 to 1.
    """

    disentanglement: Values
    completeness: Values
    informativeness: Values


def dci(
    train: tuple[NDArray[np.float32], NDArray[np.float32]],
    test: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> Trial:
    """Predict factors from latents by a lasso, and score the weights it needs.  ([N,Z], [N,F]) x 2

    The importance of a latent for a factor is the size of its weight, latents in units of their standard deviation.
    """
    codes, factors, tested, truth = standardized(train, test)
    penalty = choose_penalty(codes, factors)
    groups, whole = moments_of_groups(codes, factors), moments(codes, factors)
    weights = lasso(whole, penalty)
    found = [weights]
    for size, group in groups:
        share = size / len(codes)
        rest = Moments(*((a - share * b) / (1 - share) for a, b in zip(whole, group, strict=True)))
        found.append(lasso(rest, penalty, weights, STEPS // 10))
    sizes = [np.abs(one) for one in found]
    kept = [np.ones(len(truth), np.bool_), *rows_without_each(len(truth))]
    explained = np.array([explained_share(tested @ weights, truth, rows) for rows in kept])
    complete = np.array([completeness_of(one) for one in sizes])
    return Trial(np.array([disentanglement_of(one) for one in sizes]), complete, explained)


def standardized(
    train: tuple[NDArray[np.float32], NDArray[np.float32]], test: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> tuple[Values, Values, Values, Values]:
    """Latents and factors of train, then of test, with mean 0 and variance 1 on train; what is constant stays 0."""
    scaled = []
    for fitted, other in zip(train, test, strict=True):
        mean, spread = fitted.mean(0, dtype=np.float64), fitted.std(0, dtype=np.float64)
        divisor = np.where(spread > 1e-9, spread, np.inf)
        scaled.append(((fitted - mean) / divisor, (other - mean) / divisor))
    (codes, tested), (factors, truth) = scaled
    return codes, factors, tested, truth


def moments(codes: Values, factors: Values) -> Moments:
    """Means of products.  [N,Z], [N,F]"""
    return Moments(codes.T @ codes / len(codes), codes.T @ factors / len(codes))


def moments_of_groups(codes: Values, factors: Values) -> list[tuple[int, Moments]]:
    """The number and the moments of each group of images."""
    groups = [~kept for kept in rows_without_each(len(codes))]
    return [(int(inside.sum()), moments(codes[inside], factors[inside])) for inside in groups]


def choose_penalty(codes: Values, factors: Values) -> float:
    """The largest penalty that predicts every fifth image about as well as the best, from the others."""
    held = np.arange(len(codes)) % 5 == 0  # not the last fifth: images may be in the order of classes
    fitted = moments(codes[~held], factors[~held])
    quality = [explained_share(codes @ lasso(fitted, one), factors, held) for one in PENALTIES]
    return max(penalty for penalty, found in zip(PENALTIES, quality, strict=True) if found >= max(quality) - TOLERATED)


def explained_share(predicted: Values, truth: Values, rows: NDArray[np.bool_]) -> float:
    """R^2, not below 0, mean over factors.  [N,F] x 2"""
    left = np.square(truth[rows] - predicted[rows]).sum(0)
    whole = np.square(truth[rows] - truth[rows].mean(0)).sum(0)
    return float(np.maximum(0, 1 - left / np.maximum(whole, 1e-12)).mean())

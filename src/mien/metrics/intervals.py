"""Intervals of numbers that are no plain means: leave some images out and see how far they move; shares of images."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtrit
from torch import Tensor

from mien.runs.score import Score

GROUPS = 10
Z = 1.96  # standard errors to either side of a normal interval
LEVEL = 1 - 2 * ndtr(-Z)
BLOCK = 1_024  # images at a time against all others, so that memory stays bounded
JACKKNIFE = f"interval: jackknife over {GROUPS} groups of images"


def group_of(count: int) -> NDArray[np.int64]:
    """Which group each of so many images belongs to, in turn.  -> [count], 0 to GROUPS - 1"""
    return np.arange(count) % GROUPS


def rows_without_each(count: int) -> list[NDArray[np.bool_]]:
    """Which of so many images are left without each group.  -> GROUPS x [count]"""
    return [group_of(count) != group for group in range(GROUPS)]


def jackknife(value: float, left_out: Iterable[float], images: int, protocol: str) -> Score:
    """A value with the interval that follows from what it is without each group of images.

    Fewer images than groups have no interval. Source: Efron & Tibshirani 1993, "An introduction to the
    bootstrap", chapter 11, with groups of images for images.
    """
    values = np.array(list(left_out)) if images >= GROUPS else np.full(1, np.nan)
    if not np.isfinite(values).all():
        return Score(value, None, None, images, protocol)
    half = float(stdtrit(GROUPS - 1, 0.975) * values.std()) * (GROUPS - 1) ** 0.5  # by Student's t
    return Score(value, value - half, value + half, images, f"{protocol}; {JACKKNIFE}")


def not_negative(score: Score) -> Score:
    """The score of something that cannot be below 0."""
    return score if score.low is None else replace(score, low=max(0.0, score.low))


def mean_score(per_image: ArrayLike, protocol: str) -> Score:
    """The mean over images, with a normal interval from their spread.  [N] -> Score"""
    values = np.asarray(per_image, dtype=np.float64)
    mean = float(values.mean())
    if len(values) < 2:
        return Score(mean, None, None, len(values), protocol)
    half = float(Z * values.std(ddof=1) / np.sqrt(len(values)))
    return Score(mean, mean - half, mean + half, len(values), protocol)


def share_score(hits: ArrayLike, protocol: str) -> Score:
    """The share of images that something is true of; its interval is Wilson's, so none or all is no certainty.

    bool [N].
    """
    from scipy.stats import binomtest  # which takes half a second to import

    values = np.asarray(hits, dtype=bool)
    low, high = binomtest(int(values.sum()), len(values)).proportion_ci(LEVEL, method="wilson")
    return Score(float(values.mean()), float(low), float(high), len(values), protocol)


def sums_between_groups(
    a: ArrayLike, b: ArrayLike, function: Callable[[Tensor, Tensor], Tensor]
) -> NDArray[np.float64]:
    """Sums of a function of all pairs of images, by the groups of the two.  [N,D], [M,D] -> [GROUPS,GROUPS]

    function: [n,D], [M,D] -> [n,M], in double precision.

    What is left when a group is left out follows from these sums, so a jackknife costs no more than the value.
    """
    rows, columns = tensor(a), tensor(b)
    row_groups, column_groups = (torch.eye(GROUPS).double()[group_of(len(x))] for x in (rows, columns))
    sums = torch.zeros(GROUPS, GROUPS, dtype=torch.float64)
    for start in range(0, len(rows), BLOCK):
        piece = slice(start, start + BLOCK)
        sums += row_groups[piece].T @ function(rows[piece], columns) @ column_groups
    return sums.numpy()


def without_each(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of all pairs that touch no image of a group, for each group.  [GROUPS,GROUPS] -> [GROUPS]"""
    left: NDArray[np.float64] = sums.sum() - sums.sum(0) - sums.sum(1) + np.diag(sums)
    return left


def sizes_without_each(count: int) -> NDArray[np.int64]:
    """How many images are left without each group.  -> [GROUPS]"""
    return count - np.bincount(group_of(count), minlength=GROUPS)


def tensor(features: ArrayLike) -> Tensor:
    """Features in double precision.  [N,D]"""
    return torch.from_numpy(np.asarray(features, dtype=np.float64))

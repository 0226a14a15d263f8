"""The kernel distance between two sets of features: how far they are from being alike, whatever their shape."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mien.metrics.intervals import GROUPS, group_of, jackknife, sizes_without_each, sums_between_groups, without_each
from mien.runs.score import Score


def cubic_kernel(x: Tensor, y: Tensor) -> Tensor:
    """(x . y / D + 1)^3 of all pairs.  [N,D], [M,D] -> [N,M]"""
    return (x @ y.T / x.shape[1] + 1) ** 3


def kernel_score(a: ArrayLike, b: ArrayLike, protocol: str) -> Score:
    """The squared maximum mean discrepancy with the cubic kernel, without bias, with its interval.  [N,D], [M,D]

    It is 0 on average where both are drawn from one distribution, and so below 0 about half of the time.
    Source: Bińkowski et al. 2018 (arXiv:1801.01401); Gretton et al. 2012, "A kernel two-sample test", equation 3.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    within_a, within_b, between = sums_of_others(a), sums_of_others(b), sums_between_groups(a, b, cubic_kernel)

    def discrepancy(of_a: float, of_b: float, of_both: float, n: int, m: int) -> float:
        return float(of_a / (n * (n - 1)) + of_b / (m * (m - 1)) - 2 * of_both / (n * m))

    value = discrepancy(within_a.sum(), within_b.sum(), between.sum(), len(a), len(b))
    parts = (without_each(within_a), without_each(within_b), without_each(between))
    sizes = (sizes_without_each(len(a)), sizes_without_each(len(b)))
    left_out = (discrepancy(*left) for left in zip(*parts, *sizes, strict=True))
    return jackknife(value, left_out, min(len(a), len(b)), protocol)


def sums_of_others(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of the kernel of all pairs of two different images of a set, by group.  [N,D] -> [GROUPS,GROUPS]"""
    with_itself = ((features**2).sum(1) / features.shape[1] + 1) ** 3
    own = np.bincount(group_of(len(features)), weights=with_itself, minlength=GROUPS)
    return sums_between_groups(features, features, cubic_kernel) - np.diag(own)

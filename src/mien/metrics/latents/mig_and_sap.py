"""Is there one latent for each factor? The gap between the latent that tells most of a factor and the next one."""

import numpy as np
from numpy.typing import NDArray

from mien.metrics.intervals import GROUPS, group_of, rows_without_each

BINS = 20  # of equal width, for every latent and every continuous factor


def mutual_information_gaps(codes: NDArray[np.float32], factors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The mutual information gap, of all images and without each group of them.  [N,Z], [N,F] -> [GROUPS + 1]

    For every factor the mutual information with each latent, as a share of the factor's entropy; the largest minus
    the next; averaged over factors. 1: each factor is told by a single latent. Latents and factors are taken in 20
    bins of equal width, as by Locatello et al. 2019 (arXiv:1811.12359). Source: Chen et al. 2018 (arXiv:1802.04942).
    """
    binned, levels = in_bins(codes), in_bins(factors)
    gaps = [gap(shares_of_entropy(joint_counts(binned, level))) for level in levels.T]
    means: NDArray[np.float64] = np.mean(gaps, axis=0)
    return means


def in_bins(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Each column in bins of equal width between its smallest and largest value.  [N,C] -> [N,C] in 0 .. BINS - 1"""
    low = values.min(0)
    width = np.maximum(values.max(0) - low, 1e-12)
    binned: NDArray[np.int64] = np.minimum((BINS * ((values - low) / width)).astype(np.int64), BINS - 1)
    return binned


def joint_counts(binned: NDArray[np.int64], level: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many images fall in each pair of bins of latent and factor.  [N,Z], [N] -> [GROUPS + 1,Z,BINS,BINS]

    First of all images, then without each group.
    """
    count, size = binned.shape
    place = (group_of(count)[:, None] * size + np.arange(size)) * BINS**2 + binned * BINS + level[:, None]
    of_group = np.bincount(place.ravel(), minlength=GROUPS * size * BINS**2).reshape(GROUPS, size, BINS, BINS)
    total = of_group.sum(0)
    return np.concatenate([total[None], total - of_group]).astype(np.float64)


def shares_of_entropy(joint: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mutual information as a share of the factor's entropy, from joint counts.  [G,Z,BINS,BINS] -> [G,Z]"""
    joint = joint / np.maximum(joint.sum((2, 3), keepdims=True), 1)
    of_code, of_factor = joint.sum(3), joint.sum(2)
    entropy = -plogp(of_factor).sum(2)
    information = plogp(joint).sum((2, 3)) - plogp(of_code).sum(2) + entropy
    shares: NDArray[np.float64] = information / np.maximum(entropy, 1e-12)
    return shares


def plogp(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """p log p, and 0 at 0."""
    result: NDArray[np.float64] = p * np.log(np.where(p > 0, p, 1))
    return result


def gap(scores: NDArray[np.float64], worst: float = 0.0) -> NDArray[np.float64]:
    """The largest minus the next of the last axis; a single latent is compared with one that tells nothing."""
    padded = np.concatenate([scores, np.full((*scores.shape[:-1], 1), worst)], axis=-1)
    leading = np.sort(padded, axis=-1)
    difference: NDArray[np.float64] = leading[..., -1] - leading[..., -2]
    return difference


def separated_predictability(codes: NDArray[np.float32], factors: NDArray[np.float32]) -> NDArray[np.float64]:
    """SAP, of all images and without each group of them.  [N,Z], [N,F] -> [GROUPS + 1]

    For every factor how well each latent alone predicts it; the best minus the next; averaged over factors. For a
    factor of 0 and 1: balanced accuracy of the best threshold. For another: squared correlation.
    Source: Kumar et al. 2018 (arXiv:1711.00848).
    """
    left_out = [sap(codes[rows], factors[rows]) for rows in rows_without_each(len(codes))]
    return np.array([sap(codes, factors), *left_out])


def sap(codes: NDArray[np.float32], factors: NDArray[np.float32]) -> float:
    """SAP of these images.  [N,Z], [N,F]"""
    order = np.argsort(codes, axis=0)
    ordered = np.take_along_axis(codes, order, axis=0)
    ends = np.concatenate([ordered[1:] > ordered[:-1], np.ones((1, codes.shape[1]), np.bool_)])  # of equal values
    gaps = []
    for factor in factors.T:
        if np.isin(factor, (0, 1)).all():
            gaps.append(gap(threshold_accuracy(factor[order], ends), worst=0.5))
        else:
            gaps.append(gap(squared_correlation(codes, factor)))
    return float(np.mean(gaps))


def threshold_accuracy(labels: NDArray[np.float32], ends: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Balanced accuracy of the best threshold on each latent.  [N,Z] in the latent's order, [N,Z] -> [Z]

    It is (1 + D) / 2 with D the largest difference of the two classes' cumulative distributions.
    """
    ones = max(float(labels[:, 0].sum()), 1.0)
    zeros = max(len(labels) - float(labels[:, 0].sum()), 1.0)
    apart = np.cumsum(np.where(labels > 0, 1 / ones, -1 / zeros), axis=0)
    accuracy: NDArray[np.float64] = (1 + np.abs(np.where(ends, apart, 0)).max(0)) / 2
    return accuracy


def squared_correlation(codes: NDArray[np.float32], factor: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared correlation of each latent with a factor; 0 where either does not vary.  [N,Z], [N] -> [Z]"""
    centred = codes - codes.mean(0, dtype=np.float64)
    target = factor - factor.mean(dtype=np.float64)
    product = np.square(target @ centred)
    squared: NDArray[np.float64] = product / np.maximum(np.square(centred).sum(0) * np.square(target).sum(), 1e-12)
    return squared

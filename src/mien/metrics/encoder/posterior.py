"""Latents of images: how many are active, and how far their aggregate is from the prior of the samples."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mien.metrics import numbers
from mien.metrics.intervals import GROUPS, jackknife, not_negative, rows_without_each
from mien.models.base import Encodes
from mien.pictures import arrays, of_models
from mien.runs.score import Score
from mien.seeds import Seed

ACTIVE = 0.01  # variance of a latent's mean over images above which the latent is active


class Encoded(NamedTuple):
    """Images in [-1, 1], their attributes, and mean and log-variance of their latents.  [n,3,S,S], [n,A], [n,Z] x 2"""

    x: Tensor
    y: Tensor | None
    mu: Tensor
    logvar: Tensor


def encoded(model: Encodes, images: arrays.Pictures, y: Tensor | None) -> Iterator[Encoded]:
    """Images through the encoder, some at a time, on the model's device."""
    with of_models.evaluating(model) as device:
        for x, labels in of_models.with_labels(images, y, device):
            yield Encoded(x, labels, *model.encode(x, labels))


def draws(means: NDArray[np.float32], logvars: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """One latent from q(z given x) for each image.  [N,Z] x 2 -> [N,Z]"""
    noise = np.random.default_rng(seed).standard_normal(means.shape, np.float32)
    drawn: NDArray[np.float32] = means + np.exp(0.5 * logvars) * noise
    return drawn


def exactly(value: float, images: int, protocol: str) -> Score:
    """A number that other images would not move."""
    return Score(float(value), None, None, images, protocol)


def latents(means: NDArray[np.float32]) -> dict[str, Score]:
    """The number of latents, and of those that are active.  means of q(z given x), [N,Z]

    Source: Burda et al. 2016 (arXiv:1509.00519).
    """
    left_out = (float(active(means[rows])) for rows in rows_without_each(len(means)))
    protocol = f"test split, latents whose mean has a variance above {ACTIVE} over images"
    return {
        numbers.ACTIVE_UNITS.name: not_negative(jackknife(float(active(means)), left_out, len(means), protocol)),
        numbers.LATENT_DIM.name: exactly(means.shape[1], len(means), "numbers in a latent, from the recipe"),
    }


def active(means: NDArray[np.float32]) -> int:
    """How many columns vary.  [N,Z]"""
    return int((means.var(0, dtype=np.float64) > ACTIVE).sum()) if len(means) else 0


class Divergence(NamedTuple):
    """KL of a Gaussian to N(0, I), in nats, and the two parts that add up to it.

    total_correlation: for the dependence between dimensions.  dimensions: for each one's own mean and variance.
    """

    whole: float
    total_correlation: float
    dimensions: float


def divergence(values: NDArray[np.float32]) -> Divergence:
    """KL to N(0, I) of the Gaussian with the mean and covariance of some latents.  [N,Z]

    No other distribution with that mean and covariance is nearer to N(0, I). The parts are those of
    Chen et al. 2018 (arXiv:1802.04942) for a Gaussian.
    """
    mean, covariance = values.mean(0, dtype=np.float64), np.atleast_2d(np.cov(values.T.astype(np.float64)))
    covariance += 1e-12 * np.eye(len(mean))  # latents without any variance are far from N(0, I), not endlessly far
    variances = np.diag(covariance)
    logs = float(np.log(variances).sum())
    total_correlation = 0.5 * (logs - float(np.linalg.slogdet(covariance)[1]))
    dimensions = 0.5 * (float((variances + np.square(mean) - 1).sum()) - logs)
    return Divergence(total_correlation + dimensions, total_correlation, dimensions)


def aggregate(means: NDArray[np.float32], logvars: NDArray[np.float32]) -> dict[str, Score]:
    """The aggregate posterior of images against the prior, [N,Z] x 2; empty with too few images for a covariance."""
    count, size = means.shape
    if count * (GROUPS - 1) // GROUPS <= 2 * size:
        return {}
    how = f"KL in nats to N(0, I) of the Gaussian fitted to one draw from q(z given x) of {count:,} training images"
    prior = np.random.default_rng(Seed.PRIOR).standard_normal(means.shape, np.float32)
    own, floor = divergences(draws(means, logvars, Seed.POSTERIOR)), divergences(prior)
    described = {
        numbers.AGGREGATE_KL: (own, 0, f"{how}; the true aggregate is at least as far"),
        numbers.AGGREGATE_KL_FLOOR: (floor, 0, f"{how}, but of as many draws from N(0, I) itself: what chance leaves"),
        numbers.CORRELATION: (own, 1, f"{how}, the part for dependence between latents"),
        numbers.CORRELATION_FLOOR: (floor, 1, "the same of as many draws from N(0, I) itself"),
        numbers.DIMENSION_KL: (own, 2, f"{how}, the part for each latent's own mean and variance, summed"),
    }
    return {
        number.name: not_negative(jackknife(found[0][part], (left[part] for left in found[1:]), count, protocol))
        for number, (found, part, protocol) in described.items()
    }


def divergences(values: NDArray[np.float32]) -> list[Divergence]:
    """Of all latents, and of all but those of each group.  [N,Z] -> GROUPS + 1"""
    return [divergence(values), *(divergence(values[rows]) for rows in rows_without_each(len(values)))]

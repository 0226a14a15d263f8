"""What a measurement is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Score:
    """A value with its 95 % interval over images, how many images, and how it was measured.

    The interval says how far the value would move with other images; it says nothing about other training seeds.
    """

    value: float
    low: float | None  # one image has no interval
    high: float | None
    images: int
    protocol: str


def mean_score(per_image: ArrayLike, protocol: str) -> Score:
    """The mean over images, with a normal interval from their spread.  [N] -> Score"""
    values = np.asarray(per_image, dtype=np.float64)
    mean = float(values.mean())
    if len(values) < 2:
        return Score(mean, None, None, len(values), protocol)
    half = float(1.96 * values.std(ddof=1) / np.sqrt(len(values)))
    return Score(mean, mean - half, mean + half, len(values), protocol)

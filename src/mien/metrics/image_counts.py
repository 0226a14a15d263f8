"""How many images a number is computed from: round counts, so that numbers of different models are comparable."""

import numpy as np
from numpy.typing import NDArray

from mien.faces.splits import spread

FEWEST = 10  # images, below which distances between distributions say nothing and are not measured


def round_count(most: int) -> int:
    """The largest count with one digit other than 0: 2,129 gives 2,000."""
    power: int = 10 ** (len(str(most)) - 1)
    return most // power * power


def in_words(count: int) -> str:
    """A count as it stands in a metric's name: 600, 2k."""
    return f"{count // 1000}k" if count >= 1000 and count % 1000 == 0 else str(count)


def cut(features: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """So many of the features of real images, evenly spread over all.  [N,D] -> [count,D]"""
    return features[spread(np.arange(len(features)), count)]


def halves(features: NDArray[np.float32], most: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Two sets of features of real images that share none, of at most so many each.  [N,D] -> [n,D] x 2"""
    kept = cut(features, min(2 * most, len(features) // 2 * 2))
    return kept[::2], kept[1::2]

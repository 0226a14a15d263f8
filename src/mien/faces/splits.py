"""The split into training, validation and test, decided by the content of pictures, not by order or names."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.faces.labelled_faces import SPLITS

TRAIN, VALIDATION, TEST = range(len(SPLITS))
NOT_GIVEN = -1
VALIDATION_SHARE = 0.05  # of train, where a test split is given
TEST_FROM, VALIDATION_FROM = 0.9, 0.8  # where no test split is given


@dataclass(frozen=True)
class Division:
    """split: uint8 [N], an index into SPLITS.    rule: how it was made, in words."""

    split: NDArray[np.uint8]
    rule: str


def divide(digests: NDArray[np.uint8], given: NDArray[np.int8]) -> Division:
    """Split N pictures by the digests of their pixels, uint8 [N,D], keeping what the source gives, int8 [N].

    Equal digests fall on the same side, and a side that would be empty gets one picture where there are enough.
    """
    draw = digests[:, :8].copy().view(np.uint64)[:, 0].astype(np.float64) / 2.0**64  # uniform in [0, 1)
    if (given == VALIDATION).any() and not (given == TEST).any():
        split = np.where(given == VALIDATION, VALIDATION, np.where(draw >= TEST_FROM, TEST, TRAIN))
        _fill(split, TEST, draw)
        rule = "validation as given by the source; 10 % of train, by a hash of the pixels, for test"
        return Division(split.astype(np.uint8), rule)
    if not (given == TEST).any():
        split = np.select([draw >= TEST_FROM, draw >= VALIDATION_FROM], [TEST, VALIDATION], TRAIN)
        _fill(split, TEST, draw)
        _fill(split, VALIDATION, draw)
        return Division(split.astype(np.uint8), "80 / 10 / 10 by a hash of the pixels")
    split = np.where(given == NOT_GIVEN, TRAIN, given)
    if (given == VALIDATION).any():
        return Division(split.astype(np.uint8), "as given by the source")
    split[(split == TRAIN) & (draw >= 1 - VALIDATION_SHARE)] = VALIDATION
    _fill(split, VALIDATION, draw)
    return Division(
        split.astype(np.uint8), "test as given by the source; 5 % of train, by a hash of the pixels, for validation"
    )


def _fill(split: NDArray[np.int_], side: int, draw: NDArray[np.float64]) -> None:
    """Give an empty side the training picture (and its duplicates) of the largest draw, if others remain."""
    train = np.unique(draw[split == TRAIN])
    if not (split == side).any() and len(train) > 1:
        split[(split == TRAIN) & (draw == train[-1])] = side


def spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many rows, evenly spread over all of them."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]

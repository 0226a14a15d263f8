"""Pairs of faces that differ in one attribute by design: whether it flips, what else moves, what stays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.faces.batches import CHUNK
from mien.faces.pixel_range import GREY_LEVELS
from mien.judge import Judge
from mien.metrics import numbers
from mien.metrics.intervals import Z, mean_score, share_score
from mien.pictures.arrays import Pictures
from mien.runs.score import Score
from mien.seeds import Seed

SEEN = 0.5  # probability above which the judge counts an attribute as seen


@dataclass(frozen=True)
class Look:
    """Images with the judge's features and probabilities.  uint8 [N,S,S,3], float32 [N,D], float32 [N,A] in [0, 1]"""

    images: Pictures
    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]

    def sees(self, column: int) -> NDArray[np.bool_]:
        """Whether the judge sees an attribute in each image.  -> [N]"""
        return self.probabilities[:, column] > SEEN

    def where(self, choose: NDArray[np.bool_], other: "Look") -> "Look":
        """These images where `choose` is true, and the other images elsewhere.  bool [N]"""
        features = np.where(choose[:, None], self.features, other.features)
        probabilities = np.where(choose[:, None], self.probabilities, other.probabilities)
        return Look(np.where(choose[:, None, None, None], self.images, other.images), features, probabilities)

    def of(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> "Look":
        """Some of the images."""
        return Look(self.images[rows], self.features[rows], self.probabilities[rows])


def look(judge: Judge, images: Pictures) -> Look:
    """Show images to the judge."""
    return Look(images, *judge.look(images))


def report(off: Look, on: Look, attribute: str, tells: Sequence[str], unrelated: Look, how: str) -> dict[str, Score]:
    """Whether an attribute flips between the halves of pairs, what else does, and how much of the face stays.

    off, on: without and with the attribute, pair by pair.  tells: names of the judge's columns.
    unrelated: faces of the same model that have nothing to do with one another.  how: the pairs in words.
    """
    scores: dict[str, Score] = {}
    if attribute in tells:
        column = tells.index(attribute)
        change = on.probabilities[:, column].astype(np.float64) - off.probabilities[:, column]
        before, after = off.sees(column), on.sees(column)
        right = f"{how}; share where the judge sees {attribute}"
        scores[numbers.FLIP_RATE.of(attribute)] = share_score(
            ~before & after, f"{right} in the half with it and not in the other"
        )
        scores[numbers.FLIP_BACK.of(attribute)] = share_score(
            before & ~after,
            f"{right} in the half without it and not in the other; a label without effect flips as many",
        )
        scores[numbers.FLIP_CHANCE.of(attribute)] = chance(unrelated.sees(column), attribute)
        scores[numbers.SHIFT.of(attribute)] = mean_score(
            change, f"{how}; mean change of the judge's probability of {attribute}, from -1 to 1"
        )
    return scores | leaks(off, on, attribute, tells, how) | changes(off, on, attribute, unrelated, how)


def leaks(off: Look, on: Look, attribute: str, tells: Sequence[str], how: str) -> dict[str, Score]:
    """The change of every other attribute that the judge knows."""
    scores: dict[str, Score] = {}
    for column, other in enumerate(tells):
        if other != attribute:
            change = on.probabilities[:, column].astype(np.float64) - off.probabilities[:, column]
            scores[numbers.LEAK_SHIFT.of(attribute, other)] = mean_score(
                change, f"{how}; mean change of the judge's probability of {other}; 0 if only {attribute} changes"
            )
            scores[numbers.LEAK_FLIPS.of(attribute, other)] = share_score(
                off.sees(column) != on.sees(column), f"{how}; share where the judge sees {other} in one half only"
            )
    return scores


def changes(off: Look, on: Look, attribute: str, unrelated: Look, how: str) -> dict[str, Score]:
    """How far the halves of pairs are apart, against unrelated faces; empty where the unrelated faces are all equal."""
    half = len(unrelated.images) // 2
    shuffled = np.random.default_rng(Seed.UNRELATED).permutation(len(unrelated.images))  # else in order of classes
    one, other = unrelated.of(shuffled[:half]), unrelated.of(shuffled[half : 2 * half])
    over = f"between the halves over that of {half:,} unrelated pairs; 0: nothing changes, 1: another face"
    scores: dict[str, Score] = {}
    for name, distance, what in (
        ("pixels", pixel_distance, "mean absolute difference of pixels"),
        ("features", feature_distance, "mean Euclidean distance of the judge's features"),
    ):
        apart = distance(one, other)
        if half and apart.mean() > 0:
            scores[numbers.CHANGE[name].of(attribute)] = ratio(distance(off, on), apart, f"{how}; {what} {over}")
    return scores


def pixel_distance(one: Look, other: Look) -> NDArray[np.float64]:
    """Mean absolute difference of each pair of images, pixels in [-1, 1].  -> [N]"""
    pieces = [
        np.abs(one.images[start : start + CHUNK].astype(np.int16) - other.images[start : start + CHUNK]).mean(
            (1, 2, 3), dtype=np.float64
        )
        for start in range(0, len(one.images), CHUNK)
    ]
    return np.concatenate([np.empty(0), *pieces]) / GREY_LEVELS


def feature_distance(one: Look, other: Look) -> NDArray[np.float64]:
    """Euclidean distance of each pair of images in the judge's features.  -> [N]"""
    apart: NDArray[np.float64] = np.linalg.norm(one.features.astype(np.float64) - other.features, axis=1)
    return apart


def ceiling(
    probabilities: NDArray[np.float32], labels: NDArray[np.int8], attribute: str, tells: Sequence[str]
) -> dict[str, Score]:
    """The judge's flip rate on real faces, which limits that of pairs; and the other attributes of those faces.

    probabilities: the judge's, of real faces.  [N,A]
    labels: the attribute of the real faces, 1 has it, 0 has not, -1 unknown.  [N]
    Empty where all faces have the attribute, or none.
    """
    without, having = probabilities[labels == 0], probabilities[labels == 1]
    if attribute not in tells or min(len(without), len(having)) < 2:
        return {}
    column, count = tells.index(attribute), int((labels >= 0).sum())
    protocol = (
        f"test split; share of random pairs of a face without {attribute} and one with it that the judge sees so: "
        "its true-negative rate x its true-positive rate"
    )
    seen = product(without[:, column] <= SEEN, having[:, column] > SEEN, protocol)
    scores = {numbers.FLIP_CEILING.of(attribute): seen}
    for place, other in enumerate(tells):
        if other != attribute:
            change = having[:, place], without[:, place]
            words = (
                f"test split; the judge's mean probability of {other} of faces with {attribute}, less that without it"
            )
            scores[numbers.LEAK_REAL.of(attribute, other)] = difference(*change, words, count)
    return scores


def chance(seen: NDArray[np.bool_], attribute: str) -> Score:
    """How often two unrelated faces are (without, with): p (1 - p) for the share p the judge sees it in.  bool [N]"""
    found = share_score(seen, "")
    assert found.low is not None
    assert found.high is not None
    ends = [p * (1 - p) for p in (found.low, found.high)]
    high = 0.25 if found.low <= 0.5 <= found.high else max(ends)
    protocol = (
        f"{len(seen):,} unrelated faces of the model; p (1 - p), p being the share where the judge sees {attribute}: "
        "the flip rate of pairs whose halves know nothing of the label or of each other"
    )
    return Score(found.value * (1 - found.value), min(ends), high, len(seen), protocol)


def product(one: NDArray[np.bool_], other: NDArray[np.bool_], protocol: str) -> Score:
    """The product of two shares, its interval by the delta method.  bool [N], bool [M]

    For the interval, one hit and one miss are added to each: a few hits without a miss are no certainty.
    """
    value = float(one.mean() * other.mean())
    smooth = [(float(hits.sum()) + 1) / (len(hits) + 2) for hits in (one, other)]
    variances = [p * (1 - p) / len(hits) for p, hits in zip(smooth, (one, other), strict=True)]
    half = Z * float(np.sqrt(smooth[1] ** 2 * variances[0] + smooth[0] ** 2 * variances[1]))
    return Score(value, max(0.0, value - half), min(1.0, value + half), len(one) + len(other), protocol)


def difference(one: NDArray[np.float32], other: NDArray[np.float32], protocol: str, count: int) -> Score:
    """The difference of two means, with Welch's normal interval.  [N], [M]"""
    value = float(one.mean(dtype=np.float64) - other.mean(dtype=np.float64))
    half = Z * float(np.sqrt(one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other)))
    return Score(value, value - half, value + half, count, protocol)


def ratio(one: NDArray[np.float64], other: NDArray[np.float64], protocol: str) -> Score:
    """The ratio of two means, with an interval by the delta method.  [N], [M]"""
    top, bottom = float(one.mean()), float(other.mean())
    value = top / bottom
    if min(len(one), len(other)) < 2:
        return Score(value, None, None, len(one), protocol)
    spread = one.var(ddof=1) / len(one) + value**2 * other.var(ddof=1) / len(other)
    half = Z * float(np.sqrt(spread)) / bottom
    return Score(value, max(0.0, value - half), value + half, len(one), protocol)

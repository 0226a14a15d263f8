"""Variety of samples, compared with real images."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from mien.metrics import numbers
from mien.metrics.evaluated_model import Subject
from mien.metrics.image_counts import FEWEST, cut, round_count
from mien.metrics.intervals import (
    jackknife,
    not_negative,
    share_score,
    sizes_without_each,
    sums_between_groups,
    tensor,
    without_each,
)
from mien.metrics.samples.coverage import reaches
from mien.runs.score import Score
from mien.seeds import Seed

IMAGES = 2_000  # at most, of each kind
QUANTILE = 0.01  # of real images are as near to another real image as a duplicate is


def diversity(subject: Subject) -> dict[str, Score]:
    """How far samples are from each other, over how far test images are; and how many samples are nearly alike.

    The floor is the same of training images in place of samples. Nothing where there are fewer than ten images.
    """
    judge = subject.extractors[0]
    found = {where: subject.features(judge, where) for where in ("samples", "train", "test")}
    count = round_count(min(IMAGES, *(len(features) for features in found.values())))
    if count < FEWEST:
        return {}
    samples, (train, test) = found["samples"][:count], (cut(found[split], count) for split in ("train", "test"))
    scores: dict[str, Score] = {}
    for features, what, distance, twins in (
        (samples, f"samples of seed {Seed.MEASURED}", numbers.DIVERSITY, numbers.DUPLICATES),
        (train, "training images", numbers.DIVERSITY_FLOOR, numbers.DUPLICATES_FLOOR),
    ):
        how = f"{judge.protocol}; {count} {what} and {count} test images"
        scores[distance.name] = variety_score(
            features, test, f"mean distance between pairs, over that of test images; {how}"
        )
        scores[twins.name] = share_score(
            duplicates(features, test),
            f"share nearer to another one than all but {QUANTILE:.0%} of test images are to another; {how}",
        )
    return scores


def mean_distance(features: ArrayLike) -> float:
    """Mean Euclidean distance between pairs of different images.  [N,D]"""
    return float(torch.nn.functional.pdist(tensor(features)).mean())


def variety_score(features: ArrayLike, real_features: ArrayLike, protocol: str) -> Score:
    """Mean distance between pairs of images over that of real ones: 1 is as varied, 0 is one image.  [N,D], [M,D]

    It falls when samples grow alike. A few faces over and over leave it high: `duplicates` sees those.
    """
    sums = [sums_between_groups(x, x, torch.cdist) for x in (features, real_features)]
    sizes = [len(np.asarray(x)) for x in (features, real_features)]

    def ratio(of_fake: float, of_real: float, n: int, m: int) -> float:
        return float(of_fake / (n * (n - 1)) / (of_real / (m * (m - 1))))

    parts = [*(without_each(s) for s in sums), *(sizes_without_each(size) for size in sizes)]
    left_out = (ratio(*left) for left in zip(*parts, strict=True))
    return not_negative(jackknife(ratio(sums[0].sum(), sums[1].sum(), *sizes), left_out, min(sizes), protocol))


def duplicates(features: ArrayLike, real_features: ArrayLike) -> NDArray[np.bool_]:
    """Which images have another image nearer than 99 % of as many real images have.  [N,D], [N,D] -> bool [N]"""
    usual = reaches(tensor(real_features), 1).quantile(QUANTILE)
    near: NDArray[np.bool_] = (reaches(tensor(features), 1) <= usual).numpy()
    return near

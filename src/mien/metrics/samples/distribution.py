"""How far samples are from real images as a whole, and whether they are copies of training images."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.faces.splits import spread
from mien.metrics import numbers
from mien.metrics.evaluated_model import Subject
from mien.metrics.extractors import Extractor
from mien.metrics.image_counts import FEWEST, cut, halves, in_words, round_count
from mien.metrics.intervals import jackknife, not_negative, rows_without_each, share_score
from mien.metrics.numbers import by_extractor
from mien.metrics.samples.coverage import coverage_scores, nearest
from mien.metrics.samples.frechet import frechet_score
from mien.metrics.samples.kernel_distance import kernel_score
from mien.runs.score import Score
from mien.seeds import Seed

FRECHET_IMAGES = 10_000  # at most, on each side
KERNEL_IMAGES = 5_000
COVERAGE_IMAGES = 2_000
COPIES = 0.01  # of test images are as near to a training image as a copy is

Features = NDArray[np.float32]


class Comparison(NamedTuple):
    """Two sets of images to compare.  key: of the number that it gives, in what `numbers.compared` declares"""

    key: str
    fake: Features
    real: Features
    what: str


class Looked(NamedTuple):
    """An extractor's features of samples, of test images, and of up to twice as many training images."""

    extractor: Extractor
    samples: Features
    test: Features
    train: Features

    def comparisons(self, most: int) -> tuple[int, list[Comparison]]:
        """Samples against test and training images, and real images in their place; how many are on each side."""
        count = round_count(min(most, len(self.samples)))
        samples, test, train = self.samples[:count], cut(self.test, count), cut(self.train, count)
        one, other = halves(self.train, count)
        sampled = f"{self.extractor.protocol}; {count} samples of seed {Seed.MEASURED} against {count}"
        real = f"{self.extractor.protocol}; {count} training against {count} test images"
        if self.extractor.name == "judge":
            real += ", the judge having been fitted to the training images"
        apart = f"{self.extractor.protocol}; {len(one)} training images against {len(other)} others"
        return count, [
            Comparison("test", samples, test, f"{sampled} test images"),
            Comparison("train", samples, train, f"{sampled} training images"),
            Comparison("floor_train", train, test, real),
            Comparison("floor_halves", one, other, apart),
        ]


def distribution(subject: Subject) -> dict[str, Score]:
    """Distances of samples to test and training images in the features of every extractor, with floors; and copying.

    Nothing where there are fewer than ten images to train or to test on.
    """
    if min(len(subject.rows(split)) for split in ("train", "test")) < FEWEST:
        return {}
    scores: dict[str, Score] = {}
    for extractor in subject.extractors:
        looked = look(subject, extractor)
        scores |= frechet_scores(looked) | kernel_scores(looked) | coverages(looked)
    return scores | copying(subject)


def common_count(subject: Subject, most: int) -> int:
    """A round number of images that samples, training and test images all have."""
    real = (len(subject.rows(split)) for split in ("train", "test"))
    return round_count(min(most, subject.sample_count, *real))


def look(subject: Subject, extractor: Extractor) -> Looked:
    """An extractor's features of as many samples, test and training images as are compared, and of no more."""
    count = common_count(subject, FRECHET_IMAGES)
    test = subject.features(extractor, "test")
    if extractor is subject.extractors[0]:  # other metrics need all of these too
        samples, train = subject.features(extractor, "samples")[:count], subject.features(extractor, "train")
        return Looked(extractor, samples, test, cut(train, 2 * count))
    train = extractor(subject.faces.images[spread(subject.rows("train"), 2 * count)])
    return Looked(extractor, extractor(subject.samples[:count]), test, train)


def frechet_scores(looked: Looked) -> dict[str, Score]:
    """Fréchet distances; with the features of Inception they are called FID."""
    declared, of = by_extractor(numbers.FRECHET, looked.extractor.name)
    count, comparisons = looked.comparisons(FRECHET_IMAGES)
    return {
        declared[c.key].of(*of, in_words(count)): frechet_score(c.fake, c.real, f"Fréchet distance, {c.what}")
        for c in comparisons
    }


def kernel_scores(looked: Looked) -> dict[str, Score]:
    """Kernel distances; with the features of Inception they are called KID alone."""
    declared, of = by_extractor(numbers.KID, looked.extractor.name)
    count, comparisons = looked.comparisons(KERNEL_IMAGES)
    what = "unbiased squared MMD, kernel (x.y / D + 1)^3"
    return {
        declared[c.key].of(*of, in_words(count)): kernel_score(c.fake, c.real, f"{what}, {c.what}") for c in comparisons
    }


def coverages(looked: Looked) -> dict[str, Score]:
    """Precision, recall, density and coverage."""
    count, comparisons = looked.comparisons(COVERAGE_IMAGES)
    return {
        declared[c.key].of(*of, in_words(count)): score
        for c in comparisons
        for name, score in coverage_scores(c.fake, c.real, c.what).items()
        for declared, of in (by_extractor(numbers.COVERAGES[name], looked.extractor.name),)
    }


def copying(subject: Subject) -> dict[str, Score]:
    """How near samples are to training images, beside test images, which cannot be copies; by the judge's features."""
    judge = subject.extractors[0]
    train = subject.features(judge, "train")
    of_samples, of_test = (nearest(subject.features(judge, where), train)[1].numpy() for where in ("samples", "test"))
    how = f"{judge.protocol}; {len(of_samples)} samples of seed {Seed.MEASURED}, {len(of_test)} test images, "
    how += f"{len(train)} training images"
    kept = zip(rows_without_each(len(of_samples)), rows_without_each(len(of_test)), strict=True)
    left_out = (of_samples[samples].mean() / of_test[test].mean() for samples, test in kept)
    ratio = float(of_samples.mean() / of_test.mean())
    words = f"mean distance to the nearest training image, over that of test images (copies have 0); {how}"
    near = of_samples <= np.quantile(of_test, COPIES)
    share = f"share nearer to a training image than all but {COPIES:.0%} of test images, which is the floor; {how}"
    return {
        numbers.NEAREST.name: not_negative(jackknife(ratio, left_out, min(len(of_samples), len(of_test)), words)),
        numbers.COPIED.name: share_score(near, share),
    }


def nearest_training(subject: Subject, count: int) -> NDArray[np.int64]:
    """Which faces of the training split are nearest to the first samples, by the judge.  -> rows of the faces [count]

    The samples are `subject.samples`.
    """
    judge = subject.extractors[0]
    samples, train = subject.features(judge, "samples")[:count], subject.features(judge, "train")
    rows: NDArray[np.int64] = subject.rows("train")[nearest(samples, train)[0].numpy()]
    return rows

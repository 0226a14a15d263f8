"""The judge's own accuracy on real test images, which says how far its numbers of samples can be trusted."""

import numpy as np
from numpy.typing import NDArray

from mien.faces import UNKNOWN
from mien.metrics.evaluated_model import Subject
from mien.metrics.intervals import Z
from mien.metrics.numbers import JUDGE_ACCURACY, JUDGE_AUC
from mien.runs.score import Score


def judgement(subject: Subject) -> dict[str, Score]:
    """Balanced accuracy and AUC of the judge for each attribute it tells, on the test split."""
    rows = subject.rows("test")
    probabilities = subject.probabilities("test")
    scores: dict[str, Score] = {}
    for index, name in enumerate(subject.judge.attributes):
        truth = subject.faces.attributes[rows, subject.faces.attribute_names.index(name)]
        known = truth != UNKNOWN
        seen, has = probabilities[known, index], truth[known] == 1
        if has.any() and not has.all():
            scores[JUDGE_ACCURACY.of(name)] = balanced_accuracy(
                seen > 0.5, has, "test split, balanced accuracy of the judge at a probability of 0.5; a guess has 0.5"
            )
            scores[JUDGE_AUC.of(name)] = area_under_curve(seen, has)
    return scores


def balanced_accuracy(seen: NDArray[np.bool_], truth: NDArray[np.bool_], protocol: str) -> Score:
    """Mean of the shares of the two classes that are seen right; a class without images counts as half right.

    For the interval, one right and one wrong are added to each class: a few hits without a miss are no certainty.
    """
    rates, variances = [], []
    for answer in (True, False):
        right = seen[truth == answer] == answer
        rates.append(float(right.mean()) if len(right) else 0.5)
        smoothed = (float(right.sum()) + 1) / (len(right) + 2)
        variances.append(smoothed * (1 - smoothed) / max(len(right), 1))
    value = sum(rates) / 2
    half = Z * 0.5 * float(np.sqrt(sum(variances)))
    return Score(value, max(0.0, value - half), min(1.0, value + half), len(truth), protocol)


def area_under_curve(seen: NDArray[np.float32], truth: NDArray[np.bool_]) -> Score:
    """How often the judge gives an image with the attribute a higher probability than one without.  [N] x 2

    Source of the interval: Hanley & McNeil 1982, "The meaning and use of the area under a ROC curve", equation 1.
    """
    from sklearn.metrics import roc_auc_score

    area = float(roc_auc_score(truth, seen))
    with_it, without = int(truth.sum()), int((~truth).sum())
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (with_it - 1) * (first - area**2) + (without - 1) * (second - area**2)
    half = Z * float(np.sqrt((area * (1 - area) + spread) / (with_it * without)))
    protocol = "test split, area under the judge's ROC curve, Hanley-McNeil interval; a guess has 0.5"
    return Score(area, max(0.0, area - half), min(1.0, area + half), len(truth), protocol)

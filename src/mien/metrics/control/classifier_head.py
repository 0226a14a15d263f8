"""The accuracy of a model's own attribute head: on real test images, and on its own samples.

The head was trained together with the generator, so this is no independent judgement of the samples.
"""

import numpy as np
from numpy.typing import NDArray

from mien.faces.batches import signed_chunks
from mien.metrics.control.judge_accuracy import balanced_accuracy
from mien.metrics.evaluated_model import Subject
from mien.metrics.numbers import HEAD_ACCURACY, HEAD_AGREEMENT
from mien.models.base import Classifies
from mien.pictures.of_models import evaluating
from mien.runs.score import Score
from mien.runs.weights import TrainedModel


def head_accuracy(subject: Subject) -> dict[str, Score]:
    """Balanced accuracy of the head on real test images, and its agreement with what samples were asked to have."""
    trained, faces, labels = subject.trained, subject.faces, subject.labels
    assert labels is not None
    rows = faces.rows("test", known=trained.attributes)
    scores: dict[str, Score] = {}
    real, fake = judged(trained, faces.images[rows]), judged(trained, subject.samples)
    protocol = "balanced accuracy of the model's own head, threshold 0.5"
    for index, name in enumerate(trained.attributes):
        truth = faces.attributes[rows, faces.attribute_names.index(name)] == 1
        asked = labels[:, index].numpy() == 1
        for number, seen, has, where in (
            (HEAD_ACCURACY, real, truth, "test split"),
            (HEAD_AGREEMENT, fake, asked, "own samples"),
        ):
            if has.any() and not has.all():  # else there is only one class
                scores[number.of(name)] = balanced_accuracy(seen[:, index], has, f"{where}, {protocol}")
    return scores


def judged(trained: TrainedModel, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which attributes the head sees.  uint8 [N,S,S,3] -> bool [N,A]"""
    model = trained.model
    if not isinstance(model, Classifies):
        raise TypeError(f"{model.title} has no attribute head: this metric is not for it")
    with evaluating(model) as device:
        logits = [model.classify(x).cpu().numpy() for x in signed_chunks(images, device)]
    return np.concatenate([np.empty((0, len(trained.attributes))), *logits]) > 0

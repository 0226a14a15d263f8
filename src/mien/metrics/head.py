"""What a model's own attribute head says: of real test images, and of its own samples.

The head was trained together with the generator, so this is no independent judgement of the samples.
"""

import numpy as np
from numpy.typing import NDArray

from mien.faces import Faces
from mien.metrics.reconstruction import signed_chunks
from mien.metrics.score import Score
from mien.models.base import Classifies
from mien.trained import TrainedModel
from mien.views import evaluating

SAMPLES = 1_000


def head_accuracy(trained: TrainedModel, faces: Faces) -> dict[str, Score]:
    """Balanced accuracy of the head on real test images, and its agreement with what samples were asked to have."""
    rows = faces.rows("test", known=trained.attributes)
    labels = trained.labels(SAMPLES, seed=1)
    assert labels is not None
    scores: dict[str, Score] = {}
    real, fake = judged(trained, faces.images[rows]), judged(trained, trained.sample(SAMPLES, seed=1))
    protocol = "balanced accuracy of the model's own head, threshold 0.5"
    for index, name in enumerate(trained.attributes):
        truth = faces.attributes[rows, faces.attribute_names.index(name)] == 1
        asked = labels[:, index].numpy() == 1
        if len(rows):  # a table may know the attributes of training images only
            scores[f"head_accuracy_{name}"] = balanced_accuracy(real[:, index], truth, f"test split, {protocol}")
        scores[f"head_agreement_{name}"] = balanced_accuracy(fake[:, index], asked, f"own samples, {protocol}")
    return scores


def judged(trained: TrainedModel, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which attributes the head sees.  uint8 [N,S,S,3] -> bool [N,A]"""
    model = trained.model
    assert isinstance(model, Classifies)
    with evaluating(trained.model) as device:
        logits = [model.classify(x.to(device)).cpu().numpy() for x in signed_chunks(images)]
    return np.concatenate([np.empty((0, len(trained.attributes))), *logits]) > 0


def balanced_accuracy(seen: NDArray[np.bool_], truth: NDArray[np.bool_], protocol: str) -> Score:
    """Mean of the shares of the two classes that are seen right; a class without images counts as half right.

    For the interval, one right and one wrong are added to each class: a few that are all right are no certainty.
    """
    rates, variances = [], []
    for answer in (True, False):
        right = seen[truth == answer] == answer
        rates.append(float(right.mean()) if len(right) else 0.5)
        smoothed = (float(right.sum()) + 1) / (len(right) + 2)
        variances.append(smoothed * (1 - smoothed) / max(len(right), 1))
    value = sum(rates) / 2
    half = 1.96 * 0.5 * float(np.sqrt(sum(variances)))
    return Score(value, max(0.0, value - half), min(1.0, value + half), len(truth), protocol)
